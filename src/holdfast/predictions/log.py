"""What a prediction log can do, wherever it is kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from holdfast.predictions.batch_record import Batches
from holdfast.predictions.filters import Filter
from holdfast.predictions.row import Prediction

Sync = Literal["normal", "full"]
"""What a commit survives: the end of the process, or a power cut too."""


class Day(Struct, frozen=True):
    """What is kept of one day.

    Attributes:
        day: In UTC: `2026-11-25`.
        size_bytes: On disk; `None` where the database does not tell.
        state: `live` may still grow; `closed` is over; `compacted` is Parquet alone.
    """

    day: str
    rows: int
    size_bytes: int | None
    state: Literal["live", "closed", "compacted"]


class Label(Struct, frozen=True, forbid_unknown_fields=True):
    """What turned out to be true of a prediction.

    Attributes:
        label: Any JSON: a class, a number, or a list of them for several rows.
        at_us: When it was told, in microseconds since 1970; of several the last one counts.
    """

    prediction_id: str
    label: Any
    at_us: int
    by: str


class Feedback(Protocol):
    """The truth that comes later."""

    def add(self, labels: Sequence[Label]) -> list[str]:
        """Keep labels; those before stay as history.

        Returns:
            The ids of which no prediction is kept: sampling left it out, or nobody ever made it. A
            row less than a minute old may still be on its way, and is not named.

        Raises:
            InvalidInputError: If an id cannot be one, or a label is dated later than now; nothing
                is kept.
            NotFoundError: If nothing of the day of one is kept, and that day is over; nothing is
                kept.
            StoreError: If they cannot be written.
        """
        ...

    def of(self, prediction_id: str) -> list[Label]:
        """Return all labels of a prediction, the one that counts last."""
        ...

    def arrivals(self, criteria: Filter) -> Iterator[tuple[Label, int]]:
        """Return all labels of the rows wanted, of one prediction the one that counts last.

        Each comes with the time at which the log got it, in microseconds since 1970, which nobody
        can date back; 0 where an older log did not keep it. Those of other rows may be among them.
        """
        ...

    def joined(self, criteria: Filter) -> Iterator[tuple[Prediction, Label]]:
        """Return the rows that have a label, each with the one that counts."""
        ...


class Log(Protocol):
    """A prediction log; every kind passes `LogContract`."""

    @property
    def feedback(self) -> Feedback:
        """Labels of the predictions in it."""
        ...

    @property
    def batches(self) -> Batches:
        """Records of batches."""
        ...

    def write(self, rows: Sequence[Prediction]) -> None:
        """Return once all rows are committed; an id that is there already is passed over.

        Raises:
            StoreError: If they are not; the next call starts anew.
        """
        ...

    def get(self, prediction_id: str) -> Prediction:
        """Return one row.

        Raises:
            InvalidInputError: If it is not an id.
            NotFoundError: If it is not kept.
        """
        ...

    def scan(self, criteria: Filter) -> Iterator[Prediction]:
        """Return rows by id."""
        ...

    def select(self, sql: str, criteria: Filter, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Ask every part of the log, and return all their answers.

        A group comes once for each part that has rows of it: add the parts up.

        Args:
            sql: A query of `rows`, the wanted rows; `$name` stands for a parameter.
        """
        ...

    def days(self) -> list[Day]:
        """Return the days that are kept, oldest first; those too that have batches alone."""
        ...

    def drop(self, day: str) -> None:
        """Remove a day with its labels, for good."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
