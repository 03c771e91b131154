"""Which entries must be signed, and by whom: asked by the fold, so that no reader goes around it.

The policy in force *before* an entry decides about it, so that nobody lists themselves. A
function passed in tells whether a signature is genuine, so `core` needs no cryptography.
"""

from collections.abc import Callable
from typing import Final

from holdfast.core import events, signers
from holdfast.core.entry import Entry, Stamp
from holdfast.core.entry_signature import EntrySignature
from holdfast.core.policy import Policy
from holdfast.errors import DamagedError, RefusedError

Genuine = Callable[[EntrySignature], bool]
"""Tells whether a signature was made by the key it names, over the bytes it stands behind."""

FREE: Final = (
    events.Registered,
    events.Staged,
    events.Archived,
    events.Tagged,
    events.Noted,
    events.Described,
    events.Attached,
    events.TrainingFailed,
)
"""Events that change neither what serves, nor what lets it serve, nor what is lost."""


def unchecked(_signature: EntrySignature) -> bool:
    """Treat no signature as genuine: what cannot be checked does not count."""
    return False


def demands(event: events.AnyEvent) -> bool:
    """Tell whether signatures are demanded from *event* on."""
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
        return f"is signed with {known}, which belongs to none of {listed}"
    if name != by:
        return f"is signed with {known} of {name}, in the name of {by}"
    return None


def check_signer(model: str, policy: Policy, event: events.AnyEvent, stamp: Stamp) -> None:
    """Refuse to write what every reader would refuse to read.

    Raises:
        RefusedError: If the policy demands a signature, or somebody else's.
    """
    problem = objection(policy, event, stamp.by, stamp.pen.key if stamp.pen else None)
    if problem is not None:
        raise RefusedError(
            model,
            "require_signature",
            [f"the entry {events.WORDS[type(event)]!r} {problem}"],
            "sign with --key-file FILE, as its owner with --by NAME",
        )


def require(policy: Policy, entry: Entry, genuine: Genuine) -> None:
    """Refuse an entry that the policy before it does not let stand.

    Raises:
        DamagedError: Naming the entry and the key.
    """
    if not policy.require_signature or isinstance(entry.event, FREE):
        return
    signature = entry.signature
    problem = objection(policy, entry.event, entry.by, signature.key if signature else None)
    if problem is None and signature is not None and not genuine(signature):
        problem = (
            f"has a signature that its key {signers.entry_key_id(signature.key)[:12]} did not make"
        )
    if problem is not None:
        raise DamagedError(
            f"entry {entry.seq} of {entry.model}",
            problem,
            "it bypassed the policy; restore the journal from a copy",
        )
