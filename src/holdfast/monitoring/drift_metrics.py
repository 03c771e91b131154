"""A look as gauges in the text format of Prometheus, for a textfile collector to read."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.monitoring.drift_check import DriftReport
from holdfast.store import durable

_GAUGES: Final = {
    "holdfast_drift_measured": "1 if inputs could be judged, else 0.",
    "holdfast_drift_evidence_log": "Natural logarithm of the evidence of drift; alarm at 2.996.",
    "holdfast_drift_alarm": "1 if the evidence reached the alarm, else 0.",
    "holdfast_drift_findings": "Findings that nobody acknowledged.",
    "holdfast_drift_rows": "Rows counted.",
    "holdfast_drift_feature_evidence_log": "Logarithm of a feature's part of the evidence.",
    "holdfast_drift_feature_psi": "Population stability index less what chance makes of it.",
    "holdfast_drift_feature_missing": "Share of rows without a value in the last window.",
    "holdfast_accuracy_error": "Share of wrong answers among mature labels.",
}


def text(report: DriftReport) -> str:
    """Write the gauges; what was not measured has no sample, rather than a 0."""
    samples = list(_samples(report))
    lines = []
    for name, meaning in _GAUGES.items():
        own = [(labels, value) for key, labels, value in samples if key == name]
        if own:
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{labels}}} {value:.10g}" for labels, value in own]
    return "\n".join(lines) + "\n"


def write(report: DriftReport, path: Path) -> None:
    """Replace a file by the gauges, whole.

    Raises:
        InvalidInputError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text(report), encoding="utf-8")
        durable.rename_over(str(temporary), str(path))
    except OSError as error:
        raise InvalidInputError(
            f"--metrics {str(path)!r}", f"cannot be written: {error.strerror}", "check its path"
        ) from error


def _samples(report: DriftReport) -> Iterator[tuple[str, str, float]]:
    model = f'model="{_label(report.model)}"'
    is_measured = report.verdict in ("alarm", "no alarm")
    yield "holdfast_drift_measured", model, float(is_measured)
    yield "holdfast_drift_findings", model, len(report.findings)
    yield "holdfast_drift_rows", model, report.rows
    if report.accuracy is not None and report.accuracy.error is not None:
        yield "holdfast_accuracy_error", model, report.accuracy.error
    judgement = report.judgement
    if not is_measured or judgement is None:
        return
    yield "holdfast_drift_alarm", model, float(judgement.alarm is not None)
    if judgement.log_evidence[-1] > -math.inf:
        yield "holdfast_drift_evidence_log", model, judgement.log_evidence[-1]
    for feature in judgement.features:
        labels = f'{model},feature="{_label(feature.name)}"'
        if feature.log_evidence > -math.inf:
            yield "holdfast_drift_feature_evidence_log", labels, feature.log_evidence
        if feature.sizes is not None and feature.sizes.rows:
            yield "holdfast_drift_feature_missing", labels, feature.sizes.missing
            if feature.sizes.psi is not None:
                yield "holdfast_drift_feature_psi", labels, feature.sizes.psi


def _label(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n")
