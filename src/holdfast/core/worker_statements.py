"""What a worker signs of its reports and counts, and which of them a decision may rest on.

Whoever may write to the store can write both, so where a model's policy demands signatures, only
what a listed signer signed may bring a version forward. What is unsigned may hold one back.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from holdfast.core import signers
from holdfast.core.entry_signature import EntrySignature, EntrySigner
from holdfast.core.fleet import Counts, Report
from holdfast.core.policy import Policy
from holdfast.core.trust import Genuine

Told = TypeVar("Told", Report, Counts)

_KINDS: Final = {Report: b"holdfast report\n", Counts: b"holdfast counts\n"}


def signed(document: Told, pen: EntrySigner) -> Told:
    """Return a document with the signature of *pen* over all else that it says."""
    by = replace(document, key=pen.key)
    return replace(by, signature=pen.sign(_message(by)))


def proved(policy: Policy, documents: Iterable[Told], genuine: Genuine) -> list[Told]:
    """Return the documents that may bring a version forward.

    Returns:
        Those that a listed signer signed where *policy* demands signatures, else all.
    """
    if not policy.require_signature:
        return list(documents)
    return [document for document in documents if _is_proved(policy, document, genuine)]


def _is_proved(policy: Policy, document: Report | Counts, genuine: Genuine) -> bool:
    key, value = document.key, document.signature
    if not key or signers.name_of(policy.signers, key) is None:
        return False
    return genuine(EntrySignature(key, value, _message(document)))


def _message(document: Report | Counts) -> bytes:
    return _KINDS[type(document)] + msgspec.json.encode(replace(document, signature=""))
