"""The lease of a model's retraining: it saves double work, and the journal decides all the same.

A term is a file that is created once; whoever creates the next number holds the lease. The holder
replaces the file of its beat again and again, and is alive as long as that is young by the clock
of the store, which also dates the file that an asker writes: clocks of machines do not matter. A
holder that sees a higher term, or whose beats no longer get through, stops.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, Self

import msgspec
from msgspec import Struct

from holdfast import forks
from holdfast.core import names, strict_json
from holdfast.errors import ConflictError, HoldfastError, StoreError
from holdfast.registry.session import Session
from holdfast.store import AbsentError, Item, Store, TakenError, at_most, layout

_NAME: Final = re.compile(r"([0-9]{10,})\.(json|beat|done)")


class Pulse(Struct, frozen=True):
    """How often a holder beats, and after how long it counts as dead, in seconds."""

    every_s: float = 20.0
    silence_s: float = 90.0


PULSE: Final = Pulse()


class _Term(Struct, frozen=True):
    model: str
    term: int
    slot: str
    by: str
    holder: str


class Beats(Protocol):
    """Where a lease is kept: beside the registry, or behind a server."""

    def beat(self, term: int) -> int:
        """Say that the holder of a term is alive, and return the highest term there is."""
        ...

    def done(self, term: int) -> None:
        """Let the next one begin at once."""
        ...


class LeaseLostError(ConflictError):
    """Another run took the lease, or no beat got through for too long; nothing was written."""


class Lease:
    """One term, held by this process.

    Args:
        beats: Where it is.
        model: The model.
        term: Its number.
        pulse: How often it beats.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        beats: Beats,
        model: str,
        term: int,
        pulse: Pulse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.term = term
        self._beats = beats
        self._model = model
        self._pulse = pulse
        self._clock = clock
        self._accepted = clock()
        self._rival: int | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="beat", daemon=True)
        forks.tell(self)

    def after_fork(self) -> None:
        """Leave the lease to the parent, whose thread beats."""
        self._ending.set()

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop beating, and let the next one begin at once."""
        self._ending.set()
        self._thread.join(self._pulse.every_s)
        if not self.is_lost:
            try:
                self._beats.done(self.term)
            except (TakenError, HoldfastError, OSError):
                return  # then it ends by silence

    @property
    def is_lost(self) -> bool:
        """True once there is a higher term, or no beat got through for too long."""
        silent_s = self._clock() - self._accepted
        return self._rival is not None or silent_s > self._pulse.silence_s

    def require(self) -> None:
        """Check that the lease is held still, right before something is written.

        Raises:
            LeaseLostError: If it is not.
        """
        if not self.is_lost:
            self.beat()
        if self.is_lost:
            why = f"term {self._rival} began" if self._rival else "no beat of it got through"
            raise LeaseLostError(
                self._model,
                f"lost the lease of its retraining: {why}",
                "the other run goes on; `holdfast retrain status` shows it",
            )

    def beat(self) -> None:
        """Say that this run is alive, and look for a higher term; one failure is not a loss."""
        try:
            highest = self._beats.beat(self.term)
        except (HoldfastError, OSError):
            return
        if highest > self.term:
            self._rival = highest
        else:
            self._accepted = self._clock()

    def _beat_on(self) -> None:
        while not self._ending.wait(self._pulse.every_s) and not self.is_lost:
            self.beat()


class StoreBeats(Struct, frozen=True):
    """The files of one model's leases."""

    store: Store
    model: str

    def beat(self, term: int) -> int:
        """Replace the file of the beat."""
        self.store.replace(self._key(term, "beat"), b"{}\n")
        return max(_terms(self.store, self.model), default=term)

    def done(self, term: int) -> None:
        """Create the file that ends the term."""
        self.store.create(self._key(term, "done"), b"{}\n")

    def _key(self, term: int, what: str) -> str:
        return layout.term(layout.model(self.model), term, what)


class LeaseHolder(Struct, frozen=True):
    """Whoever asks for a lease: the slot, and a name for people, such as `ci@host:4711`."""

    slot: str
    name: str


def take(session: Session, model: str, holder: LeaseHolder, pulse: Pulse = PULSE) -> Lease:
    """Take the lease of a model's retraining.

    Raises:
        ConflictError: If another run holds it.
    """
    term = begin(session, model, holder, pulse)
    return Lease(StoreBeats(session.open_store.store, model), model, term, pulse)


def begin(session: Session, model: str, holder: LeaseHolder, pulse: Pulse = PULSE) -> int:
    """Begin the next term, and return its number; its holder must beat from now on.

    Raises:
        ConflictError: If another run holds the lease.
    """
    names.check_model(model)
    session.writable()
    store, prefix = session.open_store.store, layout.model(model)
    terms, now = _dated(session, model)
    last = max(terms, default=0)
    if last and _is_alive(terms[last], now, pulse):
        raise _held(store, model, last)
    term = _Term(model, last + 1, holder.slot, session.by, holder.name)
    try:
        store.create(layout.term(prefix, last + 1, "json"), msgspec.json.encode(term) + b"\n")
    except TakenError:
        raise _held(store, model, last + 1) from None
    StoreBeats(store, model).beat(last + 1)
    for old in sorted(terms)[:-1]:
        for item in terms[old].values():
            store.delete(f"{layout.retraining(prefix)}/{item.name}")
    return last + 1


