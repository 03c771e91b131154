"""An opened store and what every verb shares: ledgers, blobs, the clock and the author."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from holdfast import scratch
from holdfast.core import history, names
from holdfast.core.commands import Unchanged, check_signing
from holdfast.core.entry import Stamp, model_of, parse_time
from holdfast.core.events import WORDS, AnyEvent
from holdfast.core.heads import Head
from holdfast.core.manifest import Manifest
from holdfast.core.refs import Exact, Number, Ref, Selector, parse_ref, resolve, selector_of
from holdfast.core.state import Record, State, empty, fold
from holdfast.errors import DamagedError, HoldfastError, NotFoundError, StoreError
from holdfast.registry.ledger import Decide, Ledger, Outcome
from holdfast.registry.missing import check_unused, lost
from holdfast.signing import SigningKey, genuine
from holdfast.store import layout
from holdfast.store.journal import Journal
from holdfast.store.place import Place, Site

read_ref = functools.lru_cache(maxsize=1024)(parse_ref)


@dataclass(frozen=True, slots=True)
class Signing:
    """What a caller says about its own deed.

    Attributes:
        reason: Kept with the entry.
        key: Idempotency key: the same deed under the same key is done once.
    """

    reason: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no entry could hold."""
        check_signing(self.reason, self.key)


