"""Files of rows as text, and what often is in the place of one: said before a codec fails."""

import csv
from collections.abc import Iterator
from typing import Any, Final, Protocol

import msgspec

__all__ = [
    "LONGEST_LINE",
    "MOST_COLUMNS",
    "csv_names",
    "json_names",
    "json_parts",
    "reason",
    "require_text",
]

LONGEST_LINE: Final = 16 << 20
MOST_COLUMNS: Final = 250_000
_PART_BYTES: Final = 16 << 20
_MARK: Final = b"\xef\xbb\xbf"
_OTHERS: Final = (
    (b"\x1f\x8b", "it is compressed by gzip; add .gz to its name"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd; add .zst to its name"),
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
    taken = length = commas = 0

    def lines() -> Iterator[str]:
        nonlocal taken, length, commas
        encoding = "utf-8-sig"
        while line := file.readline(LONGEST_LINE):
            taken += 1
            length += len(line)
            commas += line.count(b",")
            if length >= LONGEST_LINE:
                raise ValueError(f"the names of its columns take more than {LONGEST_LINE:,} bytes")
            if commas >= MOST_COLUMNS:
                raise ValueError(f"it has more than {MOST_COLUMNS:,} columns")
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


def json_parts(file: Lines, most_rows: int) -> Iterator[list[dict[str, Any]]]:
    """Read JSON lines from the beginning, so many objects at a time, or fewer long ones.

    Raises:
        ValueError: If it is something else, or a line is not an object.
    """
    require_text(file)
    decoder, number = msgspec.json.Decoder(dict[str, Any]), 0
    part: list[dict[str, Any]] = []
    length = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise ValueError(f"line {number} has more than {LONGEST_LINE:,} bytes")
        if not line.strip():
            continue
        try:
            part.append(decoder.decode(line.removeprefix(_MARK) if number == 1 else line))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise _json_problem(line, number, error) from error
        length += len(line)
        if len(part) == most_rows or length >= _PART_BYTES:
            yield part
            part, length = [], 0
    if part:
        yield part


def reason(error: Exception) -> str:
    """Return the first line of why a file cannot be read, with what to do where that is known."""
    text = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    of_utf8 = isinstance(error, UnicodeDecodeError) or "invalid UTF8" in text
    return f"it is not text in UTF-8 ({text}); save it as UTF-8" if of_utf8 else text


def json_names(file: Lines, most_rows: int) -> tuple[str, ...]:
    """Return the keys of all lines of JSON, in the order in which they come first.

    Raises:
        ValueError: If it is something else, or there are too many.
    """
    names: dict[str, None] = {}
    for part in json_parts(file, most_rows):
        names |= dict.fromkeys(key for record in part for key in record)
        if len(names) > MOST_COLUMNS:
            raise ValueError(f"it has more than {MOST_COLUMNS:,} columns")
    return tuple(names)


def _json_problem(line: bytes, number: int, error: Exception) -> ValueError:
    """Say why a line is not a JSON object."""
    if isinstance(error, RecursionError):
        hint = "a value is nested too deeply"
    elif isinstance(error, UnicodeDecodeError):
        return ValueError(reason(error))
    elif any(word in line for word in (b"NaN", b"Infinity")):
        hint = "NaN and Infinity are not JSON; write null"
    elif line.lstrip()[:1] in (b"[", b"{") and number == 1:
        hint = f"{error}; write one object in each line"
    else:
        hint = str(error)
    return ValueError(f"line {number} is not a JSON object: {hint}")
