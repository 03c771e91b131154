"""What of people and rights an administrator should look at: in sentences, the gravest first."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from holdfast.access.access_state import ALL, EVERYONE, AccessState, User, UserToken
from holdfast.access.permissions import Identity, rights, who_could
from holdfast.core import wording
from holdfast.core.entry import format_time

UNUSED: Final = timedelta(days=30)
SOON: Final = timedelta(days=7)
_LONG: Final = timedelta(days=180)


def good_tokens(state: AccessState, now: datetime) -> list[UserToken]:
    """Return the tokens that open something now, of users who are not disabled."""
    at = format_time(now)
    return [
        token
        for token in state.tokens.values()
        if token.revoked_at is None
        and token.issued.expires_at > at
        and not state.users[token.user].disabled
    ]


def unusual(state: AccessState, uses: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Go through what is unusual.

    Args:
        state: Who may do what.
        uses: The day of its last use by token's id.
        now: Present time, aware.
    """
    yield from _people(state)
    yield from _grants(state)
    for token in good_tokens(state, now):
        yield from _token(state, token, uses.get(token.issued.id), now)


def _people(state: AccessState) -> Iterator[str]:
    admins = state.admins()
    if len(admins) == 1:
        yield (
            f"{admins[0].name} is the only administrator: if they lose their token, it takes "
            "access to the store to make another"
        )
    approvers = [user for user, _ in who_could(state, "approve", None) if user.kind == "person"]
    if len(approvers) < 2:  # noqa: PLR2004 - who registers or promotes does not count
        names = ", ".join(user.name for user in approvers) or "nobody"
        yield f"no second approver: {names} may approve, and not what they register or promote"
    for user in state.active():
        if user.kind == "service" and _rests(state, user):
            yield f"service account {user.name} rests, because its owner is disabled"
        elif not rights(state, Identity(user, "token")):
            yield f"{user.name} has no role, and can do nothing"


def _rests(state: AccessState, user: User) -> bool:
    owner = state.users.get(user.owner or "")
    return owner is None or owner.disabled


def _grants(state: AccessState) -> Iterator[str]:
    for grant in state.grants.values():
        if grant.subject == EVERYONE and grant.pattern == ALL:
            yield f"everyone has the role {grant.role} for all models"
        kind, _, name = grant.subject.partition(":")
        if kind == "group" and not state.groups.get(name):
            yield f"group {name} has the role {grant.role} for {grant.pattern}, and no members"


def _token(state: AccessState, token: UserToken, used: str | None, now: datetime) -> Iterator[str]:
    issued = token.issued
    name = f"token {issued.id} of {state.users[token.user].name}"
    age = now - datetime.fromisoformat(token.issued_at)
    left = datetime.fromisoformat(issued.expires_at) - now
    if used is None and age > UNUSED:
        span = wording.span(age.total_seconds())
        yield f"{name} has never been used since it was issued {span} ago"
    elif used is not None and now.date() - datetime.fromisoformat(used).date() > UNUSED:
        yield f"{name} was last used on {used}"
    if left < SOON:
        yield f"{name} expires in {wording.span(left.total_seconds())}"
    elif left > _LONG:
        yield f"{name} is good for {wording.span(left.total_seconds())} more"
