"""A log in a folder: the contract, its files, and files that are damaged or hostile."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.predictions.contract import LogContract
from tests.predictions.rows import DAY, Rows

from holdfast.errors import (
    DamagedError,
    InvalidInputError,
    NewerFormatError,
    NotFoundError,
    StoreError,
    StoreFullError,
)
from holdfast.predictions import ALL, Label, Log, Recorder, open_log
from holdfast.predictions.ids import mark_of
from holdfast.predictions.log_folder import FolderLog
from holdfast.predictions.parts import Days
from holdfast.predictions.sqlite import seal


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log(tmp_path / "log")
    yield opened
    opened.close()


@pytest.fixture
def again(tmp_path: Path) -> Iterator[Log]:
    opened = open_log(tmp_path / "log")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log" / DAY


class TestFolderLog(LogContract):
    """SQLite files of one folder."""


def test_a_file_is_named_by_day_and_worker(tmp_path: Path, folder: Path) -> None:
    log = FolderLog(tmp_path / "log", token="0")
    log.write([Rows("Host/1")()])
    names = {path.name for path in folder.iterdir()}

    assert f"{mark_of('Host/1')}-%48ost%2f1-0.sqlite" in names


def test_a_new_day_begins_a_new_file_and_lets_go_of_old_ones(tmp_path: Path, row: Rows) -> None:
    log = FolderLog(tmp_path)
    start = row().at_us
    for day in range(6):
        log.write([row(at_us=start + day * 86_400_000_000)])

    assert len(log.days()) == 6
    assert len(list(tmp_path.glob("*/*-wal"))) == 4
    log.close()
    assert list(tmp_path.glob("*/*-wal")) == []


def test_a_sealed_file_sends_late_rows_to_another(log: Log, folder: Path, row: Rows) -> None:
    early, late = row(), row()
    log.write([early])
    (file,) = folder.glob("*.sqlite")
    seal(file)
    log.write([late])

    assert len(list(folder.glob("*.sqlite"))) == 2
    assert list(log.scan(ALL)) == [early, late]


def test_a_broken_file_sends_rows_to_another_and_is_told(
    tmp_path: Path, again: Log, folder: Path, row: Rows
) -> None:
    log = FolderLog(tmp_path / "log", token="0")
    folder.mkdir(parents=True)
    broken = folder / f"{mark_of('host-1')}-host-1-0.sqlite"
    broken.write_bytes(b"this is no database" * 500)
    prediction = row()
    log.write([prediction])

    assert again.get(prediction.prediction_id) == prediction
    assert broken.read_bytes().startswith(b"this")
    with pytest.raises(DamagedError, match=r"host-1-0\.sqlite cannot be read"):
        list(again.scan(ALL))
    with pytest.raises(DamagedError, match="salvage"):
        again.get(row().prediction_id)


def test_a_file_that_breaks_while_it_is_written_is_left(log: Log, folder: Path, row: Rows) -> None:
    log.write([row()])
    log.close()
    (file,) = folder.glob("*.sqlite")
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    file.write_bytes(data)
    prediction = row()
    log.write([prediction])

    assert log.get(prediction.prediction_id) == prediction


def test_a_full_disk_is_told_and_left_behind(log: FolderLog, row: Rows) -> None:
    first = row()
    log.write([first])
    (writing,) = log._writing.values()
    (pages,) = writing._file.execute("PRAGMA page_count").fetchone()
    writing._file.execute(f"PRAGMA max_page_count = {pages}")
    rows = [row(input="x" * 2000) for _ in range(50)]

    with pytest.raises(StoreFullError, match="has no space left"):
        log.write(rows)
    log.write(rows)
    assert list(log.scan(ALL)) == [first, *rows]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, row: Rows) -> None:
    (tmp_path / "file").write_text("")
    log = open_log(tmp_path / "file")

    with pytest.raises(StoreError, match="check the disk"):
        log.write([row()])
    with pytest.raises(StoreError, match="give a log's folder"):
        list(log.scan(ALL))


def test_serving_goes_on_without_the_log_and_with_it_again(tmp_path: Path, row: Rows) -> None:
    root = tmp_path / "log"
    root.write_text("in the way")
    recorder = Recorder(FolderLog(root), "host-1")
    recorder.record(row())
    assert recorder.flush()
    root.unlink()
    recorder.record(row())

    assert recorder.close()
    assert (recorder.lost, recorder.kept, recorder.problem) == (1, 1, None)


def test_a_removed_day_is_written_anew(tmp_path: Path, row: Rows) -> None:
    log, other = FolderLog(tmp_path), FolderLog(tmp_path)
    log.write([row()])
    other.drop(DAY)
    prediction = row()
    log.write([prediction])

    assert list(other.scan(ALL)) == [prediction]


def foreign(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_database_of_others_is_no_file_of_a_log(log: Log, folder: Path) -> None:
    foreign(folder / "aaaa-x.sqlite", "CREATE TABLE mine (a)")

    with pytest.raises(DamagedError, match="is not a file of a prediction log"):
        list(log.scan(ALL))


def test_a_table_with_other_columns_is_damage(log: Log, folder: Path) -> None:
    foreign(
        folder / "aaaa-x.sqlite",
        "CREATE TABLE predictions (a)",
        f"PRAGMA application_id = {0x48466C67}",
        "PRAGMA user_version = 1",
    )

    with pytest.raises(DamagedError, match="no such column"):
        list(log.scan(ALL))


def test_a_later_format_is_told(log: Log, folder: Path) -> None:
    foreign(folder / "aaaa-x.sqlite", "CREATE TABLE predictions (a)", "PRAGMA user_version = 9")

    with pytest.raises(NewerFormatError, match="needs format 9"):
        list(log.scan(ALL))


def test_a_row_of_the_wrong_kind_is_damage_that_names_it(log: Log, folder: Path, row: Rows) -> None:
    prediction = row()
    log.write([prediction])
    (file,) = folder.glob("*.sqlite")
    foreign(file, "UPDATE predictions SET role = 'king'")

    with pytest.raises(DamagedError, match=f"row '{prediction.prediction_id}'"):
        log.get(prediction.prediction_id)


def test_a_file_in_which_nothing_was_written_yet_is_empty(log: Log, folder: Path) -> None:
    foreign(folder / "aaaa-x.sqlite", "PRAGMA journal_mode = WAL")
    (folder / "bbbb-y.sqlite").write_bytes(b"")

    assert list(log.scan(ALL)) == []
    assert [day.rows for day in log.days()] == [0]


def test_a_file_that_was_read_before_its_first_row_is_read_after_it(
    tmp_path: Path, again: Log, folder: Path, row: Rows
) -> None:
    log, prediction = FolderLog(tmp_path / "log", token="0"), row()
    folder.mkdir(parents=True)
    (folder / f"{mark_of('host-1')}-host-1-0.sqlite").write_bytes(b"")
    with pytest.raises(NotFoundError):
        again.get(prediction.prediction_id)
    log.write([prediction])

    assert again.get(prediction.prediction_id) == prediction


def test_other_files_in_the_folder_are_left_alone(log: Log, folder: Path, row: Rows) -> None:
    prediction = row()
    log.write([prediction])
    (folder.parent / "notes.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine")

    assert list(log.scan(ALL)) == [prediction]


def test_a_damaged_file_of_labels_is_told(log: Log, folder: Path, row: Rows) -> None:
    prediction = row()
    log.write([prediction])
    (folder / "feedback.sqlite").write_bytes(b"no database at all" * 400)

    with pytest.raises(DamagedError, match=r"feedback\.sqlite"):
        log.feedback.of(prediction.prediction_id)
    with pytest.raises(DamagedError, match=r"feedback\.sqlite"):
        log.feedback.add([Label(prediction.prediction_id, 1, 1, "ana")])


def test_a_label_that_is_no_json_is_damage(log: Log, folder: Path, row: Rows) -> None:
    prediction = row()
    log.write([prediction])
    log.feedback.add([Label(prediction.prediction_id, 1, 1, "ana")])
    foreign(folder / "feedback.sqlite", "UPDATE labels SET label = '{'")

    with pytest.raises(DamagedError, match="invalid label:"):
        list(log.feedback.joined(ALL))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(log: Log, folder: Path, row: Rows) -> None:
    log.write([row()])
    folder.chmod(0)
    try:
        with pytest.raises(StoreError, match="check its owner and mode"):
            list(log.scan(ALL))
    finally:
        folder.chmod(0o755)


def test_many_days_are_read_with_few_files_open(tmp_path: Path, row: Rows) -> None:
    log, start = FolderLog(tmp_path), row().at_us
    rows = [row(at_us=start + day * 86_400_000_000) for day in range(140)]
    log.write(rows)
    for prediction in rows:
        assert log.get(prediction.prediction_id) == prediction

    assert len(log._reading) == 128
    log.close()


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="cannot hold a prediction log"):
        open_log("mysql://host/db")


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    log, reader, make = FolderLog(tmp_path), FolderLog(tmp_path), Rows()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: [len(list(reader.scan(ALL))) for _ in range(30)])
        for _ in range(100):
            log.write([make() for _ in range(5)])
        counts = reading.result()

    assert counts == sorted(counts)
    assert len(list(reader.scan(ALL))) == 500


def test_pages_that_rot_are_told_when_they_are_read(log: Log, folder: Path, row: Rows) -> None:
    rows = [row(input="x" * 500) for _ in range(500)]
    log.write(rows)
    log.close()
    (file,) = folder.glob("*.sqlite")
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 40_960] = b"\xa5" * 40_960
    file.write_bytes(data)

    with pytest.raises(DamagedError, match="cannot be read"):
        list(log.scan(ALL))
    with pytest.raises(DamagedError, match="cannot be read"):
        deque(log.get(prediction.prediction_id) for prediction in rows)


def test_a_file_that_is_being_written_by_others_is_not_sealed(
    log: Log, folder: Path, row: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.predictions.sqlite._BUSY_MS", 1)
    log.write([row()])
    (file,) = folder.glob("*.sqlite")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="then compact again"):
        seal(file)
    other.close()


def test_a_file_that_vanishes_is_looked_for_anew(
    log: Log, folder: Path, row: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write([row()])
    monkeypatch.setattr(Days, "files", lambda _self, _day: [folder / "aaaa-gone.sqlite"])

    with pytest.raises(StoreError, match="changing"):
        list(log.scan(ALL))
