"""Everything that can happen to people and their rights: one frozen record for each operation.

A stored field never changes its meaning. A new field has a default; a new meaning is a new event.
"""

from typing import Final

from msgspec import Struct

from holdfast.core.auth import UserKind
from holdfast.core.event import Event


class IssuedToken(Struct, frozen=True):
    """A token as it is kept: never the secret.

    Attributes:
        id: The first 12 hex digits of *sha256*, shown everywhere.
        sha256: Of the secret.
        kind: `p` personal, `s` of a service account.
        label: What its owner calls it.
        expires_at: RFC 3339, UTC, as in entries.
        roles: To which its owner's rights are narrowed; `None` leaves them all.
        models: Patterns of the models that it reaches; `None` leaves all.
    """

    id: str
    sha256: str
    kind: str
    label: str
    expires_at: str
    roles: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None


class AdminMade(Event, frozen=True, kw_only=True):
    """Somebody with access to the store made an administrator: the first, or one that was lost."""

    user: str
    name: str
    token: IssuedToken


class UserAdded(Event, frozen=True, kw_only=True):
    """A person or a service account was added; *owner* answers for a service account."""

    user: str
    name: str
    kind: UserKind
    owner: str | None = None


class UserRenamed(Event, frozen=True, kw_only=True):
    """A user has another name from here on, and the same id."""

    user: str
    name: str


class UserDisabled(Event, frozen=True, kw_only=True):
    """A user can do nothing any more; all of their tokens are revoked."""

    user: str


class UserEnabled(Event, frozen=True, kw_only=True):
    """A disabled user can sign in again; tokens stay revoked."""

    user: str


class IdentityLinked(Event, frozen=True, kw_only=True):
    """A provider's subject signs in as this user; an address would not do: it can change hands."""

    user: str
    issuer: str
    subject: str


class IdentityUnlinked(Event, frozen=True, kw_only=True):
    """A provider's subject signs in as this user no more."""

    user: str
    issuer: str
    subject: str


class GroupSet(Event, frozen=True, kw_only=True):
    """A group has just these *members*, by user id."""

    group: str
    members: tuple[str, ...]


class GroupRemoved(Event, frozen=True, kw_only=True):
    """A group is gone; grants to it give nothing."""

    group: str


class GrantGiven(Event, frozen=True, kw_only=True):
    """A subject has a role for the models of a pattern.

    Attributes:
        grant: Its id.
        subject: `user:<id>`, `group:<name>` or `everyone`.
        role: One of the six roles, `force` or `predictions`.
        pattern: `risk/*`, `risk/iris`, `*`.
    """

    grant: str
    subject: str
    role: str
    pattern: str


class GrantTaken(Event, frozen=True, kw_only=True):
    """A grant was taken back."""

    grant: str


class TokenIssued(Event, frozen=True, kw_only=True):
    """A token was made for a user."""

    user: str
    token: IssuedToken


class TokenRevoked(Event, frozen=True, kw_only=True):
    """A token opens nothing any more."""

    token: str


class RuleSet(Event, frozen=True, kw_only=True):
    """Jobs whose identity token has exactly these claims act in a role.

    Attributes:
        rule: Its id.
        name: What people call it; the name under which its jobs write.
        issuer: Who signs the tokens.
        audience: Whom they must be meant for: this server's public URL.
        claims: By name, what each must be, to the letter.
        role: What the jobs may do.
        models: Patterns of the models for which they may.
    """

    rule: str
    name: str
    issuer: str
    audience: str
    claims: dict[str, str]
    role: str
    models: tuple[str, ...]


class RuleRemoved(Event, frozen=True, kw_only=True):
    """A rule for jobs is gone, and the tokens that it gave with it."""

    rule: str


class ProviderSet(Event, frozen=True, kw_only=True):
    """People may sign in by an OpenID Connect provider; its client secret is never kept here.

    Attributes:
        provider: A short name, as the sign-in page shows it.
        issuer: Its URL, exactly as its tokens have it.
        client_id: This server's id there.
        groups_claim: The claim that lists a person's groups there; `None` reads none.
        groups: Group here by group there.
    """

    provider: str
    issuer: str
    client_id: str
    groups_claim: str | None = None
    groups: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it


class ProviderRemoved(Event, frozen=True, kw_only=True):
    """Nobody signs in by this provider any more."""

    provider: str


class SettingChanged(Event, frozen=True, kw_only=True):
    """A setting of the server has another value, `None` for its default."""

    setting: str
    value: str | None


AccessEvent = (
    AdminMade
    | UserAdded
    | UserRenamed
    | UserDisabled
    | UserEnabled
    | IdentityLinked
    | IdentityUnlinked
    | GroupSet
    | GroupRemoved
    | GrantGiven
    | GrantTaken
    | TokenIssued
    | TokenRevoked
    | RuleSet
    | RuleRemoved
    | ProviderSet
    | ProviderRemoved
    | SettingChanged
)

ACCESS_OPERATIONS: Final[dict[str, type[AccessEvent]]] = {
    "admin_made": AdminMade,
    "user_added": UserAdded,
    "user_renamed": UserRenamed,
    "user_disabled": UserDisabled,
    "user_enabled": UserEnabled,
    "identity_linked": IdentityLinked,
    "identity_unlinked": IdentityUnlinked,
    "group_set": GroupSet,
    "group_removed": GroupRemoved,
    "grant_given": GrantGiven,
    "grant_taken": GrantTaken,
    "token_issued": TokenIssued,
    "token_revoked": TokenRevoked,
    "rule_set": RuleSet,
    "rule_removed": RuleRemoved,
    "provider_set": ProviderSet,
    "provider_removed": ProviderRemoved,
    "setting_changed": SettingChanged,
}
"""The word each event is stored under."""

ACCESS_WORDS: Final[dict[type[AccessEvent], str]] = {
    event: word for word, event in ACCESS_OPERATIONS.items()
}
