"""A registry in which iris@1.0.0 is live, 1.1.0 to come, and a time that the test sets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.registry.conftest import Clock
from tests.rollouts.fleet import Worker

import holdfast
from holdfast import Registry


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at 2026-03-02 09:00 and goes on by a second at each look."""
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Registry:
    """Return the registry."""
    made = holdfast.open(tmp_path / "store", by="driver", clock=clock)
    for minor in range(3):
        path = tmp_path / f"{minor}.txt"
        path.write_text(f"model {minor}\n")
        made.register("iris", path, metrics={"auc": 0.9})
    made.promote("iris@1.0.0")
    return made


@pytest.fixture
def worker(registry: Registry) -> Worker:
    """Return the only worker."""
    return Worker(registry)


@pytest.fixture
def later(clock: Clock) -> "Later":
    """Return a function that lets seconds pass and returns the time."""
    return Later(clock)


class Later:
    """Lets time pass."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, seconds: float = 0.0) -> datetime:
        self._clock.now += timedelta(seconds=seconds)
        return self._clock.now.astimezone(UTC)
