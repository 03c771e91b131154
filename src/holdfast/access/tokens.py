"""Tokens: `hft_<kind>_<43 base62 digits of 256 random bits><6 base62 digits of a CRC-32>`.

The check digits spare scanners of leaked secrets, and us, a look-up; 256 random bits need no slow
hash. A secret is shown once; what is kept is its SHA-256.
"""

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from typing import Final, Literal

TokenKind = Literal["p", "s", "c"]
"""Personal, of a service account, of a job for some minutes."""

RANDOM_BYTES: Final = 32
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY: Final = 43
_CHECK: Final = 6
SECRET: Final = re.compile(rf"hft_([psc])_[0-9A-Za-z]{{{_BODY + _CHECK}}}", re.ASCII)
"""Finds tokens in text that is to be logged."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only moment at which its secret is known.

    Attributes:
        secret: For its owner; not shown where the object is printed.
        id: Shown everywhere; the first 12 hex digits of *sha256*.
        sha256: What is kept.
    """

    secret: str = field(repr=False)
    id: str
    sha256: str


def mint(kind: TokenKind, random_bytes: bytes) -> NewToken:
    """Make a token of 32 random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a token takes {RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    body = f"hft_{kind}_{base62(int.from_bytes(random_bytes), _BODY)}"
    secret = body + _checksum(body)
    sha256 = digest_of_secret(secret)
    return NewToken(secret, sha256[:12], sha256)


def parse(text: str) -> str | None:
    """Return the SHA-256 of a well-formed token, `None` if the text is not one."""
    if SECRET.fullmatch(text) is None or _checksum(text[:-_CHECK]) != text[-_CHECK:]:
        return None
    return digest_of_secret(text)


def kind_of(text: str) -> str:
    """Return the kind of a well-formed token: `p`, `s` or `c`."""
    return text[4]


def digest_of_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def masked(text: str) -> str:
    """Return text with each token in it made unusable, for logs and errors."""
    return SECRET.sub(lambda match: f"hft_{match[1]}_…", text)


def base62(number: int, length: int) -> str:
    """Write a number with so many digits."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()), _CHECK)
