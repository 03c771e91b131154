"""An output: written beside its name, whole or not at all, of one type in each column."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from holdfast.batch.output_file import OutputFile, Replacing
from holdfast.errors import InvalidInputError, StoreError

ROWS = 70_000


def table(**columns: Any) -> Any:
    count = len(next(iter(columns.values())))
    return pa.table({"row": pa.array(range(count), pa.int64()), **columns})


def save(path: Path, *tables: Any) -> None:
    with OutputFile(path, "refuse") as output:
        for one in tables:
            output.write(one)
        output.finish({"holdfast.model": "fraud"})
        output.publish()


def test_what_is_not_published_is_gone(tmp_path: Path) -> None:
    for rows in (1, ROWS):
        with OutputFile(tmp_path / "a.parquet", "refuse") as output:
            output.write(table(a=[1.0] * rows))
            assert (tmp_path / "a.parquet.part").exists()
        assert list(tmp_path.iterdir()) == []


def test_a_name_that_was_taken_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with OutputFile(path, "refuse") as output:
        output.write(table(a=[1.0]))
        output.finish({})
        path.write_text("theirs")
        with pytest.raises(InvalidInputError, match="exists"):
            output.publish()

    assert path.read_text() == "theirs"
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("published", [True, False])
def test_windows_is_asked_to_rename_or_remove_no_open_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    published: bool,  # noqa: FBT001
) -> None:
    path = tmp_path / "a.parquet"
    opened: list[Path] = []

    def noted(verb: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: Any) -> None:
            numbers = os.listdir("/proc/self/fd")
            links = [Path(f"/proc/self/fd/{number}") for number in numbers]
            there = [link.readlink() for link in links if link.is_symlink()]
            opened.extend(set(map(Path, paths)) & set(there))
            verb(*paths)

        return call

    with OutputFile(path, "replace") as output:
        output.write(table(a=[1.0]))
        output.finish({})
        for name in ("replace", "unlink"):
            monkeypatch.setattr(os, name, noted(getattr(os, name)))
        monkeypatch.setattr(sys, "platform", "win32")
        if published:
            output.publish()

    assert opened == []
    assert [file.name for file in tmp_path.iterdir()] == (["a.parquet"] if published else [])


def test_parts_without_an_answer_take_the_type_of_those_with_one(tmp_path: Path) -> None:
    nothing = table(a=pa.nulls(ROWS))
    save(tmp_path / "a.parquet", nothing, nothing, table(a=["x"]), nothing)
    save(tmp_path / "b.parquet", nothing)

    assert parquet.read_table(tmp_path / "a.parquet").column("a").null_count == 3 * ROWS
    assert parquet.read_schema(tmp_path / "a.parquet").field("a").type == pa.string()
    assert parquet.read_schema(tmp_path / "b.parquet").field("a").type == pa.float64()


def test_a_column_that_changes_its_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot hold a column, or one that changes"):
        save(tmp_path / "a.parquet", table(a=[1] * ROWS), table(a=["x"]))
    with pytest.raises(InvalidInputError, match="cannot hold a column, or one that changes"):
        save(tmp_path / "a.parquet", table(a=[1] * ROWS), table(a=[1.5] * ROWS))
    assert list(tmp_path.iterdir()) == []


def test_text_holds_lists_and_views_but_not_bytes(tmp_path: Path) -> None:
    lists = table(a=pa.array([[1.0, 2.0], None]), b=pa.array(["x", None], pa.string_view()))
    save(tmp_path / "a.csv", lists)
    save(tmp_path / "a.jsonl", lists)
    with pytest.raises(InvalidInputError, match="leave it out of --id and --keep"):
        save(tmp_path / "b.csv", table(a=pa.array([b"\xff"])))

    assert (tmp_path / "a.csv").read_text().splitlines() == [
        '"row","a","b"', '0,"[1.0,2.0]","x"', "1,,",
    ]  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert lines == [{"row": 0, "a": [1.0, 2.0], "b": "x"}, {"row": 1, "a": None, "b": None}]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet.part").mkdir()

    with pytest.raises(StoreError, match="cannot be written: Is a directory"):
        OutputFile(tmp_path / "a.parquet", "refuse")


def test_a_link_in_the_place_of_the_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.parquet.part").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="cannot be written"):
        OutputFile(tmp_path / "a.parquet", "refuse")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_file_of_others_in_the_place_of_the_part_is_not_written(tmp_path: Path) -> None:
    part = tmp_path / "a.parquet.part"
    os.mkfifo(part)
    with pytest.raises(StoreError, match="another file is there, which no run left"):
        OutputFile(tmp_path / "a.parquet", "refuse")
    part.unlink()
    part.write_text("old")
    part.chmod(0o644)

    save(tmp_path / "a.parquet", table(a=[1.0]))
    assert (tmp_path / "a.parquet").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="outputs are renamed there, not linked")
def test_a_part_that_is_an_output_already_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("of a run that was killed a moment later")
    os.link(path, tmp_path / "a.parquet.part")
    save(tmp_path / "b.parquet", table(a=[1.0]))
    with OutputFile(path, "replace") as output:
        output.write(table(a=[1.0]))

    assert path.read_text() == "of a run that was killed a moment later"
    assert {one.name for one in tmp_path.iterdir()} == {"a.parquet", "b.parquet"}


def test_what_was_replaced_comes_back_if_it_is_withdrawn(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("old")
    for withdrawn in (True, False):
        with OutputFile(path, "replace") as output:
            output.write(table(a=[1.0]))
            output.finish({})
            output.publish()
            if withdrawn:
                output.withdraw()
        assert (path.read_bytes() == b"old") is withdrawn
        assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("replacing", ["refuse", "replace"])
def test_what_a_rival_put_in_its_place_is_not_withdrawn(
    tmp_path: Path, replacing: Replacing
) -> None:
    path = tmp_path / "a.parquet"
    with OutputFile(path, replacing) as output:
        output.write(table(a=[1.0]))
        output.finish({})
        output.publish()
        (tmp_path / "theirs").write_text("a rival's")
        (tmp_path / "theirs").replace(path)
        output.withdraw()

    assert path.read_text() == "a rival's"


def test_pages_have_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    save(path, table(a=[float(number) for number in range(ROWS)]))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)

    with pytest.raises(OSError, match=r"CRC|could not verify|orrupt"):
        parquet.read_table(path, page_checksum_verification=True)
