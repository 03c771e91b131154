"""What each change of people and rights takes: from the state and a wish to an event, or a refusal.

Nothing here writes; `AccessJournal.commit` does.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from holdfast.access import access_events as events
from holdfast.access.access_events import AccessEvent, IssuedToken
from holdfast.access.access_fold import applied
from holdfast.access.access_state import ALL, EVERYONE, AccessState, User
from holdfast.access.permissions import GRANTABLE, ROLES, check_pattern
from holdfast.access.token_limits import check_patterns, require_room
from holdfast.access.tokens import NewToken
from holdfast.core import names
from holdfast.core.auth import UserKind
from holdfast.core.entry import Stamp, format_time
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError

DEFAULT_DAYS: Final = 90
MOST_DAYS: Final = 366
_MOST_NAME: Final = 100
_MOST_LABEL: Final = 200
_MOST_CLAIMS: Final = 20


def check_name(what: str, name: str) -> str:
    """Return *name* if a user, group or rule may have it.

    Raises:
        InvalidInputError: If it is empty, too long or not printable, or reads as something else.
    """
    if not names.is_key(name) or name.strip() != name or len(name) > _MOST_NAME or ":" in name:
        raise InvalidInputError(
            f"{what} {name[:_MOST_NAME]!r}",
            f"must be 1 to {_MOST_NAME} printable characters without ':'",
            "choose another name",
        )
    return name


def find_user(state: AccessState, name: str) -> User:
    """Return the active user of a name or id.

    Raises:
        NotFoundError: If there is none.
    """
    user = state.named(name)
    if user is None:
        raise NotFoundError(f"user {name}", names.nearest(name, [u.name for u in state.active()]))
    return user


def make_admin(
    state: AccessState, stamp: Stamp, name: str, token: NewToken, expires_at: str
) -> AccessEvent:
    """Make somebody an administrator who has access to the store: the first, or a lost one."""
    check_name("user", name)
    user = state.named(name)
    if user is not None and user.kind != "person":
        raise InvalidInputError(f"user {name}", "must be a person to be an administrator")
    issued = IssuedToken(token.id, token.sha256, "p", "holdfast access init", expires_at)
    user_id = user.id if user is not None else f"u_{stamp.commit[:12]}"
    return events.AdminMade(user=user_id, name=name, token=issued)


def add_user(
    state: AccessState, stamp: Stamp, name: str, kind: UserKind, owner: str | None = None
) -> AccessEvent:
    """Add a person, or a service account, which has a person for an owner.

    Raises:
        ConflictError: If an active user has that name.
    """
    check_name("user", name)
    if name in (EVERYONE, "anonymous"):
        raise InvalidInputError(f"user {name}", "cannot be named so", "choose another name")
    _require_free(state, name)
    owner_id = None
    if kind == "service":
        person = find_user(state, owner or stamp.by)
        if person.kind != "person":
            raise InvalidInputError(f"owner {person.name}", "must be a person")
        owner_id = person.id
    prefix = "u" if kind == "person" else "s"
    user_id = f"{prefix}_{stamp.commit[:12]}"
    return events.UserAdded(user=user_id, name=name, kind=kind, owner=owner_id)


def rename_user(state: AccessState, user: str, name: str) -> AccessEvent | None:
    """Give a user another name.

    Raises:
        ConflictError: If an active user has that name.
    """
    renamed = find_user(state, user)
    if renamed.name == check_name("user", name):
        return None
    _require_free(state, name)
    return events.UserRenamed(user=renamed.id, name=name)


def _require_free(state: AccessState, name: str) -> None:
    if state.named(name) is not None:
        raise ConflictError(f"user {name}", "exists already", "choose another name")


def disable_user(state: AccessState, user: str) -> AccessEvent:
    """Disable a user and revoke all of their tokens.

    Raises:
        RefusedError: If nobody could change access any more.
    """
    disabled = find_user(state, user)
    return _keeping_an_admin(state, events.UserDisabled(user=disabled.id))


def enable_user(state: AccessState, user: str) -> AccessEvent:
    """Enable a disabled user again, by id or by name.

    Raises:
        NotFoundError: If no disabled user has that id or name.
        ConflictError: If an active user has that name by now.
    """
    off = [
        known for known in state.users.values() if known.disabled and user in (known.id, known.name)
    ]
    if not off:
        raise NotFoundError(f"disabled user {user}")
    _require_free(state, off[-1].name)
    return events.UserEnabled(user=off[-1].id)


def link_identity(state: AccessState, user: str, issuer: str, subject: str) -> AccessEvent | None:
    """Have a provider's subject sign in as a user.

    Raises:
        ConflictError: If it signs in as another.
    """
    owner, linked = find_user(state, user), state.linked(issuer, subject)
    if linked is not None and linked.id != owner.id:
        raise ConflictError(f"subject {subject} of {issuer}", f"is already {linked.name}")
    if linked is not None:
        return None
    if owner.kind != "person":
        raise InvalidInputError(f"user {owner.name}", "must be a person to sign in by a provider")
    return events.IdentityLinked(user=owner.id, issuer=issuer, subject=subject)


def unlink_identity(state: AccessState, user: str, issuer: str, subject: str) -> AccessEvent:
    """Have a provider's subject sign in as a user no more.

    Raises:
        NotFoundError: If it does not.
    """
    owner, linked = find_user(state, user), state.linked(issuer, subject)
    if linked is None or linked.id != owner.id:
        raise NotFoundError(f"subject {subject} of {issuer} for {owner.name}")
    return events.IdentityUnlinked(user=owner.id, issuer=issuer, subject=subject)


def set_group(state: AccessState, group: str, members: Iterable[str]) -> AccessEvent | None:
    """Give a group just these members; who is one and was disabled may stay, by id.

    Raises:
        RefusedError: If nobody could change access any more.
    """
    check_name("group", group)
    now = state.groups.get(group, ())
    ids = tuple(
        sorted({member if member in now else find_user(state, member).id for member in members})
    )
    if state.groups.get(group) == ids:
        return None
    return _keeping_an_admin(state, events.GroupSet(group=group, members=ids))


def remove_group(state: AccessState, group: str) -> AccessEvent:
    """Remove a group; grants to it give nothing.

    Raises:
        NotFoundError: If there is none of that name.
        RefusedError: If nobody could change access any more.
    """
    if group not in state.groups:
        raise NotFoundError(f"group {group}", names.nearest(group, state.groups))
    return _keeping_an_admin(state, events.GroupRemoved(group=group))


def give_grant(
    state: AccessState, stamp: Stamp, subject: str, role: str, pattern: str
) -> AccessEvent | None:
    """Give a subject (`everyone`, `group:NAME`, or a user) a role for the models of a pattern.

    Raises:
        InvalidInputError: If role or pattern are not usable, or everyone would get more than to
            look, or an administrator less than all models.
        NotFoundError: If there is no such user or group.
    """
    check_pattern(pattern)
    if role not in GRANTABLE:
        raise InvalidInputError(f"role {role!r}", "is unknown", f"use {', '.join(GRANTABLE)}")
    if role == "admin" and pattern != ALL:
        raise InvalidInputError(
            "role admin", "must be for all models, since it can give itself the others", "use *"
        )
    subject = _subject(state, subject)
    if subject == EVERYONE and role != "viewer":
        raise InvalidInputError(f"role {role}", "cannot be everyone's", "give everyone viewer")
    wanted = (subject, role, pattern)
    if any((grant.subject, grant.role, grant.pattern) == wanted for grant in state.grants.values()):
        return None
    grant_id = f"g_{stamp.commit[:12]}"
    return events.GrantGiven(grant=grant_id, subject=subject, role=role, pattern=pattern)


def _subject(state: AccessState, text: str) -> str:
    if text == EVERYONE:
        return text
    if text.startswith("group:"):
        group = text.removeprefix("group:")
        if group not in state.groups:
            raise NotFoundError(f"group {group}", names.nearest(group, state.groups))
        return text
    return f"user:{find_user(state, text.removeprefix('user:')).id}"


def take_grant(state: AccessState, grant: str) -> AccessEvent:
    """Take a grant back, by its id.

    Raises:
        NotFoundError: If there is none.
        RefusedError: If nobody could change access any more.
    """
    if grant not in state.grants:
        raise NotFoundError(f"grant {grant}", names.nearest(grant, state.grants))
    return _keeping_an_admin(state, events.GrantTaken(grant=grant))


def _keeping_an_admin(state: AccessState, event: AccessEvent) -> AccessEvent:
    """Return *event* unless it takes the last administrator."""
    if state.admins() and not applied(state, event, state.at or "", "").admins():
        raise RefusedError(
            "the change", "access", ["nobody could change access any more"], "name another first"
        )
    return event


def expiry(now: datetime, days: float | None) -> str:
    """Return when a token ends that is made now.

    Args:
        days: From now, at most 366; `None` is 90.

    Raises:
        InvalidInputError: If it is not a usable span; the longest is told.
    """
    span = DEFAULT_DAYS if days is None else days
    if not 0 < span <= MOST_DAYS:
        raise InvalidInputError(
            "expiry", f"must be more than 0 and at most {MOST_DAYS} days, not {span:g}"
        )
    return format_time(now.astimezone(UTC) + timedelta(days=span))


def issue_token(
    state: AccessState, stamp: Stamp, user: str, new: NewToken, issued: Mapping[str, object]
) -> AccessEvent:
    """Issue a token to a user.

    Args:
        user: Name or id.
        new: The token.
        issued: `label`, `expires_at`, `roles` and `models` of `IssuedToken`.

    Raises:
        NotFoundError: If there is no such user.
        InvalidInputError: If what narrows it is not usable.
        RefusedError: If too many were made for them within a day.
    """
    owner = find_user(state, user)
    kind = "p" if owner.kind == "person" else "s"
    token = IssuedToken(id=new.id, sha256=new.sha256, kind=kind, **issued)  # type: ignore[arg-type]
    if len(token.label) > _MOST_LABEL or not token.label.isprintable():
        raise InvalidInputError("label", f"must be at most {_MOST_LABEL} printable characters")
    for role in dict.fromkeys(token.roles or ()):
        if role not in GRANTABLE:
            raise InvalidInputError(f"role {role!r}", "is unknown", f"use {', '.join(GRANTABLE)}")
    check_patterns("token", token.models or ())
    require_room(state, owner, stamp.at)
    return events.TokenIssued(user=owner.id, token=token)


def revoke_token(state: AccessState, token_id: str) -> AccessEvent | None:
    """Revoke a token, by its id.

    Raises:
        NotFoundError: If there is none.
    """
    token = state.token(token_id)
    if token is None:
        ids = [token.issued.id for token in state.tokens.values()]
        raise NotFoundError(f"token {token_id[:12]}", names.nearest(token_id, ids))
    return events.TokenRevoked(token=token_id) if token.revoked_at is None else None


def set_rule(state: AccessState, stamp: Stamp, rule: events.RuleSet) -> AccessEvent | None:
    """Set a rule for jobs, in the place of the one of its name.

    Raises:
        InvalidInputError: If it would let in more jobs than it names: no claims, or no models.
    """
    check_name("rule", rule.name)
    check_url("issuer", rule.issuer)
    if not rule.audience or not 0 < len(rule.claims) <= _MOST_CLAIMS:
        raise InvalidInputError(
            f"rule {rule.name}",
            f"needs an audience and 1 to {_MOST_CLAIMS} claims, or any job of the issuer fits",
            "give --claim repository_id=… --claim ref=…",
        )
    if rule.role not in ROLES or rule.role == "admin":
        able = ", ".join(role for role in ROLES if role != "admin")
        raise InvalidInputError(f"role {rule.role!r}", "cannot be a job's", f"use one of {able}")
    if not rule.models:
        raise InvalidInputError(f"rule {rule.name}", "needs models", "give --models 'risk/*'")
    check_patterns(f"rule {rule.name}", rule.models)
    before = next((old for old in state.rules.values() if old.name == rule.name), None)
    rule_id = before.rule if before is not None else f"r_{stamp.commit[:12]}"
    fields = {name: getattr(rule, name) for name in rule.__struct_fields__} | {"rule": rule_id}
    event = events.RuleSet(**fields)
    return None if event == before else event


def remove_rule(state: AccessState, rule: str) -> AccessEvent:
    """Remove a rule, by name or id, and with it the tokens that it gave.

    Raises:
        NotFoundError: If there is none.
    """
    for known in state.rules.values():
        if rule in (known.name, known.rule):
            return events.RuleRemoved(rule=known.rule)
    raise NotFoundError(f"rule {rule}", names.nearest(rule, [r.name for r in state.rules.values()]))


def set_provider(state: AccessState, provider: events.ProviderSet) -> AccessEvent | None:
    """Let people sign in by a provider.

    Raises:
        InvalidInputError: If its issuer is not a URL that may be asked, or a group does not exist.
    """
    check_name("provider", provider.provider)
    check_url("issuer", provider.issuer)
    if not provider.client_id:
        raise InvalidInputError(f"provider {provider.provider}", "needs a client id")
    for group in provider.groups.values():
        if group not in state.groups:
            raise NotFoundError(f"group {group}", names.nearest(group, state.groups))
    return None if state.providers.get(provider.provider) == provider else provider


def remove_provider(state: AccessState, provider: str) -> AccessEvent:
    """Let nobody sign in by a provider any more.

    Raises:
        NotFoundError: If there is none of that name.
    """
    if provider not in state.providers:
        raise NotFoundError(f"provider {provider}", names.nearest(provider, state.providers))
    return events.ProviderRemoved(provider=provider)


def check_url(what: str, url: str) -> str:
    """Return *url* if it may be asked for keys: https, or http on this machine.

    Raises:
        InvalidInputError: If it is anything else.
    """
    if not _may_be_asked(url):
        raise InvalidInputError(
            f"{what} {url[:200]!r}",
            "must be https:// and a host, or http:// on this machine, without a query or password",
        )
    return url


def _may_be_asked(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or parts.username or parts.password:
        return False
    near = host in ("localhost", "127.0.0.1", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and near)
