"""Files that serving workers keep beside a journal: what each runs, and what it counted."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from holdfast.core import names, strict_json, worker_statements
from holdfast.core.fleet import Counts, Report
from holdfast.core.worker_statements import Told
from holdfast.errors import InvalidInputError
from holdfast.registry.ledger import genuine
from holdfast.registry.session import Session
from holdfast.registry.warned import warn
from holdfast.store import AbsentError, concurrent, layout

_MOST_BYTES: Final = 1 << 24
_SILENCE: Final = timedelta(days=1)


class Fleet:
    """Reports and counts of one store: small files, each replaced whole by the worker it is of.

    They prove nothing: what cannot be read, or has another's name, counts as absent. Where a
    model's policy demands signatures, what is written is signed with the session's key, if it has
    one, and `proved` tells what may bring a version forward.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def servers(self, model: str) -> list[Report]:
        """Return what workers report of a model, by name, those long silent too."""
        return self._read(model, layout.servers(layout.model(model)), Report)

    def counts(self, model: str, number: int) -> list[Counts]:
        """Return what workers counted of the rollout *number*, by name of the worker."""
        all_counts = self._read(model, layout.counts(layout.model(model), number), Counts)
        return [counts for counts in all_counts if counts.rollout == number]

    def proved(self, model: str, documents: Iterable[Told]) -> list[Told]:
        """Return those that a listed signer signed where the policy demands it, else all."""
        policy = self._session.state(model).policy
        return worker_statements.proved(policy, documents, genuine)

    def report(self, report: Report) -> None:
        """Write what a worker reports, over its report before."""
        self._write(layout.servers(self._prefix(report.model)), self._signed(report))

    def count(self, counts: Counts) -> None:
        """Write all that a worker counted of a rollout, over its counts before."""
        prefix = layout.counts(self._prefix(counts.model), counts.rollout)
        self._write(prefix, self._signed(counts))

    def leave(self, model: str, worker: str) -> None:
        """Remove the report of a worker that stops; its counts stay."""
        prefix = layout.servers(self._prefix(model))
        self._session.open_store.store.delete(layout.of_worker(prefix, worker))

    def knows(self, model: str, worker: str, rollout: int | None = None) -> bool:
        """Tell whether a worker has a report, or counts of a rollout."""
        key = layout.of_worker(self._of(model, rollout), worker)
        try:
            self._session.open_store.store.open(key).close()
        except AbsentError:
            return False
        return True

    def workers(self, model: str, rollout: int | None = None) -> list[str]:
        """Return the names of all files of reports, or of counts of a rollout."""
        return sorted(self._session.open_store.store.list(self._of(model, rollout)))

    def sweep(self) -> int:
        """Remove what workers of all models left; see `sweep_model`."""
        return sum(self.sweep_model(model) for model in self._session.models())

    def sweep_model(self, model: str) -> int:
        """Remove what workers left that were silent for a day, and return how many files.

        Counts stay as long as their rollout is running, because no worker counts the same again.
        """
        prefix = self._prefix(model)
        swept = self._swept(model, layout.servers(prefix), Report)
        for number in self._ended(model):
            swept += self._swept(model, layout.counts(prefix, number), Counts)
        return swept

    def _ended(self, model: str) -> Iterator[int]:
        folders = self._session.open_store.store.list(layout.rollouts(layout.model(model)))
        running = self._session.state(model).running
        for number in sorted(int(folder) for folder in folders if folder.isdecimal()):
            if running is None or running.number != number:
                yield number

    def _swept(self, model: str, prefix: str, kind: type[Told]) -> int:
        now = self._session.clock()
        silent = [  # or from a clock that is wrong by as much: it counts for nothing
            document
            for document in self._read(model, prefix, kind)
            if abs(now - datetime.fromisoformat(document.at)) > _SILENCE
        ]
        for document in silent:
            self._session.open_store.store.delete(layout.of_worker(prefix, document.worker))
        return len(silent)

    def _of(self, model: str, rollout: int | None) -> str:
        prefix = self._prefix(model)
        return layout.servers(prefix) if rollout is None else layout.counts(prefix, rollout)

    def _prefix(self, model: str) -> str:
        return layout.model(names.check_model(model))

    def _signed(self, document: Told) -> Told:
        keyring = self._session.keyring
        if document.signature or keyring.open_key is None:
            return document
        if not self._session.state(document.model).policy.require_signature:
            return document
        try:
            pen = keyring.key
        except InvalidInputError as error:  # it still tells what it runs
            warn(__name__, "what this worker tells is not signed: %s", error)
            return document
        return document if pen is None else worker_statements.signed(document, pen)

    def _write(self, prefix: str, document: Report | Counts) -> None:
        key = layout.of_worker(prefix, document.worker)
        if self._session.open_store.store.traits.is_local:
            self._session.require_same()  # below an empty mount point, the disk would hide it
        self._session.open_store.store.replace(key, msgspec.json.encode(document) + b"\n")

    def _read(self, model: str, prefix: str, kind: type[Told]) -> list[Told]:
        if not self._session.exists:
            return []
        store = self._session.open_store.store
        keys = [f"{prefix}/{name}" for name in sorted(store.list(prefix))]
        if store.traits.concurrency == 1:
            raws: Iterator[bytes] = map(self._bytes, keys)
        else:
            raws = concurrent.map_ordered(self._bytes, keys, store.traits.concurrency)
        documents = zip(keys, (_decoded(raw, kind) for raw in raws), strict=True)
        return [
            document
            for key, document in documents
            if document is not None
            and document.model == model
            and layout.of_worker(prefix, document.worker) == key
        ]

    def _bytes(self, key: str) -> bytes:
        try:
            with self._session.open_store.store.open(key) as file:
                return file.read(_MOST_BYTES)
        except (AbsentError, OSError):  # removed since it was listed, or no file
            return b""


def _decoded(raw: bytes, kind: type[Told]) -> Told | None:
    try:
        document = strict_json.decode(raw, kind)
        moment = datetime.fromisoformat(document.at)
    except ValueError:
        return None
    return document if moment.tzinfo is not None else None
