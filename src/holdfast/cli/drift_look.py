"""`holdfast drift`: what a model is asked now, against what it was trained on."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context, plot_files, tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.exit_codes import BY_CODE, CHECK, DONE
from holdfast.cli.notify_hook import telling
from holdfast.core.wording import count, shortened
from holdfast.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from holdfast.core.drift.drift_findings import FeatureFinding
    from holdfast.core.drift.drift_judgement import FeatureJudgement
    from holdfast.monitoring.drift_check import DriftReport
    from holdfast.registry import Registry

_SHOWN = 20


@command("drift")
@click.argument("model")
@click.option(
    "--log",
    "location",
    metavar="DIR|URL",
    help="Use this log: a folder or postgresql://… [HOLDFAST_LOG, else ./predictions].",
)
@click.option("--against", metavar="REF", help="Compare with the training data of this version.")
@click.option("--since", metavar="DAY", help="Begin with this UTC day, such as 2026-03-03.")
@click.option("--until", metavar="DAY", help="End with this UTC day [yesterday].")
@click.option("--period", type=int, default=7, metavar="DAYS", help="Days of a window [7].")
@click.option("--without", multiple=True, metavar="FEATURE", help="Leave a feature out.")
@click.option(
    "--label-delay", type=int, metavar="DAYS", help="Days until labels are complete [from the log]."
)
@click.option("--acknowledge", metavar="FINDING", help="Take note of a finding, and do no more.")
@click.option("--metrics", metavar="FILE", help="Write gauges for Prometheus into this file, too.")
@plot_files.plot("Draw the evidence of each day, too.")
@context.reason
@telling
def drift(ctx: Context, model: str, **options: Any) -> int:
    """Compare what MODEL is asked with its training data.

    Looks at the days that are over, and records an alarm. --against, --since, --until and
    --without play the past and record nothing. Status 1: an alarm, or a finding that nobody
    acknowledged; 3: there is no reference, or nothing was measured.
    """
    from holdfast.cli.predictions import opened
    from holdfast.monitoring import drift_check, drift_metrics, drift_picture

    registry = ctx.registry()
    if options["acknowledge"] is not None:
        return _acknowledge(ctx, registry, model, options)
    file = plot_files.named(options["plot"])
    request = drift_check.DriftLook(
        against=_ref(model, options["against"]),
        since=_day("--since", options["since"]),
        until=_day("--until", options["until"]),
        period=options["period"],
        without=options["without"],
        label_delay=options["label_delay"],
    )
    with opened(options["location"]) as log:
        folder = _folder(options["location"])
        report = drift_check.look(registry, log, folder, model, request, datetime.now(UTC))
    if file is not None:
        file.write(drift_picture.svg(report))
    if options["metrics"] is not None:
        drift_metrics.write(report, Path(options["metrics"]))
    ctx.emit(report, _lines(report))
    if report.verdict == "alarm" or (report.findings and not request.plays):
        return CHECK
    return BY_CODE[NotFoundError.code] if report.verdict == "not measured" else DONE


def _acknowledge(ctx: Context, registry: "Registry", model: str, options: dict[str, Any]) -> int:
    done = registry.drift.acknowledge(model, options["acknowledge"], reason=options["reason"])
    ctx.emit(done, [done.note])
    return DONE


def _ref(model: str, against: str | None) -> str | None:
    return f"{model}@{against}" if against and "@" not in against else against


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{option} {text!r}", "is not a day", "write it as 2026-03-03"
        ) from error


def _folder(location: str | None) -> Path | None:
    import os

    where = location or os.environ.get("HOLDFAST_LOG") or "predictions"
    return None if "://" in where else Path(where)


def _lines(report: "DriftReport") -> Iterator[str]:
    yield f"{report.model}: {_verdict(report)}"
    days = f"{report.since} to {report.until}"
    if report.until < report.since:  # live since today
        days = "no day is over yet"
    yield (
        f"{days}, {count(report.requests, 'request')}, "
        f"{report.rows:,} rows, against the training data of {report.reference}"
    )
    judgement = report.judgement
    if judgement is not None:
        evidence = max(judgement.log_evidence)
        yield (
            f"evidence {_power(judgement.log_evidence[-1])}, at most {_power(evidence)}; "
            "alarm at 20, windows of " + count(judgement.period, "day")
        )
        for feature in judgement.drifted:
            yield f"drifted  {_found(feature)}"
        for feature in judgement.leading:
            yield f"leading  {_found(feature)}"
        yield ""
        yield from tables.columns(_HEADER, [_row(item) for item in judgement.features[:_SHOWN]])
        more = len(judgement.features) - _SHOWN
        if more > 0:
            yield f"and {more} more; --json has them all"
    if report.accuracy_is:
        yield f"accuracy {report.accuracy_is}"
    for remark in report.remarks:
        yield f"remark   {remark}"
    for finding in report.findings:
        new = "recorded" if finding.finding in report.recorded else "stands"
        yield f"finding  {finding.finding} {new}: {', '.join(finding.features) or finding.kind}"
    if report.findings:
        last = report.findings[-1].finding
        yield f"next     holdfast drift {report.model} --acknowledge {last} --reason …"


_HEADER = ("FEATURE", "EVIDENCE", "PSI", "FLOOR", "KS", "MISSING", "TRAINED", "SEEN BY")


def _verdict(report: "DriftReport") -> str:
    why = f": {report.why}" if report.why and report.verdict != "alarm" else ""
    if report.verdict == "alarm" and report.judgement is not None:
        from holdfast.core.drift.drift_sentences import TITLES

        kind = report.judgement.kind or "drift"
        return f"ALARM, {TITLES[kind]}, since {report.judgement.alarm}"
    return f"{report.verdict}{why}"


def _found(feature: "FeatureFinding") -> str:
    from holdfast.core.drift.drift_sentences import explained

    return f"{feature.name}  {explained(feature)}"


def _row(feature: "FeatureJudgement") -> tuple[str, ...]:
    sizes = feature.sizes
    share = "–" if feature.share is None else f"{100 * feature.share:.3g} %"
    event = f"{feature.event}: {share} ({100 * feature.expected:.3g} %)"
    return (
        shortened(feature.name, 28),
        _power(feature.log_evidence),
        _number(sizes.psi if sizes else None),
        _number(sizes.psi_floor if sizes else None),
        _number(sizes.ks if sizes else None),
        f"{100 * sizes.missing:.3g} %" if sizes else "–",
        f"{100 * sizes.missing_in_training:.3g} %" if sizes else "–",
        event,
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{max(value, 0.0):.3f}"


def _power(log: float) -> str:
    """Write what a logarithm is of, short at any size."""
    if log == -math.inf:
        return "–"
    if abs(log) < math.log(1e4):
        return f"{math.exp(log):.3g}"
    return f"1e{log / math.log(10):+.0f}"


COMMANDS = (drift,)