def begun_before(session: Session, model: str, holder: LeaseHolder) -> int | None:
    """Return the term that this very holder has already, whose answer was lost; None if none."""
    if not session.exists:
        return None
    store = session.open_store.store
    last = max(_terms(store, model), default=0)
    record = _record(store, model, last) if last else None
    if record is None or (record.slot, record.by) != (holder.slot, session.by):
        return None
    return last if record.holder == holder.name else None


class HeldTerm:
    """A term that somebody else beats for: whoever asked a server for it.

    Args:
        session: Of that user.
        model: The model.
        term: Its number, as they say.

    Raises:
        ConflictError: If it is not theirs.
    """

    def __init__(self, session: Session, model: str, term: int) -> None:
        self.term = term
        self._session, self._model = session, model
        record = _record(session.open_store.store, model, term)
        if record is None or (record.model, record.by) != (model, session.by):
            problem = f"has no term {term} of {session.by}"
            raise ConflictError(f"lease of {model}", problem, "ask for one first")
        self._beats = StoreBeats(session.open_store.store, model)

    def beat(self) -> int:
        """Note that its holder is alive, and return the highest term."""
        return self._beats.beat(self.term)

    def done(self) -> None:
        """Let the next one begin at once; it may have done so already."""
        with contextlib.suppress(TakenError):
            self._beats.done(self.term)

    def require(self) -> None:
        """Check that it is held still, right before something is written.

        Raises:
            LeaseLostError: If another term began, or its holder let it go or fell silent.
        """
        terms, now = _dated(self._session, self._model)
        highest = max(terms, default=0)
        if highest != self.term or not _is_alive(terms[highest], now, PULSE):
            why = f"term {highest} began" if highest != self.term else "no beat of it got through"
            advice = "the other run goes on; `holdfast retrain status` shows it"
            problem = f"lost the lease of its retraining: {why}"
            raise LeaseLostError(self._model, problem, advice)


def holder_of(session: Session, model: str, pulse: Pulse = PULSE) -> str | None:
    """Say who retrains a model now, `None` if nobody does."""
    if not session.exists:
        return None
    terms = _terms(session.open_store.store, model)
    last = max(terms, default=0)
    if not last or "done" in terms[last]:  # what is plain is told without writing a probe
        return None
    try:
        terms, now = _dated(session, model)
    except StoreError:  # whoever may only read goes by the own clock
        now = session.clock().timestamp()
    if not _is_alive(terms[last], now, pulse):
        return None
    return _shown(session.open_store.store, model, last)


def _dated(session: Session, model: str) -> tuple[dict[int, dict[str, Item]], float]:
    """Return the terms, and the present time by the clock that dates them."""
    store, prefix = session.open_store.store, layout.retraining(layout.model(model))
    probe = f"{session.new_id()}.look"
    store.replace(f"{prefix}/{probe}", b"{}\n")
    try:
        items = list(store.items(prefix))
    finally:
        store.delete(f"{prefix}/{probe}")
    now = max((item.modified for item in items if item.name == probe), default=0.0)
    return _sorted(items), now


def _terms(store: Store, model: str) -> dict[int, dict[str, Item]]:
    return _sorted(list(store.items(layout.retraining(layout.model(model)))))


def _sorted(items: list[Item]) -> dict[int, dict[str, Item]]:
    terms: dict[int, dict[str, Item]] = {}
    for item in items:
        match = _NAME.fullmatch(item.name)
        if match is not None:
            terms.setdefault(int(match[1]), {})[match[2]] = item
    return terms


def _is_alive(files: dict[str, Item], now: float, pulse: Pulse) -> bool:
    """Tell whether a holder is; one whose beat lies far ahead beat before the clock was set back.

    If it lives, its next beat shows it the higher term.
    """
    if "done" in files:
        return False
    latest = max(item.modified for item in files.values())
    return abs(now - latest) < pulse.silence_s


def _held(store: Store, model: str, term: int) -> ConflictError:
    return ConflictError(
        f"retraining of {model}",
        f"is going on: {_shown(store, model, term)}",
        "wait for it, or look with `holdfast retrain status`",
    )


def _record(store: Store, model: str, term: int) -> _Term | None:
    try:
        with store.open(layout.term(layout.model(model), term, "json")) as file:
            return strict_json.decode(at_most(file, 1 << 16), _Term)
    except (AbsentError, OSError, ValueError):
        return None


def _shown(store: Store, model: str, term: int) -> str:
    term_record = _record(store, model, term)
    if term_record is None:
        return f"term {term}"
    return f"term {term} by {term_record.by} ({term_record.holder}), slot {term_record.slot}"
