"""The scores of a batch as a file: written under another name beside it, then named.

Whoever reads the name finds all rows or no file. `scores.parquet.part` is locked while it is
written: what a killed run left is written over, and what another run is writing is not.
"""

import contextlib
import errno
import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self

from holdfast.errors import BusyError, InvalidInputError, StoreError, StoreFullError
from holdfast.scoring.data_file import pyarrow
from holdfast.store import TakenError, durable

if sys.platform != "win32":
    import fcntl

__all__ = ["ROW", "OutputFile", "Replacing"]

Replacing = Literal["refuse", "replace"]
"""What becomes of a file that has the name already."""

ROW: Final = "row"
_GROUP_ROWS: Final = 65_536
_PRIVATE: Final = 0o600
_ATTEMPTS: Final = 5
_ENDINGS: Final = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


class _Writer(Protocol):
    def write(self, table: Any) -> None: ...

    def close(self, facts: Mapping[str, str]) -> None: ...


class OutputFile:
    """An output that is being written; without `publish` nothing of it stays.

    Args:
        path: What it is called in the end; its ending says its form.
        replacing: What becomes of a file of that name: `refuse` it or `replace` it.
        shown: What messages call it, where it goes on to somewhere else.

    Attributes:
        part: The file while it is written.

    Raises:
        InvalidInputError: If the name exists, its ending is unknown, or its folder is missing.
        BusyError: If another run is writing it.
        StoreError: If the disk refuses.
    """

    def __init__(self, path: Path, replacing: Replacing, shown: str | None = None) -> None:
        self.path = path
        self._subject = f"--output {shown or str(path)!r}"
        self._replacing = replacing
        form = _ENDINGS.get(path.suffix.lower())
        if form is None:
            problem = "has an unknown ending"
            raise InvalidInputError(self._subject, problem, "give .parquet, .csv or .jsonl")
        self._form = form
        self._require_free()
        self.part = path.with_name(f"{path.name}.part")
        self._old = path.with_name(f"{path.name}.replaced")
        with _disk(str(self.part)):
            self._file = _locked(self.part)
        self._writer: _Writer | None = None
        self._schema: Any = None
        self._tables: list[Any] = []
        self._rows = 0
        self._is_published = False

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not published."""
        if not self._is_published:
            if self._writer is not None:
                with contextlib.suppress(Exception):  # it would otherwise write when it is freed
                    self._writer.close({})
            if sys.platform == "win32":  # which removes no open file
                self._file.close()
            with contextlib.suppress(OSError):
                os.unlink(self.part)
        with contextlib.suppress(OSError):
            os.unlink(self._old)
        with contextlib.suppress(OSError):  # of a full disk, for what is buffered
            self._file.close()

    def write(self, table: Any) -> None:
        """Write rows; all tables have the same columns.

        Raises:
            InvalidInputError: If a column changes its type on the way.
            StoreError: If the disk refuses.
        """
        self._tables.append(table)
        self._rows += table.num_rows
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def finish(self, facts: Mapping[str, str]) -> str:
        """Write the end, with facts where the form has room for them, and make it durable.

        Returns:
            The SHA-256 of the file.
        """
        self._flush(last=True)
        with _disk(str(self.part)):
            assert self._writer is not None  # noqa: S101 - a last flush makes one
            self._writer.close(facts)
            self._file.flush()
            durable.sync(self._file.fileno())
            self._about = os.fstat(self._file.fileno())
            self._file.seek(0)
            return hashlib.file_digest(self._file, "sha256").hexdigest()

    @property
    def size_bytes(self) -> int:
        """Its length, once it is finished."""
        return self._about.st_size

    def publish(self) -> None:
        """Give it its name.

        Raises:
            InvalidInputError: If the name was taken meanwhile.
            StoreError: If the disk refuses.
        """
        part, path = str(self.part), str(self.path)
        with _disk(path):
            if sys.platform == "win32":  # which renames no open file
                self._file.close()
            if self._replacing == "replace":
                self._keep_old()
                os.replace(part, path)
            else:
                try:
                    durable.publish(part, path, links=os.name != "nt")
                except TakenError:
                    raise self._taken() from None
                with contextlib.suppress(FileNotFoundError):  # where it was linked, not renamed
                    os.unlink(part)
            self._is_published = True
            durable.sync_folder(str(self.path.parent))

    def withdraw(self) -> None:
        """Take back what was published, for what belongs to it could not be written.

        What somebody else put in its place meanwhile stays.
        """
        with contextlib.suppress(OSError):
            if not os.path.samestat(self._about, os.lstat(self.path)):
                return
            if self._old.exists():
                os.replace(self._old, self.path)
            else:
                os.unlink(self.path)

    def _keep_old(self) -> None:
        """Give the file that is replaced a second name, where the disk has such."""
        with contextlib.suppress(OSError):
            os.unlink(self._old)
        with contextlib.suppress(OSError):
            os.link(self.path, self._old)

    def _require_free(self) -> None:
        if self.path.is_dir():
            raise InvalidInputError(self._subject, "is a folder", "name a file")
        if not self.path.parent.is_dir():
            raise InvalidInputError(self._subject, "is in a folder that is not there", "make it")
        if self._replacing != "replace" and os.path.lexists(self.path):
            raise self._taken()

    def _taken(self) -> InvalidInputError:
        return InvalidInputError(self._subject, "exists", "name another, or give --overwrite")

    def _flush(self, *, last: bool = False) -> None:
        if not self._tables:
            return
        pa = pyarrow()
        try:
            table = pa.concat_tables(self._tables, promote_options="default")
            if self._writer is None and not last and any(map(pa.types.is_null, table.schema.types)):
                return  # a part may come that tells the type
            with _disk(str(self.part)):
                self._write(table)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            problem = f"cannot hold a column, or one that changes its type: {error}"[:300]
            advice = "leave it out of --id and --keep, or describe the answers in `output_schema`"
            raise InvalidInputError(self._subject, problem, advice) from error
        self._tables, self._rows = [], 0

    def _write(self, table: Any) -> None:
        if self._writer is None:
            self._schema = _settled(table.schema)
            self._writer = _WRITERS[self._form](self._file, self._schema)
        self._writer.write(table.cast(self._schema))


@contextlib.contextmanager
def _disk(path: str) -> Iterator[None]:
    """Turn the system's refusals to write into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in durable.FULL:
            advice = "free some, then repeat"
            raise StoreFullError(path, "has no space left", advice) from error
        problem = f"cannot be written: {error.strerror or error}"
        raise StoreError(
            path, problem, "check the disk, and the folder's owner and mode"
        ) from error


