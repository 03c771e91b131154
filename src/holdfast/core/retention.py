"""Which versions may lose their bytes: a plan with one reason for every version."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, assert_never

from msgspec import Struct

from holdfast.core.policy import Retention
from holdfast.core.state import Record, State
from holdfast.errors import InvalidInputError

Target = Literal["spared", "purged"]
"""What becomes of the version a rollback would go to."""


class KeepNewest(Struct, frozen=True):
    """Purge archived versions beyond the *newest* by number; 0 purges all of them."""

    newest: int
    target: Target = "spared"


class ByPolicy(Struct, frozen=True):
    """Purge what is older than the policy allows and was never live."""

    retention: Retention
    now: datetime


class Chosen(Struct, frozen=True):
    """Purge just these versions."""

    versions: tuple[str, ...]


Rule = KeepNewest | ByPolicy | Chosen


class PurgeDecision(Struct, frozen=True):
    """Whether one version is purged, and why."""

    version: str
    purge: bool
    reason: str
    size_bytes: int


class PurgePlan(Struct, frozen=True):
    """For every version that still has its bytes, whether it is purged; in order of number."""

    model: str
    rows: tuple[PurgeDecision, ...]
    target: Target

    @property
    def purged(self) -> tuple[str, ...]:
        """The versions to purge."""
        return tuple(row.version for row in self.rows if row.purge)


def plan(state: State, rule: Rule, adapters: Mapping[str, str] = {}) -> PurgePlan:
    """Say for each version whether *rule* purges it, and why.

    Args:
        state: The model.
        rule: What to purge.
        adapters: By digest of a version, the adapter that is put on it and is kept.

    Raises:
        InvalidInputError: If the number of versions to keep is invalid.
    """
    target: Target = rule.target if isinstance(rule, KeepNewest) else "spared"
    judged = _judged(state, rule)
    rows = []
    for record in state.present():
        adapter = adapters.get(record.manifest)
        keep_reason = protection(state, record, target) or (adapter and f"base of {adapter}")
        purge, reason = (False, keep_reason) if keep_reason else judged[record.version]
        rows.append(PurgeDecision(record.version, purge, reason, record.size_bytes))
    return PurgePlan(state.model, tuple(rows), target)


def protection(state: State, record: Record, target: Target) -> str | None:
    """Tell why *record* must keep its bytes whatever the rule, `None` if it need not."""
    aliases = state.aliases_of(record.version)
    reasons = {
        "live": state.production == record.version,
        "staged": state.staging == record.version,
        "in a rollout": state.running is not None and state.running.version == record.version,
        "rollback target": target == "spared" and state.previous == record.version,
        f"alias {', '.join(aliases)}": bool(aliases),
        f"held: {record.held}": record.held is not None,
        "already purged": record.status == "purged",
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _judged(state: State, rule: Rule) -> dict[str, tuple[bool, str]]:
    match rule:
        case KeepNewest(newest):
            _check_count(newest)
            return _beyond(state, newest)
        case ByPolicy(retention, now):
            return _aged(state, retention, now)
        case Chosen(versions):
            return {
                record.version: (True, "chosen")
                if record.version in versions
                else (False, "not chosen")
                for record in state.present()
            }
        case _:
            assert_never(rule)


def _check_count(keep: object) -> None:
    if not isinstance(keep, int) or keep < 0:
        raise InvalidInputError("keep", f"must be a whole number from 0, not {keep!r}")


def _beyond(state: State, newest: int) -> dict[str, tuple[bool, str]]:
    judged = {}
    newer = 0
    for record in sorted(state.present(), key=lambda record: -record.number):
        if record.status != "archived":
            judged[record.version] = (False, f"{record.status}, not archived")
        elif newer < newest:
            newer += 1
            judged[record.version] = (False, f"archived, among the {newest} newest")
        else:
            judged[record.version] = (True, f"archived, beyond the {newest} newest")
    return judged


def _aged(state: State, retention: Retention, now: datetime) -> dict[str, tuple[bool, str]]:
    judged = {}
    by_number = sorted(state.present(), key=lambda record: -record.number)
    for rank, record in enumerate(by_number):
        days = (now - datetime.fromisoformat(record.registered_at)) / timedelta(days=1)
        age = f"{math.floor(days)} days old" if days >= 0 else "registered in the future"
        if record.served:
            judged[record.version] = (False, "was live once")
        elif rank < retention.keep:
            judged[record.version] = (False, f"among the {retention.keep} newest")
        elif days <= retention.max_age_days:
            judged[record.version] = (False, f"{age}, not older than {retention.max_age_days:g}")
        else:
            judged[record.version] = (
                True,
                f"{age}, never live, beyond the {retention.keep} newest",
            )
    return judged
