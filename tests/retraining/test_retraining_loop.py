"""A schedule that is followed: each slot once, the latest after a downtime, older ones missed."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

import holdfast
from holdfast import Registry
from holdfast.retraining import retraining_loop, retraining_run
from holdfast.retraining.retraining_run import RunOutcome, RunRequest
from holdfast.retraining.schedule import Periodic

DAY = 86_400.0
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Days:
    """A clock that a stop moves: each wait takes it to the next time, until none is left."""

    def __init__(self, *moments: datetime) -> None:
        self._moments: Iterator[datetime] = iter(moments)
        self.now = next(self._moments)
        self._over = False

    def is_set(self) -> bool:
        return self._over

    def wait(self, timeout: float) -> bool:
        assert timeout >= 0
        following = next(self._moments, None)
        self._over = following is None
        self.now = following or self.now
        return self._over


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "jobs.py").write_text(
        "import os, sys\n"
        "def train(context):\n"
        "    if os.path.exists('broken'):\n"
        "        sys.exit(1)\n"
        "    return {'model': {'slot': context.slot}}\n"
    )
    return holdfast.open(tmp_path / "store", by="ann")


def request(folder: Path, slot: str) -> RunRequest:
    return RunRequest("churn", slot, folder, dict(os.environ), entry="jobs:train")


def followed(registry: Registry, folder: Path, days: Days) -> list[str]:
    told = retraining_loop.follow(
        registry, partial(request, folder), Periodic(DAY), days, lambda: days.now
    )
    return [
        f"{one.record.slot[:10]} {one.record.outcome}" if isinstance(one, RunOutcome) else one
        for one in told
    ]


def test_each_slot_is_run_once_and_a_clock_that_goes_back_changes_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    hours = [timedelta(hours=number) for number in (0, 1, 12, 13, 36, 12, 37)]

    told = followed(registry, tmp_path, Days(*(NOON + hour for hour in hours)))

    assert told == ["2026-11-21 registered", "2026-11-22 registered"]


def test_the_run_of_a_finding_does_no_slot_of_the_schedule(
    registry: Registry, tmp_path: Path
) -> None:
    of_finding = request(tmp_path, "2026-11-21T00:00:00Z/drift-2026-11-20")
    assert retraining_run.run(registry, of_finding).record.outcome == "registered"

    told = followed(registry, tmp_path, Days(NOON, NOON + timedelta(days=1)))
    assert told == ["2026-11-21 registered"]


def test_after_a_downtime_the_latest_slot_is_run_and_older_ones_are_missed(
    registry: Registry, tmp_path: Path
) -> None:
    followed(registry, tmp_path, Days(NOON, NOON + timedelta(days=1)))

    later = NOON + timedelta(days=4)
    told = followed(registry, tmp_path, Days(later, later + timedelta(hours=1)))

    assert told == ["2026-11-24 registered"]
    marked = {one.slot[:10]: one.marks for one in registry.retrainings.slots("churn")}
    assert marked["2026-11-22"] == marked["2026-11-23"] == ("missed",)
    assert marked["2026-11-24"] == ()


def test_a_slot_that_fails_is_tried_three_times_and_then_left(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    days = Days(NOON, *(NOON + timedelta(hours=13, minutes=number) for number in range(5)))

    assert followed(registry, tmp_path, days) == ["2026-11-21 failed"] * 3
