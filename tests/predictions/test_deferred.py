"""A log that is away when a server starts."""

import threading
from pathlib import Path

import pytest
from tests.predictions.rows import NOON, Rows
from tests.serving.facing import until

from holdfast.errors import StoreError
from holdfast.predictions import ALL, Label, Log, open_log, open_recorder
from holdfast.predictions.deferred import DeferredLog


class Place:
    """A place that can be reached once it is told so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_there = threading.Event()
        self.asked = 0

    def open(self) -> Log:
        self.asked += 1
        if not self.is_there.is_set():
            raise StoreError("db", f"is away, asked {self.asked} times")
        return open_log(self.path)


def test_a_log_is_asked_for_again_until_it_is_there(tmp_path: Path) -> None:
    opener = Place(tmp_path / "log")
    log = DeferredLog(opener.open, StoreError("db", "is away"), pause_s=0.001)
    open_event = threading.Event()
    log.when_open(open_event.set)
    row = Rows()()
    until(lambda: opener.asked > 2)
    with pytest.raises(StoreError, match="is away"):
        log.write([row])
    with pytest.raises(StoreError, match="is away"):
        log.feedback.of(row.prediction_id)
    with pytest.raises(StoreError, match="is away"):
        log.batches.of_day("2026-03-03")
    before = log.problem
    opener.is_there.set()
    until(open_event.is_set)
    log.write([row])
    log.feedback.add([Label(row.prediction_id, 1, NOON, "a")])

    assert "is away" in str(before)
    assert log.problem is None
    assert (log.get(row.prediction_id), [*log.scan(ALL)]) == (row, [row])
    assert [*log.select("SELECT count(*) FROM rows", ALL, {})] == [(1,)]
    assert log.batches.of_day("2026-03-03") == []
    (day,) = log.days()
    log.drop(day.day)
    assert log.days() == []
    late = threading.Event()
    log.when_open(late.set)
    assert late.is_set()
    log.close()


def test_closing_ends_the_attempts(tmp_path: Path) -> None:
    log = DeferredLog(Place(tmp_path).open, StoreError("db", "is away"), pause_s=3600)
    log.close()

    assert "open the log" not in [thread.name for thread in threading.enumerate()]


def test_a_recorder_begins_without_its_database_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = open_recorder("postgresql://ana:secret@127.0.0.1:9/log", "w")
    recorder.record(Rows()())
    recorder.flush()
    problem, lost = str(recorder.problem), recorder.lost
    recorder.close()

    assert lost == 1
    assert "127.0.0.1:9" in problem
    assert "secret" not in problem + caplog.text
    assert "predictions are not kept" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_before_the_first_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    recorder = open_recorder(tmp_path / "file" / "log", "w")
    recorder.close()

    assert "file" in str(recorder.problem)
    assert "predictions are not kept" in caplog.text


def test_a_log_that_is_back_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "log").write_text("in the way")
    recorder = open_recorder(tmp_path / "log", "w")
    recorder.record(Rows()())
    recorder.flush()
    lost = recorder.lost
    (tmp_path / "log").unlink()
    with caplog.at_level("INFO"):
        recorder.record(Rows()())
        recorder.flush()
    recorder.close()

    assert (lost, recorder.kept, recorder.problem) == (1, 1, None)
    assert "kept again; 1 were lost" in caplog.text
