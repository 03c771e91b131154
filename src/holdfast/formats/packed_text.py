"""Text packed by gzip or zstd, unpacked forward while it is read, and never all at once.

A few bytes can stand for gigabytes. What readers hold of a text is bounded elsewhere; here it is
bounded for how long a file can keep them busy.
"""

import gzip
import io
import zlib
from pathlib import PurePath
from typing import Any, Final

__all__ = ["FREE_BYTES", "MOST_RATIO", "inner_name", "text_of"]

FREE_BYTES: Final = 1 << 30
"""Bytes that any file may unpack to."""

MOST_RATIO: Final = 200
"""How many times its size a file may unpack to: rows come to 3 to 50, bombs to 1,000 and more."""

_PACKINGS: Final = {".gz": "gzip", ".zst": "zstd"}
_MARKS: Final = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_SKIPPED: Final = 0x184D2A50
"""A frame of zstd that says nothing begins with this number, or one of the 15 above it."""


def inner_name(name: PurePath) -> tuple[PurePath, str]:
    """Return the name of what is packed, and how it is packed: empty if it is not."""
    packing = _PACKINGS.get(name.suffix.lower(), "")
    return (name.with_suffix(""), packing) if packing else (name, "")


def text_of(file: io.BufferedReader, packing: str) -> io.BufferedReader:
    """Return what is packed in a file; the file itself if nothing is.

    The file may be read elsewhere in between, and is not closed with its text.

    Raises:
        ValueError: If it is packed in another way, or not at all. Reading raises it, too, if the
            file is damaged or cut short, or unpacks to more than is bearable.
        MissingLibraryError: If pyarrow is not installed, for zstd.
    """
    if not packing:
        return file
    file.seek(0)
    head = file.read(4)
    skipped = packing == "zstd" and int.from_bytes(head, "little") & ~15 == _SKIPPED
    if not head.startswith(_MARKS[packing]) and not skipped:
        ending = next(ending for ending, known in _PACKINGS.items() if known == packing)
        raise ValueError(f"it is not packed by {packing}; rename it without {ending}")
    return io.BufferedReader(_Unpacked(file, packing), 1 << 16)


class _Behind(io.RawIOBase):
    """A file from its beginning, whose place others may move meanwhile."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._file.seek(self._place)
        piece = self._file.read(size)
        self._place += len(piece)
        return piece


class _Unpacked(io.RawIOBase):
    """The text of all members of a packed file; it goes back to its beginning alone."""

    def __init__(self, file: io.BufferedReader, packing: str) -> None:
        self._file = file
        self._packing = packing
        self._most = max(FREE_BYTES, MOST_RATIO * file.seek(0, io.SEEK_END))
        self._place = 0
        self._reader: Any = self._begun()

    def _begun(self) -> Any:
        behind = _Behind(self._file)
        if self._packing == "gzip":
            return gzip.GzipFile(fileobj=behind, mode="rb")
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(behind, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("what is packed is read forward")
        self._reader, self._place = self._begun(), 0
        return 0

    def readinto(self, buffer: Any) -> int:
        piece = self._unpacked(len(buffer))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        if self._place > self._most:
            free = f"{FREE_BYTES >> 30} GiB and {MOST_RATIO} times its size"
            raise ValueError(f"it unpacks to more than {free}; unpack it yourself")
        return len(piece)

    def _unpacked(self, size: int) -> bytes:
        try:
            return bytes(self._reader.read(size))
        except EOFError as error:
            raise ValueError(f"its {self._packing} data is cut short; fetch it again") from error
        except (OSError, ValueError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the file below
            what = "is cut short" if "runcated" in str(error) else "is damaged"
            raise ValueError(f"its {self._packing} data {what}; fetch it again") from error
