"""An opened store and what every verb shares: ledgers, blobs, the clock and the author."""

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.core import history, names
from holdfast.core.commands import check_signing
from holdfast.core.entry import Stamp, parse_time
from holdfast.core.events import AnyEvent
from holdfast.core.heads import Head
from holdfast.core.manifest import Manifest
from holdfast.core.refs import Ref, parse_ref, resolve, selector_of
from holdfast.core.state import Record, State, empty, fold
from holdfast.errors import DamagedError, HoldfastError, NotFoundError, StoreError
from holdfast.registry.ledger import Decide, Ledger, Outcome
from holdfast.signing import SigningKey, genuine
from holdfast.store import layout
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
        self._scratch: str | None = None
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
        """Return the store for writing, made if it is not there."""
        if self._place is None:
            self._place = self.site.make(self._new_id, self.clock())
        return self._place

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
        found = []
        for folder in self.folders():
            with contextlib.suppress(DamagedError):  # `verify` tells, and the others are to be seen
                found.append(self.name_in(folder))
        return sorted(name for name in found if name and self._may_exist(name))

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
            DamagedError: If one cannot be told.
        """
        return [name for folder in self.folders() if (name := self.name_in(folder))]

    def name_in(self, folder: str) -> str | None:
        """Return the name of the model in a folder below `models`; see `Ledger.name_in`."""
        return Ledger.name_in(self.place.store, f"{layout.MODELS}/{folder}")

    def scratch(self) -> str:
        """Return a folder for files that live as long as this process."""
        if self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="holdfast-")
            atexit.register(shutil.rmtree, self._scratch, ignore_errors=True)
        return self._scratch

    def state(self, model: str, at: str | None = None) -> State:
        """Return a model's state, now or as it stood at a time people wrote.

        Raises:
            NotFoundError: If there is no such model; the nearest names are listed.
        """
        if at is not None:
            return self._state_at(model, at)
        if not self.exists or not (state := self.ledger(model).state()).exists:
            raise self._not_found(model)
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

        def stamp() -> Stamp:
            pen = self.keyring.key
            return Stamp(self.clock(), self.by, self._new_id(), signing.reason, signing.key, pen)

        with place.sharing():
            outcome = ledger.commit(decide, stamp, operation)
            if outcome.entry is not None:
                ledger.project()
        return outcome
