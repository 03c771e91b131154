"""Adds up the entries of the access journal: each is a change, whatever is there already.

A state is a value that others may hold, so its tables are copied once, where a fold first changes
them; from then on an entry costs what it changes. What is looked for by another key than a table's
is found by an index.
"""

from collections.abc import Iterable
from typing import Any, assert_never, cast

from msgspec import structs
from msgspec.structs import replace

from holdfast.access import access_events as events
from holdfast.access.access_events import AccessEvent, IssuedToken
from holdfast.access.access_state import (
    ADMIN,
    ALL,
    AccessState,
    ExternalIdentity,
    Grant,
    User,
    UserToken,
)
from holdfast.core.entry import Entry

_UserEvent = (
    events.UserAdded
    | events.UserRenamed
    | events.UserDisabled
    | events.UserEnabled
    | events.IdentityLinked
    | events.IdentityUnlinked
)
_Settled = (
    events.RuleSet
    | events.RuleRemoved
    | events.ProviderSet
    | events.ProviderRemoved
    | events.SettingChanged
)


def fold_access(state: AccessState, entries: Iterable[tuple[Entry, str]]) -> AccessState:
    """Apply entries, each with the SHA-256 of its bytes; folding in parts equals folding at once.

    Raises:
        LookupError: If one names what never was.
    """
    fold = AccessFold(state)
    for entry, head in entries:
        fold.add(entry, head)
    return fold.state()


def applied(state: AccessState, event: AccessEvent, at: str, by: str) -> AccessState:
    """Return the state after *event*, as if it were in no entry.

    Raises:
        LookupError: If it names what never was.
    """
    fold = AccessFold(state)
    fold.apply(event, at, by)
    return fold.state()


