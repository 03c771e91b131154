"""Who may do what, as the API and the pages show and change it: one way for both."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from holdfast.access import access_history, changes, step_changes, tokens
from holdfast.access.access_events import AccessEvent, ProviderSet, RuleSet
from holdfast.access.access_history import AccessLine
from holdfast.access.access_state import AccessState, Grant, User, UserToken
from holdfast.access.refusals import AccessReport
from holdfast.access.sessions import SessionRecord
from holdfast.core.entry import Stamp
from holdfast.errors import ForbiddenError, NotFoundError
from holdfast.http.problems import Problem
from holdfast.web.desk import Desk
from holdfast.web.exchange import Request
from holdfast.web.guard import TeamGuard
from holdfast.web.rights import Rights

__all__ = ["AccessDesk", "AskedToken", "Name", "team"]

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Decide = Callable[[AccessState, Stamp], AccessEvent | None]


class AskedToken(Struct, frozen=True, forbid_unknown_fields=True):
    """A token that is asked for, for oneself if nobody else is named."""

    label: Annotated[str, Meta(max_length=200)] = ""
    user: Name | None = None
    days: float | None = None
    roles: tuple[Name, ...] | None = None
    models: tuple[str, ...] | None = None


def team(desk: Desk) -> TeamGuard:
    """Return the guard of a server that has people.

    Raises:
        Problem: 501 if it serves one user alone.
    """
    if not isinstance(desk.guard, TeamGuard):
        detail = "this server serves one user; `holdfast access init` makes it a team's"
        raise Problem(501, "unsupported", detail)
    return desk.guard


@dataclass(frozen=True)
class AccessDesk:
    """What one request shows and changes of the access journal, in the name of whoever asks."""

    desk: Desk
    request: Request

    @property
    def state(self) -> AccessState:
        """Who may do what, as it stood when they asked.

        Raises:
            Problem: 501 if the server serves one user alone.
        """
        team(self.desk)
        return self.request.rights.state

    def commit(self, decide: Decide) -> AccessState:
        """Change who may do what; the right to is looked at again."""
        request, guard = self.request, team(self.desk)
        identity = request.identity
        auth = identity.auth(None, self.desk.settings.name)

        def stamp() -> Stamp:
            return Stamp(datetime.now(UTC), identity.user.name, os.urandom(16).hex(), auth=auth)

        was_admin = request.rights.allows("access", None)

        def checked(state: AccessState, signed: Stamp) -> AccessEvent | None:
            user = state.users.get(identity.user.id)
            if user is not None and user.disabled:
                raise ForbiddenError(user.name, "was disabled a moment ago")
            used = state.token(identity.how.removeprefix("token:"))
            if used is not None and used.revoked_at is not None:
                raise ForbiddenError(identity.user.name, "has a token that was revoked just now")
            if was_admin:
                Rights(state, identity).require("access", None)
            return decide(state, signed)

        return guard.journal.commit(checked, stamp).state

    def add_user(self, name: str) -> AccessState:
        """Add a person."""
        return self.commit(lambda state, stamp: changes.add_user(state, stamp, name, "person"))

    def add_service(self, name: str, owner: str | None) -> AccessState:
        """Add a service account; whoever asks owns it if nobody else is named."""
        person = owner or self.request.identity.user.id
        return self.commit(
            lambda state, stamp: changes.add_user(state, stamp, name, "service", person)
        )

    def set_disabled(self, name: str, *, disabled: bool) -> AccessState:
        """Disable a user, which revokes their tokens, or enable them again."""
        change = changes.disable_user if disabled else changes.enable_user
        return self.commit(lambda state, _stamp: change(state, name))

    def give(self, subject: str, role: str, pattern: str) -> tuple[AccessState, list[Grant]]:
        """Give somebody a role; return what is new."""
        before = set(self.request.rights.state.grants)
        state = self.commit(
            lambda state, stamp: changes.give_grant(state, stamp, subject, role, pattern)
        )
        return state, [grant for name, grant in state.grants.items() if name not in before]

    def take(self, grant: str) -> AccessState:
        """Take a role back."""
        return self.commit(lambda state, _stamp: changes.take_grant(state, grant))

    def add_group(self, group: str) -> AccessState:
        """Add a group without members."""
        return self.commit(lambda state, _stamp: step_changes.add_group(state, group))

    def join_group(self, group: str, user: str) -> AccessState:
        """Add a user to a group."""
        return self.commit(lambda state, _stamp: step_changes.join_group(state, group, user))

    def leave_group(self, group: str, user: str) -> AccessState:
        """Take a user, by id, out of a group."""
        return self.commit(lambda state, _stamp: step_changes.leave_group(state, group, user))

    def remove_group(self, group: str) -> AccessState:
        """Remove a group; grants to it give nothing."""
        return self.commit(lambda state, _stamp: changes.remove_group(state, group))

    def put_rule(self, rule: RuleSet, replaces: str) -> AccessState:
        """Set a rule for jobs, a new one unless it is said to replace the one of its name."""
        return self.commit(lambda state, stamp: step_changes.put_rule(state, stamp, rule, replaces))

    def remove_rule(self, rule: str) -> AccessState:
        """Remove a rule for jobs, and the tokens that it gave."""
        return self.commit(lambda state, _stamp: changes.remove_rule(state, rule))

    def put_provider(self, provider: ProviderSet, replaces: str) -> AccessState:
        """Let people sign in by a provider, a new one unless it is said to replace another."""
        return self.commit(
            lambda state, _stamp: step_changes.put_provider(state, provider, replaces)
        )

    def remove_provider(self, provider: str) -> AccessState:
        """Let nobody sign in by a provider any more."""
        return self.commit(lambda state, _stamp: changes.remove_provider(state, provider))

    def issue(self, asked: AskedToken) -> tuple[UserToken, str]:
        """Make a token; return it with its secret, which is kept nowhere.

        Raises:
            ForbiddenError: If it is another's, and whoever asks may not change access, or asks
                with a token that was narrowed or a job's.
        """
        team(self.desk)
        identity = self.request.identity
        owner = identity.user if asked.user is None else self._other(asked.user)
        self._require_unnarrowed()
        if identity.user.id not in (owner.id, owner.owner):
            self.request.rights.require("access", None)
        new = tokens.mint("p" if owner.kind == "person" else "s", os.urandom(tokens.RANDOM_BYTES))
        facts: dict[str, Any] = {
            "label": asked.label,
            "expires_at": changes.expiry(datetime.now(UTC), asked.days),
            "roles": asked.roles,
            "models": asked.models,
        }
        state = self.commit(
            lambda state, stamp: changes.issue_token(state, stamp, owner.id, new, facts)
        )
        token = state.token(new.id)
        assert token is not None  # noqa: S101 - written a moment ago
        return token, new.secret

    def _other(self, name: str) -> User:
        """Return a user; who may not change access is not told whether there is one of the name."""
        try:
            return changes.find_user(self.request.rights.state, name)
        except NotFoundError:
            self.request.rights.require("access", None)
            raise

    def _require_unnarrowed(self) -> None:
        """Refuse with a token that was narrowed, or is a job's, what is done to its owner's others.

        Raises:
            ForbiddenError: If this is such a token.
        """
        identity = self.request.identity
        if identity.narrowing is not None or identity.how.startswith("ci:"):
            problem = (
                "may make or revoke no other token with this one, which was narrowed or a job's"
            )
            raise ForbiddenError(identity.user.name, problem, advice="use another token")

    def revoke(self, token_id: str) -> AccessState:
        """Revoke a token: one's own, or with the right to change access any; a narrowed one itself.

        Raises:
            NotFoundError: If there is no such token that they may revoke.
        """
        token = self.state.token(token_id)
        identity = self.request.identity
        own = token is not None and token.user == identity.user.id
        if not own and not self.request.rights.allows("access", None):
            raise NotFoundError(f"token {token_id[:12]!r}")
        if token is None or identity.how != f"token:{token.issued.id}":
            self._require_unnarrowed()
        return self.commit(lambda now, _stamp: changes.revoke_token(now, token_id))

    def sessions(self) -> list[tuple[str, SessionRecord]]:
        """Return the browsers in which whoever asks is signed in, the last used first."""
        me = self.request.identity.user.id
        listed = team(self.desk).sessions.listed(datetime.now(UTC))
        mine = [
            (name, record)
            for name, record in listed
            if record.kind == "session" and record.user == me
        ]
        return sorted(mine, key=lambda one: one[1].touched_at, reverse=True)

    def end_session(self, name: str) -> None:
        """Sign whoever asks out in another browser.

        Raises:
            NotFoundError: If they have no such session.
        """
        if all(known != name for known, _ in self.sessions()):
            raise NotFoundError(f"session {name[:12]!r}")
        team(self.desk).sessions.end(name)

    def last_uses(self, tokens_asked: Iterable[UserToken]) -> dict[str, str]:
        """Return the day of its last use by token's id, of these tokens."""
        token_ids = {token.issued.id for token in tokens_asked}
        return team(self.desk).refusals.last_uses(token_ids)

    def reports(self, day: str) -> Iterator[AccessReport]:
        """Go through what was refused and who signed in on a day.

        Raises:
            ValueError: If it is not a date.
        """
        return team(self.desk).refusals.read(datetime.fromisoformat(day).date().isoformat())

    def lines(self) -> list[AccessLine]:
        """Return what happened to people and rights, oldest first."""
        return list(access_history.lines(team(self.desk).journal.audit()))
