"""What the verbs of drift decide: from the state and a judgement to an event or a refusal."""

import math
import re
from datetime import date
from typing import Final, assert_never

from holdfast.core import drift_fold, names
from holdfast.core.drift.drift_events import AnyDriftEvent, DriftAcknowledged, DriftFound
from holdfast.core.drift.drift_findings import finding_id
from holdfast.core.idempotency import Unchanged
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError

MOST_NAMED: Final = 100
"""Features that one finding names."""

_LONGEST: Final = 1_000
"""Characters of a feature's name, of what it was seen by, and of the sentence."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def find(state: State, found: DriftFound) -> DriftFound | Unchanged:
    """Record a finding about the live version, once; a latched feature alarms no second time.

    Raises:
        ConflictError: If another version is live by now: its reference is another.
        InvalidInputError: If the finding contradicts itself.
    """
    if found.version != state.production:
        live = state.production or "no version"
        raise ConflictError(state.model, f"has {live} live, not {found.version}", "look again")
    _check(found)
    if any(finding.finding == found.finding for finding in state.findings):
        return Unchanged(f"{found.finding} is already recorded", found.version)
    latched = drift_fold.latched(state.findings, state.production)
    known = {name for finding in latched for name in finding.features}
    features = {feature.name for feature in (*found.drifted, *found.leading)}
    repeated = any(finding.kind == found.kind for finding in latched) and not features - known
    if repeated or (features and not features - known):
        return Unchanged(f"{', '.join(sorted(features)) or found.kind} is latched", found.version)
    return found


def acknowledge(state: State, finding_name: str) -> DriftAcknowledged | Unchanged:
    """Take note of a finding.

    Raises:
        NotFoundError: If there is none of that name.
    """
    for finding in reversed(state.findings):
        if finding.finding == finding_name:
            if finding.acknowledged is not None:
                who = f"{finding_name} was acknowledged by {finding.acknowledged_by}"
                return Unchanged(who, finding.version)
            return DriftAcknowledged(version=finding.version, finding=finding_name)
    there = [finding.finding for finding in state.findings]
    raise NotFoundError(
        f"finding {finding_name} of {state.model}", names.nearest(finding_name, there)
    )


def again(state: State, event: AnyDriftEvent) -> AnyDriftEvent | Unchanged:
    """Decide again what somebody else's entry says was decided; the evidence is taken as stated."""
    match event:
        case DriftFound():
            return find(state, event)
        case DriftAcknowledged():
            return acknowledge(state, event.finding)
        case _:
            assert_never(event)


def _check(found: DriftFound) -> None:
    features = (*found.drifted, *found.leading)
    figures = [found.log_evidence]
    for feature in features:
        figures += [feature.expected, feature.share, feature.log_evidence]
    problem = None
    if not all(map(_is_day, (found.since, found.until))) or found.since > found.until:
        problem = f"has no valid days: {found.since} to {found.until}"
    elif found.finding != finding_id(found.kind, found.until):
        problem = f"must be {finding_id(found.kind, found.until)}"
    elif not all(map(math.isfinite, figures)):
        problem = "has a figure that is not finite"
    elif len(features) > MOST_NAMED or not 0 < found.period <= MOST_NAMED:
        problem = f"names more than {MOST_NAMED} features, or days of a window"
    elif any(len(text) > _LONGEST for text in _texts(found)):
        problem = f"has a text of more than {_LONGEST:,} characters"
    if problem is not None:
        raise InvalidInputError(f"finding {found.finding!r}", problem)


def _texts(found: DriftFound) -> list[str]:
    features = (*found.drifted, *found.leading)
    own = [found.sentence, found.reference or ""]
    return own + [text for feature in features for text in (feature.name, feature.event)]


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
