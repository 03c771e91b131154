"""Reads a remote journal with few requests in sequence.

What the pointer says of the journal's end is assumed, and all of it requested at once: the names
after it, its last entry, and earlier entries in packs and in the pointer itself. None of it is
trusted: the last entry is read from the journal, and every entry before it must have the digest
that its successor names. Where that fails, everything is read entry by entry, which decides.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct

from holdfast.core.state import State
from holdfast.store import Store, concurrent, layout, packs, projections
from holdfast.store.journal import End, Journal
from holdfast.store.packs import Packs, Run
from holdfast.store.projections import Pointer


class About(Struct, frozen=True):
    """What is known of a journal before it is opened.

    Attributes:
        witness: Its pointer, if that was read.
        end: The result of a listing that began after the pointer was read.
        is_frugal: Wait rather than request what may turn out not to be needed.
        on_pointer: Receives the pointer before the journal is read.
    """

    witness: Pointer | None = None
    end: End | None = None
    is_frugal: bool = False
    on_pointer: Callable[[Pointer | None], object] = lambda _pointer: None


NOTHING: Final = About()


class Opening:
    """Bytes that a remote ledger keeps, so that it and others need fewer requests.

    Args:
        store: Where the journal is.
        model: Whose it is.

    Attributes:
        recent: The last entries of what was read.
    """

    def __init__(self, store: Store, model: str) -> None:
        prefix = layout.model(model)
        self._journal = Journal(store, prefix)
        self._packs = Packs(store, prefix)
        self._lost: dict[Run, bytes] = {}
        self.recent: deque[bytes] = deque(maxlen=packs.SMALL)

    def read(self, after: int, witness: Pointer | None, about: About) -> list[bytes] | None:
        """Return the entries behind number *after*, `None` if some are not where they should be.

        They are the journal's entries if they form a chain, which is not checked here.

        Raises:
            DamagedError: If a number is missing.
        """
        end = about.end
        if witness is None or witness.seq <= after:
            return self._range(after + 1, end.last if end else self._journal.tail(after))
        lines = _useful(packs.proven(projections.recent(witness), witness.head), after, witness.seq)
        if end is None and about.is_frugal and lines:
            end = self._journal.end(witness.seq - 1)
        vouched = end is not None and end.last == witness.seq and bool(lines)
        vouched = vouched and end is not None and end.vouches_for(lines[-1])
        older_to = witness.seq - max(len(lines), 1)
        if vouched and older_to <= after:
            return lines
        last, newest, older = _together(
            lambda: self._journal.tail(witness.seq) if end is None else end.last,
            lambda: lines[-1] if vouched else self._journal.read(witness.seq),
            lambda: self._packs.read(after + 1, older_to, self._lost),
        )
        if last < witness.seq or newest is None or older is None:
            return None
        newer = self._range(witness.seq + 1, last)
        return None if newer is None else [*older, *lines[:-1], newest, *newer]

    def _range(self, first: int, last: int) -> list[bytes] | None:
        """Return entries up to the last one, which is read from the journal itself."""
        if first > last:
            return []
        older, newest = _together(
            lambda: self._packs.read(first, last - 1, self._lost), lambda: self._journal.read(last)
        )
        return None if older is None or newest is None else [*older, newest]

    def recall(self, witness: Pointer | None, state: State) -> None:
        """Take the last entries out of the pointer where a fold was begun from."""
        if witness is not None and witness.seq == state.seq:
            lines = packs.proven(projections.recent(witness), state.head)
            if len(lines) > len(self.recent):
                self.recent = deque(lines, packs.SMALL)

    def last(self, first: int, state: State) -> list[bytes]:
        """Return entries from *first* to the last of *state*, empty where they are not all here."""
        count = state.seq - first + 1
        lines = list(self.recent)[-count:]
        whole = len(lines) == count and packs.proven(lines, state.head) == lines
        return lines if whole else []

    def complete(self, state: State) -> None:
        """Write the packs that end with the last entry, and those that were missing before."""
        self._packs.write(self._lost)
        self._lost.clear()
        for run in packs.ending_at(state.seq):
            lines: Iterable[bytes] | None = self.recent
            if run.count > packs.SMALL:
                lines = self._packs.read(run.first, run.last, {})
            whole = packs.proven(lines or (), state.head)
            if len(whole) == run.count:
                self._packs.write({run: b"".join(whole)})


def _useful(lines: list[bytes], after: int, last: int) -> list[bytes]:
    """Return the entries behind the last pack; all entries needed, if *lines* has them."""
    if last - len(lines) > after:
        return lines[-((last - 1) % packs.SMALL + 1) :]
    return lines[after - last :]


def _together(*questions: Callable[[], Any]) -> tuple[Any, ...]:
    """Ask some questions at the same time."""
    return tuple(concurrent.map_ordered(lambda ask: ask(), questions, len(questions)))
