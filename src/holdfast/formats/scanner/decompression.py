"""Compressed streams, read forward and within a budget."""

import bz2
import importlib
import io
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Protocol, cast

from holdfast.formats.scanner.byte_sources import ByteSource, of_stream
from holdfast.formats.scanner.findings import Budget, UnreadableError

_BLOCK = 1 << 13  # what joblib reads at once: what precedes a break must come out here as there
_STEP = 1 << 12  # bytes unpacked at once: more would be lost with the break that follows them
_EARLY = 1 << 21  # beyond this a break hides nothing, and larger steps are faster
_MEMORY = 1 << 28  # bytes an xz or lzma file may ask for as its dictionary
_ALONE = struct.Struct("<BIQB")  # properties, dictionary, length, first byte of the content
_LONGEST = 1 << 38  # bytes; xz's reader takes a head that announces more for no lzma at all
_UNTOLD = (1 << 64) - 1
_WHOLE = (1 << 32) - 1  # the largest dictionary there can be


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's decompressor with the manners of bz2's and lzma's."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _lz4() -> _Inflater:
    try:
        frame = importlib.import_module("lz4.frame")
    except ModuleNotFoundError as error:
        raise UnreadableError("compressed by lz4, which is not installed") from error
    return cast("_Inflater", frame.LZ4FrameDecompressor())


_INFLATERS: dict[str, Callable[[], _Inflater]] = {
    "zlib": lambda: _Zlib(zlib.MAX_WBITS),
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY),
    "lz4": _lz4,
}


def inflated(source: ByteSource, method: str, budget: Budget) -> ByteSource:
    """Return what *source* holds once unpacked by *method*, such as `gzip`."""
    start = _INFLATERS[method]
    if method == "lzma" and _asks_for_more(source.head(_ALONE.size)):
        budget.give_up("it asks for more memory to unpack than any honest model")

    def opened() -> io.RawIOBase:
        return _Inflating(source.open(), start, budget)

    return of_stream(opened, source.label)


def _asks_for_more(head: bytes) -> bool:
    """Tell whether this is the head of an lzma stream whose dictionary is beyond all measure.

    joblib and pandas leave it to xz's reader to tell what they have, and it takes a head for one of
    lzma only if the length is possible and the dictionary of a size that lzma's own writer chooses.
    """
    if len(head) < _ALONE.size:
        return False
    _, dictionary, length, first = _ALONE.unpack(head)
    written = dictionary == _WHOLE or f"{dictionary:b}".rstrip("0") in ("1", "11")
    possible = length == _UNTOLD or length < _LONGEST
    return bool(dictionary > _MEMORY // 2 and first == 0 and written and possible)


class _Inflating(io.RawIOBase):
    """The joined content of one or more compressed streams in a row, as joblib reads them."""

    def __init__(
        self, stream: io.BufferedReader, start: Callable[[], _Inflater], budget: Budget
    ) -> None:
        self._stream = stream
        self._start = start
        self._budget = budget
        self._inflater = start()
        self._pending = b""
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            step = _STEP if self._given < _EARLY else len(buffer)
            data = self._next(min(len(buffer), step))
        except (zlib.error, OSError, lzma.LZMAError, ValueError, RuntimeError) as error:
            raise UnreadableError(f"compressed data broken: {error}") from error
        self._given += len(data)
        self._budget.spend_inflated(len(data))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, limit: int) -> bytes:
        while True:
            if self._inflater.eof:
                rest = (self._inflater.unused_data or b"") + self._pending
                rest = rest or self._stream.read(_BLOCK)
                if not rest:
                    return b""
                self._inflater, self._pending = self._start(), rest
            block, self._pending = self._pending, b""
            dry = not block and self._inflater.needs_input
            if dry:
                block = self._stream.read(_BLOCK)
            data = self._inflater.decompress(block, limit)
            if data:
                return data
            if dry and not block and not self._inflater.eof:
                raise UnreadableError("compressed data ends early")

    def close(self) -> None:
        self._stream.close()
        super().close()
