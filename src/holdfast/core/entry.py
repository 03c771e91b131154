r"""Journal entries: one event with its place, its author and its checksums, as exact bytes.

```
{"v":1,"min_reader":1,"model":…,"seq":…,"prev":…,"commit":…,"at":…,"by":…,"reason":…,"key":…,
 "op":…,"data":{…},"signature":{"key":…,"value":…},"sum":"<SHA-256 of all bytes before ,"sum">"}\n
```
The signature is left out where nobody signs; it is over all bytes before `,"signature"`.
`docs/design/format.md` specifies them for a second implementation.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from holdfast.core import auth as authors
from holdfast.core import strict_json, version
from holdfast.core.auth import Auth
from holdfast.core.entry_signature import EntrySignature, EntrySigner, find, sign
from holdfast.core.event import Event
from holdfast.core.events import OPERATIONS, WORDS, AnyEvent, registration
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError

FORMAT: Final = 1
"""The newest entry format this code reads and the one it writes."""

MAX_BYTES: Final = 1 << 20
_SUM: Final = re.compile(rb',"sum":"([0-9a-f]{64})"\}\n\Z')
_SUM_BYTES: Final = len(b',"sum":""}\n') + 64
_RESTORE: Final = "`holdfast repair --from` fetches it from a copy of the store"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z", re.ASCII)
_TICK: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No entry is older: a clock that says so was reset."""

_FAR: Final = timedelta(days=30)
"""How far ahead of a clock that can be right an entry must be for its own clock to have been wrong;
machines without a clock that runs while they are off come back days or weeks behind."""


class Stamp(Struct, frozen=True):
    """Who writes an entry, when and why; handed in, for `core` knows no clock and no user.

    Attributes:
        at: Present time, aware.
        by: The author.
        reason: In the author's words.
        commit: 32 random hex digits that tell this attempt from every other.
        key: The caller's idempotency key: the same key never writes twice.
        pen: Signs the entry; `None` leaves it unsigned.
        auth: How the author was authenticated; `None` where nobody did.
    """

    at: datetime
    by: str
    commit: str
    reason: str | None = None
    key: str | None = None
    pen: EntrySigner | None = None
    auth: Auth | None = None


class Entry(Struct, frozen=True):
    """An event at its place in a model's journal.

    Attributes:
        seq: Its number, from 1.
        prev: SHA-256 of the bytes of the entry before, `None` for the first.
        at: RFC 3339, UTC, microseconds; rises with *seq*, but where a clock was far ahead.
        signature: Not checked yet; `None` if nobody signed.
        auth: How a server authenticated the author, in its own words; `None` if none did.
    """

    model: str
    seq: int
    prev: str | None
    commit: str
    at: str
    by: str
    reason: str | None
    key: str | None
    event: AnyEvent
    signature: EntrySignature | None = None
    auth: Auth | None = None


class Slot(NamedTuple):
    """The place of a new entry: its journal, its number, what it follows, and its time."""

    model: str
    seq: int
    prev: str | None
    at: str


def write(
    model: str, seq: int, prev: str | None, at: str, stamp: Stamp, event: AnyEvent
) -> tuple[bytes, Entry]:
    """Return the bytes of a new entry, and the entry as every reader will read it.

    Raises:
        InvalidInputError: If they would exceed 1 MiB.
    """
    raw = encode(Slot(model, seq, prev, at), stamp, WORDS[type(event)], event)
    return raw, _as_read(raw, model, seq, prev)


