"""`may`: the one function that decides who may do what, asked by pages and by the API alike."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from holdfast.access.access_state import ADMIN, ALL, AccessState, Grant, User
from holdfast.core.auth import Auth
from holdfast.errors import ForbiddenError, InvalidInputError

_VIEWER: Final = frozenset(
    "read compare verify load watch search purge-plan repair-plan prepare".split()
)
_REGISTRAR: Final = _VIEWER | frozenset(
    "upload register tag note evaluate sign-attach stage archive drift-record "
    "drift-acknowledge retrain".split()
)
_APPROVER: Final = _VIEWER | {"approve"}
_ONCALL: Final = _VIEWER | frozenset(
    "rollback rollout-pause rollout-abort drift-acknowledge".split()
)
_PROMOTER: Final = (
    _REGISTRAR
    | _APPROVER
    | _ONCALL
    | frozenset(
        "promote rollout-start rollout-retry rollout-advance rollout-resume rollout-promote alias "
        "remove-alias protected-alias hold release".split()
    )
)
_ADMIN: Final = _PROMOTER | frozenset(
    "policy purge delete repair gc import copy backup force access".split()
)

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": _VIEWER,
    "registrar": _REGISTRAR,
    "approver": _APPROVER,
    "oncall": _ONCALL,
    "promoter": _PROMOTER,
    ADMIN: _ADMIN,
}
"""What each role may do: sets, not a ladder; who may roll back may not promote for that."""

GRANTABLE: Final[Mapping[str, frozenset[str]]] = {
    **ROLES,
    "force": frozenset(("force",)),
    "server": _VIEWER | {"report"},
    "predictions": frozenset(("predictions",)),
}
"""What a grant can give: a role, the right to override a gate, to report what a serving process
runs and counted, by which rollouts are judged, or to look people's data up."""

VERBS: Final = frozenset(verb for verbs in GRANTABLE.values() for verb in verbs)
_WHOLE: Final = _ADMIN - _PROMOTER - {"policy", "purge", "delete"}
"""Verbs that concern the whole store where no model is named, and so need `*`."""

_SAID: Final = {
    "access": "see or change access",
    "alias": "move an alias",
    "drift-acknowledge": "acknowledge a finding of drift",
    "drift-record": "record a finding of drift",
    "force": "force a move",
    "policy": "set the policy",
    "predictions": "look up predictions",
    "protected-alias": "move a protected alias",
    "remove-alias": "remove an alias",
    "report": "report what servers run",
    "rollout-abort": "abort a rollout",
    "rollout-advance": "advance a rollout",
    "rollout-pause": "pause a rollout",
    "rollout-promote": "promote by a rollout",
    "rollout-resume": "resume a rollout",
    "rollout-retry": "retry a rollout",
    "rollout-start": "start a rollout",
    "sign-attach": "attach a signature",
}
"""Verbs that do not read as one, said with `of MODEL` behind it."""

_PATTERN: Final = re.compile(r"[^\x00-\x1f\x7f@:\\?\[\]]{1,250}")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a token leaves of its owner's rights; `None` leaves all."""

    roles: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        user: As the access journal has them, with the groups of a provider where they have some.
        how: `session`, `token:<id>`, `ci:<issuer>/<run>`, `local` or `anonymous`.
        narrowing: Of the token.
        grants: What a rule for jobs gives, beside the user's own.
    """

    user: User
    how: str
    narrowing: Narrowing | None = None
    grants: tuple[Grant, ...] = ()

    def auth(self, claimed: str | None = None, via: str | None = None) -> Auth:
        """Return what an entry keeps of this identity.

        Args:
            claimed: The author that the client named.
            via: The server's name.
        """
        differs = claimed if claimed is not None and claimed != self.user.name else None
        return Auth(self.user.id, self.how, self.user.kind, differs, via)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed.

    Attributes:
        roles_that_may: Those that allow the verb, the least first.
        reason: Why not, a predicate whose subject is the user; empty if it is allowed.
        advice: Who can change that.
    """

    allowed: bool
    roles_that_may: tuple[str, ...] = ()
    reason: str = ""
    advice: str = ""


ANONYMOUS: Final = Identity(User("anonymous", "anonymous", "service"), "anonymous")
"""Whoever did not sign in: has what everyone was granted."""


def local(name: str) -> tuple[AccessState, Identity]:
    """Return the state and identity of a server for one user of its own machine."""
    user = User("local", name, "person")
    roles = (ADMIN, "force", "server", "predictions")
    grants = {role: Grant(role, "user:local", role, ALL) for role in roles}
    return AccessState(users={user.id: user}, grants=grants), Identity(user, "local")


