"""Keys that sign (Ed25519, RFC 8032): made at first use, kept in a file that only its owner reads, never shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plimsoll.errors import Damaged
from plimsoll.store.durable import first_of, make_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def kept_key(path: Path, purpose: str) -> Ed25519PrivateKey | None:
    """The key in ``path``; None where there is none. Raises Damaged, saying what it is for, where it cannot be read."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key: Ed25519PrivateKey = load_pem_private_key(pem, password=None)  # type: ignore[assignment]
    except ValueError as error:
        raise Damaged(
            f"the key that signs {purpose} is damaged ({path})",
            hint="restore it from a backup; without it nothing new can be signed, and old marks cannot be verified",
        ) from error
    return key


def new_key(path: Path, purpose: str) -> Ed25519PrivateKey:
    """Make the key, or take the one that another process made first."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    make_folder(path.parent, 0o700)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key if first_of(path, pem, 0o600) else kept_key(path, purpose) or key


def public_hex(key: Ed25519PrivateKey) -> str:
    """The 32 bytes that others verify with, in hex."""
    return key.public_key().public_bytes_raw().hex()


def holds(public: str, signature: str, data: bytes) -> bool:
    """Whether ``signature`` (hex) over ``data`` was made with the key whose public half is ``public`` (hex)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (ValueError, InvalidSignature):
        return False
    return True
