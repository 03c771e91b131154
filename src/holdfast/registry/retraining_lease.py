"""The lease of a model's retraining: it saves double work, and the journal decides all the same.

A term is a file that is created once; whoever creates the next number holds the lease. The holder
replaces the file of its beat again and again, and is alive as long as that is young by the clock
of the store, which also dates the file that an asker writes: clocks of machines do not matter. A
holder that sees a higher term, or whose beats no longer get through, stops.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Final, Self

import msgspec
from msgspec import Struct

from holdfast import forks
from holdfast.core import names, strict_json
from holdfast.errors import ConflictError, HoldfastError, StoreError, UnsupportedError
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


class LeaseLostError(ConflictError):
    """Another run took the lease, or no beat got through for too long; nothing was written."""


class Lease:
    """One term, held by this process.

    Args:
        store: Where it is.
        model: The model.
        term: Its number.
        pulse: How often it beats.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        model: str,
        term: int,
        pulse: Pulse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.term = term
        self._store = store
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
                self._store.create(self._key("done"), b"{}\n")
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
            self._store.replace(self._key("beat"), b"{}\n")
            terms = _terms(self._store, self._model)
        except (HoldfastError, OSError):
            return
        highest = max(terms, default=self.term)
        if highest > self.term:
            self._rival = highest
        else:
            self._accepted = self._clock()

    def _beat_on(self) -> None:
        while not self._ending.wait(self._pulse.every_s) and not self.is_lost:
            self.beat()

    def _key(self, what: str) -> str:
        return layout.term(layout.model(self._model), self.term, what)


class LeaseHolder(Struct, frozen=True):
    """Whoever asks for a lease: the slot, and a name for people, such as `ci@host:4711`."""

    slot: str
    name: str


def take(session: Session, model: str, holder: LeaseHolder, pulse: Pulse = PULSE) -> Lease:
    """Take the lease of a model's retraining.

    Raises:
        ConflictError: If another run holds it.
    """
    names.check_model(model)
    require_direct(session)
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
    lease = Lease(store, model, last + 1, pulse)
    lease.beat()
    for old in sorted(terms)[:-1]:
        for item in terms[old].values():
            store.delete(f"{layout.retraining(prefix)}/{item.name}")
    return lease


def require_direct(session: Session) -> None:
    """Refuse a registry behind a server, which keeps no leases yet.

    Raises:
        UnsupportedError: If it is.
    """
    if session.publish is not None:
        advice = "run it where the folder or bucket of the registry can be written"
        raise UnsupportedError(str(session.site.location), "cannot hold a lease", advice)


def holder_of(session: Session, model: str, pulse: Pulse = PULSE) -> str | None:
    """Say who retrains a model now, `None` if nobody does."""
    if not session.exists or session.publish is not None:
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


def _shown(store: Store, model: str, term: int) -> str:
    try:
        with store.open(layout.term(layout.model(model), term, "json")) as file:
            term_record = strict_json.decode(at_most(file, 1 << 16), _Term)
    except (AbsentError, OSError, ValueError):
        return f"term {term}"
    return f"term {term} by {term_record.by} ({term_record.holder}), slot {term_record.slot}"
