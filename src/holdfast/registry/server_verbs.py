"""Verbs asked of a server, which decides; what it wrote is read back and checked here.

A server's answer is not believed: the entry is fetched like any other, folded and held against what
was asked. A lost answer never leads to a second entry: the request is repeated under the same
idempotency key, and an entry with that key is looked for.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import commands, events, idempotency, strict_json
from holdfast.core import entry as entries
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent
from holdfast.core.idempotency import Unchanged
from holdfast.core.refs import fixed, resolve, selector_of
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import (
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    OutcomeUnknownError,
)
from holdfast.registry.commits import moved
from holdfast.registry.ledger import CommitResult
from holdfast.registry.server_answers import WhoAmI, ask_whoami, decoded, strange
from holdfast.registry.session import CommitOptions, Session, read_ref
from holdfast.store import InDoubtError, layout
from holdfast.store.journal import Journal
from holdfast.store.remote.http_client import HttpClient, HttpRequest, quoted
from holdfast.store.remote.problem_answers import shown
from holdfast.store.remote_location import RemoteLocation

_Result = TypeVar("_Result")
_LONGEST_KEY: Final = 200
_VISIBLE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_NOTHING: Final = Unchanged("nothing was to be done", None)
_ASK: Final = "ask its admin; the entry stands as the history shows it"


class _Written(Struct):
    """What a server says that it wrote."""

    seq: int
    head: str
    commit: str


class _VerbAnswer(Struct):
    result: Any = None
    entry: _Written | None = None


@dataclass(frozen=True, slots=True)
class ServerVerb:
    """One deed.

    Attributes:
        name: As the path has it, such as `promote`.
        operations: Events of which one must be written.
        arguments: Of the request; those that are `None` are left out.
        expected: Fields that the event must have.
        check_prepared: Looks at what else the server prepared, before the entry is signed.
    """

    name: str
    operations: tuple[type[AnyEvent], ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    check_prepared: Callable[[Entry, Mapping[str, Any]], None] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a deed.

    Attributes:
        state: The model afterwards.
        entry: The one written, checked; `None` if nothing was to be done.
        result: What the server returned, believed in nothing that an entry could tell.
        unchanged: The earlier deed, where the key had done it before.
    """

    state: State
    entry: Entry | None
    result: Any
    unchanged: Unchanged | None = None


