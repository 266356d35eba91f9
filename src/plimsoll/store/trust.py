"""Whose releases may bring code. A Python class in a release is run only if its manifest is signed by a key in here.

``<home>/trust/NAME.pub`` holds a key that is trusted, in hex; ``<home>/trust/release.key`` the one that this home signs
with, if it does. A signature is an artifact of the manifest that it signs, so it travels wherever the manifest does; it
signs everything else in it. Whoever can write into this folder can have code run: keep it with the people who may.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from plimsoll.errors import Refused, UsageError, nearest
from plimsoll.kernel.digest import canonical
from plimsoll.kernel.manifest import SIGNATURE, Manifest
from plimsoll.kernel.ports import Objects
from plimsoll.store.durable import make_folder, replace_file, unavailable
from plimsoll.store.signing import holds, kept_key, new_key, public_hex

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PURPOSE = "releases"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed a manifest (the public key, in hex), and with what."""

    key: str
    signature: str


class Trust:
    """The keys of a home. Read anew for each question, so that a key that was removed is not trusted any more."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def keys(self) -> dict[str, str]:
        """Name → public key in hex, of those that are trusted."""
        return {path.stem: path.read_text("ascii").strip() for path in sorted(self._folder.glob("*.pub"))}

    def add(self, name: str, public: str) -> None:
        """Trust a key. Raises UsageError for what is none, or a name that is taken by another one."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a key", hint="use letters, digits, '.', '_' and '-'")
        if not re.fullmatch(r"[0-9a-f]{64}", public):
            raise UsageError(
                f"{public[:80]!r} is no public key: 64 hexadecimal digits are",
                hint="plimsoll trust new prints it, where the key is",
            )
        if (there := self.keys().get(name, public)) != public:
            raise UsageError(f"{name} is trusted with another key, {there[:12]}…", hint=f"plimsoll trust remove {name}")
        try:
            make_folder(self._folder, 0o700)
            replace_file(self._folder / f"{name}.pub", f"{public}\n".encode(), 0o600)
        except OSError as error:
            raise unavailable(f"trusting {name}", self._folder, error) from error

    def remove(self, name: str) -> None:
        """Trust it no longer. What is loaded stays loaded until it is loaded again."""
        if name not in (known := self.keys()):
            raise UsageError(f"no trusted key is called {name!r}", hint=nearest(name, known))
        (self._folder / f"{name}.pub").unlink(missing_ok=True)

    def new(self, name: str) -> str:
        """Make this home's own key, or take the one that is there; trust it; return its public half."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a key", hint="use letters, digits, '.', '_' and '-'")
        key = kept_key(self._own, _PURPOSE) or new_key(self._own, _PURPOSE)
        self.add(name, public_hex(key))
        return public_hex(key)

    def signed(self, manifest: Manifest, objects: Objects) -> Manifest:
        """``manifest`` with this home's signature among its artifacts: the same for the same manifest.

        Raises Refused where the home has no key.
        """
        key = kept_key(self._own, _PURPOSE)
        if key is None:
            raise Refused(
                "the release brings code (a Python class), which is run only if it is signed, and this home has no key",
                hint="make one, and trust it here: plimsoll trust new NAME",
            )
        made = Signature(key=public_hex(key), signature=key.sign(manifest.signed_bytes()).hex())
        digest = objects.put(canonical(made))
        return msgspec.structs.replace(manifest, artifacts={**manifest.artifacts, SIGNATURE: digest})

    def signer(self, manifest: Manifest, objects: Objects) -> str:
        """The name of the trusted key that signed ``manifest``. Raises Refused where there is none."""
        digest = manifest.artifacts.get(SIGNATURE)
        if digest is None:
            raise Refused(
                "its model is code (a Python class), and its manifest is not signed",
                hint="release it from a home that has a key: plimsoll trust new NAME",
            )
        try:
            found = msgspec.json.decode(objects.get(digest), type=Signature)
        except msgspec.DecodeError as error:
            raise Refused(f"its signature cannot be read: {error}") from error
        name = next((name for name, public in self.keys().items() if public == found.key), "")
        if not name:
            raise Refused(
                f"its model is code, signed with the key {found.key[:12]}…, which is not trusted here",
                hint=f"if you know whose it is: plimsoll trust add NAME {found.key}",
            )
        if not holds(found.key, found.signature, manifest.signed_bytes()):
            raise Refused(f"its model is code, and its manifest is not what {name} signed: it was changed afterwards")
        return name

    @property
    def _own(self) -> Path:
        return self._folder / "release.key"
