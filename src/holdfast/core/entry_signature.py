"""The signature in an entry: where it stands, and what it is over."""

import re
from typing import Final, Protocol

from msgspec import Struct

_SIGNATURE: Final = re.compile(
    rb',"signature":\{"key":"([A-Za-z0-9+/]{43}=)","value":"([A-Za-z0-9+/]{86}==)"\}\Z'
)
_SIGNATURE_BYTES: Final = len(b',"signature":{"key":"","value":""}') + 44 + 88


class EntrySigner(Protocol):
    """Whoever signs entries; handed in, for `core` knows no keys."""

    @property
    def key(self) -> str:
        """The Ed25519 public key, in base64."""
        ...

    def sign(self, message: bytes) -> str:
        """Return the signature of *message*, in base64."""
        ...


class EntrySignature(Struct, frozen=True):
    """An Ed25519 signature as it stands in an entry, not checked yet.

    Attributes:
        key: The 32 raw bytes of the public key, in base64.
        value: The 64 bytes of the signature, in base64.
        message: What was signed.
    """

    key: str
    value: str
    message: bytes


def sign(message: bytes, pen: EntrySigner) -> bytes:
    """Return *message* with its signature behind it."""
    template = b',"signature":{"key":"%s","value":"%s"}'
    return message + template % (pen.key.encode(), pen.sign(message).encode())


def find(raw: bytes, end: int) -> EntrySignature | None:
    """Return the signature right before *end*, where an entry's checksum begins."""
    match = _SIGNATURE.search(raw, max(0, end - _SIGNATURE_BYTES), end)
    if match is None:
        return None
    return EntrySignature(match[1].decode(), match[2].decode(), raw[: match.start()])
