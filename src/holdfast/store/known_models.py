"""The models a store has had: one file for each, beside `models`, which may be another disk.

A journal that is not there looks like one that never was. These files tell the two apart when
`models`, or one model's folder, is gone: moved aside, deleted, or on a disk that is not mounted.
Each is written after the model's first entry, so whoever finds it finds the entry too.
"""

import contextlib
from typing import Protocol

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.store import AbsentError, BlobStore, TakenError, at_most, layout

_MOST_BYTES = 1 << 16
_ENDING = ".json"


class _Note(Struct, frozen=True):
    """The content of a file."""

    format: int
    model: str


class KnownModelsCache(Protocol):
    """What a user of this machine keeps in mind, so that a service is not asked again."""

    def remembers(self, what: str) -> bool:
        """Tell whether *what* was said before."""
        ...

    def remember(self, what: str) -> None:
        """Keep it in mind."""
        ...


class Known:
    """The files below `known`.

    Args:
        store: Where they are.
        memory: Spares questions to a store that is far away.
        registry: The store's id, to keep what is remembered of several apart.
    """

    def __init__(
        self, store: BlobStore, memory: KnownModelsCache | None = None, registry: str = ""
    ) -> None:
        self._store = store
        self._memory = memory
        self._registry = registry

    def folders(self) -> set[str]:
        """Return the names that the models' folders below `models` have."""
        names = self._store.list(layout.KNOWN)
        return {name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)}

    def has(self, model: str) -> bool:
        """Tell whether a model ever had an entry."""
        return self._store.size(layout.known(model)) is not None

    def add(self, model: str) -> None:
        """Note, durably, that a model has an entry, unless that is noted already."""
        note = f"known in {self._registry}: {model}"
        if self._memory is not None and self._memory.remembers(note):
            return
        if not self.has(model):
            self.write(model)
        if self._memory is not None:
            self._memory.remember(note)

    def write(self, model: str) -> None:
        """Write a model's file, unless there is one."""
        with contextlib.suppress(TakenError):
            self._store.create(layout.known(model), encode(model))

    def name_of(self, folder: str) -> str:
        """Return the name of the model with that folder; the folder's, where it cannot be read."""
        raw = self._read(f"{layout.KNOWN}/{folder}{_ENDING}")
        try:
            model = strict_json.decode(raw or b"", _Note).model
        except (ValueError, RecursionError):
            return folder
        return model if layout.model(model) == f"{layout.MODELS}/{folder}" else folder

    def is_stale(self, model: str) -> bool:
        """Tell whether a model's file is there and does not say what it should."""
        return self.has(model) and self._read(layout.known(model)) != encode(model)

    def _read(self, key: str) -> bytes | None:
        try:
            with self._store.open(key) as file:
                return at_most(file, _MOST_BYTES)
        except (AbsentError, OSError):
            return None


def encode(model: str) -> bytes:
    """Return the content of a model's file."""
    return msgspec.json.encode(_Note(1, model)) + b"\n"
