"""Heads: the number and digest of a journal's last entry, which vouch for all entries before it."""

import re
from typing import Final

from msgspec import Struct

from holdfast.errors import InvalidInputError

_HEAD: Final = r"([1-9][0-9]{0,17}):(?:sha256:)?([0-9a-f]{64})"


class Head(Struct, frozen=True):
    """An entry's number and the SHA-256 of its bytes, written `42:9d1f…`.

    Whoever keeps one outside the store can tell later whether the journal up to there is the one
    that was seen: each entry names the digest of the one before.
    """

    model: str
    seq: int
    sha256: str

    def __str__(self) -> str:
        """Write it in the form that `verify --head` and pins read."""
        return f"{self.seq}:{self.sha256}"


def parse(model: str, text: str) -> Head:
    """Read `SEQ:SHA256`.

    Raises:
        InvalidInputError: If *text* is nothing like that.
    """
    match = re.fullmatch(_HEAD, text.strip())
    if match is None:
        raise InvalidInputError(
            f"head {text!r}", "is not SEQ:SHA256", "give what `holdfast head` prints"
        )
    return Head(model, int(match[1]), match[2])
