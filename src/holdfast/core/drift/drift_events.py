"""What can happen to a model's findings of drift."""

from holdfast.core.drift.drift_findings import DriftKind, FeatureFinding
from holdfast.core.event import Event


class DriftEvent(Event, frozen=True, kw_only=True):
    """Root of the events of drift, all of which name the version that was live."""

    version: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class DriftFound(DriftEvent, frozen=True, kw_only=True):
    """An alarm was raised while *version* was live.

    Attributes:
        finding: Its id, of kind and day: `drift-2026-11-29`.
        since: First UTC day that was looked at; `until`: the day of the alarm.
        log_evidence: Natural logarithm of the evidence on that day; an alarm is at ln 20.
        period: Days of a window.
        reference: SHA-256 of the reference's file; `None` where none was asked (accuracy).
        drifted: Features that alarm by themselves, the strongest first.
        leading: Where none does, the three that the alarm rests on most.
        sentence: What was found, for people.
    """

    finding: str
    kind: DriftKind
    since: str
    until: str
    log_evidence: float
    period: int = 7
    reference: str | None = None
    drifted: tuple[FeatureFinding, ...] = ()
    leading: tuple[FeatureFinding, ...] = ()
    sentence: str = ""


class DriftAcknowledged(DriftEvent, frozen=True, kw_only=True):
    """Somebody took note of a finding: its features may alarm again, on days after this one."""

    finding: str


AnyDriftEvent = DriftFound | DriftAcknowledged