def encode(slot: Slot, stamp: Stamp, operation: str, event: Event) -> bytes:
    """Return the bytes of a new entry of any journal, a model's or another.

    Raises:
        InvalidInputError: If they would exceed 1 MiB.
    """
    model, seq = slot.model, slot.seq
    body = _encode(
        model,
        seq,
        {
            "v": FORMAT,
            "min_reader": 1,
            "model": model,
            "seq": seq,
            "prev": slot.prev,
            "commit": stamp.commit,
            "at": slot.at,
            "by": stamp.by,
            "reason": stamp.reason,
            "key": stamp.key,
            "op": operation,
            "data": event if stamp.auth is None else _authenticated(event, stamp.auth),
        },
    )
    signed = body[:-1] if stamp.pen is None else sign(body[:-1], stamp.pen)
    raw = signed + b',"sum":"%s"}\n' % hashlib.sha256(signed).hexdigest().encode()
    if len(raw) > MAX_BYTES:
        raise InvalidInputError(
            f"entry {seq} of {model}",
            f"has {len(raw)} bytes, more than {MAX_BYTES}",
            "shorten the reason or split the work",
        )
    return raw


def _authenticated(event: Event, auth: Auth) -> dict[str, Any]:
    return {**msgspec.to_builtins(event), authors.FIELD: msgspec.to_builtins(auth)}


