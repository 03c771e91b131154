"""The access journal as people read it: one sentence for each entry, with names for ids."""

from collections.abc import Iterable, Iterator
from typing import Final, cast

from msgspec import Struct

from holdfast.access import access_events as events
from holdfast.access.access_events import ACCESS_WORDS, AccessEvent
from holdfast.access.access_fold import AccessFold
from holdfast.access.access_state import NO_ACCESS, AccessState
from holdfast.core.auth import Auth
from holdfast.core.entry import Entry
from holdfast.core.signers import entry_key_id

_OF_BEFORE: Final = (events.GrantTaken, events.RuleRemoved, events.UserRenamed)
"""What takes away or replaces what its sentence names."""


class AccessLine(Struct, frozen=True):
    """One entry of the access journal.

    Attributes:
        key: Id of the server's key that signed it.
        auth: How the author was authenticated; `None` where it was done with access to the store.
    """

    seq: int
    at: str
    by: str
    op: str
    what: str
    reason: str | None
    key: str
    auth: Auth | None = None


def lines(audited: Iterable[tuple[Entry, str]]) -> Iterator[AccessLine]:
    """Turn entries, each with the SHA-256 of its bytes, into lines, oldest first."""
    fold = AccessFold(NO_ACCESS)
    for entry, head in audited:
        event = cast("AccessEvent", entry.event)
        of_before = sentence(event, fold.now) if isinstance(event, _OF_BEFORE) else None
        fold.add(entry, head)
        key = entry_key_id(entry.signature.key) if entry.signature else ""
        yield AccessLine(
            entry.seq,
            entry.at,
            entry.by,
            ACCESS_WORDS[type(event)],
            of_before or sentence(event, fold.now),
            entry.reason,
            key,
            entry.auth,
        )


def sentence(event: AccessEvent, state: AccessState) -> str:
    """Say in a few words what an entry did.

    Args:
        state: As it is after the entry, or before one that takes away or replaces what is named.
    """
    match event:
        case events.AdminMade():
            return f"make {event.name} an administrator, with the token {event.token.id}"
        case events.GroupSet():
            members = ", ".join(_name(state, member) for member in event.members) or "nobody"
            return f"set group {event.group}: {members}"
        case events.GroupRemoved():
            return f"remove group {event.group}"
        case events.GrantGiven():
            return f"grant {_subject(state, event.subject)} {event.role} for {event.pattern}"
        case events.GrantTaken():
            grant = state.grants[event.grant]
            subject = _subject(state, grant.subject)
            return f"take {grant.role} for {grant.pattern} from {subject}"
        case events.TokenIssued():
            token = event.token
            return f"issue token {token.id} ({token.label}) to {_name(state, event.user)}"
        case events.TokenRevoked():
            return f"revoke token {event.token}"
        case _:
            return _about_user(event, state)


def _about_user(event: AccessEvent, state: AccessState) -> str:
    match event:
        case events.UserAdded():
            owner = f", owned by {_name(state, event.owner)}" if event.owner else ""
            what = "user" if event.kind == "person" else "service account"
            return f"add {what} {event.name}{owner}"
        case events.UserRenamed():
            return f"rename {_name(state, event.user)} to {event.name}"
        case events.UserDisabled():
            return f"disable {_name(state, event.user)} and revoke their tokens"
        case events.UserEnabled():
            return f"enable {_name(state, event.user)}"
        case events.IdentityLinked():
            return f"link {_name(state, event.user)} to {event.subject} of {event.issuer}"
        case events.IdentityUnlinked():
            return f"unlink {_name(state, event.user)} from {event.subject} of {event.issuer}"
        case events.RuleSet():
            claims = ", ".join(f"{name}={text}" for name, text in event.claims.items())
            return f"set rule {event.name}: {event.issuer}, {claims}"
        case events.RuleRemoved():
            return f"remove rule {state.rules[event.rule].name}"
        case events.ProviderSet():
            return f"set provider {event.provider}: {event.issuer}"
        case events.ProviderRemoved():
            return f"remove provider {event.provider}"
        case _:
            assert isinstance(event, events.SettingChanged)  # noqa: S101 - the last of all
            return f"set {event.setting} to {event.value or 'its default'}"


def _name(state: AccessState, user: str) -> str:
    return state.users[user].name


def _subject(state: AccessState, subject: str) -> str:
    kind, _, rest = subject.partition(":")
    return _name(state, rest) if kind == "user" else subject
