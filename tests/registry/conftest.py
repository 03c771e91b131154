"""A store, a clock that the test sets, and small models to put in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.registry.crew import Crew

import holdfast
from holdfast import Registry
from holdfast.core.views import Registered

Text = Callable[..., Path]
Grow = Callable[..., list[Registered]]


class Clock:
    """Tells a time that goes on by a second at each look, or as the test says."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def on(self, text: str) -> None:
        """Set the time."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at 2026-03-02 09:00."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the folder of a store that is not there yet."""
    return tmp_path / "store"


@pytest.fixture
def opened(store: Path, clock: Clock) -> Callable[..., Registry]:
    """Open the store afresh, as a new process would; `by` names another person."""

    def again(by: str = "ann") -> Registry:
        return holdfast.open(store, by=by, clock=clock)

    return again


@pytest.fixture
def registry(opened: Callable[..., Registry]) -> Registry:
    """Return a registry without models, used by Ann."""
    return opened()


@pytest.fixture
def text(tmp_path: Path) -> Text:
    """Write a small text file that stands for a model."""
    folder = tmp_path / "models"
    folder.mkdir()

    def write(content: str, name: str = "model.txt") -> Path:
        path = folder / name
        path.write_text(content)
        return path

    return write


@pytest.fixture
def grow(registry: Registry, text: Text) -> Grow:
    """Register text models: 1.0.0, 1.1.0, 1.2.0, …, each with its own bytes."""

    def more(count: int, name: str = "iris", **facts: Any) -> list[Registered]:
        first = len(registry.versions(name)) if name in _names(registry) else 0
        return [
            registry.register(name, text(f"{name} {first + place}\n"), **facts)
            for place in range(count)
        ]

    return more


def _names(registry: Registry) -> list[str]:
    return [info.model for info in registry.models()]


@pytest.fixture(scope="session")
def rows() -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return the iris flowers, shape (150, 4)."""
    features: np.ndarray[Any, np.dtype[np.float64]] = load_iris(return_X_y=True)[0]
    return features


@pytest.fixture(scope="session")
def scaler(rows: "np.ndarray[Any, np.dtype[np.float64]]") -> StandardScaler:
    """Return a scaler fitted with the iris flowers."""
    return StandardScaler().fit(rows)


@pytest.fixture(scope="session")
def classifier(
    rows: "np.ndarray[Any, np.dtype[np.float64]]", scaler: StandardScaler
) -> LogisticRegression:
    """Return a classifier fitted behind the scaler."""
    labels = load_iris(return_X_y=True)[1]
    return LogisticRegression(C=0.5, random_state=7).fit(scaler.transform(rows), labels)


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """Return processes on call for races and crashes."""
    with Crew() as hired:
        yield hired
