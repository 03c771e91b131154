"""The recorder: what it writes, when, and what it does when it cannot."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import Rows

from holdfast.errors import InvalidInputError, StoreError
from holdfast.predictions import CaptureOptions, Recorder, open_log, open_recorder
from holdfast.predictions.filters import ALL
from holdfast.predictions.row import Prediction

WORKER = "host-1"
PATIENCE_S = 20.0


class Gate:
    """A sink that keeps rows in memory, and can be closed or made to fail."""

    def __init__(self) -> None:
        self.batches: list[list[Prediction]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.problem: Exception | None = None

    @property
    def rows(self) -> list[Prediction]:
        return [row for batch in self.batches for row in batch]

    def write(self, rows: Sequence[Prediction]) -> None:
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        if self.problem is not None:
            raise self.problem
        if any(row.model == "poison" for row in rows):
            raise ValueError("cannot be kept")
        self.batches.append(list(rows))

    def close(self) -> None:
        raise OSError("a sink may fail even at this")


@pytest.fixture
def sink() -> Gate:
    return Gate()


@pytest.fixture
def start(sink: Gate) -> Iterator[Callable[..., Recorder]]:
    started = []

    def start(**options: Any) -> Recorder:
        started.append(Recorder(sink, WORKER, CaptureOptions(**options)))
        return started[-1]

    yield start
    sink.open.set()
    for recorder in started:
        recorder.close()


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for what a thread will do."""
    end = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.005)
    return condition()


def test_rows_are_written_without_being_asked_for(
    start: Callable[..., Recorder], sink: Gate
) -> None:
    row, recorder = Rows(), start()
    recorder.record(row(input=b"[1]"))

    assert eventually(lambda: recorder.kept == 1)
    assert [prediction.input for prediction in sink.rows] == [b"[1]"]
    assert recorder.problem is None