def roles_for(verb: str) -> tuple[str, ...]:
    """Return the roles and grants that allow a verb, the least powerful first.

    Raises:
        InvalidInputError: If there is no such verb.
    """
    if verb not in VERBS:
        raise InvalidInputError(
            f"verb {verb!r}", "is unknown", f"use one of {', '.join(sorted(VERBS))}"
        )
    able = [role for role, verbs in GRANTABLE.items() if verb in verbs]
    return tuple(sorted(able, key=lambda role: len(GRANTABLE[role])))


def matches(pattern: str, model: str) -> bool:
    """Tell whether a pattern names a model; `*` stands for any characters, slashes too.

    Each part between two `*` is looked for once behind the one before: everybody may narrow a token
    by patterns, and a regular expression would let them keep the server busy.
    """
    first, *middle = pattern.split(ALL)
    if not middle:
        return model == pattern
    last = middle.pop()
    if len(model) < len(first) + len(last) or not model.startswith(first):
        return False
    start, end = len(first), len(model) - len(last)
    for part in middle:
        found = model.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return model.endswith(last)


def check_pattern(pattern: str) -> str:
    """Return *pattern* if it can name models.

    Raises:
        InvalidInputError: If it has characters that no model's name has, or is too long.
    """
    if not _PATTERN.fullmatch(pattern) or pattern.strip() != pattern:
        raise InvalidInputError(
            f"pattern {pattern[:64]!r}", "is not a model's name or a pattern", "write risk/* or *"
        )
    return pattern


def may(state: AccessState, identity: Identity, verb: str, model: str | None) -> Decision:
    """Decide whether somebody may do something.

    Args:
        state: As recent as the verb asks for.
        identity: Who asks.
        verb: One of `VERBS`.
        model: Of which model; `None` where it concerns none, or the whole store.

    Raises:
        InvalidInputError: If there is no such verb.
    """
    able = roles_for(verb)
    grants = [grant for grant in rights(state, identity) if verb in GRANTABLE[grant.role]]
    if _reaches((grant.pattern for grant in grants), verb, model) and _left(identity, verb, model):
        return Decision(allowed=True, roles_that_may=able)
    words = _SAID.get(verb, "roll back" if verb == "rollback" else verb)
    where = f"{words}{' of' if verb in _SAID else ''} {model}" if model else words
    *others, last = able
    roles = f"{', '.join(others)} or {last}" if others else last
    reason = f"may not {where}: it takes the role {roles}"
    if grants and _reaches((grant.pattern for grant in grants), verb, model):
        return Decision(
            allowed=False,
            roles_that_may=able,
            reason=f"may not {where} with this token, which was narrowed",
            advice="use another token",
        )
    givers = ", ".join(user.name for user in state.admins()[:3]) or "whoever runs the server"
    return Decision(allowed=False, roles_that_may=able, reason=reason, advice=f"ask {givers}")


def require(state: AccessState, identity: Identity, verb: str, model: str | None) -> None:
    """Refuse unless somebody may do something.

    Raises:
        ForbiddenError: With the roles that may, and who can give one.
    """
    decision = may(state, identity, verb, model)
    if not decision.allowed:
        raise ForbiddenError(
            identity.user.name, decision.reason, decision.roles_that_may, decision.advice
        )


def rights(state: AccessState, identity: Identity) -> list[Grant]:
    """Return the grants that somebody has at this moment; a disabled user has none."""
    user = state.users.get(identity.user.id)
    if user is not None and user.disabled:
        return []
    granted = [*state.grants_of(identity.user), *identity.grants]
    return [grant for grant in granted if grant.role in GRANTABLE]


def _reaches(patterns: Iterable[str], verb: str, model: str | None) -> bool:
    """Tell whether one of the patterns names what is asked about."""
    if model is not None:
        return any(matches(pattern, model) for pattern in patterns)
    return any(pattern == ALL or verb not in _WHOLE for pattern in patterns)


def _left(identity: Identity, verb: str, model: str | None) -> bool:
    """Tell whether a narrowed token leaves what its owner may."""
    narrowing = identity.narrowing or Narrowing()
    roles, models = narrowing.roles, narrowing.models
    if roles is not None and not any(verb in GRANTABLE.get(role, ()) for role in roles):
        return False
    return models is None or _reaches(models, verb, model)


def who_could(state: AccessState, verb: str, model: str | None) -> list[tuple[User, Grant]]:
    """Return everybody who may do something, each with the first grant that says so.

    Raises:
        InvalidInputError: If there is no such verb.
    """
    roles_for(verb)
    able = []
    for user in state.active():
        for grant in rights(state, Identity(user, "token")):
            if verb in GRANTABLE[grant.role] and _reaches([grant.pattern], verb, model):
                able.append((user, grant))
                break
    return able
