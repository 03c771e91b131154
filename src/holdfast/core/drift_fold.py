"""What an entry makes of a model's findings of drift."""

from datetime import date
from typing import Final

from msgspec.structs import replace

from holdfast.core.drift.drift_events import AnyDriftEvent, DriftFound
from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.entry import Entry

MOST_FINDINGS: Final = 200
"""The last ones are kept; the journal has them all."""

Findings = tuple[DriftFinding, ...]


def after(findings: Findings, entry: Entry, event: AnyDriftEvent) -> Findings:
    """Return a model's findings after one of their events, oldest first.

    Raises:
        ValueError: If a finding's last day is not one.
    """
    if isinstance(event, DriftFound):
        date.fromisoformat(event.until)
        return (*findings, _found(entry, event))[-MOST_FINDINGS:]
    return tuple(
        replace(finding, acknowledged=entry.at, acknowledged_by=entry.by)
        if finding.finding == event.finding
        else finding
        for finding in findings
    )


def _found(entry: Entry, event: DriftFound) -> DriftFinding:
    return DriftFinding(
        finding=event.finding,
        kind=event.kind,
        version=event.version,
        since=event.since,
        until=event.until,
        features=tuple(feature.name for feature in (*event.drifted, *event.leading)),
        log_evidence=event.log_evidence,
        seq=entry.seq,
        at=entry.at,
    )


def latched(findings: Findings, production: str | None) -> Findings:
    """Return the findings about the live version that nobody acknowledged."""
    return tuple(
        finding
        for finding in findings
        if finding.version == production and finding.acknowledged is None
    )
