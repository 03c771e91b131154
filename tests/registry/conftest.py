"""A store, a clock that the test sets, and small models to put in."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.registry import behind_server
from tests.registry.crew import Crew

import holdfast
from holdfast import Registry
from holdfast.core.views import RegistrationResult

Text = Callable[..., Path]
Grow = Callable[..., list[RegistrationResult]]


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


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work outside the checkout: git would be asked for its commit at each registration."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at 2026-03-02 09:00."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the folder of a store that is not there yet."""
    return tmp_path / "store"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try what a registry does in a folder once more behind a server, where that may differ.

    A few modules do so in the short run; `--whole -m ""` tries all of them.
    """
    module = metafunc.module.__name__.rpartition(".")[2]
    names = metafunc.fixturenames, metafunc.function.__name__
    if "opened" not in names[0] or module not in behind_server.ALL:
        return
    if names[1] in behind_server.FOLDERS_OWN:
        return
    marks = () if module in behind_server.SAMPLE else pytest.mark.long
    homes = ["folder", pytest.param("server", marks=marks)]
    metafunc.parametrize("home", homes, indirect=True)


@pytest.fixture
def home(request: pytest.FixtureRequest) -> str:
    """Return where the registry is: in a `folder`, or behind a `server` of that folder."""
    return str(getattr(request, "param", "folder"))


@pytest.fixture
def opened(
    store: Path, clock: Clock, home: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Registry]]:
    """Open the store afresh, as a new process would; `by` names another person."""
    with contextlib.ExitStack() as stack:

        def again(by: str = "ann") -> Registry:
            if home == "folder":
                return holdfast.open(store, by=by, clock=clock)
            if not urls:
                urls.append(stack.enter_context(behind_server.served(store, clock)))
            monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of(by))
            registry = holdfast.open(urls[0], clock=clock)
            assert registry.identity  # the token is read with the first request
            return registry

        urls: list[str] = []
        yield again


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

    def more(count: int, name: str = "iris", **facts: Any) -> list[RegistrationResult]:
        first = len(registry.versions(name)) if name in _names(registry) else 0
        return [
            registry.register(name, text(f"{name} {first + index}\n"), **facts)
            for index in range(count)
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
