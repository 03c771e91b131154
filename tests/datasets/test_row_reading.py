"""Rows of files: read in parts, and without a guess at types."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from holdfast.datasets import row_reading
from holdfast.datasets.row_digest import RowDigest


def rows_of(path: Path) -> list[dict[str, object]]:
    return [row for batch in row_reading.batches(path) for row in batch.to_pylist()]


def digest_of(path: Path) -> str:
    digest = RowDigest()
    for batch in row_reading.batches(path):
        digest.add(batch)
    return digest.digest()


def test_cells_of_csv_are_the_texts_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n007,\n1.50,"x\ny"\nNA,null\n')

    assert rows_of(path) == [
        {"a": "007", "b": ""},
        {"a": "1.50", "b": "x\ny"},
        {"a": "NA", "b": "null"},
    ]


def test_other_line_ends_and_quotes_of_csv_are_the_same_rows(tmp_path: Path) -> None:
    plain, quoted = tmp_path / "plain.csv", tmp_path / "quoted.csv"
    plain.write_bytes(b"a,b\n1,x\n")
    quoted.write_bytes(b'\xef\xbb\xbf"a","b"\r\n"1","x"\r\n')

    assert digest_of(plain) == digest_of(quoted)


def test_two_columns_of_one_name_are_both_read(tmp_path: Path) -> None:
    path, other = tmp_path / "rows.csv", tmp_path / "other.csv"
    path.write_text("a,a\n1,2\n")
    other.write_text("a,a\n1,3\n")

    assert digest_of(path) != digest_of(other)


def test_a_header_alone_has_columns_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n")
    (batch,) = row_reading.batches(path)

    assert (batch.schema.names, batch.num_rows) == (["a", "b"], 0)


def test_values_of_json_lines_are_their_json_and_absent_keys_no_value(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1, "b": {"y": 1, "x": 2}}\n\n{"b": "t", "c": null}\n')

    assert rows_of(path) == [
        {"a": "1", "b": '{"x":2,"y":1}', "c": None},
        {"a": None, "b": '"t"', "c": "null"},
    ]


def test_values_that_are_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}\n")

    with pytest.raises(ValueError, match="nested too deeply"):
        rows_of(path)


def test_an_empty_parquet_file_still_has_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"a": pa.array([], pa.int8())}), path)

    assert [batch.schema.names for batch in row_reading.batches(path)] == [["a"]]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("rows.csv", "a,b\n1\n", "Expected 2 columns, got 1"),
        ("rows.csv", "\n1\n", "it has no columns"),
        ("rows.jsonl", "{}\n[1]\n", "line 2 is not a JSON object"),
        ("rows.parquet", "no", "Parquet"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(ValueError, match=problem):
        list(row_reading.batches(tmp_path / name))
