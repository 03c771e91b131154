"""A row of a batch, read back from its output while the file is what it was."""

import csv
import hashlib
from collections.abc import Iterator
from io import BufferedReader
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

from holdfast import named_files
from holdfast.core import strict_json
from holdfast.errors import HoldfastError
from holdfast.predictions import BatchRecord
from holdfast.scoring.data_file import pyarrow
from holdfast.store.objects import bucket_files

__all__ = ["read_back"]


def read_back(record: BatchRecord, row: int) -> dict[str, Any] | str:
    """Return a row of a batch's output by column, or why it cannot be told any more.

    Args:
        row: Its number, 0-based.
    """
    is_remote = bucket_files.is_address(record.output)
    name = record.output.partition("?")[0] if is_remote else record.output
    ending = PurePath(name).suffix.lower()
    try:
        with _opened(record.output) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != record.output_digest:
                return "the output has other bytes than were written"
            file.seek(0)
            held = _readers(ending)(file, row)
    except FileNotFoundError:
        return "the output is not there any more"
    except (HoldfastError, OSError, ValueError, KeyError) as error:
        return f"the output cannot be read: {error}"[:200]
    return held if held is not None else "the output has no such row"


def _opened(output: str) -> BufferedReader:
    if not bucket_files.is_address(output):
        return named_files.opened(Path(output))
    held = bucket_files.at(output)
    if held.size_bytes is None:
        raise FileNotFoundError(output)
    return held.opened()


def _readers(ending: str) -> Any:
    return {".csv": _of_csv, ".jsonl": _of_lines, ".ndjson": _of_lines}.get(ending, _of_parquet)


def _of_parquet(file: Any, row: int) -> dict[str, Any] | None:
    from pyarrow import parquet

    pyarrow()
    whole = parquet.ParquetFile(file)
    for number in range(whole.num_row_groups):
        rows = whole.metadata.row_group(number).num_rows
        if row < rows:
            return dict(whole.read_row_group(number).slice(row, 1).to_pylist()[0])
        row -= rows
    return None


def _of_csv(file: Any, row: int) -> dict[str, Any] | None:
    return next(islice(csv.DictReader(_texts(file)), row, None), None)


def _texts(file: Any) -> Iterator[str]:
    for line in file:
        yield line.decode()


def _of_lines(file: Any, row: int) -> dict[str, Any] | None:
    line = next(islice(file, row, None), None)
    return None if line is None else strict_json.decode(line, dict[str, Any])