def _settled(schema: Any) -> Any:
    """Give columns in which there was nothing the type of numbers, so that readers get along."""
    pa = pyarrow()
    for place, field in enumerate(schema):
        if pa.types.is_null(field.type):
            schema = schema.set(place, pa.field(field.name, pa.float64()))
    return schema


def _locked(part: Path) -> Any:
    """Open the file beside the output, alone."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    for _ in range(_ATTEMPTS):
        if sys.platform == "win32":  # which removes no open file
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
        descriptor = os.open(part, flags, _PRIVATE)
        try:
            if _is_alone(descriptor, part) and _lock(descriptor, part):
                os.ftruncate(descriptor, 0)
                return os.fdopen(descriptor, "r+b")
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(errno.EAGAIN, "it keeps changing", str(part))


def _is_alone(descriptor: int, part: Path) -> bool:
    """Tell whether the file has no other name; if so, it loses this one.

    A run that was killed just after its output got its name left both.

    Raises:
        OSError: If it is not a regular file of this user's: whose it is would read along.
    """
    held = os.fstat(descriptor)
    is_own = sys.platform == "win32" or held.st_uid == os.geteuid()
    if not (stat.S_ISREG(held.st_mode) and is_own):
        raise OSError(errno.EEXIST, "another file is there, which no run left", str(part))
    if held.st_nlink > 1:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        return False
    if sys.platform != "win32":
        os.fchmod(descriptor, _PRIVATE)
    return True


def _lock(descriptor: int, part: Path) -> bool:
    """Lock it; False if its name is gone or means another file by now.

    Raises:
        BusyError: If another run has it.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        problem = "is being written by another run"
        raise BusyError(str(part), problem, "wait for its end, or name another") from None
    try:
        here = os.stat(part)
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino)


class _ParquetOutput:
    def __init__(self, file: Any, schema: Any) -> None:
        from pyarrow import parquet

        dictionary = [
            field.name for field in schema if field.name != ROW and not _is_float(field.type)
        ]
        self._writer = parquet.ParquetWriter(
            _Kept(file),
            schema,
            compression="zstd",
            use_dictionary=dictionary,
            column_encoding={ROW: "DELTA_BINARY_PACKED"},
            write_page_checksum=True,
        )

    def write(self, table: Any) -> None:
        self._writer.write_table(table, row_group_size=1 << 20)

    def close(self, facts: Mapping[str, str]) -> None:
        self._writer.add_key_value_metadata(dict(facts))
        self._writer.close()


class _CsvOutput:
    def __init__(self, file: Any, schema: Any) -> None:
        from pyarrow import csv

        pa = pyarrow()
        self._schema = pa.schema(
            [
                pa.field(name, _plain_type(of))
                for name, of in zip(schema.names, schema.types, strict=True)
            ]
        )
        self._writer = csv.CSVWriter(_Kept(file), self._schema)

    def write(self, table: Any) -> None:
        import msgspec

        pa = pyarrow()
        for place, field in enumerate(table.schema):
            if pa.types.is_nested(field.type):
                texts = [
                    None if value is None else msgspec.json.encode(value).decode()
                    for value in table.column(place).to_pylist()
                ]
                table = table.set_column(place, field.name, pa.array(texts, pa.string()))
        self._writer.write_table(table.cast(self._schema))

    def close(self, _facts: Mapping[str, str]) -> None:
        self._writer.close()


def _plain_type(held: Any) -> Any:
    """Return the type in which pyarrow writes a column to CSV: lists as JSON, no views."""
    pa = pyarrow()
    is_text = pa.types.is_nested(held) or pa.types.is_string_view(held)
    return pa.string() if is_text or pa.types.is_dictionary(held) else held


class _LineOutput:
    def __init__(self, file: Any, _schema: Any) -> None:
        self._file = file

    def write(self, table: Any) -> None:
        import msgspec

        encoder = msgspec.json.Encoder()
        for batch in table.to_batches(max_chunksize=8192):
            self._file.write(b"".join(encoder.encode(row) + b"\n" for row in batch.to_pylist()))

    def close(self, _facts: Mapping[str, str]) -> None:
        return


_WRITERS: Final[dict[str, Any]] = {
    "parquet": _ParquetOutput, "csv": _CsvOutput, "jsonl": _LineOutput,
}  # fmt: skip


class _Kept(io.RawIOBase):
    """A file that pyarrow may close, while the one below it stays open and locked."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)  # type: ignore[no-any-return]

    def tell(self) -> int:
        return self._file.tell()  # type: ignore[no-any-return]

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()


def _is_float(held: Any) -> bool:
    return bool(pyarrow().types.is_floating(held))
