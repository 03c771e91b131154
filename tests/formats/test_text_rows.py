"""Files of rows as other people have them: read, or refused with what to do."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from holdfast.datasets import data_source
from holdfast.errors import InvalidInputError
from holdfast.scoring.data_file import DataFile

CSV = b"a,b\n1,2\n3,4\n"
LINES = b'{"a":1,"b":2}\n{"a":3,"b":4}\n'


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("rows.csv"), CSV)
    return buffer.getvalue()


def table(kind: str) -> bytes:
    buffer = io.BytesIO()
    rows = pa.table({"a": [1, 3], "b": [2, 4]})
    parquet.write_table(rows, buffer) if kind == "parquet" else feather.write_feather(rows, buffer)
    return buffer.getvalue()


READ = {
    "plain.csv": CSV,
    "mark.csv": b"\xef\xbb\xbf" + CSV,
    "crlf.csv": CSV.replace(b"\n", b"\r\n"),
    "blank.csv": b"a,b\n\n1,2\n\n3,4\n",
    "quoted.csv": b'a,b,"no\nte"\n1,2,"x\ny"\n3,4,z\n',
    "plain.jsonl": LINES,
    "mark.jsonl": b"\xef\xbb\xbf" + LINES,
    "crlf.jsonl": LINES.replace(b"\n", b"\r\n"),
    "late.jsonl": b'{"b":2}\n{"a":3,"b":4}\n',
    "plain.parquet": table("parquet"),
}
REFUSED = {
    "rows.csv": (
        (gzip.compress(CSV, mtime=0), "compressed by gzip; decompress it"),
        (pa.compress(CSV, "zstd").to_pybytes(), "compressed by zstd; decompress it"),
        (bz2.compress(CSV), "compressed by bzip2; decompress it"),
        (lzma.compress(CSV), "compressed by xz; decompress it"),
        (zipped(), "is a ZIP archive or a workbook; save its rows as CSV or Parquet"),
        (table("parquet"), "is a Parquet file; give it the ending .parquet"),
        (table("arrow"), "is an Arrow file; save it as Parquet"),
        (CSV.decode().encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        (CSV.replace(b",", b";"), "separated by semicolons; save it with commas"),
        (CSV.replace(b",", b"\t"), "separated by tabs; save it with commas"),
        (CSV.replace(b"\n", b"\r"), "lines end with CR alone; save it with"),
        (b"", "it has no columns"),
    ),
    "rows.jsonl": (
        (gzip.compress(LINES, mtime=0), "compressed by gzip; decompress it"),
        (LINES.decode().encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        (b'[{"a":1}]', "got `array`; write one object in each line"),
        (b'{\n "a": 1\n}\n', "truncated; write one object in each line"),
        (b'{"a":NaN}\n', "NaN and Infinity are not JSON; write null"),
        (b'{"a":1}\n5\n', "line 2 is not a JSON object: Expected `object`, got `int`"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_files_of_other_programs_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(READ[name])
    described = data_source.described(data_source.find(str(path), tmp_path / "unused"))
    with DataFile(path) as file:
        parts = [part for _, part in file.parts(("a", "b"), 1)]

    assert described.row_count == len(parts) == 2
    assert {*file.names} >= {"a", "b"}
    assert [str(part["b"][0]) for part in parts] == ["2", "4"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [(name, content, problem) for name, all_ in REFUSED.items() for content, problem in all_],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    described = data_source.described(data_source.find(str(path), tmp_path / "unused"))
    with pytest.raises(InvalidInputError) as caught, DataFile(path) as file:
        list(file.parts(("a",), 10))

    assert problem in str(caught.value)
    assert str(caught.value).count(";") == 1
    assert problem in described.remark
    assert described.digest is not None


def test_a_compressed_file_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(CSV))

    with pytest.raises(InvalidInputError, match="is compressed; decompress it"):
        DataFile(path)
    assert "not compressed" in data_source.described(data_source.find(str(path), tmp_path)).remark
