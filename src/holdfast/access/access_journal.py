"""The access journal: entries of the same form as a model's, each signed by a server's key.

Whoever can write to the store could make himself an administrator, were it not for the signature:
the keys that are believed are configuration of the server, and no file of the store.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from holdfast import forks
from holdfast.access.access_events import (
    ACCESS_OPERATIONS,
    ACCESS_WORDS,
    AccessEvent,
    AdminMade,
)
from holdfast.access.access_fold import AccessFold, fold_access
from holdfast.access.access_state import NO_ACCESS, AccessState
from holdfast.core import entry as entries
from holdfast.core.entry import Entry, Slot, Stamp
from holdfast.core.entry_signature import EntrySigner
from holdfast.core.history import until
from holdfast.core.signers import entry_key_id
from holdfast.errors import (
    BusyError,
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    NewerFormatError,
    StoreError,
)
from holdfast.signing import genuine
from holdfast.store import Store, TakenError
from holdfast.store.journal import Journal

MODEL: Final = "@access"
"""Stands in each entry where a model's name would: no model can have it."""

PREFIX: Final = "access"
SECOND: Final = 1.0
"""How old what a reader knows may be."""

OUTAGE_S: Final = 30.0
"""How old it may be while the store does not answer."""

_ATTEMPTS: Final = 64
_LONGEST_PAUSE_S: Final = 0.1
_RESTORE: Final = "restore the access journal from a backup"
_log = logging.getLogger(__name__)

Decide = Callable[[AccessState, Stamp], AccessEvent | None]
"""From the state and the stamp of the entry to an event, `None` if nothing is to be done."""


class Sighting(Protocol):
    """How far this user has seen the journal go; outlives the process."""

    def fits(self, last: int, digest_at: Callable[[int], str | None]) -> bool:
        """Tell whether a journal that ends with entry *last* has what was seen."""
        ...

    def keep(self, seq: int, head: str | None) -> None:
        """Record what is seen now."""
        ...


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """Which signatures count.

    Attributes:
        believed: Public keys in base64; `None` takes any key, for those who only look.
        pen: Signs what is written here; `None` writes nothing.
    """

    believed: frozenset[str] | None = None
    pen: EntrySigner | None = None


NO_KEYS: Final = AccessKeys()


@dataclass(frozen=True, slots=True)
class AccessChange:
    """The outcome of a commit: the state after it, and the entry, `None` if nothing was to do."""

    state: AccessState
    entry: Entry | None


