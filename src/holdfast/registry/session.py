"""An opened store and what every verb shares: ledgers, blobs, the clock and the author."""

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from holdfast.core import history, names
from holdfast.core.approvals import Mover
from holdfast.core.auth import Auth
from holdfast.core.entry import Stamp, model_of, parse_time
from holdfast.core.events import WORDS, AnyEvent
from holdfast.core.heads import Head
from holdfast.core.idempotency import Unchanged, check_signing
from holdfast.core.manifest import Manifest
from holdfast.core.refs import Exact, Number, Ref, Selector, parse_ref, resolve, selector_of
from holdfast.core.state import Record, State, empty, fold
from holdfast.core.version import Bump, Version
from holdfast.core.views import RegistrationResult
from holdfast.errors import DamagedError, HoldfastError, NotFoundError
from holdfast.registry.commit_watch import CommitWatch
from holdfast.registry.ledger import CommitResult, Decide, Ledger, genuine
from holdfast.registry.missing import check_unused, lost
from holdfast.registry.opening import NOTHING, About
from holdfast.registry.seen_lengths import SeenLengths
from holdfast.registry.shared_store import SharedStore
from holdfast.store import layout
from holdfast.store.journal import Journal
from holdfast.store.open_store import Location, OpenStore

if TYPE_CHECKING:
    from holdfast.signing import SigningKey

read_ref = functools.lru_cache(maxsize=1024)(parse_ref)


