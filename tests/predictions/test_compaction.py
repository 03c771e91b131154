"""Closed days become Parquet, whatever happens meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.predictions.contract import FULL, LogContract
from tests.predictions.rows import DAY, NOON, Rows, moment_us

from holdfast.errors import (
    DamagedError,
    MissingLibraryError,
    NewerFormatError,
    NotFoundError,
    StoreError,
)
from holdfast.predictions import ALL, Label, Log, Prediction, open_log, parquet
from holdfast.predictions.columns import NAMES
from holdfast.predictions.compaction import closed, compact
from holdfast.predictions.log_folder import FolderLog
from holdfast.predictions.parquet import PARQUET, ParquetPart


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(root: Path) -> Iterator[FolderLog]:
    opened = FolderLog(root)
    yield opened
    opened.close()


def fill(log: Log, workers: str = "abc", count: int = 40) -> list[Prediction]:
    rows = [
        make(**FULL) if number % 2 else make()
        for worker in workers
        for make in [Rows(worker, NOON + ord(worker))]
        for number in range(count)
    ]
    log.write(rows)
    return sorted(rows, key=lambda row: row.prediction_id)


def files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / DAY).iterdir())


class CompactingLog(FolderLog):
    """A log that compacts every day as soon as something is written to it."""

    def write(self, rows: object) -> None:
        super().write(rows)  # type: ignore[arg-type]
        for day in closed(self.days()):
            compact(self.root, day)


class TestCompactedLog(LogContract):
    """The contract holds for Parquet, while rows come late all the time."""

    over = "compacted"

    @pytest.fixture
    def log(self, root: Path) -> Iterator[Log]:
        opened = CompactingLog(root)
        yield opened
        opened.close()

    @pytest.fixture
    def again(self, root: Path) -> Iterator[Log]:
        opened = open_log(root)
        yield opened
        opened.close()

    def test_threads_write_and_read_together(self, log: Log) -> None:
        """Leave it out: two compactions at once are refused, see below."""


def test_a_day_becomes_one_file_that_says_the_same(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    assert log.get(rows[5].prediction_id) == rows[5]
    done = compact(root, DAY)

    assert files(root) == [PARQUET]
    assert list(log.scan(ALL)) == rows
    assert [log.get(row.prediction_id) for row in rows[::7]] == rows[::7]
    assert (done.rows, done.day) == (120, DAY)
    assert done.after_bytes < done.before_bytes


def test_only_days_that_are_over_are_compacted(log: FolderLog) -> None:
    log.write([Rows()(), Rows("b", moment_us("2026-03-04T01:00"))()])
    today = FolderLog(log.root, today=lambda: "2026-03-04")

    assert closed(today.days()) == [DAY]
    compact(log.root, DAY)
    assert closed(today.days()) == []


def test_compacting_again_changes_nothing(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    compact(root, DAY)
    before = (root / DAY / PARQUET).read_bytes()

    assert compact(root, DAY).rows == len(rows)
    assert (root / DAY / PARQUET).read_bytes() == before


def test_late_rows_are_seen_at_once_and_merged_next_time(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    compact(root, DAY)
    late = Rows("a", NOON + 50_000)()
    log.write([late])
    everything = sorted([*rows, late], key=lambda row: row.prediction_id)

    assert list(log.scan(ALL)) == everything
    assert log.get(late.prediction_id) == late
    compact(root, DAY)
    assert files(root) == [PARQUET]
    assert list(log.scan(ALL)) == everything


def test_cut_short_before_the_removal_no_row_is_read_twice(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    log.close()
    shutil.copytree(root, root.with_name("copy"))
    compact(root, DAY)
    for path in (root.with_name("copy") / DAY).iterdir():
        shutil.copy(path, root / DAY / path.name)

    assert list(log.scan(ALL)) == rows
    assert sum(count for (count,) in log.select("SELECT count(*) FROM rows", ALL, {})) == len(rows)
    assert compact(root, DAY).rows == len(rows)
    assert files(root) == [PARQUET]


KILLED = """
import os, signal, sys
from pathlib import Path
from holdfast.predictions import compaction, parquet

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

