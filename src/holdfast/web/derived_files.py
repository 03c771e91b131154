"""Brings the files that are derived from a journal up to date, after who changed it was answered.

Whoever changes something waits for its entry alone, which is durable and is all the truth. Until
the derived files follow, a few milliseconds later, a folder shows what was true before, as it does
where a process was killed between the two: whoever opens it then brings them up to date.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.registry.ledger import Ledger
from holdfast.registry.session import Session
from holdfast.registry.warned import warn

__all__ = ["DerivedFiles"]

_AFTER_S: Final = 0.005
"""Until then an answer is on its way; what follows from its entry would keep it waiting."""


class DerivedFiles:
    """What follows from the journals of a registry; one thread writes it.

    Args:
        session: The registry's, whose commits leave these files to be written here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="derived")
        self._lock = threading.Lock()
        self._waiting: set[Ledger] = set()
        session.project = self.later

    def later(self, ledger: Ledger) -> None:
        """Bring a model's files up to date soon; asked for several times meanwhile, once."""
        with self._lock:
            if ledger in self._waiting:
                return
            self._waiting.add(ledger)
        self._thread.submit(self._write, ledger, time.monotonic() + _AFTER_S)

    def wait(self) -> None:
        """Return once what waits now is written: no damage is to be seen in what only lags."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Write what waits, and then nothing more; commits write their own again."""
        self._session.project = Ledger.project
        self._thread.shutdown(wait=True)

    def _write(self, ledger: Ledger, due_s: float) -> None:
        time.sleep(max(0.0, due_s - time.monotonic()))
        with self._lock:
            self._waiting.discard(ledger)  # what is committed from here on is written once more
        try:
            with self._session.writable().sharing("writing derived files"):
                ledger.project()
        except (HoldfastError, OSError) as error:
            warn(__name__, "derived files lag behind a journal: %s", error)
