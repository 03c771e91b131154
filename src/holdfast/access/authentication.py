"""From a secret to an identity: what a token or a session opens at this moment."""

from datetime import datetime

from msgspec.structs import replace

from holdfast.access.access_state import AccessState, Grant, User, UserToken
from holdfast.access.permissions import Identity, Narrowing
from holdfast.access.sessions import SessionRecord, Sessions
from holdfast.access.tokens import kind_of, parse
from holdfast.core.entry import format_time
from holdfast.errors import UnauthenticatedError

_SIGN_IN = "sign in again"
_NEW_TOKEN = "make another with `holdfast access token`"  # noqa: S105 - advice, no secret


def authenticate(
    state: AccessState, secret: str, now: datetime, sessions: Sessions | None = None
) -> Identity:
    """Return who shows a token.

    Args:
        state: As recent as what is asked for demands.
        secret: The token, as it came.
        now: Present time, aware.
        sessions: Where tokens of jobs are kept.

    Raises:
        UnauthenticatedError: If it is malformed, unknown, expired or revoked, or its owner is
            disabled. The message never holds the secret.
    """
    sha256 = parse(secret)
    if sha256 is None:
        raise UnauthenticatedError("token", "is malformed", "copy all 55 characters of it")
    if kind_of(secret) == "c":
        record = sessions.read(secret, now) if sessions is not None else None
        if record is None or record.kind != "ci":
            raise UnauthenticatedError("token of a job", "is unknown or expired", "exchange again")
        return session_identity(state, record, now)
    token = state.tokens.get(sha256)
    if token is None:
        raise UnauthenticatedError("token", "is unknown here", _NEW_TOKEN)
    return _of_token(state, token, now)


def _of_token(state: AccessState, token: UserToken, now: datetime) -> Identity:
    issued = token.issued
    if token.revoked_at is not None:
        raise UnauthenticatedError(f"token {issued.id}", "was revoked", _NEW_TOKEN)
    if issued.expires_at <= format_time(now):
        raise UnauthenticatedError(f"token {issued.id}", "has expired", _NEW_TOKEN)
    user = _active(state, token.user)
    owner = state.users.get(user.owner) if user.owner else None
    if owner is not None and owner.disabled:
        raise UnauthenticatedError(
            f"service account {user.name}", f"has a disabled owner, {owner.name}", "ask an admin"
        )
    narrowing = None
    if issued.roles is not None or issued.models is not None:
        narrowing = Narrowing(issued.roles, issued.models)
    return Identity(user, f"token:{issued.id}", narrowing)


def _active(state: AccessState, user_id: str) -> User:
    user = state.users.get(user_id)
    if user is None or user.disabled:
        raise UnauthenticatedError("user", "is disabled", "ask an admin")
    return user


def session_identity(state: AccessState, record: SessionRecord, now: datetime) -> Identity:
    """Return who a session or a job's token stands for; it dies with what made it.

    Raises:
        UnauthenticatedError: If the user is disabled, or the token, the provider's identity or the
            rule that made it is gone.
    """
    if record.kind == "ci":
        return _of_job(state, record.user, record.how)
    user = _active(state, record.user)
    narrowing = None
    if record.token is not None:
        token = state.token(record.token)
        if token is None:
            raise UnauthenticatedError("session", "lost the token that made it", _SIGN_IN)
        narrowing = _of_token(state, token, now).narrowing
    if record.issuer is not None:
        providers = [known.issuer for known in state.providers.values()]
        linked = state.linked(record.issuer, record.subject or "")
        if record.issuer not in providers or linked is None or linked.id != user.id:
            raise UnauthenticatedError("session", "lost the identity that made it", _SIGN_IN)
    groups = tuple(sorted({*user.groups, *(set(record.groups) & state.groups.keys())}))
    return Identity(replace(user, groups=groups), "session", narrowing)


def known_before(state: AccessState, user_id: str, how: str, now: datetime) -> Identity:
    """Return an identity that was known by a token a while ago, as it stands at this moment.

    Args:
        state: As recent as what is asked for demands.
        user_id: Of the user, or of the rule that gave a job its token.
        how: As the identity had it.
        now: Present time, aware.

    Raises:
        UnauthenticatedError: If the token was revoked or has expired, the user is disabled, or the
            rule is gone.
    """
    way, _, token_id = how.partition(":")
    if way == "ci":
        return _of_job(state, user_id, how)
    token = state.token(token_id) if way == "token" else None
    if token is None or token.user != user_id:
        raise UnauthenticatedError("token", "is unknown here", _NEW_TOKEN)
    return _of_token(state, token, now)


def _of_job(state: AccessState, rule_id: str, how: str) -> Identity:
    rule = state.rules.get(rule_id)
    if rule is None:
        raise UnauthenticatedError("token of a job", "lost the rule that gave it", "ask an admin")
    user = User(rule.rule, rule.name, "service")
    subject = f"user:{rule.rule}"
    grants = tuple(Grant(rule.rule, subject, rule.role, pattern) for pattern in rule.models)
    return Identity(user, how, None, grants)
