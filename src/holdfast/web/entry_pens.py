"""Pens of entries that the caller signs: one takes the bytes out, the other has the signature."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta, Struct

from holdfast.core import strict_json
from holdfast.core.entry import parse_time
from holdfast.core.entry_signature import EntrySignature
from holdfast.errors import ChangedError, InvalidInputError
from holdfast.signing import genuine

__all__ = ["Asking", "Given", "Key", "PreparedError", "Signature"]

_AGE: Final = timedelta(minutes=10)
_SKEW: Final = timedelta(minutes=1)
"""By so much the clocks of two servers over one store may differ."""

Key = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}=$")]
Signature = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{86}==$")]


class PreparedError(Exception):
    """The bytes are known; nothing is to be written."""

    def __init__(self, message: bytes) -> None:
        super().__init__()
        self.message = message


@dataclass(frozen=True, slots=True)
class Asking:
    """Signs nothing: takes the bytes out."""

    key: str

    def sign(self, message: bytes) -> str:
        """Give them to whoever prepares."""
        raise PreparedError(message)


@dataclass(frozen=True, slots=True)
class Given:
    """Has one signature, of one entry.

    Attributes:
        key: Whose it is.
        message: What was signed.
        value: The signature.
        commit: The entry's id, which is put in again; the rest must come out by itself.
    """

    key: str
    message: bytes
    value: str
    commit: str

    @classmethod
    def of(cls, key: str, text: str, signature: str) -> tuple[Self, datetime]:
        """Check what a caller signed, and return it with the time of the entry.

        Args:
            key: Of the caller, in base64.
            text: The bytes, in base64.
            signature: Of them.

        Raises:
            InvalidInputError: If it is not an entry, its time is not about now, or the signature is
                of something else.
        """
        try:
            message = base64.b64decode(text.encode("ascii"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInputError("bytes", "are not base64") from error
        if not genuine(EntrySignature(key, signature, message)):
            raise InvalidInputError("signature", "was not made over these bytes by this key")
        commit, at = _told(message)
        return cls(key, message, signature, commit), at

    def sign(self, message: bytes) -> str:
        """Return the signature.

        Raises:
            ChangedError: If other bytes are to be signed by now.
        """
        if message != self.message:
            raise ChangedError("the entry", "would have other bytes now", "prepare it again")
        return self.value


class _Told(Struct):
    at: str
    commit: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


def _told(message: bytes) -> tuple[str, datetime]:
    try:
        request = strict_json.decode(message + b"}", _Told)
        at = datetime.fromisoformat(parse_time(request.at))
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidInputError("bytes", "are not of an entry", "prepare it") from error
    age = datetime.now(UTC) - at
    if not -_SKEW <= age <= _AGE:
        problem = "was prepared too long ago" if age > _AGE else "is of a time that is to come"
        raise InvalidInputError("entry", problem, "prepare it again")
    return request.commit, at
