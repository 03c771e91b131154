"""People and their rights as the access journal tells them; `access_fold` adds up its entries."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from holdfast.access import access_events as events
from holdfast.access.access_events import IssuedToken
from holdfast.core.auth import UserKind

ADMIN: Final = "admin"
EVERYONE: Final = "everyone"
ALL: Final = "*"


class ExternalIdentity(Struct, frozen=True):
    """A subject of a provider: what is never given to another person."""

    issuer: str
    subject: str


class User(Struct, frozen=True):
    """A person or a service account.

    Attributes:
        id: For ever; somebody of the same name who comes later has another.
        groups: Names of the groups they belong to, sorted.
        owner: Id of the person who answers for a service account.
    """

    id: str
    name: str
    kind: UserKind
    groups: tuple[str, ...] = ()
    disabled: bool = False
    owner: str | None = None
    identities: tuple[ExternalIdentity, ...] = ()
    created_at: str = ""


class Grant(Struct, frozen=True):
    """A right: who has which role for which models; see `GrantGiven`."""

    id: str
    subject: str
    role: str
    pattern: str
    by: str = ""
    at: str = ""


class UserToken(Struct, frozen=True):
    """An issued token, with its owner and what became of it."""

    user: str
    issued: IssuedToken
    issued_at: str
    revoked_at: str | None = None


class AccessState(Struct, frozen=True):
    """The fold of the access journal's first *seq* entries.

    Attributes:
        head: SHA-256 of the last entry's bytes.
        at: Time of the last entry.
        users: By id, disabled ones too.
        groups: Ids of the members by name.
        grants: By id.
        tokens: By SHA-256 of the secret, revoked ones too.
        rules: For jobs, by id.
        providers: By name.
        settings: Those that differ from the default.
    """

    seq: int = 0
    head: str | None = None
    at: str | None = None
    users: dict[str, User] = {}
    groups: dict[str, tuple[str, ...]] = {}
    grants: dict[str, Grant] = {}
    tokens: dict[str, UserToken] = {}
    rules: dict[str, events.RuleSet] = {}
    providers: dict[str, events.ProviderSet] = {}
    settings: dict[str, str] = {}

    @property
    def exists(self) -> bool:
        """True if there is an access journal."""
        return self.seq > 0

    def active(self) -> Iterator[User]:
        """Go through the users who are not disabled."""
        return (user for user in self.users.values() if not user.disabled)

    def named(self, name: str) -> User | None:
        """Return the active user of that name or id."""
        user = self.users.get(name)
        if user is not None and not user.disabled:
            return user
        return next((user for user in self.active() if user.name == name), None)

    def token(self, token_id: str) -> UserToken | None:
        """Return the token of an id."""
        return next((token for token in self.tokens.values() if token.issued.id == token_id), None)

    def linked(self, issuer: str, subject: str) -> User | None:
        """Return the active user as whom a provider's subject signs in."""
        identity = ExternalIdentity(issuer, subject)
        return next((user for user in self.active() if identity in user.identities), None)

    def grants_of(self, user: User) -> list[Grant]:
        """Return the grants to a user, their groups and everyone."""
        subjects = {f"user:{user.id}", EVERYONE, *(f"group:{group}" for group in user.groups)}
        return [grant for grant in self.grants.values() if grant.subject in subjects]

    def admins(self) -> list[User]:
        """Return the people who may change who may do what."""
        return [
            user
            for user in self.active()
            if user.kind == "person"
            and any((grant.role, grant.pattern) == (ADMIN, ALL) for grant in self.grants_of(user))
        ]


NO_ACCESS: Final = AccessState()
"""The state where there is no access journal."""
