"""Files of rows as text, and what often is in the place of one: said before a codec fails."""

import csv
from collections.abc import Iterator
from typing import Final, Protocol

__all__ = ["LONGEST_LINE", "csv_names", "json_problem", "require_text", "without_mark"]

LONGEST_LINE: Final = 16 << 20
_MARK: Final = b"\xef\xbb\xbf"
_OTHERS: Final = (
    (b"\x1f\x8b", "it is compressed by gzip; decompress it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd; decompress it"),
    (b"BZh", "it is compressed by bzip2; decompress it"),
    (b"\xfd7zXZ", "it is compressed by xz; decompress it"),
    (b"PK\x03\x04", "it is a ZIP archive or a workbook; save its rows as CSV or Parquet"),
    (b"PAR1", "it is a Parquet file; give it the ending .parquet"),
    (b"ARROW1", "it is an Arrow file; save it as Parquet"),
    (b"\xff\xfe", "it is text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "it is text in UTF-16; save it as UTF-8"),
)
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Lines(Protocol):
    """An open file, read by lines."""

    def seek(self, offset: int, /) -> int:
        """Go to a byte."""
        ...

    def read(self, size: int, /) -> bytes:
        """Read bytes."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Read a line, or as much of it."""
        ...


def require_text(file: Lines) -> None:
    """Check that a file begins as text does, and go back to its beginning.

    Raises:
        ValueError: If it is something that is known; the message says what to do.
    """
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    for mark, problem in _OTHERS:
        if head.startswith(mark):
            raise ValueError(problem)


def csv_names(file: Lines) -> tuple[tuple[str, ...], int]:
    """Read the names of columns, and leave the file behind them; one in quotes may span lines.

    Returns:
        The names, and how many lines they took.

    Raises:
        ValueError: If it is something else, or other signs than commas are between its columns.
    """
    require_text(file)
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        encoding = "utf-8-sig"
        while line := file.readline(LONGEST_LINE):
            taken += 1
            body = line.rstrip(b"\r\n")
            if b"\r" in body and b'"' not in body:
                raise ValueError("its lines end with CR alone; save it with the line ends of Unix")
            yield line.decode(encoding)
            encoding = "utf-8"

    names = tuple(next(csv.reader(lines()), ()))
    if len(names) == 1:
        for sign, called in _SEPARATORS.items():
            if sign in names[0]:
                raise ValueError(f"its columns are separated by {called}; save it with commas")
    return names, taken


def without_mark(line: bytes, number: int) -> bytes:
    """Return a line without the mark of UTF-8 that some programs begin a file with."""
    return line.removeprefix(_MARK) if number == 1 else line


def json_problem(line: bytes, number: int, error: Exception) -> ValueError:
    """Say why a line is not a JSON object."""
    if any(word in line for word in (b"NaN", b"Infinity")):
        hint = "NaN and Infinity are not JSON; write null"
    elif line.lstrip()[:1] in (b"[", b"{") and number == 1:
        hint = f"{error}; write one object in each line"
    else:
        hint = str(error)
    return ValueError(f"line {number} is not a JSON object: {hint}")
