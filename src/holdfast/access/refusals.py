"""Who was refused what, who signed in, and when tokens were last used: reports, in batches.

They never go into a model's journal, which anybody could then make grow.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from holdfast import forks
from holdfast.access.access_journal import PREFIX
from holdfast.access.tokens import masked
from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.core.names import escape
from holdfast.store import AbsentError, Store, TakenError, at_most, concurrent

_Kind = TypeVar("_Kind")

KEPT_DAYS: Final = 400
_FOLDER: Final = f"{PREFIX}/refusals"
_USES: Final = f"{PREFIX}/uses"
_AT_ONCE: Final = 16
"""Reports that are asked for side by side: a bucket answers each in its own time."""

_BATCH: Final = 200
_MOST_WAITING: Final = 10_000
_MOST_TEXT: Final = 500
_MOST_BYTES: Final = 16 << 20


class AccessReport(Struct, frozen=True, omit_defaults=True):
    """Something that was refused, or a sign-in.

    Attributes:
        what: `refused`, `signed_in`, `sign_in_failed`, `signed_out`; `looked_up` where somebody
            asked for a prediction, `saw_contents` for its input and output.
        user: Id, where it is known who asked.
        by: Their name, or what was claimed.
        address: Where the request came from.
    """

    at: str
    what: str
    why: str = ""
    user: str | None = None
    by: str | None = None
    how: str | None = None
    verb: str | None = None
    model: str | None = None
    address: str | None = None
    request: str | None = None


class Refusals:
    """Reports of one server, written in batches; threads may share it.

    Args:
        store: Where they go; `None` keeps none.
        server: Name of this server, which no other process has.
        clock: Tells the present time, aware.
    """

    def __init__(self, store: Store | None, server: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._server = escape(server, 60)
        self._clock = clock
        self._waiting: list[AccessReport] = []
        self._uses: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._lost = 0
        self._number = 0
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with a lock that nobody holds; the parent writes what it has."""
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._waiting = []

    def record(self, what: str, why: str = "", **facts: str | None) -> None:
        """Note a refusal or a sign-in; secrets and over-long text are cut.

        Args:
            what: As in `AccessReport`.
            why: In one sentence.
            **facts: The other fields of `AccessReport`.
        """
        texts = {name: _short(text) for name, text in facts.items() if text is not None}
        report = AccessReport(format_time(self._clock()), what, _short(why), **texts)
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:  # the store does not take them
                self._lost += 1
                return
            self._waiting.append(report)
            full = len(self._waiting) % _BATCH == 0
        if full:
            self.flush()

    def used(self, token_id: str) -> None:
        """Note that a token is used; a day is kept, not each use."""
        self._uses[token_id] = format_time(self._clock())[:10]

    def last_uses(self, wanted: Collection[str] | None = None) -> dict[str, str]:
        """Return the day of its last use by token's id, as all servers wrote it.

        Args:
            wanted: Ids of the tokens that are asked about; all if left out.
        """
        if self._store is None:
            return {}
        names = [name for name in self._store.list(_USES) if name.endswith(".json")]
        ids = [name.removesuffix(".json") for name in names]
        asked = [token_id for token_id in ids if wanted is None or token_id in wanted]
        days = concurrent.map_ordered(
            lambda token_id: self._lines(f"{_USES}/{token_id}.json", str), asked, _AT_ONCE
        )
        return {token_id: lines[-1] for token_id, lines in zip(asked, days, strict=True) if lines}

    def _flush_uses(self) -> None:
        for token_id, day in list(self._uses.items()):
            if self._store is not None and self._written.get(token_id) != day:
                self._store.replace(f"{_USES}/{token_id}.json", msgspec.json.encode(day))
                self._written[token_id] = day

    def flush(self) -> int:
        """Write what waits, as one file for each day; return how many reports that were.

        Raises:
            StoreError: If the store does not take them; they wait for the next time.
        """
        with self._flushing:
            self._flush_uses()
            with self._lock:
                batch = list(self._waiting)
            if not batch:
                return 0
            if self._store is not None:
                for day in sorted({report.at[:10] for report in batch}):
                    self._write(day, [report for report in batch if report.at[:10] == day])
            with self._lock:
                del self._waiting[: len(batch)]
            return len(batch)

    def _write(self, day: str, reports: list[AccessReport]) -> None:
        assert self._store is not None  # noqa: S101 - asked by whoever calls
        lines = b"".join(msgspec.json.encode(report) + b"\n" for report in reports)
        while True:
            self._number += 1
            try:
                self._store.create(f"{_FOLDER}/{day}/{self._server}-{self._number}.ndjson", lines)
            except TakenError:
                continue
            return

    def read(self, day: str) -> Iterator[AccessReport]:
        """Go through the reports of a day (`2026-03-03`) in order of time, those waiting too."""
        reports = [report for report in self._waiting if report.at[:10] == day]
        if self._store is not None:
            keys = [
                f"{_FOLDER}/{day}/{name}" for name in self._store.list(f"{_FOLDER}/{_checked(day)}")
            ]
            for lines in concurrent.map_ordered(
                lambda key: self._lines(key, AccessReport), keys, _AT_ONCE
            ):
                reports += lines
        yield from sorted(reports, key=lambda report: report.at)

    def _lines(self, key: str, kind: type[_Kind]) -> list[_Kind]:
        """Read one file; a line that is not of that kind is left out."""
        assert self._store is not None  # noqa: S101 - asked by whoever calls
        try:
            with self._store.open(key) as file:
                lines = at_most(file, _MOST_BYTES).splitlines()
        except (AbsentError, OSError):
            return []
        found = []
        for line in lines:
            try:
                found.append(strict_json.decode(line, kind))
            except ValueError:
                continue
        return found

    def prune(self) -> int:
        """Remove reports older than 400 days; return how many files that were."""
        if self._store is None:
            return 0
        oldest = (self._clock().astimezone(UTC) - timedelta(days=KEPT_DAYS)).date().isoformat()
        count = 0
        for day in list(self._store.list(_FOLDER)):
            if day >= oldest:
                continue
            for name in list(self._store.list(f"{_FOLDER}/{day}")):
                self._store.delete(f"{_FOLDER}/{day}/{name}")
                count += 1
        return count


def _short(text: str) -> str:
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return masked(plain)[:_MOST_TEXT]


def _checked(day: str) -> str:
    return datetime.fromisoformat(day).date().isoformat()
