"""A model that is live since 2026-03-02 with its training data known, and a log to fill."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.predictions.rows import Rows
from tests.registry.conftest import Clock

import holdfast
from holdfast import Registry
from holdfast.monitoring.drift_check import DriftLook, DriftReport, look
from holdfast.predictions import Log, Prediction, capture, open_log

LIVE = date(2026, 3, 2)


def training(rows: int = 4000) -> dict[str, Any]:
    chance = np.random.default_rng(1)
    return {
        "age": chance.normal(40, 10, rows),
        "income": chance.lognormal(3, 0.5, rows),
        "plan": chance.choice(["basic", "plus"], rows, p=[0.7, 0.3]).tolist(),
    }


class World:
    """A registry, its clock, and a log that is filled day by day."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.registry: Registry = holdfast.open(folder / "store", by="ann", clock=self.clock)
        self.folder = folder / "log"
        self.log: Log = open_log(self.folder)
        self._models = folder
        self._chance = np.random.default_rng(7)

    def register(self, version: str, **facts: Any) -> None:
        """Register and promote a version, trained on the usual data."""
        path = self._models / f"{version}.txt"
        path.write_text(version)
        self.registry.register("churn", path, version=version, **{"reference": training()} | facts)
        self.registry.promote(f"churn@{version}")

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Draw rows like those of training."""
        drawn = zip(
            self._chance.normal(40, 10, count).tolist(),
            self._chance.lognormal(3, 0.5, count).tolist(),
            self._chance.choice(["basic", "plus"], count, p=[0.7, 0.3]).tolist(),
            strict=True,
        )
        return [{"age": age, "income": income, "plan": plan} for age, income, plan in drawn]

    def day(
        self,
        day: date,
        change: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row,
        requests: int = 150,
        sampling: float = 1.0,
        **facts: Any,
    ) -> None:
        """Log a day, one row a request, or a share of them."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        row = Rows(start_us=int(noon.timestamp()) * 1_000_000)
        made: list[Prediction] = []
        for values in self.rows(requests):
            body = msgspec.Raw(msgspec.json.encode({"instances": [change(values)]}))
            made.append(row(**{"model": "churn", "input": body} | facts))
        self.log.write([one for one in made if capture.is_sampled(one, sampling)])

    def days(self, since: date, count: int, **facts: Any) -> date:
        """Log days, and return the one after them."""
        for offset in range(count):
            self.day(since + timedelta(days=offset), **facts)
        return since + timedelta(days=count)

    def look(self, today: date, **wanted: Any) -> DriftReport:
        """Look in the morning of a day."""
        now = datetime(today.year, today.month, today.day, 6, tzinfo=UTC)
        self.clock.on(f"{today}T06:00")
        return look(self.registry, self.log, self.folder, "churn", DriftLook(**wanted), now)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path)
    made.register("1.0.0")
    yield made
    made.log.close()
