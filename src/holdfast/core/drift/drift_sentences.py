"""Findings as sentences, for the history, notices and screens."""

from collections.abc import Sequence
from typing import Final

from holdfast.core.drift.drift_events import AnyDriftEvent, DriftAcknowledged
from holdfast.core.drift.drift_findings import DriftFinding, DriftKind, FeatureFinding

_NAMED: Final = 3
TITLES: Final[dict[DriftKind, str]] = {
    "drift": "drift",
    "accuracy": "worse answers",
    "nulls": "missing values",
    "unseen": "values unseen in training",
    "types": "values that are not numbers",
    "units": "numbers beyond those of training",
    "refused": "refused requests",
    "silence": "no requests",
}


def sentence(event: AnyDriftEvent) -> str:
    """Say what happened, in a few words."""
    if isinstance(event, DriftAcknowledged):
        return f"acknowledge {event.finding}"
    features = event.drifted or event.leading
    by = f" in {_named(features)}" if features and event.kind != "refused" else ""
    return f"find {TITLES[event.kind]}{by} until {event.until} ({event.finding})"


def standing(finding: DriftFinding) -> str:
    """Say what stands: `missing values in age since 2026-11-29`."""
    features = f" in {', '.join(finding.features)}" if finding.features else ""
    return f"{TITLES[finding.kind]}{features} since {finding.until}"


def _named(features: Sequence[FeatureFinding]) -> str:
    names = [feature.name for feature in features[:_NAMED]]
    more = len(features) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def explained(feature: FeatureFinding) -> str:
    """Say what was seen of one feature: `over 12.5: 31 %, in training 10 %`."""
    return f"{feature.event}: {_share(feature.share)}, in training {_share(feature.expected)}"


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"
