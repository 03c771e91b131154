"""Changes in small steps, as a page asks for them: each is decided from what is there just then.

A page may be old when its button is pressed. So somebody joins a group or leaves it, where a list
of all members would undo what another did meanwhile; and what is new takes no other's place.
"""

from collections.abc import Collection

from holdfast.access import access_events as events
from holdfast.access import changes
from holdfast.access.access_events import AccessEvent
from holdfast.access.access_state import AccessState
from holdfast.core import names
from holdfast.core.entry import Stamp
from holdfast.errors import ConflictError, NotFoundError


def add_group(state: AccessState, group: str) -> AccessEvent | None:
    """Add a group without members.

    Raises:
        ConflictError: If there is one of that name.
    """
    if group in state.groups:
        raise ConflictError(f"group {group}", "exists already", "add members to it")
    return changes.set_group(state, group, ())


def join_group(state: AccessState, group: str, user: str) -> AccessEvent | None:
    """Add a user to a group, unless they are a member.

    Raises:
        NotFoundError: If there is no such group or user.
    """
    return changes.set_group(state, group, (*_members(state, group), user))


def leave_group(state: AccessState, group: str, user: str) -> AccessEvent | None:
    """Take a user, by id, out of a group.

    Raises:
        NotFoundError: If there is no such group, or they are not in it.
        RefusedError: If nobody could change access any more.
    """
    members = _members(state, group)
    if user not in members:
        raise NotFoundError(f"member {user} of group {group}")
    return changes.set_group(state, group, (member for member in members if member != user))


def _members(state: AccessState, group: str) -> tuple[str, ...]:
    if group not in state.groups:
        raise NotFoundError(f"group {group}", names.nearest(group, state.groups))
    return state.groups[group]


def put_rule(
    state: AccessState, stamp: Stamp, rule: events.RuleSet, replaces: str = ""
) -> AccessEvent | None:
    """Set a rule for jobs, a new one unless it is said to replace the one of its name.

    Raises:
        ConflictError: If there is one of that name, or it is gone by now.
    """
    known = {old.name for old in state.rules.values()}
    _require_place(f"rule {rule.name}", rule.name, replaces, known)
    return changes.set_rule(state, stamp, rule)


def put_provider(
    state: AccessState, provider: events.ProviderSet, replaces: str = ""
) -> AccessEvent | None:
    """Let people sign in by a provider, a new one unless it is said to replace that of its name.

    Raises:
        ConflictError: If there is one of that name, or it is gone by now.
    """
    subject = f"provider {provider.provider}"
    _require_place(subject, provider.provider, replaces, state.providers.keys())
    return changes.set_provider(state, provider)


def _require_place(subject: str, name: str, replaces: str, known: Collection[str]) -> None:
    if replaces and (replaces != name or name not in known):
        raise ConflictError(subject, "was removed or has another name by now", "add it anew")
    if not replaces and name in known:
        raise ConflictError(subject, "exists already", "change that one, or choose another name")
