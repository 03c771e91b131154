"""The opened store and the journals read so far, which all who act on it in a process share."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from holdfast import forks, scratch
from holdfast.core import names
from holdfast.core.heads import Head
from holdfast.errors import StoreError
from holdfast.registry.ledger import Ledger
from holdfast.store.open_store import Location, OpenStore


class SharedStore:
    """A store that several threads use, each in the name of another person perhaps.

    Args:
        site: Where it is or may come to be.
        pins: A head by model that its journal must have.
    """

    def __init__(self, site: Location, pins: Mapping[str, Head]) -> None:
        self.site = site
        self._pins = pins
        self._ledgers: dict[str, Ledger] = {}
        self._place = site.find()
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with a lock that nobody holds, and without the parent's folder."""
        self._lock = threading.RLock()
        self._scratch: Path | None = None

    @property
    def exists(self) -> bool:
        """True if the store is there; a registry can be opened before it is."""
        if self._place is None:  # another process may have made it meanwhile
            self._place = self.site.find()
        return self._place is not None

    @property
    def open_store(self) -> OpenStore:
        """The store for reading.

        Raises:
            StoreError: If nothing was ever written to it.
        """
        if not self.exists or self._place is None:
            raise StoreError(
                self.site.location,
                "is not a store yet",
                "register a model to make one, or name another",
            )
        return self._place

    def writable(self, new_id: Callable[[], str], now: Callable[[], datetime]) -> OpenStore:
        """Return the store for writing, made if it is not there; a folder is looked at again.

        Raises:
            StoreError: If the store that was opened is gone, or another one is in its place.
        """
        with self._lock:
            if self._place is None:
                self._place = self.site.make(new_id, now())
                return self._place
        if self._place.store.traits.is_local:
            self._place.require_same()
        return self._place

    def writable_as(self, store_id: str, created_at: datetime) -> OpenStore:
        """Return the store for writing; if it is not there, it is made as the one with that id."""
        with self._lock:
            if not self.exists:
                self._place = self.site.make(lambda: store_id, created_at)
        return self.open_store

    def ledger(self, model: str) -> Ledger:
        """Return a model's ledger, whether the model exists or not."""
        ledger = self._ledgers.get(model)
        if ledger is None:
            names.check_model(model)
            with self._lock:
                ledger = self._ledgers.get(model)
                if ledger is None:
                    ledger = Ledger(self.open_store, model, self._pins.get(model))
                    self._ledgers[model] = ledger
        return ledger

    def scratch(self) -> Path:
        """Return a folder that lives as long as this process; a forked child has its own."""
        with self._lock:
            if self._scratch is None:
                self._scratch = scratch.until_exit()
            return self._scratch

    def forget(self, model: str) -> None:
        """Read a model's journal from its beginning when it is asked for next."""
        self._ledgers.pop(model, None)
