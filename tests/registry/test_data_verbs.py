"""Data by name: added, found again, and held against what was recorded."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import holdfast
from holdfast import Registry
from holdfast.errors import (
    DamagedError,
    InvalidInputError,
    NotFoundError,
    UnsupportedError,
)
from holdfast.store import layout


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    return path


def test_a_file_is_recorded_and_not_copied(registry: Registry, rows: Path) -> None:
    added = registry.data.add("sales", str(rows), window="2026-08-31/2026-11-29")

    assert (added.created, added.version.ref, added.version.by) == (True, "sales@v1", "ann")
    described = registry.data.describe(added.version)
    assert (described.row_count, described.kept) == (2, False)
    assert described.window == "2026-08-31T00:00:00Z/2026-11-29T00:00:00Z"
    blobs = list(registry._session.open_store.store.list(layout.BLOBS))
    assert blobs == [added.version.added.description]


def test_the_same_data_is_not_added_twice_in_a_row(registry: Registry, rows: Path) -> None:
    registry.data.add("sales", str(rows))
    again = registry.data.add("sales", str(rows))
    assert (again.created, again.version.number) == (False, 1)

    rows.write_text("a,b\n3,z\n")
    assert registry.data.add("sales", str(rows)).version.number == 2


def test_versions_are_found_by_number_latest_and_digest(registry: Registry, rows: Path) -> None:
    first = registry.data.add("sales", str(rows)).version
    rows.write_text("a,b\n3,z\n")
    second = registry.data.add("sales", str(rows)).version

    for ref, version in (
        ("sales", second),
        ("sales@latest", second),
        ("sales@v1", first),
        ("sales@1", first),
        (f"sales@{first.added.digest}", first),
        (f"sales@{(first.added.rows or '')[:20]}", first),
    ):
        assert registry.data.find(ref) == version


def test_what_is_not_there_is_said(registry: Registry, rows: Path) -> None:
    with pytest.raises(NotFoundError, match="data sales not found"):
        registry.data.find("sales")
    registry.data.add("sales", str(rows))
    with pytest.raises(NotFoundError, match=r"data sales@v9 not found; the last one is sales@v1"):
        registry.data.find("sales@v9")
    with pytest.raises(NotFoundError, match=r"data sale not found; nearest: sales"):
        registry.data.find("sale")
    with pytest.raises(InvalidInputError, match="cannot be read as a version"):
        registry.data.find("sales@production")


def test_models_and_data_of_one_name_do_not_mix(registry: Registry, rows: Path) -> None:
    registry.data.add("iris", str(rows))

    assert registry.data.names() == ["iris"]
    assert registry.models() == []
    with pytest.raises(NotFoundError):
        registry.versions("iris")


def test_verifying_says_which_digest_differs(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({"a": range(10)})
    parquet.write_table(table, path)
    registry.data.add("sales", str(path))
    assert registry.data.verify("sales").state == "same"

    parquet.write_table(table, path, row_group_size=2, compression="zstd")
    checked = registry.data.verify("sales")
    assert checked.state == "changed"
    assert [text.partition(":")[0] for text in checked.differences] == ["bytes", "rows"]
    assert checked.differences[1] == "rows: the same, in other bytes"

    parquet.write_table(table.slice(1), path)
    assert "was recorded" in registry.data.verify("sales").differences[1]
    path.unlink()
    checked = registry.data.verify("sales")
    assert (checked.state, "does not exist" in checked.notes[0]) == ("missing", True)


def test_a_folder_tells_which_files_changed(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "days"
    (folder / "deep").mkdir(parents=True)
    for name in ("1.csv", "2.csv", "deep/3.csv"):
        (folder / name).write_text("a\n1\n")
    registry.data.add("days", str(folder))
    (folder / "1.csv").write_text("a\n2\n")
    (folder / "2.csv").rename(folder / "4.csv")

    assert registry.data.verify("days").differences[2:] == (
        "file '1.csv' changed",
        "file '2.csv' is gone",
        "file '4.csv' is new",
    )


def test_what_is_kept_is_kept_once_and_comes_back(
    registry: Registry, rows: Path, tmp_path: Path
) -> None:
    registry.data.add("sales", str(rows), keep=True)
    registry.data.add("copy", str(rows), keep=True)
    rows.unlink()
    version, path = registry.data.located("sales", tmp_path / "here")

    assert (version.ref, path.read_text()) == ("sales@v1", "a,b\n1,x\n2,y\n")
    assert registry.data.verify("sales").state == "same"
    digests = [
        one.added.digest for name in registry.data.names() for one in registry.data.versions(name)
    ]
    assert len(set(digests)) == 1


def test_what_is_kept_survives_a_collector_and_a_backup(
    registry: Registry, rows: Path, tmp_path: Path
) -> None:
    registry.data.add("sales", str(rows), keep=True)
    registry.gc(grace_s=0)
    assert registry.verify().whole

    copy = holdfast.open(tmp_path / "backup")
    registry.backup(copy)
    assert copy.verify().whole
    assert copy.data.located("sales", tmp_path / "out")[1].read_bytes() == rows.read_bytes()
    assert registry.backup(copy).new_entries == 0


def test_damage_to_a_journal_or_blob_of_data_is_found(registry: Registry, rows: Path) -> None:
    version = registry.data.add("sales", str(rows), keep=True).version
    folder = Path(registry.location)
    blob = folder / layout.blob((version.added.digest or "").removeprefix("sha256:"))
    blob.chmod(0o600)
    blob.write_bytes(b"other")
    assert not registry.verify().whole

    entry = folder / layout.numbered(layout.journal(layout.data("sales")), 1)
    entry.chmod(0o600)
    entry.write_bytes(entry.read_bytes().replace(b"ann", b"bob"))
    assert any("checksum" in damage.problem for damage in registry.verify().damages)
    with pytest.raises(DamagedError):
        registry.data.find("sales")
    with pytest.raises(DamagedError):
        registry.gc()


@pytest.mark.parametrize("name", ["../x", "a@b", "", ".", "a/../b", "@data/x", "x\n"])
def test_a_name_that_is_a_trick_is_refused(registry: Registry, rows: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="data name"):
        registry.data.add(name, str(rows))


def test_links_that_lead_out_of_a_folder_or_pattern_are_refused(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "1.csv").symlink_to(tmp_path / "secret.csv")

    for source in (str(folder), str(folder / "*.csv")):
        with pytest.raises(InvalidInputError, match="leads out of the folder"):
            registry.data.add("days", source)


def test_file_names_with_line_breaks_do_not_pass_for_other_files(
    registry: Registry, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "a").write_text("x")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (one / "b").write_text("x")
    (two / "a").rename(two / f"a\n{digest}  b")

    digests = [
        registry.data.add(folder.name, str(folder)).version.added.digest for folder in (one, two)
    ]
    assert digests[0] != digests[1]


def test_names_of_files_that_other_systems_lack_are_not_kept(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "a\nb").write_text("x")

    with pytest.raises(InvalidInputError):
        registry.data.add("days", str(folder), keep=True)
    assert registry.data.names() == []


def test_a_pattern_is_what_it_matches(registry: Registry, tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv", "no.txt"):
        (tmp_path / name).write_text("a\n1\n")
    added = registry.data.add("days", str(tmp_path / "*.csv"))

    assert [file.path for file in added.description.files] == ["1.csv", "2.csv"]
    assert added.description.row_count == 2
    _, folder = registry.data.located("days", tmp_path / "here")
    assert sorted(path.name for path in folder.iterdir()) == ["1.csv", "2.csv"]


def test_files_without_rows_have_their_bytes(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"png")
    added = registry.data.add("image", str(tmp_path / "image.png"))

    assert (added.description.rows, added.description.size_bytes) == (None, 3)
    assert "rows are read of" in added.description.remark


def test_rows_that_cannot_be_read_do_not_hinder(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1\n")

    assert (
        "Expected 2 columns" in registry.data.add("x", str(tmp_path / "x.csv")).description.remark
    )


def test_a_query_is_recorded_and_its_result_kept_if_asked(
    registry: Registry, rows: Path, tmp_path: Path
) -> None:
    text = f"select * from '{rows}' where a >= $least"
    added = registry.data.add("q", sql=text, parameters={"least": 2})
    assert (added.description.row_count, added.description.digest) == (1, None)
    assert registry.data.verify("q").state == "same"
    with pytest.raises(UnsupportedError, match="is the result of a query, which was not kept"):
        registry.data.located("q", tmp_path / "x")

    registry.data.add("q", sql=text, parameters={"least": 2}, keep=True)
    _, path = registry.data.located("q", tmp_path / "here")
    assert parquet.read_table(path).to_pylist() == [{"a": 2, "b": "y"}]
    rows.write_text("a,b\n5,x\n")
    assert registry.data.verify("q").state == "changed"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("none.csv", "does not exist"),
        ("none*.csv", "has no file that fits"),
        ("https://ann:token@host/x.csv", "is neither a path nor in a bucket"),
        ("s3://key:secret@bucket/x", "holds a secret"),
    ],
)
def test_what_is_not_data_is_refused(registry: Registry, path: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        registry.data.add("x", path)
    assert "token" not in str(caught.value)


def test_a_path_and_a_query_or_neither_are_refused(registry: Registry, rows: Path) -> None:
    with pytest.raises(InvalidInputError, match="needs a path or a query"):
        registry.data.add("x")
    with pytest.raises(InvalidInputError, match="needs a path or a query"):
        registry.data.add("x", str(rows), sql="select 1")


def test_of_many_who_add_at_once_each_has_a_version_of_its_own(
    registry: Registry, tmp_path: Path
) -> None:
    for number in range(8):
        (tmp_path / f"{number}.csv").write_text(f"a\n{number}\n")
    registry.data.add("sales", str(tmp_path / "0.csv"))

    def add(number: int) -> int:
        other = holdfast.open(tmp_path / "store")
        return other.data.add("sales", str(tmp_path / f"{number}.csv")).version.number

    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(add, range(1, 8)))

    assert sorted(numbers) == list(range(2, 9))
    assert registry.verify().whole


def test_what_is_not_a_regular_file_is_not_waited_for(registry: Registry, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "days").mkdir()
    os.mkfifo(tmp_path / "days" / "pipe.csv")

    for source in ("pipe.csv", "days", "*.csv"):
        with pytest.raises(InvalidInputError, match=r"regular file|named pipe"):
            registry.data.add("x", str(tmp_path / source))


def test_a_folder_that_holds_the_store_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    registry.data.add("sales", str(tmp_path / "rows.csv"))

    with pytest.raises(InvalidInputError, match="is a file of the store"):
        registry.data.add("all", str(tmp_path))
    assert registry.data.names() == ["sales"]


def test_what_the_store_keeps_is_not_added_again_without_its_bytes(
    registry: Registry, rows: Path
) -> None:
    words = [False, True, True, False, False]
    added = [registry.data.add("sales", str(rows), keep=keep) for keep in words]

    assert [one.version.number for one in added] == [1, 2, 2, 2, 2]
    assert [one.created for one in added] == [True, True, False, False, False]
    assert added[-1].description.kept
    rows.write_text("a,b\n3,z\n")
    assert registry.data.add("sales", str(rows)).version.number == 3


def test_parameters_that_cannot_be_recorded_are_refused(registry: Registry) -> None:
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for value, problem in (
        (deep, "parameters of the query cannot be recorded"),
        (object(), "parameters of the query cannot be recorded"),
        ("a" * (20 << 20), "query has 20,97[0-9],[0-9]{3} bytes with its parameters"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            registry.data.add("q", sql="select $a as a", parameters={"a": value})
