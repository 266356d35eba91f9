"""Signed marks of the ledger's end, kept outside the catalog, so that a cut tail or a full rewrite shows.

The catalog commits first and the mark follows. A crash between the two leaves a mark that lags: that is legal, as
a mark says "at least this was there". Signatures are Ed25519 (RFC 8032); the key never leaves its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from plimsoll.kernel.chain import Checkpoint, Line, faults
from plimsoll.store.durable import append_line, make_folder, unavailable
from plimsoll.store.signing import holds, kept_key, new_key, public_hex

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PURPOSE = "the ledger's checkpoints"


class Checkpoints:
    """``<folder>/checkpoints.jsonl``, append-only, and the key it is signed with, made at first use.

    The folder is for its owner only (0700), the key too (0600). Keep a copy of both elsewhere: who can rewrite the
    catalog *and* this folder can hide it.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._file = self._folder / "checkpoints.jsonl"
        self._key_file = self._folder / "checkpoints.key"
        self._key: Ed25519PrivateKey | None = None

    def mark(self, seq: int, digest: str, at: datetime) -> Checkpoint:
        """Sign (``seq``, ``digest``) and append it; durable on return. Raises Unavailable where it cannot be."""
        unsigned = Checkpoint(seq=seq, digest=digest, at=at)
        try:
            make_folder(self._folder, 0o700)
            signature = self._signing_key().sign(unsigned.signed_bytes()).hex()
            signed = msgspec.structs.replace(unsigned, signature=signature)
            append_line(self._file, msgspec.json.encode(signed), 0o600)
        except OSError as error:
            raise unavailable(f"marking line {seq} of the ledger", self._file, error) from error
        return signed

    def read(self) -> tuple[list[Checkpoint], list[str]]:
        """The marks whose signatures hold, and a sentence for each that does not.

        A last line without its end is what a crash leaves of a mark that nobody was told of: it is passed over.
        """
        good: list[Checkpoint] = []
        bad: list[str] = []
        key = self._key or kept_key(self._key_file, _PURPOSE)
        for number, line in enumerate(self._lines(), start=1):
            mark = _verified(line, key)
            if mark is None:
                bad.append(f"checkpoint {number} is not what was signed ({self._file})")
            else:
                good.append(mark)
        return good, bad

    def _lines(self) -> list[bytes]:
        try:
            return self._file.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def _signing_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            self._key = kept_key(self._key_file, _PURPOSE) or new_key(self._key_file, _PURPOSE)
        return self._key


class Stored(Protocol):
    """A ledger that can be read as it lies there, damage included."""

    def ledger_as_stored(self) -> Iterator[Line]: ...


def ledger_faults(catalog: Stored, checkpoints: Checkpoints) -> Iterator[str]:
    """One sentence for each thing wrong with the ledger: a changed line, a cut tail, a rewrite, a forged mark.

    The marks are read first: a line that is committed meanwhile then has no mark yet, which is legal.
    """
    good, bad = checkpoints.read()
    yield from bad
    yield from faults(catalog.ledger_as_stored(), good)


def _verified(line: bytes, key: Ed25519PrivateKey | None) -> Checkpoint | None:
    """The mark on ``line`` if its signature holds; without the key none does."""
    if key is None:
        return None
    try:
        mark = msgspec.json.decode(line, type=Checkpoint)
    except ValueError:  # msgspec's and Unicode's decoding errors are ValueErrors
        return None
    return mark if holds(public_hex(key), mark.signature, mark.signed_bytes()) else None