@dataclass(frozen=True)
class Keyring:
    """What a session signs with, and what it knows of journals already.

    Attributes:
        open_key: Reads the private key, when first something is signed; `None` signs nothing.
        pins: A head by model that its journal must have.
    """

    open_key: Callable[[], SigningKey] | None = None
    pins: Mapping[str, Head] = field(default_factory=dict)

    @functools.cached_property
    def key(self) -> SigningKey | None:
        """The private key."""
        return self.open_key() if self.open_key else None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the folders below `models` hold.

    Attributes:
        names: Models that have a journal, deleted ones too.
        broken: Why it cannot be told whose journal is in a folder.
        hurt: Models that are known to have had such a folder.
        lost: Models that are known to have had entries, and have no journal.
    """

    names: tuple[str, ...]
    broken: tuple[DamagedError, ...]
    hurt: tuple[str, ...]
    lost: tuple[str, ...]


class Session:
    """One registry, opened; its place is made by the first verb that writes.

    Args:
        site: Where it is or may come to be.
        by: Author of what is written.
        clock: Tells the present time, aware.
        new_id: Makes 32 random hex digits.
        keyring: Key and pins.
    """

    def __init__(
        self,
        site: Site,
        by: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        keyring: Keyring = Keyring(),
    ) -> None:
        self.site = site
        self.by = by
        self.clock = clock
        self.keyring = keyring
        self.demands_environment = False
        self._new_id = new_id
        self._ledgers: dict[str, Ledger] = {}
        self._scratch: dict[int, Path] = {}
        self._place = site.find()

    @property
    def exists(self) -> bool:
        """True if the store is there; a registry can be opened before it is."""
        if self._place is None:  # another process may have made it meanwhile
            self._place = self.site.find()
        return self._place is not None

    @property
    def place(self) -> Place:
        """The store for reading.

        Raises:
            StoreError: If nothing was ever written to it.
        """
        if not self.exists or self._place is None:
            raise StoreError(
                self.site.location, "no store yet", "register a model to make it, or name another"
            )
        return self._place

    def writable(self) -> Place:
        """Return the store for writing, made if it is not there; a folder is looked at again.

        Raises:
            StoreError: If the store that was opened is gone, or another one is in its place.
        """
        if self._place is None:
            self._place = self.site.make(self._new_id, self.clock())
        elif self._place.store.traits.near:
            self.require_same()
        return self._place

    def require_same(self) -> None:
        """Refuse to go on where the store that was opened is no longer.

        Raises:
            StoreError: If it is gone, or another one is in its place.
        """
        self.place.require_same()

    def writable_as(self, store_id: str, created_at: datetime) -> Place:
        """Return the store for writing; if it is not there, it is made as the one with that id."""
        if not self.exists:
            self._place = self.site.make(lambda: store_id, created_at)
        return self.place

    def ledger(self, model: str) -> Ledger:
        """Return a model's ledger, whether the model exists or not."""
        if model not in self._ledgers:
            names.check_model(model)
            self._ledgers[model] = Ledger(self.place, model, self.keyring.pins.get(model))
        return self._ledgers[model]

    def pinned(self, model: str, pin: Head) -> Ledger:
        """Return a ledger that reads a model's journal afresh and holds it against *pin*."""
        names.check_model(model)
        return Ledger(self.place, model, pin)

    def forget(self, model: str) -> None:
        """Read a model's journal from its beginning when it is asked for next."""
        self._ledgers.pop(model, None)

    def models(self) -> list[str]:
        """Return the names of all models that exist, sorted; damaged journals aside."""
        if not self.exists:
            return []
        found = self.survey()  # of what is damaged `verify` tells: the others are to be seen
        hurt = [*found.lost, *found.hurt]
        for name in hurt:
            self.forget(name)  # what was read of it: it shows when the model is looked at
        return sorted([*filter(self._may_exist, found.names), *hurt])

    def survey(self) -> Survey:
        """Look which models have journals, and which are known to have had one.

        Raises:
            StoreError: If the store is gone, or another is in its place.
        """
        self.require_same()
        known = self.place.known.folders()  # before the journals: an entry comes before its note
        names, broken, hurt = [], [], []
        for folder in self.folders():
            try:
                name = self.name_in(folder)
            except DamagedError as error:
                broken.append(error)
                hurt += [self.place.known.name_of(folder)] if folder in known else []
            else:
                if name is None:
                    continue
                names.append(name)
            known.discard(folder)
        gone = map(self.place.known.name_of, sorted(known))
        return Survey(tuple(names), tuple(broken), tuple(hurt), tuple(gone))

    def _may_exist(self, model: str) -> bool:
        try:
            return self.ledger(model).state().exists
        except HoldfastError:  # it shows when the model is looked at
            return True

    def folders(self) -> list[str]:
        """Return the names of the folders below `models`, sorted."""
        return sorted(self.place.store.list(layout.MODELS))

    def journals(self) -> list[str]:
        """Return the names of all models that ever existed.

        Raises:
            DamagedError: If one cannot be told, or is known and its journal is gone.
        """
        found = self.survey()
        for error in [*found.broken, *map(lost, found.lost)]:
            raise error
        return list(found.names)

    def name_in(self, folder: str) -> str | None:
        """Return the name of the model whose journal is in a folder, `None` if it is empty.

        Raises:
            DamagedError: If the first entry is missing, or names a model of another folder.
        """
        prefix = f"{layout.MODELS}/{folder}"
        journal = Journal(self.place.store, prefix)
        raw = journal.read(1)
        if raw is None:
            journal.tail()  # a missing entry before others is damage
            check_unused(self.place.store, prefix)
            return None
        name = model_of(raw)
        if name is None or layout.model(name) != prefix:
            raise DamagedError(
                journal.slot(1), "unreadable, or of another model", "restore it from a copy"
            )
        return name

    def require_models(self) -> None:
        """Refuse to begin a journal where all others are gone: it would hide below their disk.

        Raises:
            DamagedError: If every model that is known has lost its folder.
        """
        known = self.place.known.folders()
        if known and known.isdisjoint(self.folders()):
            raise DamagedError(
                layout.MODELS,
                f"has none of the {len(known)} models that were there",
                f"mount its disk, or restore it from a copy; if they were removed for good, delete "
                f"their files below {layout.KNOWN}",
            )

    def scratch(self) -> Path:
        """Return a folder that lives as long as this process; a forked child has its own."""
        owner = os.getpid()
        if owner not in self._scratch:
            self._scratch = {owner: scratch.until_exit()}
        return self._scratch[owner]

    def state(self, model: str, at: str | None = None) -> State:
        """Return a model's state, now or as it stood at a time people wrote.

        Raises:
            NotFoundError: If there is no such model; the nearest names are listed.
            StoreError: If the store is gone, or another is in its place: a folder tells at once, a
                bucket when a list or a write asks.
        """
        if at is not None:
            return self._state_at(model, at)
        if not self.exists or not (state := self.ledger(model).state()).exists:
            raise self._not_found(model)
        if self.place.store.traits.near:
            self.require_same()  # a journal that is gone looks like one without news
        return state

    def seen(self, model: str, selector: Selector) -> State | None:
        """Return what was read of a model before, if that tells what *selector* names for ever.

        Only far away: in a folder a look at what is new costs next to nothing.
        """
        if not self.exists or self.place.store.traits.near:
            return None
        state = self.ledger(model).seen
        if state is None or not state.exists or not isinstance(selector, Exact | Number):
            return None
        try:
            resolve(state, selector)
        except NotFoundError:
            return None
        return state

    def require_known(self, model: str) -> None:
        """Check that a model was ever registered, deleted since or not.

        Raises:
            NotFoundError: If it was not; the nearest names are listed.
        """
        if not self.exists or not self.ledger(model).state().seq:
            raise self._not_found(model)

    def _not_found(self, model: str) -> NotFoundError:
        known = self.models()
        nothing = f"no models in {self.site.location}"
        advice = f"there are {', '.join(known[:5])}" if known else nothing
        return NotFoundError(f"model {model}", names.nearest(model, known), advice)

    def _state_at(self, model: str, at: str) -> State:
        self.require_known(model)
        moment = parse_time(at)
        past = list(history.until(self.ledger(model).entries(), moment))
        state = fold(empty(model), [(entry, "") for entry in past], genuine=genuine)
        if not state.exists:
            raise NotFoundError(f"model {model} at {at}", advice="it was registered later")
        return state

    def find(self, ref: "str | Ref", at: str | None = None) -> tuple[State, Record]:
        """Return the version that *ref* names and the state it was found in.

        Raises:
            InvalidInputError: If *ref* names a model and no version.
            NotFoundError: If there is none such.
            AmbiguousRefError: If a digest's prefix fits several.
        """
        parsed = read_ref(str(ref))
        state = self.state(parsed.model, at)
        return state, resolve(state, selector_of(parsed))

    def allowed(self, model: str) -> tuple[str, ...]:
        """Return the constructors a model's policy allows beyond the built-in list."""
        return self.ledger(model).state().policy.allowed_globals if self.exists else ()

    def manifest(self, record: Record) -> Manifest:
        """Return a version's manifest, its bytes checked."""
        return self.place.blobs.manifest(record.manifest)

    def commit(
        self, model: str, decide: Decide, operation: type[AnyEvent], signing: Signing
    ) -> Outcome:
        """Fulfil a wish on *model* by one entry, then bring the projections up to date."""
        place = self.writable()
        ledger = self.ledger(model)
        near = place.store.traits.near

        def decided(state: State, at: str) -> AnyEvent | Unchanged:
            event = decide(state, at)
            if near or not state.seq:  # elsewhere the last entry is there: no other store has it
                self.require_same()  # right before it is written
            if not state.seq:
                self.require_models()
            return event

        def stamp() -> Stamp:
            pen = self.keyring.key
            return Stamp(self.clock(), self.by, self._new_id(), signing.reason, signing.key, pen)

        with place.sharing(f"{WORDS[operation]} {model}"):
            try:
                outcome = ledger.commit(decided, stamp, operation)
            except DamagedError:
                self.require_same()  # which tells more, if the whole store is gone
                raise
            if outcome.entry is not None:
                ledger.project()
        return outcome
