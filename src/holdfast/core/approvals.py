"""Which approvals of a version count: in any name, of authenticated people, or of listed keys.

Without signatures an approval is only claimed: whoever can write to the store can write one in any
name. A policy can demand approvals whose entries a listed signer signed in their own name, or those
of people whom a server authenticated, which is worth as much as the server's sole right to write.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from msgspec import Struct

from holdfast.core import events, signers
from holdfast.core.auth import Auth
from holdfast.core.entry import Entry
from holdfast.core.policy import Policy
from holdfast.core.trust import Genuine
from holdfast.errors import MissingLibraryError


class ApprovalRecord(Protocol):
    """The part of a version's record that the rules for approvals need."""

    @property
    def approvals(self) -> tuple[str, ...]:
        """Who approved it, by name."""
        ...

    @property
    def proofs(self) -> Mapping[str, str]:
        """The listed key that proved each approver's identity, by name."""
        ...

    @property
    def registered_by(self) -> str:
        """Who registered it, by name."""
        ...

    @property
    def registered_key(self) -> str | None:
        """The listed key that proved who registered it."""
        ...

    @property
    def people(self) -> Mapping[str, str]:
        """The names of authenticated people who approved it, by user id."""
        ...

    @property
    def registered_user(self) -> str | None:
        """The id of the authenticated user who registered it."""
        ...


class Mover(Struct, frozen=True):
    """Whoever moves something that others must have approved.

    Attributes:
        by: Their name.
        key: The Ed25519 public key they sign entries with, `None` without one.
        auth: How a server authenticated them, `None` if none did.
    """

    by: str
    key: str | None = None
    auth: Auth | None = None


def proof(policy: Policy, entry: Entry, genuine: Genuine) -> str | None:
    """Return the key that proves who approved or registered, `None` where that is only claimed.

    It must be listed under the author's name at that time. Where the library that checks
    signatures is not installed, nothing is proved.
    """
    signature = entry.signature
    registers = events.registration(entry.event) is not None
    if signature is None or not (registers or isinstance(entry.event, events.Approved)):
        return None
    if not _owns(policy, entry.by, signature.key):
        return None
    try:
        return signature.key if genuine(signature) else None
    except MissingLibraryError:
        return None


def person(entry: Entry) -> str | None:
    """Return the id of the person who approved, `None` where no server authenticated one."""
    auth = entry.auth
    return auth.user if auth is not None and auth.kind == "person" else None


def added(record: ApprovalRecord, entry: Entry, key: str | None) -> dict[str, object]:
    """Return the fields of a version's record that an approval changes, and their new values.

    Args:
        key: What `proof` returned.
    """
    user = person(entry)
    return {
        "approvals": tuple(dict.fromkeys((*record.approvals, entry.by))),
        "proofs": {**record.proofs, **({entry.by: key} if key else {})},
        "people": {**record.people, **({user: entry.by} if user else {})},
    }


def adds(policy: Policy, record: ApprovalRecord, mover: Mover) -> bool:
    """Tell whether an approval of *mover* would be new: a name, a person, or the proof of one."""
    if mover.by not in record.approvals:
        return True
    auth = mover.auth
    if auth is not None and auth.kind == "person" and auth.user not in record.people:
        return True
    return _owns(policy, mover.by, mover.key) and record.proofs.get(mover.by) != mover.key


def counted(policy: Policy, record: ApprovalRecord, mover: Mover) -> frozenset[str]:
    """Name the people who approved a version and are others than whoever moves it now.

    Where the policy demands signed approvals, they must also differ from whoever registered it, by
    name and by key; and nobody counts where neither of these two is identified by a listed key,
    because they could be the approver under another name. Where it demands authenticated ones,
    they must be people whose ids differ from those of both.
    """
    others = frozenset(record.approvals) - {mover.by}
    if policy.approval == "claimed":
        return others
    if policy.approval == "authenticated":
        return _authenticated(record, mover)
    if not is_known(policy, record, mover):
        return frozenset()
    barred = {record.registered_key, mover.key}
    return frozenset(
        name
        for name in others - {record.registered_by}
        if record.proofs.get(name) not in barred and _owns(policy, name, record.proofs.get(name))
    )


def _authenticated(record: ApprovalRecord, mover: Mover) -> frozenset[str]:
    """Name the people who approved; those of one name are told apart by their ids."""
    people = {user: name for user, name in record.people.items() if not _bar(record, mover, user)}
    names = list(people.values())
    return frozenset(
        name if names.count(name) == 1 else f"{name} [{user}]" for user, name in people.items()
    )


def _bar(record: ApprovalRecord, mover: Mover, user: str) -> str | None:
    """Say why an authenticated person's approval does not count, `None` if it does."""
    if user == record.registered_user:
        return "registered it"
    if record.registered_user is None and record.people[user] == record.registered_by:
        return "has the name of whoever registered it, whom no server authenticated"
    if mover.auth is None:
        return "may be the one who promotes, whom no server authenticated"
    return "is the one who promotes" if user == mover.auth.user else None


def _unauthenticated(record: ApprovalRecord, mover: Mover) -> dict[str, str]:
    reasons = {}
    for user, name in record.people.items():
        reason = _bar(record, mover, user)
        if reason is not None and (mover.auth is None or user != mover.auth.user):
            reasons[name] = reason
    claims = set(record.approvals) - set(record.people.values()) - {mover.by}
    return reasons | dict.fromkeys(claims, "is not a person whom a server authenticated")


def shuts(policy: Policy, alias: str, record: ApprovalRecord, mover: Mover) -> bool:
    """Tell whether an alias is protected, and no second person approved the version."""
    return alias in policy.protected_aliases and not counted(policy, record, mover)


def uncounted(policy: Policy, record: ApprovalRecord, mover: Mover) -> dict[str, str]:
    """Explain why approvers do not count where more than a name is demanded."""
    if policy.approval == "claimed":
        return {}
    if policy.approval == "authenticated":
        return _unauthenticated(record, mover)
    approvers = counted(policy, record, mover)
    reasons = {}
    for name in record.approvals:
        key = record.proofs.get(name)
        if name in approvers or name == mover.by:
            continue
        if not _owns(policy, name, key):
            reasons[name] = "is claimed, not signed by a listed key"
        elif name == record.registered_by or key == record.registered_key:
            reasons[name] = "registered it"
        elif key == mover.key:
            reasons[name] = "has the key of whoever promotes"
        else:  # the mover could be the same person under another name
            reasons[name] = "may be the one who promotes, who is not known: sign with --key-file"
    return reasons


def is_known(policy: Policy, record: ApprovalRecord, mover: Mover) -> bool:
    """Tell whether whoever registered a version, or moves it, is known by a listed key."""
    return _owns(policy, mover.by, mover.key) or _owns(
        policy, record.registered_by, record.registered_key
    )


def _owns(policy: Policy, name: str, key: str | None) -> bool:
    return key is not None and signers.name_of(policy.signers, key) == name


def claimed(record: ApprovalRecord) -> tuple[str, ...]:
    """Name the approvers whom no key proves and no server authenticated."""
    known = {*record.proofs, *record.people.values()}
    return tuple(name for name in record.approvals if name not in known)


def shown(names: Collection[str], claimed: Collection[str]) -> tuple[str, ...]:
    """Name approvers for display: `bob (claimed)` where no key proves it."""
    return tuple(f"{name} (claimed)" if name in claimed else name for name in names)
