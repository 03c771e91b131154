"""Which entries must be signed, and by whom: asked by the fold, so that no reader goes around it.

The policy in force *before* an entry decides about it, so that nobody lists themselves. Whether a
signature is genuine is told by a function handed in, for `core` needs no cryptography.
"""

from collections.abc import Callable
from typing import Final

from holdfast.core import events, signers
from holdfast.core.entry import Entry, Signature, Stamp
from holdfast.core.policy import Policy
from holdfast.errors import DamagedError, RefusedError

Genuine = Callable[[Signature], bool]
"""Tells whether a signature was made by the key it names, over the bytes it stands behind."""

FREE: Final = (
    events.Registered,
    events.Staged,
    events.Archived,
    events.Tagged,
    events.Noted,
)
"""Events that change neither what serves, nor what lets it serve, nor what is lost."""


def unchecked(_signature: Signature) -> bool:
    """Take no signature for genuine: what cannot be checked does not count."""
    return False


def demands(event: events.AnyEvent) -> bool:
    """Tell whether from *event* on signatures are demanded."""
    return isinstance(event, events.PolicySet) and event.policy.require_signature


def objection(policy: Policy, event: events.AnyEvent, by: str, key: str | None) -> str | None:
    """Say why *event* may not be written by *by* with *key*, `None` if it may.

    Args:
        policy: In force before the event.
        key: Ed25519 public key of whoever signs the entry, `None` if nobody does.
    """
    if not policy.require_signature or isinstance(event, FREE):
        return None
    listed = ", ".join(policy.signers)
    if key is None:
        return f"is not signed; the policy demands the signature of {listed}"
    name = signers.name_of(policy.signers, key)
    known = f"the key {signers.entry_key_id(key)[:12]}"
    if name is None:
        return f"is signed with {known}, which is of none of {listed}"
    if name != by:
        return f"is signed with {known} of {name}, in the name of {by}"
    return None


def check_signer(model: str, policy: Policy, event: events.AnyEvent, stamp: Stamp) -> None:
    """Refuse to write what every reader would refuse to read.

    Raises:
        RefusedError: If the policy wants the entry signed, or by somebody else.
    """
    said = objection(policy, event, stamp.by, stamp.pen.key if stamp.pen else None)
    if said is not None:
        raise RefusedError(
            model,
            "require_signature",
            [f"the entry {events.WORDS[type(event)]!r} {said}"],
            "sign with --key-file FILE, as its owner with --by NAME",
        )


def require(policy: Policy, entry: Entry, genuine: Genuine) -> None:
    """Refuse an entry that the policy before it does not let stand.

    Raises:
        DamagedError: Naming the entry and the key.
    """
    if not policy.require_signature or isinstance(entry.event, FREE):
        return
    found = entry.signature
    said = objection(policy, entry.event, entry.by, found.key if found else None)
    if said is None and found is not None and not genuine(found):
        said = f"its signature is not of the key {signers.entry_key_id(found.key)[:12]} it names"
    if said is not None:
        raise DamagedError(
            f"entry {entry.seq} of {entry.model}",
            said,
            "somebody wrote past the policy; restore the journal from a copy",
        )
