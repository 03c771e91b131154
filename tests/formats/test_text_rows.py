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
from holdfast.formats import text_rows
from holdfast.scoring.data_file import DataFile

CSV = b"a,b\n1,2\n3,4\n"
LINES = b'{"a":1,"b":2}\n{"a":3,"b":4}\n'


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("rows.csv"), CSV)
    return buffer.getvalue()


def zstd(text: bytes) -> bytes:
    return bytes(pa.compress(text, "zstd", asbytes=True))


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
    "packed.csv.gz": gzip.compress(CSV, mtime=0),
    "PACKED.CSV.GZ": gzip.compress(CSV[:5]) + gzip.compress(CSV[5:]),
    "mark.csv.gz": gzip.compress(b"\xef\xbb\xbf" + CSV),
    "packed.jsonl.gz": gzip.compress(LINES),
    "packed.ndjson.gz": gzip.compress(LINES),
    "packed.csv.zst": zstd(CSV),
    "packed.jsonl.zst": zstd(LINES),
}
REFUSED = {
    "rows.csv": (
        (gzip.compress(CSV, mtime=0), "compressed by gzip; add .gz to its name"),
        (zstd(CSV), "compressed by zstd; add .zst to its name"),
        (bz2.compress(CSV), "compressed by bzip2; decompress it"),
        (lzma.compress(CSV), "compressed by xz; decompress it"),
        (zipped(), "is a ZIP archive or a workbook; save its rows as CSV or Parquet"),
        (table("parquet"), "is a Parquet file; give it the ending .parquet"),
        (table("arrow"), "is an Arrow file; save it as Parquet"),
        (CSV.decode().encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        ("a,b\nZürich,1\n".encode("latin-1"), "invalid UTF8 data); save it as UTF-8"),
        ("ä,b\n1,2\n".encode("latin-1"), "it is not text in UTF-8 ("),
        (CSV.replace(b",", b";"), "separated by semicolons; save it with commas"),
        (CSV.replace(b",", b"\t"), "separated by tabs; save it with commas"),
        (CSV.replace(b"\n", b"\r"), "lines end with CR alone; save it with"),
        (b"", "it has no columns"),
        (b"," * 250_000 + b"\n", "it has more than 250,000 columns"),
        (
            (b'"' + b"x" * 131_000 + b'\n",') * 130,
            "names of its columns take more than 16,777,216 bytes",
        ),
    ),
    "rows.csv.gz": (
        (CSV, "it is not packed by gzip; rename it without .gz"),
        (gzip.compress(CSV)[:-3], "gzip data is cut short; fetch it again"),
        (gzip.compress(CSV)[:-8] + bytes(8), "gzip data is damaged; fetch it again"),
        (gzip.compress(table("parquet")), "is a Parquet file; give it the ending .parquet"),
        (gzip.compress(gzip.compress(CSV)), "compressed by gzip; add .gz to its name"),
    ),
    "rows.csv.zst": (
        (gzip.compress(CSV), "it is not packed by zstd; rename it without .zst"),
        (zstd(CSV)[:-3], "zstd data is cut short; fetch it again"),
    ),
    "rows.jsonl": (
        (gzip.compress(LINES, mtime=0), "compressed by gzip; add .gz to its name"),
        (LINES.decode().encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        ('{"a":"Zürich"}\n'.encode("latin-1"), "it is not text in UTF-8 ("),
        (b'[{"a":1}]', "got `array`; write one object in each line"),
        (b'{\n "a": 1\n}\n', "truncated; write one object in each line"),
        (b'{"a":NaN}\n', "NaN and Infinity are not JSON; write null"),
        (
            b'{"a":1}\n{"a":' + b"[" * 99_999 + b"\n",
            "line 2 is not a JSON object: a value is nested",
        ),
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


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("rows.csv.bz2", "is compressed; decompress it, or give .csv.gz or .csv.zst"),
        ("rows.parquet.gz", "is Parquet packed by gzip; unpack it, for it is packed within"),
        ("rows.gz", "has an unknown ending; give .parquet, .csv or .jsonl"),
    ],
)
def test_a_file_that_is_packed_otherwise_is_told_by_its_name(
    tmp_path: Path, name: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(CSV))
    described = data_source.described(data_source.find(str(path), tmp_path))

    with pytest.raises(InvalidInputError, match=problem):
        DataFile(path)
    assert "text may be packed as .csv.gz" in described.remark


def test_packed_rows_are_the_same_rows(tmp_path: Path) -> None:
    contents = {"a.csv": CSV, "b.csv.gz": gzip.compress(CSV), "c.csv.zst": zstd(CSV)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    alone = [
        data_source.described(data_source.find(str(tmp_path / name), tmp_path)) for name in contents
    ]
    together = data_source.described(data_source.find(str(tmp_path), tmp_path))

    assert len({one.rows for one in alone}) == 1
    assert len({one.digest for one in alone}) == 3
    assert {one.reader for one in alone} == {together.reader} == {"csv, cells as text"}
    assert together.row_count == 6
    assert data_source.rows_of(tmp_path / "b.csv.gz") == alone[0].rows


def test_what_spark_puts_beside_rows_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv.gz").write_bytes(gzip.compress(CSV))
    plain = data_source.described(data_source.find(str(tmp_path), tmp_path))
    for name in ("_SUCCESS", ".part-0.csv.gz.crc"):
        (tmp_path / name).write_bytes(b"")
    marked = data_source.described(data_source.find(str(tmp_path), tmp_path))
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "0.json").write_text("{}")
    table = data_source.described(data_source.find(str(tmp_path), tmp_path))

    assert (marked.rows, marked.row_count, len(marked.files)) == (plain.rows, 2, 3)
    assert marked.digest != plain.digest
    assert table.rows is None


def test_long_lines_come_in_parts_of_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "_PART_BYTES", 1000)
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":"%s"}\n' % (b"x" * 300) * 10))
    with DataFile(path) as file:
        parts = [count for count, _ in file.parts(("a",), 100)]

    assert parts == [4, 4, 2]


def test_keys_of_json_lines_are_not_without_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_rows, "MOST_COLUMNS", 9)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"a{number}":1}}\n' for number in range(10)))

    assert "it has more than 9 columns" in (
        data_source.described(data_source.find(str(path), tmp_path)).remark
    )
