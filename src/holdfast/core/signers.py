"""Public keys as a policy lists them, and the ids by which people compare them.

A signer has an Ed25519 key for journal entries and an elliptic-curve key for versions, for that is
what OpenSSF model-signing understands; either may be missing. Keys are base64, so that a policy
reads as JSON; an id is SHA-256 in 64 hex digits.
"""

import hashlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from holdfast.errors import InvalidInputError

RAW_BYTES: Final = 32
"""Length of an Ed25519 public key."""

_PRIME: Final = 2**255 - 19
_OF_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_WEAK: Final = frozenset((0, 1, _PRIME - 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8))
"""The y of the points of edwards25519 of order 8 or less, as each multiple of these has."""


class VersionSignature(Struct, frozen=True):
    """A signature of a version: the public key it verifies under, and the blob of its bytes."""

    key: str
    signature: str


class Signer(Struct, frozen=True, forbid_unknown_fields=True):
    """The public keys of one person or machine.

    Attributes:
        ed25519: The 32 raw bytes, in base64; signs journal entries.
        ec: The DER of a SubjectPublicKeyInfo on P-256, P-384 or P-521, in base64; signs versions.
    """

    ed25519: str | None = None
    ec: str | None = None


def entry_key_id(key: str) -> str:
    """Return the id of an Ed25519 key: the SHA-256 of its raw bytes."""
    return hashlib.sha256(a2b_base64(key)).hexdigest()


def is_weak(key: str) -> bool:
    """Tell whether an Ed25519 key is a point of small order.

    Under such a key, signatures that nobody made hold for a share of all messages, or for all.
    """
    y = int.from_bytes(a2b_base64(key), "little") & ((1 << 255) - 1)
    return y % _PRIME in _WEAK


def version_key_id(key: str) -> str:
    """Return the id of an elliptic-curve key: the SHA-256 of its PEM, model-signing's own hint."""
    return hashlib.sha256(pem(key).encode()).hexdigest()


def pem(key: str) -> str:
    """Write a SubjectPublicKeyInfo as PEM, byte for byte as OpenSSL does."""
    lines = "\n".join(key[start : start + 64] for start in range(0, len(key), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


def name_of(signers: Mapping[str, Signer], key: str | None) -> str | None:
    """Return who of *signers* has *key*, of either kind; `None` if nobody does."""
    if key is None:
        return None
    owners = (name for name, signer in signers.items() if key in (signer.ed25519, signer.ec))
    return next(owners, None)


def check(signers: Mapping[str, Signer]) -> None:
    """Refuse signers without keys, invalid keys, and keys of two people.

    Raises:
        InvalidInputError: Naming the signer.
    """
    seen: dict[str, str] = {}
    for name, signer in signers.items():
        subject = f"signer {name!r}"
        keys = [key for key in (signer.ed25519, signer.ec) if key is not None]
        if not name.strip() or not keys:
            raise InvalidInputError(subject, "has no name or no key", "give NAME=FILE.pub")
        if not all(map(_is_base64, keys)) or (
            signer.ed25519 is not None and len(a2b_base64(signer.ed25519)) != RAW_BYTES
        ):
            raise InvalidInputError(subject, "has an invalid key", "give the .pub file")
        if signer.ed25519 is not None and is_weak(signer.ed25519):
            problem = "has a weak key, in whose name everybody can sign"
            raise InvalidInputError(subject, problem, "have a new key made")
        for key in keys:
            if key in seen:
                raise InvalidInputError(
                    subject, f"has the key of {seen[key]!r}", "give each signer their own"
                )
            seen[key] = name


def _is_base64(text: str) -> bool:
    """Tell whether *text* is base64 in its one canonical spelling."""
    try:
        return b2a_base64(a2b_base64(text, strict_mode=True), newline=False).decode() == text
    except ValueError:
        return False
