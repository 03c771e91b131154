"""Fetches what a screen needs besides the journal while a remote journal is still being read."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from holdfast.core.fleet import Report
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.opening import About
from holdfast.registry.session import Session
from holdfast.store.projections import Pointer

_MOST_MANIFESTS = 2


class Ahead:
    """The answers about one model, as they come.

    Args:
        session: Asks.
        model: Whom about.
        threads: Ask at the same time.

    Attributes:
        about: For the journal that is to be opened meanwhile.
    """

    def __init__(self, session: Session, model: str, threads: ThreadPoolExecutor) -> None:
        self.about = About(on_pointer=self._bring)
        self._session = session
        self._threads = threads
        self._same = threads.submit(session.require_same)
        self._reports = threads.submit(Fleet(session).servers, model)
        self._manifests: list[Future[object]] = []

    def _bring(self, pointer: Pointer | None) -> None:
        """Read the manifests that the pointer names: whoever needs one has it by then."""
        for digest in pointer.manifests[:_MOST_MANIFESTS] if pointer else ():
            self._manifests.append(
                self._threads.submit(self._session.open_store.blobs.manifest, digest)
            )

    def settle(self) -> None:
        """Wait for what was asked at the same time as the journal; go on only in the same store.

        Raises:
            StoreError: If the store is gone, or another is in its place.
        """
        self._same.result()
        for asked in self._manifests:
            asked.exception()  # whoever needs it asks again and gets the error

    def reports(self) -> list[Report]:
        """Return what workers report."""
        return self._reports.result()


@contextlib.contextmanager
def asking(session: Session, model: str) -> Iterator[Ahead]:
    """Ask what can be asked before anything is known, for as long as the block lasts."""
    with ThreadPoolExecutor(2 + _MOST_MANIFESTS) as threads:
        yield Ahead(session, model, threads)
