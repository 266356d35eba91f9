"""Who may bring code: keys that are trusted, and signatures that hold."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from plimsoll.errors import Damaged, Refused, UsageError
from plimsoll.kernel.manifest import Manifest
from plimsoll.store import LocalObjects, Trust


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "objects")


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    made = Trust(tmp_path / "trust")
    made.new("ada")
    return made


MANIFEST = Manifest(capability="late", artifacts={"model": "a" * 64}, settings={"seed": 7})


def test_what_is_signed_here_is_trusted_here(trust: Trust, objects: LocalObjects) -> None:
    """The signature names its key; the same manifest has the same signature, and so the same name."""
    signed = trust.signed(MANIFEST, objects)
    assert trust.signer(signed, objects) == "ada"
    assert signed.digest == trust.signed(MANIFEST, objects).digest == trust.signed(signed, objects).digest


def test_what_is_not_signed_is_refused(trust: Trust, objects: LocalObjects) -> None:
    """The error says what to do."""
    with pytest.raises(Refused, match="is not signed") as caught:
        trust.signer(MANIFEST, objects)
    assert "plimsoll trust new" in caught.value.hint


@pytest.mark.parametrize(
    "change", [{"artifacts": {"model": "b" * 64}}, {"settings": {"seed": 8}}, {"capability": "other"}], ids=str
)
def test_a_signature_does_not_hold_for_another_manifest(
    trust: Trust, objects: LocalObjects, change: dict[str, object]
) -> None:
    """Whatever is changed after signing, be it one setting, the release is refused."""
    signed = trust.signed(MANIFEST, objects)
    changed = msgspec.structs.replace(MANIFEST, **change)
    stolen = {**changed.artifacts, "signature": signed.artifacts["signature"]}
    with pytest.raises(Refused, match="not what ada signed"):
        trust.signer(msgspec.structs.replace(changed, artifacts=stolen), objects)


def test_somebody_elses_key_is_trusted_when_it_is_added_and_until_it_is_removed(
    trust: Trust, objects: LocalObjects, tmp_path: Path
) -> None:
    """Each question reads the keys anew."""
    other = Trust(tmp_path / "elsewhere")
    public = other.new("grace")
    signed = other.signed(MANIFEST, objects)
    with pytest.raises(Refused, match="which is not trusted here") as caught:
        trust.signer(signed, objects)
    assert caught.value.hint.endswith(f"plimsoll trust add NAME {public}")
    trust.add("grace", public)
    assert trust.signer(signed, objects) == "grace"
    trust.remove("grace")
    with pytest.raises(Refused, match="not trusted"):
        trust.signer(signed, objects)


def test_bytes_that_are_no_signature_are_refused(trust: Trust, objects: LocalObjects) -> None:
    """Junk under the signature's role trusts nobody."""
    junk = {**MANIFEST.artifacts, "signature": objects.put(b"junk")}
    with pytest.raises(Refused, match="cannot be read"):
        trust.signer(msgspec.structs.replace(MANIFEST, artifacts=junk), objects)


def test_a_home_without_a_key_signs_nothing(tmp_path: Path, objects: LocalObjects) -> None:
    """The hint makes one."""
    with pytest.raises(Refused, match="no key") as caught:
        Trust(tmp_path / "trust").signed(MANIFEST, objects)
    assert "plimsoll trust new" in caught.value.hint


def test_the_key_is_its_owners_alone(trust: Trust, tmp_path: Path) -> None:
    """Nobody else reads the folder or the key; making it again gives the same one; a damaged one is told."""
    key = tmp_path / "trust" / "release.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert trust.new("ada") == trust.keys()["ada"]
    key.write_bytes(b"junk")
    with pytest.raises(Damaged, match="signs releases is damaged"):
        trust.new("ada")


@pytest.mark.parametrize(
    ("name", "public", "said"),
    [("../x", "0" * 64, "cannot name a key"), ("x", "zz", "no public key"), ("ada", "0" * 64, "with another key")],
)
def test_what_cannot_be_added_is_said(trust: Trust, name: str, public: str, said: str) -> None:
    """A name that is a path, a key that is none, a name that is taken."""
    with pytest.raises(UsageError, match=said):
        trust.add(name, public)


def test_an_unknown_key_cannot_be_removed(trust: Trust) -> None:
    """The nearest name is offered."""
    with pytest.raises(UsageError, match="'adda'") as caught:
        trust.remove("adda")
    assert "ada" in caught.value.hint
