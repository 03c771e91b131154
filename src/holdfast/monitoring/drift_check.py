"""One look at a model: its log since the live version went live, against its training data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import schema
from holdfast.core.drift.drift_counts import DayCounts
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import DriftFinding, finding_id
from holdfast.core.drift.drift_judgement import (
    FEWEST_TRAINING_ROWS,
    WEEK,
    DriftJudgement,
    fell_silent,
    judge,
    kind_of,
)
from holdfast.core.drift.drift_reference import DriftReference
from holdfast.core.drift.live_accuracy import AccuracyJudgement
from holdfast.core.drift_commands import MOST_NAMED
from holdfast.core.drift_fold import latched
from holdfast.core.manifest import Manifest
from holdfast.core.state import State
from holdfast.core.wording import count
from holdfast.errors import ConflictError, ForbiddenError, InvalidInputError
from holdfast.monitoring import accuracy_check
from holdfast.monitoring.counted_days import CountedDays
from holdfast.predictions import Log
from holdfast.registry import Registry

DriftVerdict = Literal["alarm", "no alarm", "too early", "not measured"]
_YEAR: Final = timedelta(days=364)


class DriftReport(Struct, frozen=True, kw_only=True):
    """What one look found.

    Attributes:
        reference: The version whose training data the days are held against.
        live: The version in production.
        why: What the verdict rests on, where it is not plain.
        remarks: What was not measured, and why.
        judgement: `None` where no day could be judged.
        accuracy: Of the live version; `None` where it is not measured, as *accuracy_is* says.
        recorded: Findings that this look wrote into the journal.
        findings: Of the live version, not acknowledged yet.
        rows: Counted over all days; `requests` that were answered or refused.
    """

    model: str
    live: str | None
    reference: str
    verdict: DriftVerdict
    why: str
    since: str
    until: str
    requests: int
    rows: int
    judgement: DriftJudgement | None = None
    accuracy: AccuracyJudgement | None = None
    accuracy_is: str = ""
    remarks: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    findings: tuple[DriftFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftLook:
    """What is asked for.

    Attributes:
        against: Another version than the live one, and `since`, `until`: other days. With any of
            them the past is played, and nothing is recorded.
        period: Days of a window.
        without: Features that are left out, such as those a redaction changes.
        label_delay: Days after which labels are complete; `None` takes it from older labels.
    """

    against: str | None = None
    since: date | None = None
    until: date | None = None
    period: int = WEEK
    without: tuple[str, ...] = ()
    label_delay: int | None = None

    @property
    def plays(self) -> bool:
        """True if the past is played."""
        return bool(self.against or self.since or self.until or self.without)


def look(
    registry: Registry, log: Log, folder: Path | None, model: str, wanted: DriftLook, now: datetime
) -> DriftReport:
    """Count the closed days, judge them, and record an alarm.

    Args:
        folder: Of the log, where it is one: counts are kept there.
        now: Present time, aware.

    Raises:
        NotFoundError: If the version has no reference, or nothing is live.
        InvalidInputError: If the days or the period cannot be.
        StoreError: If the log cannot be read.
    """
    state = registry.drift.state(model)
    version_reference = registry.drift.reference(wanted.against or f"{model}@production")
    reference = _without(version_reference.reference, wanted.without)
    today = now.astimezone(UTC).date()
    counted = CountedDays(
        log,
        model,
        (version_reference.sha256, version_reference.reference),
        _names(version_reference.manifest, version_reference.reference),
        folder,
    )
    since, until = _days(state, wanted, counted.first(), today)
    days = counted.days(since, until, today) if since <= until else []
    report = _judged(
        state, version_reference.manifest.version, reference, days, (since, until, wanted.period)
    )
    report = replace(report, remarks=(*report.remarks, *_late(counted.late)))
    if wanted.plays or version_reference.manifest.version != state.production:
        return report
    judgement = accuracy_check.accuracy(
        log,
        state,
        (since, until),
        wanted.label_delay,
        lambda: registry.drift.absolute_errors(model),
    )
    report = replace(
        report,
        accuracy=None if isinstance(judgement, str) else judgement,
        accuracy_is=accuracy_check.told(judgement),
    )
    return _recorded(registry, report, days, version_reference.sha256)


def _days(state: State, wanted: DriftLook, first: date | None, today: date) -> tuple[date, date]:
    """Return the first and the last day: since the version went live or a finding was noted."""
    if not 0 < wanted.period <= WEEK * 5:
        raise InvalidInputError("period", f"must be 1 to {WEEK * 5} days", "use 7, a week")
    yesterday = today - timedelta(days=1)
    until = min(wanted.until or yesterday, yesterday)
    since = wanted.since
    if since is None:
        starts = [first or yesterday, until - _YEAR]
        if state.live is not None and not wanted.against:
            starts.append(_day(state.live.at))
            starts += [
                _day(finding.acknowledged)
                for finding in state.findings
                if finding.acknowledged and finding.version == state.production
            ]
        since = max(starts)
    elif since > until:
        advice = f"the last day that is over is {yesterday}"
        raise InvalidInputError(f"since {since}", f"is after the last day, {until}", advice)
    if (until - since).days > 10 * _YEAR.days:
        raise InvalidInputError("days", "would be more than ten years", "give a later --since")
    return since, until


def _day(at: str) -> date:
    return datetime.fromisoformat(at).astimezone(UTC).date()


def _names(manifest: Manifest, reference: DriftReference) -> tuple[str, ...]:
    """Name the columns by position, for requests whose rows are lists."""
    signature = schema.parse(manifest.input_schema, "input_schema")
    names = tuple(column.name for column in signature.columns) if signature else ()
    if names and all(names):
        return names
    return tuple(reference.features) if not reference.unmeasured else ()


def _without(reference: DriftReference, names: tuple[str, ...]) -> DriftReference:
    unknown = [name for name in names if name not in reference.features]
    if unknown:
        there = ", ".join(list(reference.features)[:10])
        raise InvalidInputError(f"feature {unknown[0]!r}", "is unknown", f"there are {there}")
    left = {name: item for name, item in reference.features.items() if name not in names}
    if not left:
        raise InvalidInputError("features", "were all left out", "keep one")
    skipped = dict.fromkeys(names, "it was left out")
    return replace(reference, features=left, unmeasured=reference.unmeasured | skipped)


def _judged(
    state: State,
    version: str,
    reference: DriftReference,
    days: list[DayCounts],
    bounds: tuple[date, date, int],
) -> DriftReport:
    since, until, period = bounds
    rows, requests = sum(day.rows for day in days), sum(day.requests for day in days)
    report = DriftReport(
        model=state.model,
        live=state.production,
        reference=version,
        verdict="not measured",
        why="",
        since=since.isoformat(),
        until=until.isoformat(),
        requests=requests,
        rows=rows,
        remarks=tuple(_remarks(reference, days)),
        findings=latched(state.findings, state.production),
    )
    if reference.rows < FEWEST_TRAINING_ROWS:
        few = f"the reference has {reference.rows} rows; {FEWEST_TRAINING_ROWS} are needed"
        return replace(report, why=few)
    if not days:
        return replace(report, verdict="too early", why="no day is over since it went live")
    judgement = judge(reference, days, period)
    report = replace(report, judgement=judgement)
    if judgement.alarm is not None:
        return replace(report, verdict="alarm", why=f"since {judgement.alarm}")
    if not any(day.rows for day in days[-period:]):
        why = f"no input of the last {count(period, 'day')} could be counted"
        return replace(report, why=why)
    if len(days) < period:
        left = count(period - len(days), "more day")
        return replace(report, verdict="too early", why=f"a whole window needs {left}")
    return replace(report, verdict="no alarm")


def _remarks(reference: DriftReference, days: list[DayCounts]) -> list[str]:
    remarks = [f"{name} is not measured: {why}" for name, why in reference.unmeasured.items()]
    unmeasured = sum(day.unmeasured for day in days)
    if unmeasured:
        remarks.append(
            f"{count(unmeasured, 'request')} not measured: the log has no input of them (it keeps "
            "hashes or nothing), or of another form"
        )
    silent = [day.day for day in days if not day.requests]
    if silent:
        listed = ", ".join(silent[-3:])
        remarks.append(f"{count(len(silent), 'day')} without a request, the last ones {listed}")
    return remarks


def _late(late: Mapping[str, int]) -> list[str]:
    if not late:
        return []
    listed = ", ".join(sorted(late)[-3:])
    rows = count(sum(late.values()), "row")
    return [f"{rows} came too late: the counts of {listed} were kept already, without them"]


def _recorded(
    registry: Registry, report: DriftReport, days: list[DayCounts], sha256: str
) -> DriftReport:
    """Write what was found into the journal; what is latched writes nothing."""
    recorded, remarks = [], report.remarks
    for finding in _findings(report, days, sha256):
        try:
            done = registry.drift.record(report.model, finding)
        except ConflictError:  # another version went live during the look
            continue
        except ForbiddenError as error:  # whoever may only look still sees the alarm
            remarks = (*remarks, f"not recorded: {error}")
            continue
        if done.changed:
            recorded.append(finding.finding)
    state = registry.drift.state(report.model)
    return replace(
        report,
        remarks=remarks,
        recorded=tuple(recorded),
        findings=latched(state.findings, state.production),
    )


def _alarms(report: DriftReport, judgement: DriftJudgement, sha256: str) -> list[DriftFound]:
    """Say what is new: features that no latched finding names; each alarms once."""
    known = {name for finding in report.findings for name in finding.features}
    drifted = tuple(item for item in judgement.drifted if item.name not in known)[:MOST_NAMED]
    leading = judgement.leading if not known else ()
    kind = kind_of((*drifted, *leading))
    if kind is None:
        return []
    until = max(item.day for item in (*drifted, *leading))
    return [
        DriftFound(
            version=report.reference,
            finding=finding_id(kind, until),
            kind=kind,
            since=judgement.since,
            until=until,
            log_evidence=judgement.at_alarm,
            period=judgement.period,
            reference=sha256,
            drifted=drifted,
            leading=leading,
        )
    ]


def _worse(report: DriftReport, accuracy: AccuracyJudgement, alarm: str) -> DriftFound:
    return DriftFound(
        version=report.reference,
        finding=finding_id("accuracy", alarm),
        kind="accuracy",
        since=report.since,
        until=alarm,
        log_evidence=max(accuracy.log_evidence),
        sentence=report.accuracy_is,
    )


def _findings(report: DriftReport, days: list[DayCounts], sha256: str) -> list[DriftFound]:
    judgement, findings = report.judgement, []
    if report.accuracy is not None and report.accuracy.alarm is not None:
        findings.append(_worse(report, report.accuracy, report.accuracy.alarm))
    if judgement is None:
        return findings
    if judgement.alarm is not None:
        findings += _alarms(report, judgement, sha256)
    silent = fell_silent(days)
    if silent is not None:
        findings.append(
            DriftFound(
                version=report.reference,
                finding=finding_id("silence", silent),
                kind="silence",
                since=judgement.since,
                until=silent,
                log_evidence=0.0,
                period=judgement.period,
                reference=sha256,
            )
        )
    return findings