def _encode(model: str, seq: int, document: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(document)
    except (UnicodeEncodeError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"entry {seq} of {model}", f"cannot be written: {error}") from error


def _as_read(raw: bytes, model: str, seq: int, prev: str | None) -> Entry:
    """Refuse what readers would take for damage; once written, it would block the journal."""
    try:
        return read(raw, model, seq, prev)
    except DamagedError as error:
        raise InvalidInputError(
            f"entry {seq} of {model}",
            error.problem,
            "give each field a text or number, as its type demands",
        ) from error


class _Head(msgspec.Struct):
    v: int
    min_reader: int
    op: str


class _Body(msgspec.Struct):
    model: str
    seq: int
    prev: str | None
    commit: str
    at: str
    by: str
    reason: str | None
    key: str | None
    data: dict[str, Any]
    signature: Any = None


def read(raw: bytes, model: str, seq: int, prev: str | None) -> Entry:
    """Read the entry that must stand at place *seq* behind the entry whose digest is *prev*.

    Raises:
        DamagedError: If a byte changed, or it belongs to another place, model or history.
        NewerFormatError: If a newer Holdfast wrote it, or its operation is unknown here.
    """
    return read_as(raw, model, seq, prev, OPERATIONS)


def read_as(
    raw: bytes, model: str, seq: int, prev: str | None, operations: Mapping[str, Any]
) -> Entry:
    """Read an entry as `read` does, of a journal that has other *operations* than a model's."""
    subject = f"entry {seq} of {model}"
    document = _strict(raw, subject)
    try:
        head = msgspec.convert(document, _Head)
        if head.v > FORMAT or head.min_reader > FORMAT:
            needs = max(head.v, head.min_reader)
            raise NewerFormatError(subject, f"entry format {needs}", f"up to {FORMAT}")
        if head.op not in operations:
            raise NewerFormatError(subject, f"the operation {head.op!r}", "no such operation")
        body = msgspec.convert(document, _Body)
        event = msgspec.convert(body.data, operations[head.op])
    except msgspec.ValidationError as error:
        raise DamagedError(subject, f"is not an entry: {error}", _RESTORE) from error
    if (body.model, body.seq) != (model, seq):
        problem = f"holds entry {body.seq} of {body.model}"
        raise DamagedError(subject, problem, "put the files back where they belong")
    if body.prev != prev:
        raise DamagedError(
            subject, "does not follow the entry before it", "one of the two was replaced"
        )
    if not is_time(body.at):
        raise DamagedError(subject, f"has the invalid time {body.at!r}", _RESTORE)
    registered = registration(event)
    if registered is not None and not version.is_stored(registered.version):
        problem = f"registers {registered.version[:32]!r}, which is not a version"
        raise DamagedError(subject, problem, _RESTORE)
    signature = find(raw, len(raw) - _SUM_BYTES)
    if signature is None and body.signature is not None:
        raise DamagedError(subject, "has no valid signature", _RESTORE)
    who = (body.commit, body.at, body.by, body.reason, body.key)
    return Entry(model, seq, prev, *who, event, signature, authors.read(body.data))


class _Model(msgspec.Struct):
    model: str


def model_of(raw: bytes) -> str | None:
    """Return the model that an entry names, unchecked; `None` if it names none."""
    try:
        return strict_json.decode(raw, _Model).model
    except ValueError:
        return None


class _Prev(msgspec.Struct):
    prev: str


def prev_of(raw: bytes) -> str:
    """Return the digest that an entry gives for its predecessor, unchecked; empty if none."""
    try:
        return strict_json.decode(raw, _Prev).prev
    except ValueError:
        return ""


def _strict(raw: bytes, subject: str) -> Any:
    match = _SUM.search(raw, max(0, len(raw) - _SUM_BYTES))
    if len(raw) > MAX_BYTES or match is None:
        raise DamagedError(subject, "was truncated or overwritten", _RESTORE)
    if hashlib.sha256(raw[: match.start()]).hexdigest().encode() != match[1]:
        raise DamagedError(subject, "does not match its checksum", _RESTORE)
    try:
        return strict_json.decode(raw)
    except ValueError as error:
        raise DamagedError(subject, f"is not strict JSON: {error}", _RESTORE) from error


def digest(raw: bytes) -> str:
    """Return the 64 hex digits by which the next entry names this one."""
    return hashlib.sha256(raw).hexdigest()


def next_time(now: datetime, last: str | None) -> str:
    """Return the time for an entry that follows one written at *last*.

    It is the present time, or a microsecond after *last* where the clock stands behind it: by a
    little because clocks differ, by much because this one was reset. Only where *last* lies more
    than 30 days ahead of a clock that can be right was it the other clock that was wrong, and the
    time is honest again: order is by number.

    Raises:
        InvalidInputError: If the clock stands beyond what a time can say.
    """
    if last is None or (present := format_time(now)) > last or _is_mistaken(last, now):
        return format_time(now)
    try:
        return format_time(datetime.fromisoformat(last) + _TICK)
    except OverflowError:
        raise InvalidInputError(
            "clock",
            f"says {present}, which leaves no later time to record",
            "set this machine's clock",
        ) from None


def _is_mistaken(last: str, now: datetime) -> bool:
    return now >= _FIRST and datetime.fromisoformat(last) - now > _FAR


def follows(at: str, last: str | None) -> bool:
    """Tell whether an entry that follows one written at *last* can have the time *at*."""
    if not is_time(at):
        return False
    return last is None or at > last or _is_mistaken(last, datetime.fromisoformat(at))


def is_time(text: str) -> bool:
    """Tell whether a time has the form that entries use and exists in the calendar."""
    if _TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def format_time(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds, `2026-03-03T14:00:00.000000Z`.

    Raises:
        InvalidInputError: If UTC has no such moment, as at the ends of the calendar.
    """
    try:
        utc = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise InvalidInputError(
            f"time {moment.isoformat()}", "is outside the years 1 to 9999 in UTC", "give another"
        ) from None
    return f"{utc.isoformat(timespec='microseconds')}Z"


def format_timestamp(microseconds: int) -> str:
    """Write microseconds since 1970, such as a file's time, the same way.

    What lies beyond the calendar, as a file system may say, is written as its first or last moment.
    """
    try:
        return format_time(_EPOCH + timedelta(microseconds=microseconds))
    except (OverflowError, InvalidInputError):
        return "9999-12-31T23:59:59.999999Z" if microseconds > 0 else "0001-01-01T00:00:00.000000Z"


def parse_time(text: str) -> str:
    """Read a date or time as people write it and return it in the form of entries.

    `2026-03-03`, `2026-03-03 14:00`, `2026-03-03T14:00:00+01:00`; UTC where no offset is given, and
    a bare date means its end, so that "on 3 March" includes that day.

    Raises:
        InvalidInputError: If *text* has none of these forms.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-03-03"):
            moment += timedelta(days=1, microseconds=-1)
        return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError, InvalidInputError):
        raise InvalidInputError(
            f"time {text!r}", "is not a date or time", "write 2026-03-03 or 2026-03-03T14:00Z"
        ) from None
