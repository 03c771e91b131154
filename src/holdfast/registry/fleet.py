"""Files that serving workers keep beside a journal: what each runs, and what it counted."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from holdfast.core import names, strict_json
from holdfast.core.fleet import Counts, Report
from holdfast.registry.session import Session
from holdfast.store import AbsentError, in_order, layout

_Told = TypeVar("_Told", Report, Counts)

_MOST_BYTES: Final = 1 << 24
_SILENCE: Final = timedelta(days=1)


class Fleet:
    """Reports and counts of one store: small files, each replaced whole by the worker it is of.

    They are no truth: what cannot be read, or stands under another's name, counts as absent.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def servers(self, model: str) -> list[Report]:
        """Return what workers report of a model, by name, those long silent too."""
        return self._read(model, layout.servers(layout.model(model)), Report)

    def counts(self, model: str, number: int) -> list[Counts]:
        """Return what workers counted of the rollout *number*, by name of the worker."""
        found = self._read(model, layout.counts(layout.model(model), number), Counts)
        return [counts for counts in found if counts.rollout == number]

    def report(self, report: Report) -> None:
        """Write what a worker reports, over its report before."""
        self._write(layout.servers(self._prefix(report.model)), report)

    def count(self, counts: Counts) -> None:
        """Write all that a worker counted of a rollout, over its counts before."""
        self._write(layout.counts(self._prefix(counts.model), counts.rollout), counts)

    def leave(self, model: str, worker: str) -> None:
        """Take a worker's report away, for it stops; its counts stay."""
        prefix = layout.servers(self._prefix(model))
        self._session.place.store.delete(layout.of_worker(prefix, worker))

    def sweep(self) -> int:
        """Remove what workers left that were silent for a day, and return how many files.

        Counts stay as long as their rollout goes on: no worker ever counts the same again.
        """
        swept = 0
        for model in self._session.models():
            prefix = layout.model(model)
            swept += self._swept(model, layout.servers(prefix), Report)
            for number in self._ended(model):
                swept += self._swept(model, layout.counts(prefix, number), Counts)
        return swept

    def _ended(self, model: str) -> Iterator[int]:
        folders = self._session.place.store.list(layout.rollouts(layout.model(model)))
        running = self._session.state(model).running
        for number in sorted(int(folder) for folder in folders if folder.isdecimal()):
            if running is None or running.number != number:
                yield number

    def _swept(self, model: str, prefix: str, kind: type[_Told]) -> int:
        now = self._session.clock()
        silent = [  # or of a clock that is wrong by as much: nobody believes it
            told
            for told in self._read(model, prefix, kind)
            if abs(now - datetime.fromisoformat(told.at)) > _SILENCE
        ]
        for told in silent:
            self._session.place.store.delete(layout.of_worker(prefix, told.worker))
        return len(silent)

    def _prefix(self, model: str) -> str:
        return layout.model(names.check_model(model))

    def _write(self, prefix: str, told: Report | Counts) -> None:
        key = layout.of_worker(prefix, told.worker)
        if self._session.place.store.traits.near:
            self._session.require_same()  # below an empty mount point it would hide the disk
        self._session.place.store.replace(key, msgspec.json.encode(told) + b"\n")

    def _read(self, model: str, prefix: str, kind: type[_Told]) -> list[_Told]:
        if not self._session.exists:
            return []
        store = self._session.place.store
        keys = [f"{prefix}/{name}" for name in sorted(store.list(prefix))]
        if store.traits.at_once == 1:
            raws: Iterator[bytes] = map(self._bytes, keys)
        else:
            raws = in_order.answers(self._bytes, keys, store.traits.at_once)
        found = zip(keys, (_decoded(raw, kind) for raw in raws), strict=True)
        return [
            told
            for key, told in found
            if told is not None
            and told.model == model
            and layout.of_worker(prefix, told.worker) == key
        ]

    def _bytes(self, key: str) -> bytes:
        try:
            with self._session.place.store.open(key) as file:
                return file.read(_MOST_BYTES)
        except (AbsentError, OSError):  # removed since it was listed, or no file
            return b""


def _decoded(raw: bytes, kind: type[_Told]) -> _Told | None:
    try:
        told = strict_json.decode(raw, kind)
        moment = datetime.fromisoformat(told.at)
    except ValueError:
        return None
    return told if moment.tzinfo is not None else None
