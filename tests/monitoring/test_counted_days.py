"""Counts of days: those of requests and those of batches together."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.monitoring.conftest import LIVE, World
from tests.predictions.rows import batch

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.feature_values import counted
from holdfast.errors import DamagedError

DAY = timedelta(days=1)


def of_rows(world: World, day: date, rows: list[dict[str, Any]], **facts: Any) -> None:
    """Keep a batch of rows as `holdfast predict` does."""
    kept = world.registry.drift.reference("churn@1.0.0")
    features = {
        name: counted(feature, [row[name] for row in rows])
        for name, feature in kept.reference.features.items()
    }
    drift = DayCounts(day=str(day), requests=len(rows), rows=len(rows), features=features)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    known = {"model": "churn", "rows": len(rows), "reference": kept.sha256, "drift": drift}
    at_us = int(noon.timestamp()) * 1_000_000
    world.log.batches.add(batch(at_us, **known | facts))


def test_days_of_batches_alone_are_judged(world: World) -> None:
    for offset in range(20):
        rows = world.rows(200)
        if offset >= 10:
            rows = [row | {"age": row["age"] + 12} for row in rows]
        of_rows(world, LIVE + offset * DAY, rows)

    report = world.look(LIVE + 20 * DAY)

    assert report.rows == report.requests == 20 * 200
    assert report.verdict == "alarm"
    assert report.findings[0].features == ("age",)


def test_batches_and_requests_add_up(world: World) -> None:
    world.days(LIVE, 8)
    of_rows(world, LIVE + DAY, world.rows(50))
    for _ in range(2):  # the same files twice count once
        of_rows(world, LIVE + DAY, world.rows(30), input_digest="ab" * 32)

    report = world.look(LIVE + 8 * DAY)

    assert report.rows == 8 * 150 + 80
    assert report.remarks == ()


@pytest.mark.parametrize("facts", [{"reference": "ab" * 32}, {"reference": None, "drift": None}])
def test_a_batch_in_other_bins_is_not_measured(world: World, facts: dict[str, Any]) -> None:
    world.days(LIVE, 8)
    of_rows(world, LIVE + DAY, world.rows(50), refused=20, **facts)

    report = world.look(LIVE + 8 * DAY)

    assert (report.rows, report.requests) == (8 * 150, 8 * 150 + 50)
    assert report.remarks[0].startswith("30 requests not measured")


def test_counts_that_do_not_fit_their_reference_are_damage(world: World) -> None:
    drift = DayCounts(day=str(LIVE), rows=1, features={"age": FeatureCounts((1,))})
    of_rows(world, LIVE, world.rows(1), drift=drift)

    with pytest.raises(DamagedError, match="has counts in other bins"):
        world.look(LIVE + DAY)