class AccessJournal:
    """The access journal of a store, folded as far as it was read; threads may share it.

    Args:
        store: Where it is.
        keys: Which signatures count.
        sighting: What was seen of it before this process.
    """

    def __init__(self, store: Store, keys: AccessKeys, sighting: Sighting | None = None) -> None:
        self._journal = Journal(store, PREFIX)
        self._keys = keys
        self._sighting = sighting
        self._state = NO_ACCESS
        self._last: bytes | None = None
        self._looked_at: float | None = None
        self._complaint = ""
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = threading.RLock()

    def state(self, *, max_age_s: float) -> AccessState:
        """Return what the journal says.

        Args:
            max_age_s: How old that may be; 0, as before each write, asks the store.

        Raises:
            DamagedError: If an entry is missing, changed or signed by no believed key, or the
                journal ends before what was seen.
            StoreError: If the store does not answer.
        """
        if self._is_fresh(max_age_s):
            return self._state
        with self._lock:
            if not self._is_fresh(max_age_s):
                asked_at = time.monotonic()
                self._read_on()
                self._looked_at = asked_at
            return self._state

    def for_reading(self) -> AccessState:
        """Return a state that is at most a second old, or the last good one in an outage.

        A store that does not answer is forgiven for 30 seconds; nobody waits more than a second for
        another's question. A damaged journal changes nothing for those who read, for nothing behind
        the damage is believed; nothing is written then. So it is with an entry that only a newer
        server understands.

        Raises:
            DamagedError: If it is damaged, and was never read whole.
            StoreError: If the store does not answer for longer.
        """
        if self._is_fresh(SECOND):
            return self._state
        if not self._lock.acquire(timeout=SECOND):
            return self._in_outage(StoreError("access journal", "does not answer", "try again"))
        try:
            return self.state(max_age_s=SECOND)
        except (DamagedError, NewerFormatError) as error:
            if self._looked_at is None:
                raise
            if str(error) != self._complaint:  # once, and not for each request
                self._complaint = str(error)
                _log.error("the access journal is not believed any further: %s", error)
            return self._state
        except StoreError as error:
            return self._in_outage(error)
        finally:
            self._lock.release()

    def _in_outage(self, error: StoreError) -> AccessState:
        if not self._is_fresh(OUTAGE_S):
            raise error
        return self._state

    def _is_fresh(self, max_age_s: float) -> bool:
        looked_at = self._looked_at
        return looked_at is not None and time.monotonic() - looked_at < max_age_s

    def _read_on(self) -> None:
        """Fold what is new; what was read before must still be there."""
        seq = self._state.seq
        raws: Iterable[bytes]
        if seq:
            last, following = self._journal.read_many(seq, seq + 1)
            if last != self._last:
                raise DamagedError(
                    self._journal.slot(seq), "was seen, and is missing or another one", _RESTORE
                )
            raws = self._following(seq + 1, following)
        else:
            raws = self._journal.since(1, self._journal.tail())
        state, raw = self._folded(self._state, raws)
        if not seq and self._sighting and not self._sighting.fits(state.seq, self._digest_at):
            raise DamagedError(
                "access journal",
                f"ends at entry {state.seq}, or has another one than was seen here",
                _RESTORE,
            )
        if state is not self._state:
            self._take(state, raw)

    def _following(self, seq: int, raw: bytes | None) -> Iterator[bytes]:
        if raw is not None:
            yield raw
            yield from self._journal.since(seq + 1)

    def _take(self, state: AccessState, raw: bytes | None) -> None:
        self._state, self._last = state, raw
        if self._sighting is not None:
            self._sighting.keep(state.seq, state.head)

    def _digest_at(self, seq: int) -> str | None:
        raw = self._journal.read(seq)
        return None if raw is None else entries.digest(raw)

    def _folded(
        self, state: AccessState, raws: Iterable[bytes]
    ) -> tuple[AccessState, bytes | None]:
        raw, fold = self._last, AccessFold(state)
        for raw in raws:
            entry = self._checked(raw, fold.now.seq + 1, fold.now.head)
            try:
                fold.add(entry, entries.digest(raw))
            except LookupError as error:
                raise DamagedError(
                    self._journal.slot(entry.seq), f"cannot be true: {error}", _RESTORE
                ) from error
        return fold.state(), raw

    def _checked(self, raw: bytes, seq: int, head: str | None) -> Entry:
        """Read an entry that belongs there and is signed by a key that counts."""
        entry = entries.read_as(raw, MODEL, seq, head, ACCESS_OPERATIONS)
        signature, believed = entry.signature, self._keys.believed
        if signature is None:
            raise DamagedError(self._journal.slot(seq), "is not signed by a server", _RESTORE)
        key_id = entry_key_id(signature.key)[:12]
        if not genuine(signature):
            problem = f"has a signature that its key {key_id} did not make"
            raise DamagedError(self._journal.slot(seq), problem, _RESTORE)
        if believed is not None and signature.key not in believed:
            problem = f"is signed by the key {key_id}, which this server is not told to believe"
            raise DamagedError(self._journal.slot(seq), problem, _RESTORE)
        return entry

    def audit(self) -> Iterator[tuple[Entry, str]]:
        """Go through all entries from the first, each checked, with the digest of its bytes.

        Raises:
            DamagedError: At the first that is missing, changed or signed by no believed key.
        """
        head = None
        for seq, raw in enumerate(self._journal.since(1, self._journal.tail()), start=1):
            entry = self._checked(raw, seq, head)
            head = entries.digest(raw)
            yield entry, head

    def state_at(self, at: str) -> AccessState:
        """Return the state as it stood at a time that people wrote, `2026-03-03`."""
        moment = entries.parse_time(at)
        past = until((entry for entry, _ in self.audit()), moment)
        return fold_access(NO_ACCESS, ((entry, "") for entry in past))

    def commit(self, decide: Decide, stamp: Callable[[], Stamp]) -> AccessChange:
        """Write one entry: read, decide, sign, append, and again if a rival was faster.

        Args:
            decide: What to do, given the state; refuses by raising.
            stamp: Makes a new stamp for each attempt.

        Raises:
            InvalidInputError: If there is no key to sign with, or it is not believed here.
            ConflictError: If there is no access journal, and this does not begin one.
            BusyError: If rivals were faster too often.
            OutcomeUnknownError: If it is unknown whether the entry was written.
        """
        pen = self._pen()
        for attempt in range(_ATTEMPTS):
            state = self.state(max_age_s=0)
            signed = replace(stamp(), pen=pen)
            event = decide(state, signed)
            if event is None:
                return AccessChange(state, None)
            if not state.exists and not isinstance(event, AdminMade):
                raise ConflictError(
                    "access journal", "does not exist yet", "begin it with `holdfast access init`"
                )
            raw, entry, after = self._written(state, signed, event)
            try:
                self._journal.append(entry.seq, raw, signed.commit)
            except TakenError:
                pause = min(_LONGEST_PAUSE_S, 0.001 * 2**attempt)
                time.sleep(random.uniform(0, pause))  # noqa: S311 - rivals must not step in time
                continue
            with self._lock:
                if self._state.seq < after.seq:
                    self._take(after, raw)
            return AccessChange(after, entry)
        raise BusyError("access journal", f"was written by others {_ATTEMPTS} times in a row")

    def _pen(self) -> EntrySigner:
        pen, believed = self._keys.pen, self._keys.believed
        if pen is None:
            raise InvalidInputError(
                "access journal", "needs a server's key to be written", "give it with --server-key"
            )
        if believed is not None and pen.key not in believed:
            raise InvalidInputError(
                f"key {entry_key_id(pen.key)[:12]}",
                "is not among the keys to believe, so nobody would believe what it signs",
                "believe it as well",
            )
        return pen

    def _written(
        self, state: AccessState, stamp: Stamp, event: AccessEvent
    ) -> tuple[bytes, Entry, AccessState]:
        """Return the bytes of the next entry, read back as every reader will, and what follows."""
        seq, at = state.seq + 1, entries.next_time(stamp.at, state.at)
        slot = Slot(MODEL, seq, state.head, at)
        raw = entries.encode(slot, stamp, ACCESS_WORDS[type(event)], event)
        try:
            entry = entries.read_as(raw, MODEL, seq, state.head, ACCESS_OPERATIONS)
            after = fold_access(state, [(entry, entries.digest(raw))])
        except (HoldfastError, LookupError) as error:
            raise InvalidInputError("access change", f"cannot be read back: {error}") from error
        return raw, entry, after