class AccessFold:
    """A state to which entries are being added; useless once one is refused.

    Args:
        state: Where it begins; stays as it is.
    """

    def __init__(self, state: AccessState) -> None:
        self.now = state
        """The state so far, to be looked at only before the next entry."""
        self._owned: set[str] = set()
        self._by_id: dict[str, str] | None = None
        self._by_user: dict[str, list[str]] | None = None

    def state(self) -> AccessState:
        """Return the state so far; what is added later does not change it."""
        self._owned.clear()
        return self.now

    def add(self, entry: Entry, head: str) -> None:
        """Apply an entry.

        Args:
            head: SHA-256 of its bytes.

        Raises:
            LookupError: If it names what never was.
        """
        self.apply(cast("AccessEvent", entry.event), entry.at, entry.by)
        self.now = replace(self.now, seq=entry.seq, head=head, at=entry.at)

    def apply(self, event: AccessEvent, at: str, by: str) -> None:
        """Apply an event.

        Raises:
            LookupError: If it names what never was.
        """
        match event:
            case events.AdminMade():
                self._make_admin(event, at, by)
            case events.GroupSet():
                self._set_group(event.group, event.members)
                self._own("groups")[event.group] = event.members
            case events.GroupRemoved():
                self._set_group(event.group, ())
                del self._own("groups")[event.group]
            case events.GrantGiven():
                grant = Grant(event.grant, event.subject, event.role, event.pattern, by, at)
                self._own("grants")[event.grant] = grant
            case events.GrantTaken():
                del self._own("grants")[event.grant]
            case events.TokenIssued():
                self._issue(event.user, event.token, at)
            case events.TokenRevoked():
                self._revoke(self._sha256_of(event.token), at)
            case _:
                self._apply_to_user(event, at)

    def _apply_to_user(self, event: _UserEvent | _Settled, at: str) -> None:
        match event:
            case events.UserAdded():
                self._own("users")[event.user] = User(
                    event.user, event.name, event.kind, owner=event.owner, created_at=at
                )
            case events.UserRenamed():
                self._change(event.user, name=event.name)
            case events.UserDisabled():
                self._change(event.user, disabled=True)
                for sha256 in self._tokens_of(event.user):
                    self._revoke(sha256, at)
            case events.UserEnabled():
                self._change(event.user, disabled=False)
            case events.IdentityLinked() | events.IdentityUnlinked():
                self._link(event)
            case _:
                self._settle(event)

    def _settle(self, event: _Settled) -> None:
        match event:
            case events.RuleSet():
                self._own("rules")[event.rule] = event
            case events.RuleRemoved():
                del self._own("rules")[event.rule]
            case events.ProviderSet():
                self._own("providers")[event.provider] = event
            case events.ProviderRemoved():
                del self._own("providers")[event.provider]
            case events.SettingChanged():
                settings = self._own("settings")
                settings.pop(event.setting, None)
                if event.value is not None:
                    settings[event.setting] = event.value
            case _:
                assert_never(event)

    def _own(self, table: str) -> dict[str, Any]:
        """Return a table of the state that nobody else has."""
        if table not in self._owned:
            self._owned.add(table)
            mine = dict(getattr(self.now, table))
            self.now = structs.replace(self.now, **{table: mine})
        owned: dict[str, Any] = getattr(self.now, table)
        return owned

    def _change(self, user: str, **changed: object) -> None:
        self._own("users")[user] = replace(self.now.users[user], **changed)

    def _make_admin(self, event: events.AdminMade, at: str, by: str) -> None:
        """Add or bring back a person, with the role and a token."""
        if event.user not in self.now.users:
            self._own("users")[event.user] = User(event.user, event.name, "person", created_at=at)
        self._change(event.user, disabled=False)
        grant = Grant(f"g_{event.token.id}", f"user:{event.user}", ADMIN, ALL, by, at)
        self._own("grants")[grant.id] = grant
        self._issue(event.user, event.token, at)

    def _link(self, event: events.IdentityLinked | events.IdentityUnlinked) -> None:
        identity = ExternalIdentity(event.issuer, event.subject)
        known = self.now.users[event.user].identities
        others = tuple(other for other in known if other != identity)
        linked = (*others, identity) if isinstance(event, events.IdentityLinked) else others
        self._change(event.user, identities=linked)

    def _set_group(self, group: str, members: tuple[str, ...]) -> None:
        """Set in each user whose membership changes to which groups they belong."""
        now, before = {*members}, {*self.now.groups.get(group, ())}
        for member in now:
            self.now.users[member]
        for member in now ^ before:
            user = self.now.users[member]
            groups = {*user.groups, group} if member in now else {*user.groups} - {group}
            self._change(member, groups=tuple(sorted(groups)))

    def _issue(self, user: str, issued: IssuedToken, at: str) -> None:
        self.now.users[user]
        self._own("tokens")[issued.sha256] = UserToken(user, issued, at)
        if self._by_id is not None:
            self._by_id.setdefault(issued.id, issued.sha256)
        if self._by_user is not None:
            self._by_user.setdefault(user, []).append(issued.sha256)

    def _revoke(self, sha256: str, at: str) -> None:
        token = self.now.tokens[sha256]
        self._own("tokens")[sha256] = replace(token, revoked_at=token.revoked_at or at)

    def _sha256_of(self, token_id: str) -> str:
        """Return under what the token of an id is kept.

        Raises:
            LookupError: If there is none.
        """
        if self._by_id is None:
            self._by_id = {}
            for sha256, token in self.now.tokens.items():
                self._by_id.setdefault(token.issued.id, sha256)
        found = self._by_id[token_id]
        if self.now.tokens[found].issued.id == token_id:
            return found
        other = self.now.token(token_id)  # another was issued under the same secret since
        if other is None:
            raise LookupError(token_id)
        return other.issued.sha256

    def _tokens_of(self, user: str) -> list[str]:
        if self._by_user is None:
            self._by_user = {}
            for sha256, token in self.now.tokens.items():
                self._by_user.setdefault(token.user, []).append(sha256)
        token_ids = self._by_user.get(user, ())
        return [sha256 for sha256 in token_ids if self.now.tokens[sha256].user == user]
