"""What was seen of a journal before: by whoever wrote its pointer, and by this process."""

from holdfast.core import entry as entries
from holdfast.core.entry import Entry
from holdfast.core.state import State
from holdfast.errors import DamagedError
from holdfast.registry import store_location
from holdfast.registry.warned import warn
from holdfast.store.journal import Journal
from holdfast.store.open_store import OpenStore
from holdfast.store.projections import Pointer

_TORN = (
    "journal of %s ends at entry %d, but its active_version.json, written elsewhere, has seen "
    "entry %d: the store was copied while somebody wrote; `holdfast repair --from` the original "
    "fetches what is missing, `holdfast repair` goes on without it"
)


class Witnesses:
    """Hold a journal against its pointer.

    Args:
        store: Where it is.
        model: Whose it is.
        journal: Its entries.

    Attributes:
        memory: How far this user has seen it go here.
    """

    def __init__(self, store: OpenStore, model: str, journal: Journal) -> None:
        self.memory = store_location.JournalSighting(store, model)
        self._place = store
        self._model = model
        self._journal = journal

    def check(self, witness: Pointer | None, state: State, newest: Entry | None) -> None:
        """Refuse a journal without the last entry that the projection has seen.

        If the projection was written elsewhere, the store was copied beside a writer, and the
        copy's end is where it is: a warning says so, and that is taken for the end.

        Args:
            newest: The last entry that this process wrote, if it did.
        """
        if witness is None or not self._is_denied(witness, state, newest):
            return
        if self._came_from_elsewhere(witness, state, newest):
            if witness.seq > state.seq:
                warn(__name__, _TORN, self._model, state.seq, witness.seq)
            return
        if witness.seq > state.seq:
            raise DamagedError(
                f"journal of {self._model}",
                f"ends at entry {state.seq}, but entry {witness.seq} was seen",
                f"restore {self._journal.slot(state.seq + 1)} and what follows from a copy",
            )
        raise DamagedError(
            self._journal.slot(witness.seq),
            "is another entry than active_version.json has seen",
            "restore the journal from a copy",
        )

    def _is_denied(self, witness: Pointer, state: State, newest: Entry | None) -> bool:
        """Tell whether the journal does not have the entry that a projection has seen."""
        if witness.seq > state.seq:
            return True
        return witness.seq > 0 and self._digest_at(witness.seq, state, newest) != witness.head

    def _digest_at(self, seq: int, state: State, newest: Entry | None) -> str | None:
        """Return the digest of an entry up to *state*: the last two are known without a look."""
        if seq == state.seq:
            return state.head
        if newest is not None and seq + 1 == newest.seq == state.seq:
            return newest.prev
        raw = self._journal.read(seq)
        return None if raw is None else entries.digest(raw)

    def is_torn(self, witness: Pointer, state: State, newest: Entry | None) -> bool:
        """Tell whether the journal denies a projection, because that came from elsewhere."""
        denied = self._is_denied(witness, state, newest)
        return denied and self._came_from_elsewhere(witness, state, newest)

    def _came_from_elsewhere(self, witness: Pointer, state: State, newest: Entry | None) -> bool:
        """Tell whether a projection that the journal denies came from elsewhere.

        A store that was seen further at this path, or with another entry, is not a copy made here,
        but took its place.
        """
        elsewhere = store_location.is_elsewhere(self._place, self._model, witness)
        return elsewhere and self.memory.fits(
            state.seq, lambda seq: self._digest_at(seq, state, newest)
        )

    def check_last(self, state: State) -> None:
        """Refuse to write after an entry that was seen and is gone or another one by now."""
        raw = self._journal.read(state.seq) if state.seq else None
        if state.seq and (raw is None or entries.digest(raw) != state.head):
            raise DamagedError(
                self._journal.slot(state.seq),
                "was seen, and is missing or another one by now",
                "restore it from a copy",
            )
