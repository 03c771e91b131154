"""Sign-ins and the short tokens of jobs: reports beside the journal, created and deleted whole.

Replicas share them, and they survive a restart. Each is signed as the journal is, for whoever could
write one into the store could else be anybody. Where a store is read-only they live in memory.

A sign-in's report is never written again: a request under way while its person signs out, at this
server or another, would bring it back. When it was last used is a report of its own, which opens
nothing by itself.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast import forks
from holdfast.access.access_journal import NO_KEYS, PREFIX, AccessKeys
from holdfast.access.tokens import RANDOM_BYTES, base62, digest_of_secret, mint
from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.core.entry_signature import EntrySignature
from holdfast.errors import InvalidInputError
from holdfast.signing import genuine
from holdfast.store import AbsentError, Store, TakenError, at_most, concurrent

IDLE: Final = timedelta(hours=2)
LONGEST: Final = timedelta(hours=12)
TOUCH: Final = timedelta(minutes=5)
"""How much later a session is used before that is written down anew."""

JOB: Final = timedelta(minutes=15)
_FRESH_S: Final = 1.0
_MOST_BYTES: Final = 1 << 16
_MOST_KNOWN: Final = 10_000
_AT_ONCE: Final = 16
"""Reports that are asked for side by side: a bucket answers each in its own time."""

_FOLDER: Final = f"{PREFIX}/sessions"
_USED: Final = f"{PREFIX}/used"
_TOUCHED: Final = f"{PREFIX}/touched"


class SessionRecord(Struct, frozen=True):
    """Who signed in, by what, and until when it is good.

    Attributes:
        user: Id of the user; of the rule for a job.
        how: As in `data.auth` of an entry.
        created_at: RFC 3339; *authenticated_at* is earlier if a provider knew them already, and
            empty if it did not say since when.
        touched_at: When it was last used, as far as `read` looked for that.
        token: Id of the token that made it, and with which it dies.
        issuer: Of the provider that made it; with *subject*, with which it dies.
        groups: Those here that the provider's groups stand for.
    """

    user: str
    how: str
    created_at: str
    expires_at: str
    kind: Literal["session", "ci"] = "session"
    authenticated_at: str = ""
    touched_at: str = ""
    token: str | None = None
    issuer: str | None = None
    subject: str | None = None
    groups: tuple[str, ...] = ()


class _Report(Struct, frozen=True):
    record: msgspec.Raw
    key: str
    value: str


def begun(user: str, how: str, now: datetime, **by: object) -> SessionRecord:
    """Return the record of a session that begins now: 12 hours at most, 2 without a use.

    Args:
        user: Id of the user.
        how: How they will be known in entries.
        now: Present time, aware.
        **by: `token`, or `issuer`, `subject` and `groups`.
    """
    at = format_time(now)
    until = format_time(now + LONGEST)
    return SessionRecord(user, how, at, until, "session", at, at, **by)  # type: ignore[arg-type]


class Sessions:
    """Sign-ins of one server, shared by its replicas; threads may share it.

    Args:
        store: Where they are kept; `None` keeps them in memory.
        keys: Which signatures count, and with which key they are signed.
        random_bytes: Makes secrets.
    """

    def __init__(
        self,
        store: Store | None,
        keys: AccessKeys = NO_KEYS,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if store is not None and keys.pen is None:
            raise InvalidInputError("sessions", "need a server's key to be kept in a store")
        self._store = store
        self._keys = keys
        self._random_bytes = random_bytes
        self._known: dict[str, tuple[SessionRecord | None, float]] = {}
        self._used: dict[str, str] = {}
        self._touched: dict[str, str] = {}
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = threading.Lock()

    def create(self, record: SessionRecord) -> str:
        """Keep a sign-in under a new secret, and return that; a job's is a token."""
        random = self._random_bytes(RANDOM_BYTES)
        is_job = record.kind == "ci"
        secret = mint("c", random).secret if is_job else base62(int.from_bytes(random), 43)
        sha256 = digest_of_secret(secret)
        if self._store is not None:
            report = self._encoded(_message(sha256), msgspec.json.encode(record))
            self._store.create(_key(sha256), report)
        self._keep(sha256, record)
        return secret

    def read(self, secret: str, now: datetime) -> SessionRecord | None:
        """Return what a secret stands for, at most a second old; `None` if for nothing."""
        sha256 = digest_of_secret(secret)
        record = self._read(sha256)
        if record is None:
            return None
        record = self._with_use(sha256, record, now)
        is_idle = record.kind == "session" and record.touched_at <= format_time(now - IDLE)
        if record.expires_at <= format_time(now) or is_idle:
            self._delete(sha256)
            return None
        return record

    def touch(self, secret: str, now: datetime) -> None:
        """Note that a session is used; that is written down at most every 5 minutes."""
        record = self.read(secret, now)
        if record is None or record.touched_at > format_time(now - TOUCH):
            return
        sha256, at = digest_of_secret(secret), format_time(now)
        if self._store is not None:
            report = self._encoded(_use_message(sha256), msgspec.json.encode(at))
            self._store.replace(f"{_TOUCHED}/{sha256}.json", report)
        self._keep_use(sha256, at)

    def delete(self, secret: str) -> None:
        """Sign out."""
        self._delete(digest_of_secret(secret))

    def listed(self, now: datetime) -> list[tuple[str, SessionRecord]]:
        """Return the sessions that are good now, each with the digest of its secret."""
        if self._store is None:
            digests = list(self._known)
        else:
            names = self._store.list(_FOLDER)
            digests = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        digests.sort()

        def used(sha256: str) -> SessionRecord | None:
            record = self._read(sha256)
            return record and replace(record, touched_at=self._last_use(sha256, record))

        records = concurrent.map_ordered(used, digests, _AT_ONCE)
        at = format_time(now)
        pairs = zip(digests, records, strict=True)
        return [(sha256, record) for sha256, record in pairs if record and record.expires_at > at]

    def end(self, sha256: str) -> None:
        """End somebody's session, by the digest that `listed` returned."""
        self._delete(sha256)

    def use_once(self, name: str, expires_at: str) -> bool:
        """Tell whether *name* is used for the first time, by any replica, until it expires.

        Args:
            name: What must not come twice, such as the `jti` of a job's identity token.
            expires_at: When it is refused anyway.
        """
        digest = digest_of_secret(name)
        with self._lock:
            if digest in self._used:
                return False
            self._used[digest] = expires_at
        if self._store is None:
            return True
        try:
            self._store.create(f"{_USED}/{digest}.json", msgspec.json.encode(expires_at))
        except TakenError:
            return False
        except BaseException:  # nothing was given for it, so whoever shows it may try again
            with self._lock:
                self._used.pop(digest, None)
            raise
        return True

    def prune(self, now: datetime) -> int:
        """Remove what has expired; return how many reports that were."""
        at, idle_at = format_time(now), format_time(now - IDLE)
        with self._lock:
            self._used = {name: until for name, until in self._used.items() if until > at}
            self._known = {
                sha256: known for sha256, known in self._known.items() if _lasts(known[0], at)
            }
            self._touched = {name: when for name, when in self._touched.items() if when > idle_at}
        if self._store is None:
            return 0

        def expiry(_: str, raw: bytes) -> str:
            return strict_json.decode(raw, str)

        def end(sha256: str, raw: bytes) -> str:
            return self._session(sha256, raw).expires_at

        return (
            self._swept(_USED, expiry, at)
            + self._swept(_FOLDER, end, at)
            + self._swept(_TOUCHED, self._use, idle_at)
        )

    def _swept(self, folder: str, read: Callable[[str, bytes], str], until: str) -> int:
        """Remove the reports whose time has come, and those that count for nothing."""
        assert self._store is not None  # noqa: S101 - whoever calls has one
        count = 0
        for name in list(self._store.list(folder)):
            raw = _bytes(self._store, f"{folder}/{name}")
            if raw is None:
                continue  # it is gone, or cannot be read now: that is not a reason to sign out
            try:
                is_over = read(name.removesuffix(".json"), raw) <= until
            except ValueError:
                is_over = True
            if is_over:
                self._store.delete(f"{folder}/{name}")
                count += 1
        return count

    def _with_use(self, sha256: str, record: SessionRecord, now: datetime) -> SessionRecord:
        """Return a record with its last use: asked of the store only where it seems to be idle."""
        known = max(record.touched_at, self._touched.get(sha256, ""))
        if known <= format_time(now - IDLE) and record.kind == "session":
            known = self._last_use(sha256, record)
        return replace(record, touched_at=known)

    def _last_use(self, sha256: str, record: SessionRecord) -> str:
        """Return when a session was last used, at any replica."""
        known = max(record.touched_at, self._touched.get(sha256, ""))
        raw = _bytes(self._store, f"{_TOUCHED}/{sha256}.json")
        if raw is not None:
            with contextlib.suppress(ValueError):
                known = max(known, self._use(sha256, raw))
                self._keep_use(sha256, known)
        return known

    def _read(self, sha256: str) -> SessionRecord | None:
        known = self._known.get(sha256)
        if self._store is None:
            return None if known is None else known[0]
        if known is not None and time.monotonic() - known[1] < _FRESH_S:
            return known[0]
        record = self._load(sha256)
        self._keep(sha256, record)
        return record

    def _load(self, sha256: str) -> SessionRecord | None:
        """Read a report; one that is malformed or signed by nobody believed counts for nothing."""
        raw = _bytes(self._store, _key(sha256))
        try:
            return None if raw is None else self._session(sha256, raw)
        except ValueError:
            return None

    def _session(self, sha256: str, raw: bytes) -> SessionRecord:
        return strict_json.decode(self._believed(_message(sha256), raw), SessionRecord)

    def _use(self, sha256: str, raw: bytes) -> str:
        return strict_json.decode(self._believed(_use_message(sha256), raw), str)

    def _believed(self, begin: bytes, raw: bytes) -> bytes:
        """Return what a report says.

        Raises:
            ValueError: If it is malformed, or signed by nobody believed.
        """
        report = strict_json.decode(raw, _Report)
        said, believed = bytes(report.record), self._keys.believed
        if believed is not None and report.key not in believed:
            raise ValueError(report.key)
        if not genuine(EntrySignature(report.key, report.value, begin + said)):
            raise ValueError(report.value)
        return said

    def _encoded(self, begin: bytes, said: bytes) -> bytes:
        pen = self._keys.pen
        assert pen is not None  # noqa: S101 - a store is not taken without one
        return msgspec.json.encode(_Report(msgspec.Raw(said), pen.key, pen.sign(begin + said)))

    def _keep(self, sha256: str, record: SessionRecord | None) -> None:
        with self._lock:
            if self._store is not None and len(self._known) >= _MOST_KNOWN:
                self._known.clear()  # they are read again
            if record is None and self._store is None:
                self._known.pop(sha256, None)
            else:
                self._known[sha256] = (record, time.monotonic())

    def _keep_use(self, sha256: str, at: str) -> None:
        with self._lock:
            if self._store is not None and len(self._touched) >= _MOST_KNOWN:
                self._touched.clear()  # they are read again
            self._touched[sha256] = max(at, self._touched.get(sha256, ""))

    def _delete(self, sha256: str) -> None:
        if self._store is not None:
            self._store.delete(_key(sha256))
            self._store.delete(f"{_TOUCHED}/{sha256}.json")
        self._keep(sha256, None)


def _key(sha256: str) -> str:
    return f"{_FOLDER}/{sha256}.json"


def _message(sha256: str) -> bytes:
    """Return what is signed before a report: its own name, so that no other can take its place."""
    return b"holdfast-session " + sha256.encode() + b" "


def _use_message(sha256: str) -> bytes:
    return b"holdfast-session-use " + sha256.encode() + b" "


def _lasts(record: SessionRecord | None, at: str) -> bool:
    return record is not None and record.expires_at > at


def _bytes(store: Store | None, key: str) -> bytes | None:
    if store is None:
        return None
    try:
        with store.open(key) as file:
            return at_most(file, _MOST_BYTES)
    except (AbsentError, OSError):
        return None
