"""A digest of rows: the same for the same values, whatever file, codec or frame they are in.

SHA-256 over the columns in their order; of each its name, its logical type, the number of rows and
a SHA-256 of its values. That one reads blocks of 65,536 rows, however they arrived: for each row a
byte that is 1 where there is a value, then the values, little-endian, a missing one as 0, every NaN
as one, -0.0 as 0.0; of texts their lengths, then their bytes in UTF-8. `docs/design/format.md` has
the whole of it.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from holdfast.errors import InvalidInputError, MissingLibraryError, UnsupportedError

__all__ = ["DataColumn", "RowDigest", "of_rows"]

_BLOCK_ROWS: Final = 65_536
_HEAD: Final = b"holdfast rows 1\n"


class DataColumn(Struct, frozen=True):
    """A column as it was read.

    Attributes:
        name: Its name; two columns may have the same.
        type: Its logical type: `int64`, `string`, `timestamp[us, tz=UTC]`, …
        nulls: Rows without a value.
    """

    name: str
    type: str
    nulls: int = 0


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingLibraryError("pyarrow", "log", "a digest of rows needs it") from error
    return pa


class RowDigest:
    """Takes rows in any portions, in their order."""

    def __init__(self) -> None:
        self._columns: list[_Column] | None = None
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self.rows = 0

    def add(self, rows: Any) -> None:
        """Take the next rows, a record batch or a table.

        Raises:
            InvalidInputError: If they have other columns than those before.
            UnsupportedError: If a column has a type that is not defined here.
        """
        schema = [(field.name, _logical(field.type)) for field in rows.schema]
        if self._columns is None:
            self._columns = [_Column(*one) for one in schema]
        elif schema != [(column.name, column.type) for column in self._columns]:
            problem = "has other columns or types than the rows before"
            raise InvalidInputError("part of the data", problem, "give parts of one schema")
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= _BLOCK_ROWS:
            self._take(_BLOCK_ROWS)

    def _take(self, least: int) -> None:
        """Hash whole blocks, and the rest too if *least* is 0."""
        pa = _arrow()
        tables = [
            pa.Table.from_batches([one]) if isinstance(one, pa.RecordBatch) else one
            for one in self._waiting
        ]
        end = self._waiting_rows - self._waiting_rows % _BLOCK_ROWS if least else self._waiting_rows
        for index, column in enumerate(self._columns or ()):
            parts = [_plain(chunk) for one in tables for chunk in one.column(index).chunks]
            values = column.joined(parts)
            for start in range(0, end, _BLOCK_ROWS):
                block = values.slice(start, min(_BLOCK_ROWS, end - start))
                column.update(pa.concat_arrays(block.chunks))
        self.rows += end
        rest = self._waiting_rows - end
        self._waiting_rows = rest
        self._waiting = list(_tail(tables, rest))

    def digest(self) -> str:
        """Return `sha256:` and 64 hex digits, once all rows are there."""
        if self._waiting_rows:
            self._take(0)
        total = hashlib.sha256(_HEAD)
        for column in self._columns or ():
            for text in (column.name.encode("utf-8", "surrogatepass"), column.type.encode()):
                total.update(struct.pack("<q", len(text)) + text)
            total.update(struct.pack("<q", self.rows) + column.hash.digest())
        return f"sha256:{total.hexdigest()}"

    @property
    def columns(self) -> tuple[DataColumn, ...]:
        """The columns that were seen, with what they lack so far."""
        columns = self._columns or ()
        return tuple(DataColumn(column.name, column.type, column.nulls) for column in columns)


def _tail(tables: Iterable[Any], rows: int) -> Iterator[Any]:
    """Return the last *rows*, of which there are fewer than a block."""
    parts = list(tables)
    total = sum(table.num_rows for table in parts)
    skipped = total - rows
    for table in parts:
        if table.num_rows <= skipped:
            skipped -= table.num_rows
            continue
        yield table.slice(skipped)
        skipped = 0


class _Column:
    def __init__(self, name: str, type_name: str) -> None:
        self.name, self.type = name, type_name
        self.hash = hashlib.sha256()
        self.nulls = 0
        self.arrow: Any = None

    def joined(self, parts: list[Any]) -> Any:
        """Return portions as one column, in the Arrow type of the first."""
        pa = _arrow()
        if self.arrow is None:
            self.arrow = parts[0].type if parts else pa.null()
        alike = [part if part.type == self.arrow else part.cast(self.arrow) for part in parts]
        return pa.chunked_array(alike, type=self.arrow)

    def update(self, block: Any) -> None:
        """Hash one block."""
        self.nulls += block.null_count
        for part in _bytes(block):
            self.hash.update(part)


def _logical(dtype: Any) -> str:
    """Name a type by what it holds: neither by its encoding nor by the width of its offsets.

    Raises:
        UnsupportedError: If it is a union or another type that is not defined here.
    """
    types = _arrow().types
    if types.is_dictionary(dtype) or types.is_run_end_encoded(dtype):
        return _logical(dtype.value_type)
    if isinstance(dtype, _arrow().BaseExtensionType):
        return _logical(dtype.storage_type)
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return "string"
    if types.is_binary(dtype) or types.is_large_binary(dtype) or types.is_binary_view(dtype):
        return "binary"
    if types.is_map(dtype):
        return f"list<struct<key: {_logical(dtype.key_type)}, value: {_logical(dtype.item_type)}>>"
    if _is_list(types, dtype):
        return f"list<{_logical(dtype.value_type)}>"
    if types.is_struct(dtype):
        fields = ", ".join(f"{field.name}: {_logical(field.type)}" for field in dtype)
        return f"struct<{fields}>"
    if types.is_primitive(dtype) or _is_wide(types, dtype) or types.is_null(dtype):
        return str(dtype)
    raise UnsupportedError(f"type {dtype}", "has no digest of rows", "convert the column")


def _is_list(types: Any, dtype: Any) -> bool:
    is_list = types.is_list(dtype) or types.is_large_list(dtype)
    return bool(is_list or types.is_fixed_size_list(dtype))


def _is_wide(types: Any, dtype: Any) -> bool:
    return bool(types.is_decimal(dtype) or types.is_fixed_size_binary(dtype))


def _plain(array: Any) -> Any:
    """Return the same values without dictionaries, views and extensions."""
    pa = _arrow()
    from pyarrow import compute

    types = pa.types
    if isinstance(array.type, pa.BaseExtensionType):
        return _plain(array.storage)
    if types.is_dictionary(array.type):
        return _plain(array.dictionary_decode())
    if types.is_run_end_encoded(array.type):
        return _plain(compute.run_end_decode(array))
    dtype = array.type
    if types.is_string(dtype) or types.is_string_view(dtype):
        return array.cast(pa.large_string())
    if types.is_binary(dtype) or types.is_binary_view(dtype):
        return array.cast(pa.large_binary())
    return array


def _bytes(array: Any) -> Iterator[Any]:
    """Go through what is hashed of one array: which values are there, then the values."""
    pa = _arrow()
    types, dtype = pa.types, array.type
    yield _validity(array)
    if types.is_null(dtype):
        return
    if types.is_large_string(dtype) or types.is_large_binary(dtype):
        yield from _texts(array)
    elif types.is_map(dtype):
        yield from _entries(array)
    elif _is_list(types, dtype):
        yield from _lists(array)
    elif types.is_struct(dtype):
        for child in array.flatten():
            yield from _bytes(_plain(child))
    elif types.is_floating(dtype):
        yield _raw(_floats(array))
    elif types.is_boolean(dtype):
        yield _raw(_filled(array).cast(pa.uint8()))
    else:
        yield _raw(_filled(array))


def _validity(array: Any) -> Any:
    if not array.null_count:
        return b"\1" * len(array)
    return _raw(array.is_valid().cast(_arrow().uint8()))


def _filled(array: Any) -> Any:
    """Put zeros where there is no value."""
    if not array.null_count:
        return array
    pa = _arrow()
    types, dtype = pa.types, array.type
    if types.is_fixed_size_binary(dtype) and not types.is_decimal(dtype):
        return array.fill_null(pa.scalar(bytes(dtype.byte_width), dtype))
    if types.is_temporal(dtype) and not types.is_interval(dtype):
        array = array.view(pa.int64() if dtype.bit_width == 64 else pa.int32())  # noqa: PLR2004
        dtype = array.type
    return array.fill_null(pa.scalar(0, dtype) if not types.is_boolean(dtype) else False)


def _floats(array: Any) -> Any:
    """Give every NaN the same bits, and -0.0 those of 0.0; halves are hashed as singles."""
    pa = _arrow()
    from pyarrow import compute

    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    array = array.fill_null(0.0) if array.null_count else array
    nan = pa.scalar(float("nan"), array.type)
    summed = compute.add(array, pa.scalar(0.0, array.type))
    return compute.if_else(compute.is_nan(summed), nan, summed)


def _raw(array: Any) -> Any:
    """Return the bytes of values of one width, without those of other slices."""
    width, data = array.type.bit_width // 8, array.buffers()[1]
    if data is None or not len(array):
        return b""
    start = array.offset * width
    return memoryview(data)[start : start + len(array) * width]


def _texts(array: Any) -> Iterator[Any]:
    pa = _arrow()
    from pyarrow import compute

    empty = "" if pa.types.is_large_string(array.type) else b""
    filled = array.fill_null(empty) if array.null_count else array
    yield _raw(compute.binary_length(filled).cast(pa.int64()))
    _, offsets, data = filled.buffers()
    if data is None or not len(filled):
        return
    bounds = memoryview(offsets).cast("q")
    yield memoryview(data)[bounds[filled.offset] : bounds[filled.offset + len(filled)]]


def _lists(array: Any) -> Iterator[Any]:
    pa = _arrow()
    from pyarrow import compute

    lengths = compute.list_value_length(array).cast(pa.int64())
    yield _raw(_filled(lengths))
    yield from _bytes(_plain(array.flatten()))


def _entries(array: Any) -> Iterator[Any]:
    pa = _arrow()
    dtype = array.type
    entry = pa.struct([("key", dtype.key_type), ("value", dtype.item_type)])
    yield from list(_lists(pa.array([_pairs(one) for one in array.to_pylist()], pa.list_(entry))))


def _pairs(entry: Any) -> Any:
    return None if entry is None else [{"key": key, "value": value} for key, value in entry]


def of_rows(source: Any) -> str:
    """Digest rows in memory: a table, record batches or a frame of pandas, without its index.

    Raises:
        InvalidInputError: If it is something else.
        UnsupportedError: If a column has a type that is not defined here.
    """
    pa, digest = _arrow(), RowDigest()
    if isinstance(source, pa.Table | pa.RecordBatch):
        portions: Iterable[Any] = [source]
    elif isinstance(source, pa.RecordBatchReader):
        portions = source
    elif hasattr(source, "columns") and hasattr(source, "dtypes"):
        portions = [pa.Table.from_pandas(source, preserve_index=False)]
    else:
        problem = f"must be a table or a frame, not {type(source).__name__}"
        raise InvalidInputError("rows", problem)
    for portion in portions:
        digest.add(portion)
    return digest.digest()
