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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from holdfast.core import strict_json
from holdfast.core.events import OPERATIONS, WORDS, AnyEvent
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError

FORMAT: Final = 1
"""The newest entry format this code reads and the one it writes."""

MAX_BYTES: Final = 1 << 20
_SUM: Final = re.compile(rb',"sum":"([0-9a-f]{64})"\}\n\Z')
_SUM_BYTES: Final = len(b',"sum":""}\n') + 64
_RESTORE: Final = "`holdfast repair --from` fetches it from a copy of the store"
_SIGNATURE: Final = re.compile(
    rb',"signature":\{"key":"([A-Za-z0-9+/]{43}=)","value":"([A-Za-z0-9+/]{86}==)"\}\Z'
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z", re.ASCII)
_TICK: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No entry is older: a clock that says so was reset."""

_FAR: Final = timedelta(days=30)
"""How far ahead of a clock that can be right an entry must be for its own clock to have been wrong;
machines without a clock that runs while they are off come back days or weeks behind."""
_SIGNATURE_BYTES: Final = len(b',"signature":{"key":"","value":""}') + 44 + 88


class Pen(Protocol):
    """Whoever signs entries; handed in, for `core` knows no keys."""

    @property
    def key(self) -> str:
        """The Ed25519 public key, in base64."""
        ...

    def sign(self, message: bytes) -> str:
        """Return the signature of *message*, in base64."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """An Ed25519 signature as it stands in an entry, not checked yet.

    Attributes:
        key: The 32 raw bytes of the public key, in base64.
        value: The 64 bytes of the signature, in base64.
        message: What was signed.
    """

    key: str
    value: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes an entry, when and why; handed in, for `core` knows no clock and no user.

    Attributes:
        at: Present time, aware.
        by: The author.
        reason: In the author's words.
        commit: 32 random hex digits that tell this attempt from every other.
        key: The caller's idempotency key: the same key never writes twice.
        pen: Signs the entry; `None` leaves it unsigned.
    """

    at: datetime
    by: str
    commit: str
    reason: str | None = None
    key: str | None = None
    pen: Pen | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An event at its place in a model's journal.

    Attributes:
        seq: Its number, from 1.
        prev: SHA-256 of the bytes of the entry before, `None` for the first.
        at: RFC 3339, UTC, microseconds; rises with *seq*, but where a clock was far ahead.
        signature: Not checked yet; `None` if nobody signed.
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
    signature: Signature | None = None


def write(
    model: str, seq: int, prev: str | None, at: str, stamp: Stamp, event: AnyEvent
) -> tuple[bytes, Entry]:
    """Return the bytes of a new entry, and the entry as every reader will read it.

    Raises:
        InvalidInputError: If they would exceed 1 MiB.
    """
    body = _encode(
        model,
        seq,
        {
            "v": FORMAT,
            "min_reader": 1,
            "model": model,
            "seq": seq,
            "prev": prev,
            "commit": stamp.commit,
            "at": at,
            "by": stamp.by,
            "reason": stamp.reason,
            "key": stamp.key,
            "op": WORDS[type(event)],
            "data": event,
        },
    )
    signed = body[:-1] if stamp.pen is None else _sign(body[:-1], stamp.pen)
    raw = signed + b',"sum":"%s"}\n' % hashlib.sha256(signed).hexdigest().encode()
    if len(raw) > MAX_BYTES:
        raise InvalidInputError(
            f"entry {seq} of {model}",
            f"{len(raw)} bytes, at most {MAX_BYTES} fit",
            "shorten the reason or split the work",
        )
    return raw, _as_read(raw, model, seq, prev)


def _sign(message: bytes, pen: Pen) -> bytes:
    said = b',"signature":{"key":"%s","value":"%s"}'
    return message + said % (pen.key.encode(), pen.sign(message).encode())


def _encode(model: str, seq: int, document: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(document)
    except (UnicodeEncodeError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"entry {seq} of {model}", f"cannot be written: {error}") from error


def _as_read(raw: bytes, model: str, seq: int, prev: str | None) -> Entry:
    """Refuse what a reader would take for damage: once written, it would end the journal."""
    try:
        return read(raw, model, seq, prev)
    except DamagedError as error:
        raise InvalidInputError(
            f"entry {seq} of {model}", error.problem, "give it as text or number as its field wants"
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
    subject = f"entry {seq} of {model}"
    document = _strict(raw, subject)
    try:
        head = msgspec.convert(document, _Head)
        if head.v > FORMAT or head.min_reader > FORMAT:
            needs = max(head.v, head.min_reader)
            raise NewerFormatError(subject, f"entry format {needs}", f"up to {FORMAT}")
        if head.op not in OPERATIONS:
            raise NewerFormatError(subject, f"the operation {head.op!r}", "none of that name")
        body = msgspec.convert(document, _Body)
        event = msgspec.convert(body.data, OPERATIONS[head.op])
    except msgspec.ValidationError as error:
        raise DamagedError(subject, f"not an entry: {error}", _RESTORE) from error
    if (body.model, body.seq) != (model, seq):
        found = f"it is entry {body.seq} of {body.model}"
        raise DamagedError(subject, found, "put the files back where they belong")
    if body.prev != prev:
        raise DamagedError(
            subject, "it does not follow the entry before it", "one of the two was replaced"
        )
    if not is_time(body.at):
        raise DamagedError(subject, f"its time {body.at!r} is not one", _RESTORE)
    signature = _signature(raw)
    if signature is None and body.signature is not None:
        raise DamagedError(subject, "its signature is none", _RESTORE)
    who = (body.commit, body.at, body.by, body.reason, body.key)
    return Entry(model, seq, prev, *who, event, signature)


def _signature(raw: bytes) -> Signature | None:
    """Find the signature right before the checksum; the bytes are known to have both."""
    end = len(raw) - _SUM_BYTES
    match = _SIGNATURE.search(raw, max(0, end - _SIGNATURE_BYTES), end)
    if match is None:
        return None
    return Signature(match[1].decode(), match[2].decode(), raw[: match.start()])


class _Model(msgspec.Struct):
    model: str


def model_of(raw: bytes) -> str | None:
    """Return the model an entry says it is of, without checking it; `None` if it says none."""
    try:
        return strict_json.decode(raw, _Model).model
    except ValueError:
        return None


class _Prev(msgspec.Struct):
    prev: str


def prev_of(raw: bytes) -> str:
    """Return the digest of the entry that one says it follows, unchecked; empty if it says none."""
    try:
        return strict_json.decode(raw, _Prev).prev
    except ValueError:
        return ""


def _strict(raw: bytes, subject: str) -> Any:
    match = _SUM.search(raw, max(0, len(raw) - _SUM_BYTES))
    if len(raw) > MAX_BYTES or match is None:
        raise DamagedError(subject, "cut short or overwritten", _RESTORE)
    if hashlib.sha256(raw[: match.start()]).hexdigest().encode() != match[1]:
        raise DamagedError(subject, "its bytes do not fit their checksum", _RESTORE)
    try:
        return strict_json.decode(raw)
    except ValueError as error:
        raise DamagedError(subject, f"not strict JSON: {error}", _RESTORE) from error


def digest(raw: bytes) -> str:
    """Return the 64 hex digits by which the next entry names this one."""
    return hashlib.sha256(raw).hexdigest()


def next_time(now: datetime, last: str | None) -> str:
    """Return the time of an entry behind one of the time *last*.

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
            "clock", f"says {present}, after which there is no time", "set this machine's clock"
        ) from None


def _is_mistaken(last: str, now: datetime) -> bool:
    return now >= _FIRST and datetime.fromisoformat(last) - now > _FAR


def follows(at: str, last: str | None) -> bool:
    """Tell whether *at* is a time that an entry behind one of the time *last* can have."""
    if not is_time(at):
        return False
    return last is None or at > last or _is_mistaken(last, datetime.fromisoformat(at))


def is_time(text: str) -> bool:
    """Tell whether a time is written as entries write it, and any calendar has it."""
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
            f"time {moment.isoformat()}", "is beyond the years 1 to 9999 in UTC", "give another"
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
        InvalidInputError: If *text* is none of these.
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