module, name = sys.argv[2].split(".")
setattr({"os": os, "compaction": compaction, "parquet": parquet}[module], name, die)
compaction.compact(Path(sys.argv[1]), "2026-03-03")
"""


@pytest.mark.parametrize("at", ["compaction.seal", "os.fsync", "os.replace", "compaction._remove"])
def test_killed_anywhere_nothing_is_lost_and_it_can_be_repeated(
    log: FolderLog, root: Path, at: str
) -> None:
    rows = fill(log)
    log.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), at], check=False)
    assert done.returncode == -signal.SIGKILL

    assert list(log.scan(ALL)) == rows
    assert log.get(rows[3].prediction_id) == rows[3]
    assert compact(root, DAY).rows == len(rows)
    assert list(log.scan(ALL)) == rows


def test_a_worker_that_still_has_the_day_open_loses_nothing(log: FolderLog, root: Path) -> None:
    worker, make = FolderLog(root), Rows("a")
    rows = []
    for _ in range(4):
        rows.append(make())
        worker.write(rows[-1:])
        compact(root, DAY)
    worker.close()

    assert list(log.scan(ALL)) == rows


def test_a_damaged_file_stops_it_before_anything_is_removed(log: FolderLog, root: Path) -> None:
    fill(log)
    log.close()
    (root / DAY / "ffff-z.sqlite").write_bytes(b"no database" * 400)
    before = files(root)

    with pytest.raises(DamagedError, match=r"ffff-z\.sqlite"):
        compact(root, DAY)
    assert files(root) == before


def test_labels_stay(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    label = Label(rows[0].prediction_id, 1, NOON, "ana")
    log.feedback.add([label])
    compact(root, DAY)

    assert list(log.feedback.joined(ALL)) == [(rows[0], label)]


def test_two_at_once_are_refused(log: FolderLog, root: Path) -> None:
    from holdfast.predictions.compaction import _alone

    fill(log)
    with _alone(root), pytest.raises(StoreError, match="wait until the other compaction"):
        compact(root, DAY)


def test_a_full_disk_leaves_all_as_it_was(
    log: FolderLog, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = fill(log)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        compact(root, DAY)
    monkeypatch.undo()

    assert PARQUET not in files(root)
    assert list(log.scan(ALL)) == rows


def test_row_groups_are_sorted_so_that_an_id_finds_its_own(log: FolderLog, root: Path) -> None:
    import pyarrow.parquet as pq

    row = Rows()
    log.write([row() for _ in range(40_000)])
    compact(root, DAY)
    metadata = pq.ParquetFile(root / DAY / PARQUET).metadata
    bounds = [
        (statistics.min, statistics.max)
        for group in range(metadata.num_row_groups)
        for statistics in [metadata.row_group(group).column(0).statistics]
    ]

    assert len(bounds) == 3
    assert sorted(bound for pair in bounds for bound in pair) == [
        bound for pair in bounds for bound in pair
    ]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_anybody_can_read_the_file(log: FolderLog, root: Path) -> None:
    import pyarrow.parquet as pq

    rows = fill(log)
    compact(root, DAY)
    table = pq.read_table(root / DAY / PARQUET)

    assert table.column_names == list(NAMES)
    assert table["prediction_id"].to_pylist() == [row.prediction_id for row in rows]


def test_a_quote_in_the_path_is_no_query(tmp_path: Path) -> None:
    root = tmp_path / "o'log'; DROP VIEW predictions; --"
    log = FolderLog(root)
    rows = fill(log)
    compact(root, DAY)

    assert list(log.scan(ALL)) == rows


@pytest.mark.parametrize("content", [b"", b"PAR1 no parquet PAR1", b"\0" * 5000])
def test_a_file_that_is_no_parquet_is_damage(log: FolderLog, root: Path, content: bytes) -> None:
    fill(log)
    (root / DAY / PARQUET).write_bytes(content)

    with pytest.raises(DamagedError, match=r"predictions\.parquet cannot be read"):
        list(log.scan(ALL))
    with pytest.raises(DamagedError):
        compact(root, DAY)


def test_parquet_of_others_is_damage(log: FolderLog, root: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / DAY).mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), root / DAY / PARQUET)

    with pytest.raises(DamagedError):
        list(log.scan(ALL))


@pytest.mark.parametrize(
    ("version", "columns", "error"),
    [(b"9", list(NAMES), NewerFormatError), (b"1", ["a"], DamagedError)],
)
def test_a_later_format_and_lost_columns_are_told(
    log: FolderLog, root: Path, version: bytes, columns: list[str], error: type[Exception]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / DAY).mkdir(parents=True)
    metadata = {b"holdfast.format": version, b"holdfast.sources": b"[]"}
    table = pa.table({name: ["x"] for name in columns}).replace_schema_metadata(metadata)
    pq.write_table(table, root / DAY / PARQUET)

    with pytest.raises(error):
        list(log.scan(ALL))


def test_damage_inside_is_told_when_it_is_read(log: FolderLog, root: Path) -> None:
    rows = fill(log, count=2000)
    compact(root, DAY)
    path = root / DAY / PARQUET
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 4)
    path.write_bytes(data)

    with pytest.raises(DamagedError):
        log.get(rows[0].prediction_id)


@pytest.mark.parametrize("missing", ["duckdb", "pyarrow.parquet"])
def test_without_the_libraries_it_says_what_to_install(
    log: FolderLog, root: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    rows = fill(log)
    compact(root, DAY)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MissingLibraryError, match=r"holdfast\[log\]"):
        log.get(rows[0].prediction_id)
    with pytest.raises(MissingLibraryError, match=r"holdfast\[log\]"):
        compact(root, DAY)


def test_a_compacted_file_that_is_gone_is_not_found(log: FolderLog, root: Path) -> None:
    rows = fill(log)
    compact(root, DAY)
    assert log.get(rows[0].prediction_id) == rows[0]
    (root / DAY / PARQUET).unlink()

    assert parquet.sources_of(root / DAY / PARQUET) == set()
    with pytest.raises(FileNotFoundError):
        ParquetPart(root / DAY / PARQUET)
    with pytest.raises(NotFoundError):
        log.get(rows[0].prediction_id)


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "compact", "restart"]), st.integers(0, 5)), max_size=25
    )
)
@settings(max_examples=40)
def test_whatever_happens_in_whatever_order_no_row_is_lost(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as name:
        root, rows = Path(name) / "log", []
        make = {worker: Rows(worker, NOON + index) for index, worker in enumerate("abc")}
        log = FolderLog(root)
        for step, number in steps:
            if step == "write":
                rows += (some := [make["abc"[number % 3]]() for _ in range(number)])
                log.write(some)
            elif step == "restart":
                log.close()
                log = FolderLog(root)
            elif rows:
                compact(root, DAY)
        rows.sort(key=lambda row: row.prediction_id)

        assert list(log.scan(ALL)) == rows
        assert [log.get(row.prediction_id) for row in rows] == rows
        log.close()
