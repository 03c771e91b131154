"""Files of rows, read as record batches and never all at once.

A CSV file has no types: its cells are read as the texts they are, so that no guess decides about a
digest. Values of JSON lines are read as their JSON, an absent key as no value. Either may be packed
by gzip or zstd: its rows are the same.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast import named_files
from holdfast.errors import MissingLibraryError
from holdfast.formats import packed_text, text_rows

__all__ = ["READERS", "batches", "reader_of"]

READERS: Final = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv, cells as text",
    ".jsonl": "JSON lines, values as JSON",
    ".ndjson": "JSON lines, values as JSON",
}
_ROWS_AT_ONCE: Final = 65_536
_BLOCK_BYTES: Final = 16 << 20


def reader_of(path: Path) -> str:
    """Say what reads a file's rows; empty if nothing does."""
    inner, packing = packed_text.inner_name(path)
    reader = READERS.get(inner.suffix.lower(), "")
    return "" if packing and reader == "parquet" else reader  # Parquet is packed within


def batches(path: Path) -> Iterator[Any]:
    """Go through a file's rows; one batch at least, which tells the columns.

    Raises:
        MissingLibraryError: If pyarrow is not installed.
        ValueError: If it cannot be read as what its ending says.
        OSError: If it cannot be opened.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingLibraryError("pyarrow", "log", "reading rows needs it") from error
    readers = {"parquet": _parquet, "csv, cells as text": _csv}
    with named_files.opened(path) as file:
        try:
            text = packed_text.text_of(file, packed_text.inner_name(path)[1])
            yield from readers.get(reader_of(path), _jsonl)(pa, text)
        except (pa.ArrowException, csv.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(text_rows.reason(error)) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise ValueError(text_rows.reason(error)) from error  # Arrow's, of what it decodes
        except RecursionError as error:
            raise ValueError("a value is nested too deeply") from error


def _parquet(pa: Any, file: Any) -> Iterator[Any]:
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)
    yield pa.RecordBatch.from_pylist([], schema=opened.schema_arrow)
    yield from opened.iter_batches(_ROWS_AT_ONCE, use_threads=False)


def _csv(pa: Any, file: Any) -> Iterator[Any]:
    from pyarrow import csv as arrow_csv

    names, lines = text_rows.csv_names(file)
    if not names:
        raise ValueError("it has no columns")
    schema = pa.schema([(name, pa.string()) for name in names])
    yield pa.RecordBatch.from_arrays([pa.array([], pa.string())] * len(names), schema=schema)
    if not file.read(1):
        return
    file.seek(0)
    inner = [str(index) for index in range(len(names))]  # two columns may have one name
    read = arrow_csv.ReadOptions(
        block_size=_BLOCK_BYTES, use_threads=False, column_names=inner, skip_rows=lines
    )
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(inner, pa.string()), strings_can_be_null=False
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    for batch in arrow_csv.open_csv(
        file, read_options=read, parse_options=parse, convert_options=convert
    ):
        yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _jsonl(pa: Any, file: Any) -> Iterator[Any]:
    names = text_rows.json_names(file, _ROWS_AT_ONCE)
    schema = pa.schema([(name, pa.string()) for name in names])
    yield pa.RecordBatch.from_pylist([], schema=schema)
    for records in text_rows.json_parts(file, _ROWS_AT_ONCE):
        texts = [{key: _json(value) for key, value in record.items()} for record in records]
        yield pa.RecordBatch.from_pylist(texts, schema=schema)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
