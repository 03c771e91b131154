"""Files of rows: columns by name and type, in parts; what does not fit is refused before a row."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from holdfast.datasets import data_source, row_reading
from holdfast.errors import InvalidInputError
from holdfast.formats import training_columns
from holdfast.scoring.data_file import DataFile, Kind


def read(path: Path, **columns: Kind) -> dict[str, list[Any]]:
    with DataFile(path) as file:
        for name, kind in columns.items():
            file.require(name, kind, "which the test takes")
        rows: dict[str, list[Any]] = {name: [] for name in columns}
        for batch in file.batches(columns):
            for name in columns:
                rows[name] += batch.column(name).to_pylist()
        file.require_unchanged()
        return rows


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def made(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return made


def test_columns_are_taken_by_name(write: Any) -> None:
    path = write("a.csv", "b,a,c\n1,2,x\n3,4,y\n")

    assert read(path, a="number", c="text") == {"a": [2.0, 4.0], "c": ["x", "y"]}
    with DataFile(path) as file:
        assert (file.names, file.stem) == (("b", "a", "c"), "a")


def test_a_number_may_break_late(write: Any) -> None:
    path = write("a.csv", "a,b\n" + "1,1\n" * 700_000 + "1.5,1.5\n")

    assert read(path, a="number")["a"][-1] == 1.5
    assert read(path, a="any")["a"][-1] == 1.5
    with pytest.raises(InvalidInputError, match="CSV conversion error to int64"):
        read(path, a="integer")


@pytest.mark.parametrize(
    ("cell", "value"), [("7", 7.0), ("1E+05", 1e5), ("x", "x"), ("true", True), ("07-x", "07-x")]
)
def test_a_column_may_begin_empty(
    write: Any, monkeypatch: pytest.MonkeyPatch, cell: str, value: object
) -> None:
    monkeypatch.setattr("holdfast.scoring.data_file._BLOCK_BYTES", 1 << 16)
    path = write("a.csv", "a,b,c\n" + "1,,\n" * 300_000 + f"1,{cell},\n")
    rows = read(path, b="any", c="any", a="any")

    assert rows["b"][-2:] == [None, value]
    assert rows["a"][-1] == 1.0
    assert {*rows["c"]} == {None}


def test_a_key_of_json_may_come_first_in_a_late_line(write: Any) -> None:
    path = write("a.jsonl", '{"a": 1}\n' * 1500 + '{"b": 2}\n')
    with DataFile(path) as file:
        seen = []
        for wanted in ((), ("a",), ("a", "c")):
            file.look_for(wanted)
            seen.append(file.names)
    assert seen == [("a",), ("a",), ("a", "b")]


def test_an_empty_cell_is_null(write: Any) -> None:
    assert read(write("a.csv", "a,b\n1,\n,x\n"), a="number", b="raw") == {
        "a": [1.0, None],
        "b": [None, "x"],
    }


def test_only_an_empty_cell_of_text_is_null(write: Any) -> None:
    path = write("a.csv", 'a,b,c\nNA,1,EU\nn/a,NA,null\n"",2,""\n')

    assert read(path, a="text", b="number", c="any") == {
        "a": ["NA", "n/a", None],
        "b": [1.0, None, 2.0],
        "c": ["EU", "null", None],
    }


def test_a_mark_at_the_start_is_no_part_of_a_name(write: Any) -> None:
    assert read(write("a.csv", "\ufeffa\n1\n"), a="number") == {"a": [1.0]}


def test_lines_of_json_keep_their_types(write: Any) -> None:
    path = write("a.jsonl", '{"a": 1, "b": "1"}\n\n{"b": "2", "a": 2.5}\n{"a": null}\n')

    assert read(path, a="number", b="raw") == {"a": [1.0, 2.5, None], "b": ["1", "2", None]}
    assert read(path, a="integer") == {"a": [1.0, 2.5, None]}
    assert read(path, a="any") == {"a": [1.0, 2.5, None]}
    assert read(write("b.jsonl", '{"a": 1}\n'), a="any") == {"a": [1.0]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1}\n[2]\n', "line 2 is not a JSON object"),
        ('{"a": 1}\n{"a": "x"}\n', "column 'a'"),
        ('{"a": 1', "line 1 is not a JSON object"),
        ("\n\n", "it has no columns"),
        ("", "it has no columns"),
    ],
)
def test_lines_that_are_none_are_refused(write: Any, text: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read(write("a.jsonl", text), a="number")


def test_a_line_without_end_is_refused(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.formats.text_rows.LONGEST_LINE", 20)
    with pytest.raises(InvalidInputError, match="line 1 has more than 20 bytes"):
        read(write("a.jsonl", '{"a": "' + "x" * 30 + '"}\n'), a="text")


def test_many_lines_come_in_parts(write: Any) -> None:
    path = write("a.jsonl", "".join(f'{{"a": {number}}}\n' for number in range(5)))

    assert read(path, a="number") == {"a": [0.0, 1.0, 2.0, 3.0, 4.0]}
    with DataFile(path) as file:
        assert [count for count, _ in file.parts(["a"], 2)] == [2, 2, 1]
        assert [batch.num_rows for batch in file.batches({"a": "any"}, 2)] == [2, 2, 1]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a Parquet file with a column of each type."""
    columns = {
        "whole": pa.array([1, 2], pa.int32()),
        "half": pa.array([0.5, None]),
        "yes": pa.array([True, False]),
        "text": pa.array(["x", "y"]),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "when": pa.array(pd.to_datetime(["2026-01-01", "2026-01-02"])),
        "many": pa.array([[1], [2]]),
    }
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_types_of_parquet_are_kept(table: Path) -> None:
    assert read(table, whole="integer", half="number", yes="boolean", kind="text") == {
        "whole": [1, 2],
        "half": [0.5, None],
        "yes": [True, False],
        "kind": ["x", "y"],
    }
    assert read(table, whole="number", yes="number", half="integer", text="raw") == {
        "whole": [1.0, 2.0],
        "yes": [1.0, 0.0],
        "half": [0.5, None],
        "text": ["x", "y"],
    }
    assert str(read(table, when="time")["when"][0]) == "2026-01-01 00:00:00"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("text", "number"), ("whole", "text"), ("whole", "time"), ("many", "any"), ("many", "raw")],
)
def test_a_type_that_does_not_fit_is_refused_before_the_first_row(
    table: Path, name: str, kind: Kind
) -> None:
    with DataFile(table) as file, pytest.raises(InvalidInputError, match="must be"):
        file.require(name, kind, "which the test takes")