class ServerVerbs:
    """A server that is asked to write.

    Args:
        session: Reads its store.
        site: The server.
    """

    def __init__(self, session: Session, site: RemoteLocation) -> None:
        self._session = session
        self._client: HttpClient = site.client
        self._me: WhoAmI | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return self._client.address.url

    def whoami(self) -> WhoAmI:
        """Ask who the server says that asks, once."""
        if self._me is None:
            self._me = ask_whoami(self._client)
        return self._me

    def require_allowed(self, model: str, verbs: Sequence[str]) -> None:
        """Check that whoever asks may do all of these, for deeds of several steps.

        Raises:
            ForbiddenError: If they may not.
        """
        asked = f"/whoami?verbs={','.join(verbs)}&model={quote(model, safe='')}"
        self._client.ask(HttpRequest("GET", asked))

    def on_version(self, ref: str, verb: ServerVerb, options: CommitOptions) -> Moved:
        """Ask for a deed about the version that *ref* names now."""
        parsed = read_ref(ref)
        selector = selector_of(parsed)
        state = self._session.state(parsed.model)
        version = fixed(state, selector)
        if options.idempotency_key is None or version is not None:
            version = resolve(state, selector).version
        asked = {"version": version or ref.partition("@")[2], **verb.arguments}
        expected = dict(verb.expected)
        if version is not None and "version" in _fields(verb.operations):
            expected["version"] = version
        done = ServerVerb(verb.name, verb.operations, asked, expected)
        return self.moved(parsed.model, self.post(parsed.model, done, options))

    def on_model(self, model: str, verb: ServerVerb, options: CommitOptions) -> Moved:
        """Ask for a deed about a model that exists."""
        self._session.state(model)
        return self.moved(model, self.post(model, verb, options))

    def post(self, model: str, verb: ServerVerb, options: CommitOptions) -> Outcome:
        """Ask for a deed, and read back what was written.

        Raises:
            HoldfastError: What the server refused with.
            DamagedError: If what it wrote is not what was asked.
            OutcomeUnknownError: If it cannot be told whether it wrote.
        """
        ledger = self._session.ledger(model)
        before = ledger.state()
        done = self._done(before, verb, options.idempotency_key)
        if done is not None:
            return Outcome(before, None, None, done)
        key = _header(options.idempotency_key or os.urandom(16).hex())
        try:
            answer = self._answer(model, verb, options, key)
        except InDoubtError as error:
            return self._looked_for(model, before, key, verb, error)
        state = ledger.state()
        entry = self._own(model, before, state, key)
        if answer.entry is not None and entry is None:
            if answer.entry.seq <= before.seq:
                unchanged = self._repeated(before, answer.entry, key, verb)
                return Outcome(state, None, answer.result, unchanged)
            entry = self._named(model, before, state, answer.entry)
        if entry is not None:
            self._check(entry, verb, options)
            self._check_signed(entry)
        return Outcome(state, entry, answer.result)

    def stored_key(self, key: str) -> str:
        """Return how the server's journals have a key of whoever asks."""
        return f"{self.whoami().user.id}:{_header(key)}"

    def _done(self, before: State, verb: ServerVerb, key: str | None) -> Unchanged | None:
        """Return the earlier deed of a caller's key, which is not asked for again.

        Raises:
            ConflictError: If the key was used for another deed.
        """
        use = before.keys.get(self.stored_key(key)) if key is not None else None
        if key is None or use is None:
            return None
        of_use = (kind for kind in verb.operations if events.WORDS[kind] == use.op)
        operation = next(of_use, verb.operations[0])
        version = verb.expected.get("version")
        return idempotency.repeated(before, self.stored_key(key), operation, version)

    def _answer(
        self, model: str, verb: ServerVerb, options: CommitOptions, key: str
    ) -> _VerbAnswer:
        """Ask for a deed; with a key of the caller's, the entry is signed first."""
        path = f"/models/{quoted(model)}:"
        if self._session.keyring.open_key is None:
            return self._asked(path + verb.name, verb, options, key)
        from holdfast.registry import signed_verbs

        def post(name: str, body: Mapping[str, Any]) -> Any:
            return strict_json.decode(self._posted(path + name, verb.name, body, key))

        body = {"verb": verb.name, "arguments": _told(verb, options)}

        def check(entry: Entry, prepared: Mapping[str, Any]) -> None:
            self._check(entry, verb, options)
            if verb.check_prepared is not None:
                verb.check_prepared(entry, prepared)

        read = signed_verbs.of_model(self._session, model)
        result = signed_verbs.ask(self._session, read, body, post, check)
        return self.result(result, _VerbAnswer)

    def plan(
        self,
        path: str,
        arguments: Mapping[str, Any],
        kind: type[_Result],
        options: CommitOptions = CommitOptions(),  # noqa: B008 - frozen
    ) -> _Result:
        """Ask for what writes no entry of one model, and return the result as *kind*."""
        verb = ServerVerb("", (), arguments)
        answer = self._asked(path, verb, options, os.urandom(16).hex())
        return self.result(answer.result, kind)

    def result(self, value: Any, kind: type[_Result]) -> _Result:
        """Return a result as *kind*.

        Raises:
            StoreError: If it is not one.
        """
        try:
            return msgspec.convert(value, kind)
        except (msgspec.ValidationError, TypeError):
            raise strange(self.url) from None

    def moved(self, model: str, outcome: Outcome) -> Moved:
        """Tell what became of a wish, from the entry; the server's words only if there is none."""
        if outcome.entry is not None:
            done = moved(CommitResult(outcome.state, outcome.entry, None))
            digest = self._digest(model, outcome.entry.seq)
            return replace(done, head=f"{outcome.entry.seq}:{digest}")
        if outcome.unchanged is not None:
            return moved(CommitResult(outcome.state, None, outcome.unchanged))
        result = self.result(outcome.result, Moved)
        state = outcome.state
        if result.changed or result.model != model or result.version not in {None, *state.versions}:
            raise self._denied(f"says that it changed {model}, but wrote no entry")
        head = f"{state.seq}:{state.head}" if state.seq else None
        return replace(result, was=result.version, note=shown(result.note), head=head)

    def _asked(self, path: str, verb: ServerVerb, options: CommitOptions, key: str) -> _VerbAnswer:
        body = self._posted(path, verb.name, _told(verb, options), key)
        return decoded(self._client, body, _VerbAnswer)

    def _posted(self, path: str, name: str, told: Mapping[str, Any], key: str) -> bytes:
        try:
            body = msgspec.json.encode(told)
        except (UnicodeEncodeError, TypeError, OverflowError) as error:
            problem = f"cannot be sent: {error}"
            raise InvalidInputError(f"argument of {name}", problem) from error
        request = HttpRequest(
            "POST",
            path,
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
            body=body,
            repeatable=True,
        )
        return self._client.ask(request).body

    def _looked_for(
        self, model: str, before: State, key: str, verb: ServerVerb, error: InDoubtError
    ) -> Outcome:
        """Look in the journal for what a lost answer would have told."""
        slot = layout.numbered(layout.journal(layout.model(model)), before.seq + 1)
        try:
            state = self._session.ledger(model).state()
        except HoldfastError:
            raise OutcomeUnknownError(slot, f"with key {key}") from error
        entry = self._own(model, before, state, key)
        if entry is None:  # the request may still be under way
            raise OutcomeUnknownError(slot, f"with key {key}") from error
        self._check(entry, verb, CommitOptions(entry.reason))
        return Outcome(state, entry, None)

    def _own(self, model: str, before: State, state: State, key: str) -> Entry | None:
        """Find the entry with this key among those written since."""
        for entry in self._since(model, before, state):
            if entry.key == key or (entry.key or "").endswith(f":{key}"):
                return entry
        return None

    def _named(self, model: str, before: State, state: State, told: _Written) -> Entry:
        """Return the entry that the server says it wrote, without a key of ours."""
        for entry in self._since(model, before, state):
            if entry.seq == told.seq and entry.key is None and entry.commit == told.commit:
                return entry
        raise self._denied(f"says that entry {told.seq} of {model} is new, which it is not")

    def _repeated(self, before: State, told: _Written, key: str, verb: ServerVerb) -> Unchanged:
        """Return the earlier deed that the server says this key did.

        Raises:
            DamagedError: If that entry has another key, or did something else.
        """
        used = (used for used, use in before.keys.items() if use.seq == told.seq)
        stored = next(used, None)
        version = verb.expected.get("version")
        is_own = stored is not None and (stored == key or stored.endswith(f":{key}"))
        for operation in verb.operations if is_own else ():
            with contextlib.suppress(ConflictError):
                return idempotency.repeated(before, stored, operation, version) or _NOTHING
        raise self._denied(f"says that entry {told.seq} of {before.model} is new, which it is not")

    def _since(self, model: str, before: State, state: State) -> list[Entry]:
        count = state.seq - before.seq
        return self._session.ledger(model).last(count, state) if count else []

    def _check(self, entry: Entry, verb: ServerVerb, options: CommitOptions) -> None:
        """Refuse an entry that is not the one asked for."""
        what = f"wrote entry {entry.seq} of {entry.model}"
        author = self.whoami().user.name
        if entry.by != author:
            raise self._denied(f"{what} in the name of {entry.by}, not of {author}")
        if type(entry.event) not in verb.operations:
            raise self._denied(f"{what}, which does something else than {verb.name}")
        if entry.reason != options.reason and options.reason is not None:
            raise self._denied(f"{what} with another reason")
        for name, value in verb.expected.items():
            if getattr(entry.event, name, value) != value:
                raise self._denied(f"{what} with another {name}")

    def _check_signed(self, entry: Entry) -> None:
        """Refuse an entry without the signature that was made for it."""
        key = self._session.keyring.key
        if key is not None and (entry.signature is None or entry.signature.key != key.key):
            raise self._denied(f"wrote entry {entry.seq} of {entry.model} without its signature")

    def _denied(self, problem: str) -> DamagedError:
        return DamagedError(f"server {self.url}", problem, _ASK)

    def _digest(self, model: str, seq: int) -> str:
        raw = Journal(self._session.open_store.store, layout.model(model)).read(seq)
        return entries.digest(raw or b"")


def _told(verb: ServerVerb, options: CommitOptions) -> dict[str, Any]:
    """Return the body of a request."""
    arguments = {**verb.arguments, "reason": options.reason}
    return {name: value for name, value in arguments.items() if value is not None}


def _header(key: str) -> str:
    """Write a caller's key so that a header can hold it; two keys stay two."""
    text = quote(key, safe=_VISIBLE)
    return text if len(text) <= _LONGEST_KEY else f"sha256-{entries.digest(key.encode())}"


def _fields(operations: tuple[type[AnyEvent], ...]) -> set[str]:
    return {name for kind in operations for name in kind.__struct_fields__}


def check_reason(options: CommitOptions, *, by_force: bool) -> None:
    """Refuse force without a reason before a request is made."""
    commands.check_force(options.reason, by_force=by_force)
