"""A file of rows, `.parquet`, `.csv` or `.jsonl`, read by columns and in parts.

Text may be packed, as `.csv.gz` or `.jsonl.zst`, and is unpacked while it is read. A file is opened
once, and hashed before and after: what was read has the digest that is recorded.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Final, Self

from holdfast import named_files
from holdfast.errors import InvalidInputError
from holdfast.formats import packed_text, text_rows
from holdfast.formats.training_columns import without_empty_text
from holdfast.scoring import row_arrays
from holdfast.scoring.row_arrays import Kind, pyarrow
from holdfast.store.objects.bucket_files import BucketFile

__all__ = ["DataFile", "Kind", "pyarrow"]

_ROWS_AT_ONCE: Final = 65_536
_COMPRESSED: Final = (".bz2", ".xz", ".zip")
_LOOKED_AT: Final = 1_000
_BLOCK_BYTES: Final = 8 << 20
_ENDINGS: Final = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


class DataFile:
    """An open file of rows, of this machine or in a bucket.

    Attributes:
        subject: What messages call it.
        stem: Its name without folder and ending.
        names: Its columns, in order; one that occurs twice is there twice.

    Raises:
        InvalidInputError: If it cannot be read, is not a regular file or has no columns.
    """

    def __init__(self, path: Path | BucketFile) -> None:
        self.subject = f"data {str(path)!r}"
        named = path.path if isinstance(path, BucketFile) else path
        inner, packing = packed_text.inner_name(named)
        self.stem = inner.stem
        self._form = _form(self.subject, inner, packing)
        self._path = path
        pyarrow()
        self._digest: str | None = None
        self._size_bytes = 0
        self._rows = self._rows_read = 0  # told by Parquet alone
        with self._reading():
            self._file = _opened(path)
        try:
            with self._reading():
                self._size_bytes = self._file.seek(0, io.SEEK_END)
                self._text = packed_text.text_of(self._file, packing)
                self.names = self._header()
        except BaseException:
            self.close()
            raise

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, before rows were read; taken when it is first asked for."""
        if self._digest is None:
            with self._reading():
                self._file.seek(0)
                self._digest = hashlib.file_digest(self._file, "sha256").hexdigest()
        return self._digest

    @property
    def untyped(self) -> bool:
        """Whether it knows nothing but texts."""
        return self._form == "csv"

    @property
    def types(self) -> dict[str, Any]:
        """Arrow's types of its columns, where it says; of those that occur twice, any."""
        if self._form != "parquet":
            return {}
        with self._reading():
            held = self._parquet().schema_arrow
        return dict(zip(held.names, held.types, strict=True))

    @property
    def share_read(self) -> float:
        """How much of it was read."""
        if self._rows:
            return min(1.0, self._rows_read / self._rows)
        return min(1.0, self._file.tell() / (self._size_bytes or 1))

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def look_for(self, names: Iterable[str]) -> None:
        """Find all columns, unless these are known: a key of JSON may come first in a late line.

        Raises:
            InvalidInputError: If it cannot be read.
        """
        if self._form != "jsonl" or {*names} <= {*self.names}:
            return
        with self._reading():
            self.names = text_rows.json_names(self._text, _ROWS_AT_ONCE)

    def require(self, name: str, kind: Kind, purpose: str) -> None:
        """Check that a column is there once and can be read as what it is taken for.

        Raises:
            InvalidInputError: If not; the columns there are, are listed.
        """
        count = self.names.count(name)
        if count == 0:
            listed = ", ".join(self.names[:20]) + (" …" if len(self.names) > 20 else "")  # noqa: PLR2004
            problem = f"has no column {name!r}, {purpose}"
            raise InvalidInputError(self.subject, problem, f"it has {listed}")
        if count > 1:
            problem = f"has {count} columns called {name!r}, {purpose}"
            raise InvalidInputError(self.subject, problem, "rename all but one")
        if kind == "nested" and self.untyped:
            problem = f"has no arrays in {name!r}, {purpose}, for it is CSV"
            raise InvalidInputError(self.subject, problem, "give Parquet or JSON lines")
        if self._form == "parquet":
            held = self._parquet().schema_arrow.field(name).type
            if not row_arrays.fits(held, kind):
                due = {"any": "one value", "raw": "one value", "nested": "lists of numbers"}.get(
                    kind, kind
                )
                problem = f"has {held} in the column {name!r}, {purpose}, which must be {due}"
                raise InvalidInputError(self.subject, problem, "convert the column")

    def batches(
        self, columns: Mapping[str, Kind], rows_at_once: int = _ROWS_AT_ONCE
    ) -> Iterator[Any]:
        """Yield record batches of at most so many rows with these columns, in this order.

        Raises:
            InvalidInputError: If a value cannot be read as what its column is taken for.
        """
        readers = {"parquet": self._from_parquet, "csv": self._from_csv, "jsonl": self._from_jsonl}
        _ = self.digest  # of the bytes as they are before
        with self._reading():
            for batch in readers[self._form](columns, rows_at_once):
                yield from row_arrays.cut(batch, rows_at_once)

    def parts(
        self, names: Sequence[str], rows_at_once: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield how many rows a part has, and these columns of it: Arrow arrays as they come.

        CSV has texts, with null for what is empty; of JSON, a column that Arrow has no one type for
        is a list.

        Raises:
            InvalidInputError: If it cannot be read.
        """
        if self._form != "jsonl":
            for batch in self.batches(dict.fromkeys(names, "raw"), rows_at_once):
                yield batch.num_rows, dict(zip(names, batch.columns, strict=True))
            return
        _ = self.digest
        with self._reading():
            for records in text_rows.json_parts(self._text, rows_at_once):
                yield len(records), {name: row_arrays.listed(records, name) for name in names}

    def require_unchanged(self) -> None:
        """Check that the bytes are still those whose digest was taken.

        All that is read of a bucket is of one version of it, whatever takes its place.

        Raises:
            InvalidInputError: If somebody wrote to the file while it was read.
        """
        if isinstance(self._path, BucketFile):
            return
        with self._reading(), named_files.opened(self._path) as again:  # past what is buffered
            if hashlib.file_digest(again, "sha256").hexdigest() != self.digest:
                problem = "was changed while it was read"
                raise InvalidInputError(self.subject, problem, "try again once nobody writes to it")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        pa = pyarrow()
        try:
            yield
        except (
            pa.ArrowException, ValueError, csv.Error, OverflowError, TypeError, OSError
        ) as error:  # fmt: skip
            if isinstance(error, OSError) and error.errno is not None:  # not Arrow's, of content
                problem = f"cannot be read: {error.strerror or error}"
                raise InvalidInputError(self.subject, problem, "check its path") from error
            problem = f"cannot be read: {text_rows.reason(error)}"
            advice = "" if ";" in problem else "check its content"  # where it says what to do
            raise InvalidInputError(self.subject, problem, advice) from error

    def _header(self) -> tuple[str, ...]:
        if self._form == "parquet":
            names = tuple(self._parquet().schema_arrow.names)
        elif self._form == "csv":
            names = self._csv_header()
        else:
            first = next(text_rows.json_parts(self._text, _LOOKED_AT), ())
            names = tuple(dict.fromkeys(key for row in first for key in row))  # one may be absent
        if not names:
            raise ValueError("it has no columns")
        return names

    def _parquet(self) -> Any:
        from pyarrow import parquet

        self._file.seek(0)
        # read ahead, the bytes of all row groups would stay until the last one is done
        return parquet.ParquetFile(self._file, pre_buffer=False, page_checksum_verification=True)

    def _from_parquet(self, columns: Mapping[str, Kind], rows_at_once: int) -> Iterator[Any]:
        file = self._parquet()
        self._rows, self._rows_read = file.metadata.num_rows, 0
        for batch in file.iter_batches(rows_at_once, columns=list(columns)):
            self._rows_read += batch.num_rows
            yield row_arrays.cast({name: batch.column(name) for name in columns}, columns)

    def _csv_header(self) -> tuple[str, ...]:
        """Read the names, and leave the file behind them."""
        return text_rows.csv_names(self._text)[0]

    def _from_csv(self, columns: Mapping[str, Kind], _rows_at_once: int) -> Iterator[Any]:
        pa = pyarrow()
        from pyarrow import csv as arrow_csv

        self._csv_header()
        if not self._text.read(1):  # a header alone
            return
        self._text.seek(0)
        types = {
            name: row_arrays.arrow_types(pa)[kind]
            for name, kind in columns.items()
            if kind != "any"
        }
        if len(types) < len(columns):
            types |= self._guessed([name for name in columns if name not in types])
            self._text.seek(0)
        convert = arrow_csv.ConvertOptions(include_columns=list(columns), column_types=types)
        read = arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
        parse = arrow_csv.ParseOptions(newlines_in_values=True)
        stream = pa.PythonFile(_Kept(self._text), mode="r")
        for batch in arrow_csv.open_csv(stream, read, parse, convert):
            held = without_empty_text(batch)
            yield row_arrays.cast({name: held.column(name) for name in columns}, columns)

    def _guessed(self, names: list[str]) -> dict[str, Any]:
        """Take columns of whole numbers for numbers: the first broken one may come late."""
        pa = pyarrow()
        from pyarrow import csv as arrow_csv

        convert = arrow_csv.ConvertOptions(include_columns=names)
        parse = arrow_csv.ParseOptions(newlines_in_values=True)
        stream = pa.PythonFile(_Kept(self._text), mode="r")
        with arrow_csv.open_csv(stream, parse_options=parse, convert_options=convert) as reader:
            held = dict(zip(reader.schema.names, reader.schema.types, strict=True))
        late = [name for name in names if pa.types.is_null(held[name])]
        held |= self._guessed_late(late) if late else {}
        whole = {name: pa.float64() for name in names if pa.types.is_integer(held[name])}
        return {name: held[name] for name in late} | whole

    def _guessed_late(self, names: list[str]) -> dict[str, Any]:
        """Guess the types of columns that begin empty, by the first values that they have."""
        pa = pyarrow()
        from pyarrow import csv as arrow_csv

        texts = dict.fromkeys(names, pa.string())
        convert = arrow_csv.ConvertOptions(include_columns=names, column_types=texts)
        parse = arrow_csv.ParseOptions(newlines_in_values=True)
        self._text.seek(0)
        types = dict.fromkeys(names, pa.null())
        stream = pa.PythonFile(_Kept(self._text), mode="r")
        for batch in arrow_csv.open_csv(stream, parse_options=parse, convert_options=convert):
            open_names = [name for name, held in types.items() if pa.types.is_null(held)]
            if not open_names:
                break
            types |= {name: row_arrays.csv_type(batch.column(name)) for name in open_names}
        return types

    def _from_jsonl(self, columns: Mapping[str, Kind], rows_at_once: int) -> Iterator[Any]:
        for records in text_rows.json_parts(self._text, rows_at_once):
            yield row_arrays.of_records(records, columns)


class _Kept(io.RawIOBase):
    """A file that pyarrow may close, while the one below it stays open."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _form(subject: str, inner: PurePath, packing: str) -> str:
    """Tell by a file's name what it is."""
    ending = inner.suffix.lower()
    form = _ENDINGS.get(ending)
    if form is not None and not (packing and form == "parquet"):
        return form
    problem, advice = "has an unknown ending", "give .parquet, .csv or .jsonl"
    if form is not None:
        problem, advice = f"is Parquet packed by {packing}", "unpack it, for it is packed within"
    elif ending in _COMPRESSED:
        problem, advice = "is compressed", "decompress it, or give .csv.gz or .csv.zst"
    raise InvalidInputError(subject, problem, advice)


def _opened(path: Path | BucketFile) -> io.BufferedReader:
    return path.opened() if isinstance(path, BucketFile) else named_files.opened(path)
