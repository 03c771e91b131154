"""What of a judgement goes into the journal: a finding, latched until somebody acknowledges it."""

from typing import Literal

from msgspec import Struct

DriftKind = Literal["drift", "accuracy", "nulls", "unseen", "types", "units", "refused", "silence"]
"""What a finding is about: inputs that shifted; answers that got worse; values that are missing,
that training did not have, or that are not numbers; numbers of another unit; requests that are
refused; days without any. All but the first two tell of a broken feed: no training helps there."""


class FeatureFinding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A feature that a finding names.

    Attributes:
        day: On which its evidence was enough, or that of all.
        event: What it was seen by: `over 12.5`.
        expected: Share of that in training.
        share: Share of that in the window that raised the alarm.
        log_evidence: Natural logarithm of its part of the evidence.
    """

    name: str
    kind: DriftKind
    event: str
    expected: float
    share: float
    log_evidence: float
    day: str = ""


def finding_id(kind: DriftKind, until: str) -> str:
    """Name a finding: `drift-2026-11-29`; each kind is found at most once a day."""
    return f"{kind}-{until}"


class DriftFinding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding as it stands now.

    Attributes:
        finding: Its id: `drift-2026-11-29`.
        version: Live when it was found; its reference is what the days were held against.
        since: First day that was looked at, in UTC; `until`: the day of the alarm.
        features: Named by it: those that alarm by themselves, else the three that lead.
        seq: Entry that says so.
        acknowledged: When somebody took note; `None` while nobody has.
    """

    finding: str
    kind: DriftKind
    version: str
    since: str
    until: str
    features: tuple[str, ...]
    log_evidence: float
    seq: int
    at: str
    acknowledged: str | None = None
    acknowledged_by: str | None = None