def test_a_column_is_there_once(write: Any) -> None:
    with DataFile(write("a.csv", "a,b,a\n1,2,3\n")) as file:
        with pytest.raises(InvalidInputError, match="has 2 columns called 'a', for it"):
            file.require("a", "number", "for it")
        with pytest.raises(InvalidInputError, match="has no column 'c', for it; it has a, b, a"):
            file.require("c", "number", "for it")


def test_parquet_with_a_name_twice_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)

    with DataFile(path) as file, pytest.raises(InvalidInputError, match="2 columns called 'a'"):
        file.require("a", "number", "for it")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "pipe.csv")
    (tmp_path / "null.csv").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "link", "null", "gone"):
        with pytest.raises(InvalidInputError, match="cannot be read"):
            DataFile(tmp_path / f"{name}.csv")


def test_a_link_to_a_file_is_read(write: Any, tmp_path: Path) -> None:
    path = write("a.csv", "a\n1\n")
    (tmp_path / "b.csv").symlink_to(path)

    assert read(tmp_path / "b.csv", a="number") == {"a": [1.0]}


def test_what_is_no_parquet_is_refused(write: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        DataFile(write("a.parquet", "no such thing"))


def test_a_page_of_parquet_that_is_damaged_is_a_matter_of_content(tmp_path: Path) -> None:
    """Arrow tells some damage by an error of the system, without its number."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": list(range(1000))}), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[40:48] = b"\xff" * 8
    path.write_bytes(content)

    problem = r"cannot be read: Corrupt snappy compressed data\.; check its content"
    with pytest.raises(InvalidInputError, match=problem):
        read(path, a="number")
    with pytest.raises(InvalidInputError, match=problem):
        training_columns._table(path)
    with pytest.raises(ValueError, match="Corrupt snappy"):
        list(row_reading.batches(path))
    described = data_source.described(data_source.find(str(path), tmp_path))
    assert "rows were not read: they cannot be read: Corrupt" in described.remark


def test_an_ending_tells_the_form(write: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"give \.parquet, \.csv or \.jsonl"):
        DataFile(write("a.xlsx", ""))
    assert read(write("a.NDJSON", '{"a": 1}'), a="number") == {"a": [1.0]}


def test_a_file_that_changed_is_told(write: Any) -> None:
    path = write("a.csv", "a\n1\n")
    with DataFile(path) as file:
        path.write_text("a\n2\n")
        with pytest.raises(InvalidInputError, match="was changed while it was read"):
            file.require_unchanged()
