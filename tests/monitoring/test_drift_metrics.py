"""A look as gauges: read by Prometheus' own parser, and nothing where nothing was measured."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from tests.monitoring.conftest import LIVE, World

from holdfast.errors import InvalidInputError
from holdfast.monitoring import drift_metrics

DAY = timedelta(days=1)


def test_prometheus_reads_what_was_found(world: World, tmp_path: Path) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=lambda row: row | {"age": None})
    report = replace(world.look(end), model='c"h\nurn\\')

    drift_metrics.write(report, tmp_path / "drift.prom")

    families = {
        family.name: family.samples
        for family in text_string_to_metric_families((tmp_path / "drift.prom").read_text())
    }
    assert families["holdfast_drift_alarm"][0].value == 1
    assert families["holdfast_drift_alarm"][0].labels == {"model": 'c"h\nurn\\'}
    assert families["holdfast_drift_findings"][0].value == 1
    features = families["holdfast_drift_feature_evidence_log"]
    assert features[0].labels["feature"] == "age"
    assert features[0].value > 3


def test_what_was_not_measured_has_no_sample(world: World) -> None:
    end = world.days(LIVE, 10, input=None, requests=5)

    lines = drift_metrics.text(world.look(end)).splitlines()

    samples = [line for line in lines if not line.startswith("#")]
    assert samples == [
        'holdfast_drift_measured{model="churn"} 0',
        'holdfast_drift_findings{model="churn"} 0',
        'holdfast_drift_rows{model="churn"} 0',
    ]


def test_a_file_that_cannot_be_written_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--metrics"):
        drift_metrics.write(world.look(LIVE), tmp_path / "missing" / "drift.prom")
