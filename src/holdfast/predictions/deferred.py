"""A log whose place is away when a server starts: opened as soon as it is back."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from holdfast.errors import StoreError
from holdfast.predictions.batch_record import Batches
from holdfast.predictions.filters import Filter
from holdfast.predictions.log import Day, Feedback, Log
from holdfast.predictions.row import Prediction

__all__ = ["DeferredLog"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


class DeferredLog:
    """Tries to open a log until it can; until then, whatever it is asked for fails.

    Args:
        opening: Opens it.
        problem: Why it could not be opened just now.
        pause_s: Before the first attempt; doubled after each, up to half a minute.

    Attributes:
        opened: Set once it is open.
    """

    def __init__(
        self, opening: Callable[[], Log], problem: StoreError, pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        self.opened = threading.Event()
        self._opening = opening
        self._problem = problem
        self._log: Log | None = None
        self._then: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        arguments = (pause_s,)
        self._thread = threading.Thread(
            target=self._try, args=arguments, name="open the log", daemon=True
        )
        self._thread.start()

    def _try(self, pause_s: float) -> None:
        while not self._stopping.wait(pause_s):
            try:
                self._log = self._opening()
            except StoreError as error:
                self._problem = error
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            with self._lock:
                self.opened.set()
                then = self._then
            _log.info("the prediction log is open now")
            if then is not None:
                then()
            return

    def when_open(self, then: Callable[[], None]) -> None:
        """Have *then* called once it is open."""
        with self._lock:
            self._then = then
            is_open = self.opened.is_set()
        if is_open:
            then()

    @property
    def problem(self) -> str | None:
        """Why it is not open; None once it is."""
        return None if self.opened.is_set() else str(self._problem)

    def _now(self) -> Log:
        if self._log is None:
            raise self._problem
        return self._log

    @property
    def feedback(self) -> Feedback:
        """Labels of the predictions in it; see `Log`."""
        return self._now().feedback

    @property
    def batches(self) -> Batches:
        """Records of batches; see `Log`."""
        return self._now().batches

    def write(self, rows: Sequence[Prediction]) -> None:
        """Write rows; see `Log`."""
        self._now().write(rows)

    def get(self, prediction_id: str) -> Prediction:
        """Return one row; see `Log`."""
        return self._now().get(prediction_id)

    def scan(self, criteria: Filter) -> Iterator[Prediction]:
        """Return rows by id; see `Log`."""
        return self._now().scan(criteria)

    def select(self, sql: str, criteria: Filter, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Ask every part of the log; see `Log`."""
        return self._now().select(sql, criteria, parameters)

    def days(self) -> list[Day]:
        """Return the days that are kept; see `Log`."""
        return self._now().days()

    def drop(self, day: str) -> None:
        """Remove a day; see `Log`."""
        self._now().drop(day)

    def close(self) -> None:
        """Try no longer, and let go of what was opened."""
        self._stopping.set()
        self._thread.join(_FIRST_PAUSE_S)
        if self._log is not None:
            self._log.close()
