"""Compressed streams, read forward and within a budget."""

import bz2
import importlib
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol, cast

from holdfast.formats.scanner.findings import Budget, UnreadableError
from holdfast.formats.scanner.sources import Source, of_stream

_BLOCK = 1 << 16
_MEMORY = 1 << 28  # bytes an xz or lzma file may ask for as its dictionary


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


def inflated(source: Source, method: str, budget: Budget) -> Source:
    """Return what *source* holds once unpacked by *method*, such as `gzip`."""
    start = _INFLATERS[method]

    def opened() -> io.RawIOBase:
        return _Inflating(source.open(), start, budget)

    return of_stream(opened, source.label)


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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._next(len(buffer))
        except (zlib.error, OSError, lzma.LZMAError, ValueError, RuntimeError) as error:
            raise UnreadableError(f"compressed data broken: {error}") from error
        self._budget.spend_inflated(len(data))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, wanted: int) -> bytes:
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
            data = self._inflater.decompress(block, wanted)
            if data:
                return data
            if dry and not block and not self._inflater.eof:
                raise UnreadableError("compressed data ends early")

    def close(self) -> None:
        self._stream.close()
        super().close()
