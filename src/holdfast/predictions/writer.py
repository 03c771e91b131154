"""What a serving worker writes its log by: a bounded queue and one thread, rows in batches."""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final, Protocol

from holdfast import forks
from holdfast.errors import StoreError
from holdfast.predictions import capture
from holdfast.predictions.capture import CaptureOptions
from holdfast.predictions.ids import Mint
from holdfast.predictions.row import Prediction

_log = logging.getLogger(__name__)
BATCH: Final = 500
_STOP_S: Final = 5.0

_Item = tuple[Prediction | None, "Future[None] | None"]


class RowSink(Protocol):
    """What rows are written to; any kind of log is one."""

    def write(self, rows: Sequence[Prediction]) -> None:
        """Return once all rows are committed.

        Raises:
            StoreError: If they are not; the next call starts anew.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Recorder:
    """Takes rows from a serving worker's threads and event loop, and never holds them up.

    A row's `input` and `output` may be bytes of JSON as they came or went, or any value: they are
    encoded, hashed and redacted in the recorder's own thread. `sampling` is filled in here.

    Args:
        sink: Where the rows go; closed with the recorder.
        worker: Name of this process, put into ids.

    Attributes:
        new_id: Makes the id of a prediction.
        kept: Rows that were committed.
        unsampled: Rows that sampling left out.
        dropped: Rows that found the queue full, or the recorder closed.
        lost: Rows that could not be written.
        unredacted: Rows whose redaction failed: kept without input, output, error and request id.
        problem: Why the last batch was lost, or would be; `None` since one was written.
    """

    def __init__(self, sink: RowSink, worker: str, recording: CaptureOptions | None = None) -> None:
        self._recording = capture.check(recording or CaptureOptions())
        self._redact = capture.redaction(self._recording.redact)
        whole = self._recording.sampling == 1 and self._recording.inputs == "full"
        self._as_they_are = whole and self._redact is None
        self._sink = sink
        self.worker = worker
        self.new_id: Callable[[], str] = Mint(worker)
        self.kept = self.unsampled = self.dropped = self.lost = self.unredacted = 0
        self.problem: str | None = None
        self._queue: deque[_Item] = deque()
        self._filled = threading.Event()  # something is in the queue
        self._urgent = threading.Event()  # and is to be written at once
        self._room = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()
        forks.tell(self)

    def after_fork(self) -> None:
        """Take no more rows: the thread that writes them, and those that wait, are the parent's."""
        self._room = threading.Condition()
        self._filled, self._urgent = threading.Event(), threading.Event()
        self._queue = deque()
        self._closed = True

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return len(self._queue)

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of the rows so far, and how many of them were kept without their content."""
        return {
            "kept": self.kept,
            "unsampled": self.unsampled,
            "dropped": self.dropped,
            "lost": self.lost,
            "unredacted": self.unredacted,
        }

    def record(self, row: Prediction) -> None:
        """Have a row written within `every_s`; whether it was, the counters tell."""
        if self._is_wanted(row) and self._has_room():
            self._put(row, None)

    def submit(self, row: Prediction) -> "Future[None]":
        """Have a row written at once; the future is done when it is committed, or left out.

        It fails with a `StoreError` if the row is lost or dropped.
        """
        done: Future[None] = Future()
        if not self._is_wanted(row):
            done.set_result(None)
        elif not self._has_room():
            why = "is closed in this process" if self._closed else "has a full queue"
            done.set_exception(StoreError("prediction log", why, "check its disk"))
        else:
            self._put(row, done)
            self._urgent.set()
        return done

    async def durable(self, row: Prediction) -> None:
        """Return when a row is committed, or left out; other requests go on meanwhile.

        Raises:
            StoreError: If it is lost or dropped.
        """
        await asyncio.wrap_future(self.submit(row))

    def note_problem(self, problem: str | None) -> None:
        """Note why rows cannot be kept, or that they can, and log it if that is news."""
        if problem is not None and problem != self.problem:
            _log.error("predictions are not kept: %s", problem)
        elif problem is None and self.problem is not None:
            _log.info("predictions are kept again; %d were lost", self.lost)
        self.problem = problem

    def flush(self, timeout_s: float = _STOP_S) -> bool:
        """Wait until all rows taken so far are written or lost; tell whether it came to that."""
        done: Future[None] = Future()
        self._put(None, done)
        self._urgent.set()
        with contextlib.suppress(FutureTimeoutError):
            done.result(timeout_s if self._thread.is_alive() else 0)
            return True
        return False

    def close(self, timeout_s: float = _STOP_S) -> bool:
        """Write what waits and let go of the sink; what is not written in time counts as lost.

        Returns:
            True if nothing had to be left.
        """
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._filled.set()
        self._urgent.set()
        self._thread.join(timeout_s)
        left = self._drain(len(self._queue))
        self._fail(left, "the process stopped before they were written")
        return not left and not self._thread.is_alive()

    def _is_wanted(self, row: Prediction) -> bool:
        if capture.is_sampled(row, self._recording.sampling):
            return True
        with self._room:
            self.unsampled += 1
        return False

    def _has_room(self) -> bool:
        if len(self._queue) < self._recording.limit and not self._closed:
            return True
        with self._room:
            if self._recording.when_full == "block":
                self._room.wait_for(lambda: self._closed or self.waiting < self._recording.limit)
            if self._closed or self.waiting >= self._recording.limit:
                self.dropped += 1
                return False
        return True

    def _put(self, row: Prediction | None, done: "Future[None] | None") -> None:
        self._queue.append((row, done))  # first this: the thread clears, then looks
        if not self._filled.is_set():
            self._filled.set()
        if len(self._queue) >= BATCH and not self._urgent.is_set():
            self._urgent.set()

    def _run(self) -> None:
        while not (self._closed and not self._queue):
            self._filled.wait()
            self._urgent.wait(self._recording.every_s)
            self._filled.clear()
            self._urgent.clear()
            waiting = len(self._queue)
            for start in range(0, waiting, BATCH):
                self._write(self._drain(min(BATCH, waiting - start)))
            if self._closed:
                self._filled.set()
                self._urgent.set()
        with contextlib.suppress(
            Exception
        ):  # all is committed; a file that will not close loses nothing
            self._sink.close()

    def _drain(self, most: int) -> list[_Item]:
        taken = []
        with contextlib.suppress(IndexError):
            for _ in range(most):
                taken.append(self._queue.popleft())
        if self._recording.when_full == "block":
            with self._room:
                self._room.notify_all()
        return taken

    def _write(self, items: list[_Item]) -> None:
        rows = [row for row, _ in items if row is not None]
        if not self._as_they_are:
            rows = [self._prepared(row) for row in rows]
        try:
            if rows:
                self._write_twice(rows)
        except StoreError as error:
            self._fail(items, str(error))
        except Exception as error:  # noqa: BLE001 - the log never ends the serving
            if len(items) > 1:  # one row that cannot be kept must not cost the others
                for item in items:
                    self._write([item])
            else:
                self._fail(items, str(error))
        else:
            self._succeed(items, len(rows))

    def _write_twice(self, rows: list[Prediction]) -> None:
        """Write rows; a second time if the file was closed or the connection lost meanwhile."""
        try:
            self._sink.write(rows)
        except StoreError:
            self._sink.write(rows)

    def _prepared(self, row: Prediction) -> Prediction:
        left = capture.redacted(row, self._redact)
        if left is None:
            self.unredacted += 1
            left = capture.bared(row)
        return capture.kept(left, self._recording.inputs, self._recording.sampling)

    def _succeed(self, items: list[_Item], rows: int) -> None:
        if rows:
            self.kept += rows
            self.note_problem(None)
        for _, done in items:
            if done is not None and done.set_running_or_notify_cancel():
                done.set_result(None)

    def _fail(self, items: list[_Item], problem: str) -> None:
        error = StoreError("prediction log", f"lost rows: {problem}", "check its disk or server")
        for row, done in items:
            if row is not None:
                self.lost += 1
                self.note_problem(problem)
            if done is None or not done.set_running_or_notify_cancel():
                continue
            if row is None:
                done.set_result(None)
            else:
                done.set_exception(error)