class CommitOptions(Struct, frozen=True):
    """What a caller states about a change.

    Attributes:
        reason: Kept with the entry.
        idempotency_key: The same deed under the same key is done once.
    """

    reason: str | None = None
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no entry could hold."""
        check_signing(self.reason, self.idempotency_key)


Publish = Callable[[Manifest, Version | Bump, CommitOptions, str | None], RegistrationResult]
"""Has a version registered elsewhere, whose blobs are there: told the draft of its manifest, the
number asked for, and why what runs code is trusted."""


class Keyring(Struct, frozen=True, dict=True):
    """What a session signs with, and what it knows of journals already.

    Attributes:
        open_key: Reads the private key, when first something is signed; `None` signs nothing.
        pins: A head by model that its journal must have.
    """

    open_key: "Callable[[], SigningKey] | None" = None
    pins: Mapping[str, Head] = field(default_factory=dict)

    @functools.cached_property
    def key(self) -> "SigningKey | None":
        """The private key."""
        return self.open_key() if self.open_key else None


_NO_KEYS: Final = Keyring()


class Survey(Struct, frozen=True):
    """What the folders below `models` hold.

    Attributes:
        names: Models that have a journal, deleted ones too.
        broken: Why it is unknown whose journal is in a folder.
        hurt: Models that are known to have had such a folder.
        lost: Models that are known to have had entries, and have no journal.
    """

    names: tuple[str, ...]
    broken: tuple[DamagedError, ...]
    hurt: tuple[str, ...]
    lost: tuple[str, ...]


class Session:
    """An opened registry; the first verb that writes creates its store.

    Args:
        site: Where it is or may come to be.
        by: Author of what is written.
        clock: Tells the present time, aware.
        new_id: Makes 32 random hex digits.
        keyring: Key and pins.
    """

    def __init__(
        self,
        site: Location,
        by: str,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        keyring: Keyring = _NO_KEYS,
    ) -> None:
        self.site = site
        self.by = by
        self.auth: Auth | None = None
        self.clock = clock
        self.keyring = keyring
        self.demands_environment = False
        self.publish: Publish | None = None
        self.stored_key: Callable[[str], str] = lambda key: key
        self.watch: CommitWatch | None = None
        self.project: Callable[[Ledger], None] = Ledger.project
        self.new_id = new_id
        self.seen_lengths = SeenLengths()
        self.named_parents: dict[str, tuple[tuple[str, str], ...]] = {}
        self._shared = SharedStore(site, keyring.pins)

    def acting_as(self, by: str, auth: Auth | None) -> "Session":
        """Return a session of another author over the same store and journals.

        Both may be used at the same time, from several threads.
        """
        import copy

        other = copy.copy(self)
        other.by, other.auth = by, auth
        return other

    @property
    def mover(self) -> Mover:
        """Whoever writes here, and the key they sign with."""
        return Mover(self.by, self.keyring.key.key if self.keyring.key else None, self.auth)

    @property
    def exists(self) -> bool:
        """True if the store is there; a registry can be opened before it is."""
        return self._shared.exists

    @property
    def open_store(self) -> OpenStore:
        """The store for reading.

        Raises:
            StoreError: If nothing was ever written to it.
        """
        return self._shared.open_store

    def writable(self) -> OpenStore:
        """Return the store for writing, made if it is not there; a folder is looked at again.

        Raises:
            StoreError: If the store that was opened is gone, or another one is in its place.
        """
        return self._shared.writable(self.new_id, self.clock)

    def require_same(self) -> None:
        """Refuse to continue where the store that was opened no longer exists.

        Raises:
            StoreError: If it is gone, or another one is in its place.
        """
        self.open_store.require_same()

    def writable_as(self, store_id: str, created_at: datetime) -> OpenStore:
        """Return the store for writing; if it is not there, it is made as the one with that id."""
        return self._shared.writable_as(store_id, created_at)

    def ledger(self, model: str) -> Ledger:
        """Return a model's ledger, whether the model exists or not."""
        return self._shared.ledger(model)

    def pinned(self, model: str, pin: Head) -> Ledger:
        """Return a ledger that reads a model's journal afresh and holds it against *pin*."""
        names.check_model(model)
        return Ledger(self.open_store, model, pin)

    def forget(self, model: str) -> None:
        """Read a model's journal from its beginning when it is asked for next."""
        self._shared.forget(model)

    def models(self) -> list[str]:
        """Return the names of all models that exist, sorted; damaged journals aside."""
        return list(filter(self._may_exist, self.ever_named()))

    def ever_named(self) -> list[str]:
        """Return the names of all models that exist or once did, sorted, without reading them."""
        if not self.exists:
            return []
        survey = self.survey()  # `verify` reports damage; the other models should be listed
        hurt = [*survey.lost, *survey.hurt]
        for name in hurt:
            self.forget(name)  # what was read of it: reading the model shows the damage
        return sorted([*survey.names, *hurt])

    def survey(
        self, look: Callable[[Sequence[str]], Callable[[str], str | None]] | None = None
    ) -> Survey:
        """Look which models have journals, and which are known to have had one.

        Args:
            look: Told all folders, returns what does as `name_in` does.

        Raises:
            StoreError: If the store is gone, or another is in its place.
        """
        self.require_same()
        known = (
            self.open_store.known.folders()
        )  # before the journals: an entry comes before its note
        names, broken, hurt = [], [], []
        folders = self.folders()
        name_in = look(folders) if look else self.name_in
        for folder in folders:
            try:
                name = name_in(folder)
            except DamagedError as error:
                broken.append(error)
                hurt += [self.open_store.known.name_of(folder)] if folder in known else []
            else:
                if name is None:
                    continue
                names.append(name)
            known.discard(folder)
        gone = map(self.open_store.known.name_of, sorted(known))
        return Survey(tuple(names), tuple(broken), tuple(hurt), tuple(gone))

    def _may_exist(self, model: str) -> bool:
        try:
            return self.ledger(model).state().exists
        except HoldfastError:  # it shows when the model is looked at
            return True

    def folders(self) -> list[str]:
        """Return the names of the folders below `models`, sorted."""
        return sorted(self.open_store.store.list(layout.MODELS))

    def journals(self) -> list[str]:
        """Return the names of all models that ever existed.

        Raises:
            DamagedError: If one cannot be told, or is known and its journal is gone.
        """
        survey = self.survey()
        for error in [*survey.broken, *map(lost, survey.lost)]:
            raise error
        return list(survey.names)

    def name_in(self, folder: str) -> str | None:
        """Return the name of the model whose journal is in a folder, `None` if it is empty.

        Raises:
            DamagedError: If the first entry is missing, or names a model of another folder.
        """
        prefix = f"{layout.MODELS}/{folder}"
        journal = Journal(self.open_store.store, prefix)
        raw = journal.read(1)
        if raw is None:
            journal.tail()  # a missing entry before others is damage
            check_unused(self.open_store.store, prefix)
            return None
        name = model_of(raw)
        if name is None or layout.model(name) != prefix:
            raise DamagedError(
                journal.slot(1),
                "is unreadable or belongs to another model",
                "restore it from a copy",
            )
        return name

    def require_models(self) -> None:
        """Refuse to begin a journal where all others are gone: it would hide below their disk.

        Raises:
            DamagedError: If every model that is known has lost its folder.
        """
        known = self.open_store.known.folders()
        if known and known.isdisjoint(self.folders()):
            raise DamagedError(
                layout.MODELS,
                f"has none of the {len(known)} models that it had",
                f"mount its disk, or restore it from a copy; if they were removed for good, delete "
                f"their files below {layout.KNOWN}",
            )

    def scratch(self) -> Path:
        """Return a folder that lives as long as this process; a forked child has its own."""
        return self._shared.scratch()

    def state(self, model: str, at: str | None = None, about: About = NOTHING) -> State:
        """Return a model's state, now or as it stood at a time people wrote.

        Args:
            about: What is known of its journal already.

        Raises:
            NotFoundError: If there is no such model; the nearest names are listed.
            StoreError: If the store is gone, or another is in its place: a folder tells at once, a
                bucket when a list or a write asks.
        """
        if at is not None:
            return self._state_at(model, at)
        if not self.exists or not (state := self.ledger(model).state(about)).exists:
            raise self._not_found(model)
        if self.open_store.store.traits.is_local:
            self.require_same()  # a journal that is gone looks like one without news
        return state

    def seen(self, model: str, selector: Selector) -> State | None:
        """Return what was read of a model before, if that tells what *selector* names for ever.

        Only in a bucket: in a folder, looking for new entries costs next to nothing.
        """
        if not self.exists or self.open_store.store.traits.is_local:
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
        unmade = "" if self.exists else ", which is not a store yet"
        nothing = f"no models in {self.site.location}{unmade}"
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
            NotFoundError: If it does not exist.
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
        return self.open_store.blobs.manifest(record.manifest)

    def commit(
        self, model: str, decide: Decide, operation: type[AnyEvent], options: CommitOptions
    ) -> CommitResult:
        """Commit one entry to *model*, then have the projections brought up to date."""
        store = self.writable()
        ledger = self.ledger(model)
        near = store.store.traits.is_local

        def decided(state: State, at: str) -> AnyEvent | Unchanged:
            if self.watch is not None:
                self.watch.check(state)
            event = decide(state, at)
            if near or not state.seq:  # elsewhere the last entry is there: no other store has it
                self.require_same()  # right before it is written
            if not state.seq:
                self.require_models()
            return event

        def stamp() -> Stamp:
            pen, key = self.keyring.key, options.idempotency_key
            commit = self.new_id()
            return Stamp(self.clock(), self.by, commit, options.reason, key, pen, self.auth)

        with store.sharing(f"{WORDS[operation]} {model}"):
            try:
                outcome = ledger.commit(decided, stamp, operation)
            except DamagedError:
                self.require_same()  # which says more if the whole store is gone
                raise
            if self.watch is not None:
                self.watch.committed(outcome)
            if outcome.entry is not None:
                self.project(ledger)
        return outcome

    def commit_all(
        self,
        model: str,
        decides: Sequence[Decide],
        operation: type[AnyEvent],
        prepare: Callable[[], object],
    ) -> int:
        """Commit entries one behind the other in a folder; see `Ledger.commit_all`."""
        store, ledger = self.writable(), self.ledger(model)

        def stamp() -> Stamp:
            return Stamp(
                self.clock(), self.by, self.new_id(), None, None, self.keyring.key, self.auth
            )

        with store.sharing(f"{WORDS[operation]} {model}"):
            self.require_same()
            if not ledger.state().seq:
                self.require_models()
            count = ledger.commit_all(decides, stamp, prepare)
            if count:
                self.project(ledger)
        return count
