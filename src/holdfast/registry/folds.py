"""Folds to start from: this user's own, never the store's.

Whoever may write to a store may write a fold that is sound by itself and tells what never was: a
policy without signers, say. So a reader starts from a fold that it made itself, of entries that
it checked, and only where the store's journal still has the entry that this fold ends with.
"""

from importlib.util import find_spec
from typing import Final

import msgspec

from holdfast.core.manifest import digest_of
from holdfast.core.state import State
from holdfast.store import private_cache
from holdfast.store.journal import Journal

_KIND: Final = "folds"
_MOST_BYTES: Final = 256 << 20
_FORMAT: Final = 6


class _Fold(msgspec.Struct):
    """A fold as it is kept; *checks* tells whether signatures could be checked for it."""

    format: int
    checks: bool
    sum: str
    state: msgspec.Raw


def find(store_id: str, model: str, journal: Journal) -> State | None:
    """Return the last fold kept of a model's journal, `None` if it is not of that journal now."""
    raw = private_cache.read(_KIND, f"{store_id}/{model}", _MOST_BYTES)
    if raw is None:
        return None
    try:
        fold = msgspec.json.decode(raw, type=_Fold)
        if (
            fold.format != _FORMAT
            or fold.checks != _checks()
            or digest_of(bytes(fold.state)) != fold.sum
        ):
            return None
        state = msgspec.json.decode(fold.state, type=State)
    except (ValueError, RecursionError):
        return None
    entry = journal.read(state.seq)
    sound = state.model == model and entry is not None and digest_of(entry) == state.head
    return state if sound else None


def _checks() -> bool:
    """Tell whether the library is here without which no approval is proved by its signature."""
    return find_spec("cryptography") is not None


def keep(store_id: str, state: State) -> None:
    """Keep a fold of entries that were all checked here."""
    encoded = msgspec.json.encode(state)
    fold = _Fold(_FORMAT, _checks(), digest_of(encoded), msgspec.Raw(encoded))
    private_cache.keep(_KIND, f"{store_id}/{state.model}", msgspec.json.encode(fold))