def test_a_full_batch_does_not_wait(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start(every_s=1.0)
    for _ in range(1200):
        recorder.record(row())

    assert recorder.flush()
    assert max(len(batch) for batch in sink.batches) == 500
    assert recorder.kept == 1200


def test_closing_writes_what_waits(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start(every_s=1.0)
    for _ in range(700):
        recorder.record(row())

    assert recorder.close()
    assert len(sink.rows) == recorder.kept == 700


def test_after_closing_rows_are_counted_as_dropped(start: Callable[..., Recorder]) -> None:
    row, recorder = Rows(), start()
    recorder.close()
    recorder.record(row())

    assert recorder.dropped == 1
    assert not recorder.flush()
    with pytest.raises(StoreError, match="is closed"):
        recorder.submit(row()).result(0)


def test_a_full_queue_drops_and_counts(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start(limit=3)
    sink.open.clear()
    recorder.submit(row())
    assert sink.entered.wait(PATIENCE_S)
    for _ in range(5):
        recorder.record(row())

    assert recorder.waiting == 3
    assert recorder.dropped == 2
    sink.open.set()
    assert recorder.close()
    assert recorder.kept == 4


def test_a_full_queue_can_block_instead(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start(limit=3, when_full="block")
    sink.open.clear()
    recorder.submit(row())
    assert sink.entered.wait(PATIENCE_S)
    rows = [row() for _ in range(10)]
    worker = threading.Thread(target=lambda: deque(map(recorder.record, rows)))
    worker.start()
    assert eventually(lambda: recorder.waiting == 3)
    sink.open.set()
    worker.join(PATIENCE_S)

    assert recorder.close()
    assert (recorder.kept, recorder.dropped) == (11, 0)


def test_closing_frees_who_is_blocked(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start(limit=1, when_full="block")
    sink.open.clear()
    recorder.submit(row())
    assert sink.entered.wait(PATIENCE_S)
    recorder.record(row())
    blocked = threading.Thread(target=recorder.record, args=(row(),))
    blocked.start()

    assert not recorder.close(0.0)
    blocked.join(PATIENCE_S)
    assert not blocked.is_alive()
    assert (recorder.dropped, recorder.lost) == (1, 1)


def test_durable_returns_after_the_commit(tmp_path: Path) -> None:
    row, recorder = Rows(), open_recorder(tmp_path, WORKER, sync="full")
    rows = [row() for _ in range(20)]

    async def answer(prediction: Prediction) -> Prediction:
        await recorder.durable(prediction)
        return open_log(tmp_path).get(prediction.prediction_id)

    async def answer_all() -> list[Prediction]:
        return await asyncio.gather(*map(answer, rows))

    assert asyncio.run(answer_all()) == rows
    recorder.close()


def test_a_durable_row_that_is_lost_is_told(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start()
    sink.problem = StoreError("disk", "has no space left")
    with pytest.raises(StoreError, match="has no space left"):
        asyncio.run(recorder.durable(row()))

    assert recorder.lost == 1
    assert recorder.problem == "disk has no space left"


def test_after_a_failure_it_goes_on(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start()
    sink.problem = StoreError("disk", "has no space left")
    recorder.record(row())
    assert recorder.flush()
    sink.problem = None
    recorder.record(row())

    assert recorder.flush()
    assert (recorder.lost, recorder.kept, recorder.problem) == (1, 1, None)


def test_one_row_that_cannot_be_kept_costs_no_other(
    start: Callable[..., Recorder], sink: Gate
) -> None:
    row, recorder = Rows(), start(every_s=1.0)
    for model in ("iris", "poison", "iris"):
        recorder.record(row(model=model))

    assert recorder.flush()
    assert [prediction.model for prediction in sink.rows] == ["iris", "iris"]
    assert (recorder.kept, recorder.lost, recorder.problem) == (2, 1, None)


def test_a_caller_who_went_away_harms_nobody(start: Callable[..., Recorder], sink: Gate) -> None:
    row, recorder = Rows(), start()
    sink.open.clear()
    first, second = recorder.submit(row()), recorder.submit(row())
    first.cancel()
    second.cancel()
    sink.open.set()
    recorder.record(row())

    assert recorder.flush()
    assert recorder.kept == 3


def test_sampling_goes_by_request_and_is_counted(
    start: Callable[..., Recorder], sink: Gate
) -> None:
    row, recorder = Rows(), start(sampling=0.5)
    for number in range(400):
        for role in ("active", "shadow"):
            recorder.record(row(role=role, request_id=f"request-{number}"))
    recorder.close()
    by_role = {
        role: {prediction.request_id for prediction in sink.rows if prediction.role == role}
        for role in ("active", "shadow")
    }

    assert by_role["active"] == by_role["shadow"]
    assert 100 < len(by_role["active"]) < 300
    assert recorder.unsampled == 800 - recorder.kept
    assert {prediction.sampling for prediction in sink.rows} == {0.5}


def test_a_durable_row_that_is_not_sampled_is_done_at_once(start: Callable[..., Recorder]) -> None:
    row, recorder = Rows(), start(sampling=0.0)

    assert recorder.submit(row()).done()
    assert recorder.unsampled == 1


def test_a_recorder_that_cannot_redact_does_not_start(sink: Gate) -> None:
    with pytest.raises(InvalidInputError, match="no_such_module"):
        Recorder(sink, WORKER, CaptureOptions(redact="no_such_module:hide"))


LOADED = """
import os, sys, time
from tests.predictions.rows import Rows
from holdfast.predictions import open_recorder

recorder = open_recorder(sys.argv[1], "host-1")
row = Rows()
for number in range(10**7):
    one = row(request_id=str(number), input=b"[" + b"1.25," * 30 + b"1]")
    if number % 1000 == 0:
        recorder.submit(one).result()
        os.write(1, f"{number}\\n".encode())
    else:
        recorder.record(one)
"""


@pytest.mark.parametrize("promises", [1, 3, 8])
def test_a_killed_writer_loses_the_last_rows_alone_and_corrupts_nothing(
    tmp_path: Path, promises: int
) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", LOADED, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        promised = [int(child.stdout.readline()) for _ in range(promises)][-1]
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE_S)
        promised = max([promised, *map(int, child.stdout)])
    (file,) = tmp_path.glob("*/*.sqlite")
    request_numbers = [int(row.request_id or "") for row in open_log(tmp_path).scan(ALL)]

    assert request_numbers == list(range(len(request_numbers)))
    assert len(request_numbers) > promised
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
