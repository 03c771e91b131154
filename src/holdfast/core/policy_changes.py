"""What a new policy changes, and which of the changes lower the gate."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from holdfast.core.names import is_text
from holdfast.core.policy import MetricRule, Policy
from holdfast.core.signers import entry_key_id, version_key_id
from holdfast.errors import InvalidInputError

_STRICTNESS: Final[Mapping[str, tuple[object, ...]]] = {
    "schema": ("any", "declared", "compatible"),
    "clean_scan": (False, True),
    "code": ("scanned", "approved", "signed"),
    "approval": ("claimed", "authenticated", "signed"),
    "require_signature": (False, True),
    "inconclusive": ("remark", "refuse"),
}
"""The values of a field, the one that demands least first."""
_DEMANDS: Final = (
    "required_metrics", "required_fields", "required_evaluations", "protected_aliases",
)  # fmt: skip


def changes(before: Policy, after: Policy) -> tuple[str, ...]:
    """Say what differs, sorted by field: `max_regression 0.05 → 0.2`."""
    old, new = _flat(before), _flat(after)
    return tuple(
        f"{field} {_shown(old.get(field))} → {_shown(new.get(field))}"
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    )


def lowered(before: Policy, after: Policy) -> tuple[str, ...]:
    """Name the fields by which *after* lets something pass that *before* would refuse."""
    return tuple(sorted({*_lowered(before, after), *_metrics_lowered(before, after)}))


def check_reason(before: Policy, after: Policy, reason: str | None) -> None:
    """Check that whoever lowers the gate says why.

    Raises:
        InvalidInputError: If there is no reason.
    """
    fields = lowered(before, after)
    if fields and not is_text(reason):
        prefixes = tuple(fields)
        sentences = [
            sentence for sentence in changes(before, after) if sentence.startswith(prefixes)
        ]
        raise InvalidInputError(
            "policy", f"lowers the gate ({'; '.join(sentences)})", "give a --reason"
        )


def _lowered(before: Policy, after: Policy) -> Iterator[str]:
    if _looser(before.max_regression, after.max_regression):
        yield "max_regression"
    if after.approvals < before.approvals:
        yield "approvals"
    for field, values in _STRICTNESS.items():
        if values.index(getattr(after, field)) < values.index(getattr(before, field)):
            yield field
    for field in _DEMANDS:
        if set(getattr(before, field)) - set(getattr(after, field)):
            yield field
    if set(after.allowed_globals) - set(before.allowed_globals):
        yield "allowed_globals"
    signed = before.require_signature or "signed" in (before.code, before.approval)
    if signed and any(key != before.signers.get(name) for name, key in after.signers.items()):
        yield "signers"


def _metrics_lowered(before: Policy, after: Policy) -> Iterator[str]:
    for name in before.metrics.keys() | after.metrics.keys():
        old, new = (policy.metrics.get(name, MetricRule()) for policy in (before, after))
        limits = (
            policy.max_regression if rule.max_regression is None else rule.max_regression
            for policy, rule in ((before, old), (after, new))
        )
        fallen = old.minimum is not None and (new.minimum is None or new.minimum < old.minimum)
        risen = old.maximum is not None and (new.maximum is None or new.maximum > old.maximum)
        if _looser(*limits) or fallen or risen or old.direction != new.direction:
            yield f"metrics.{name}"


def _looser(before: float | None, after: float | None) -> bool:
    """Tell whether a greater loss is allowed; `None` allows any."""
    return before is not None and (after is None or after > before)


def _flat(policy: Policy) -> dict[str, object]:
    """Return the policy's values by path, those that are unset left out; keys by their ids."""
    values = msgspec.to_builtins(policy)
    values["signers"] = {
        name: {
            "ed25519": signer.ed25519 and f"key {entry_key_id(signer.ed25519)[:12]}",
            "ec": signer.ec and f"key {version_key_id(signer.ec)[:12]}",
        }
        for name, signer in policy.signers.items()
    }
    return dict(_leaves("", values))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), inner)
    elif value is not None:
        yield path, value


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case list() | tuple():
            return f"[{', '.join(map(str, value))}]"
        case bool():
            return str(value).lower()
        case _:
            return str(value)
