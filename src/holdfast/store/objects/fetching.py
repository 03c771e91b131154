"""Bringing an object here: its parts side by side, handed on in their order."""

from collections.abc import Iterator
from typing import Final

from holdfast.errors import DamagedError
from holdfast.store import concurrent
from holdfast.store.objects.client import Client

_PART: Final = 8 << 20
_AT_ONCE: Final = 4
_PIECE: Final = 1 << 20


def pieces(wire: Client, key: str, size_bytes: int) -> Iterator[memoryview]:
    """Go through an object's bytes, of which there should be *size_bytes*.

    Raises:
        AbsentError: If there is none.
        DamagedError: If it has another length.
    """
    if size_bytes <= _PART:
        yield from wire.pieces(wire.get(key), key, _PIECE)
        return
    actual_bytes = wire.head(key)["size"]
    if actual_bytes != size_bytes:
        raise DamagedError(
            wire.address(key),
            f"has {actual_bytes} bytes instead of {size_bytes}",
            "restore it from a copy",
        )
    yield from concurrent.map_ordered(
        lambda start: wire.piece(key, start, min(start + _PART, size_bytes)),
        range(0, size_bytes, _PART),
        _AT_ONCE,
    )
