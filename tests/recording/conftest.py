"""A store, and a small model to record the training of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import holdfast
from holdfast import Registry
from holdfast.recording import fit_hooks


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work outside the checkout: git would be asked for its commit at each run."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return the registry of a folder that is not there yet."""
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture(scope="session")
def rows() -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return 40 rows of two features."""
    return np.random.default_rng(7).normal(size=(40, 2))


@pytest.fixture(scope="session")
def model(rows: "np.ndarray[Any, np.dtype[np.float64]]") -> LogisticRegression:
    """Return a fitted classifier."""
    return LogisticRegression(C=0.5).fit(rows, rows[:, 0] > 0)


@pytest.fixture
def autologged() -> Iterator[None]:
    """Switch `autolog` on for a test, and off again."""
    holdfast.autolog()
    yield
    holdfast.autolog(disable=True)
    fit_hooks._hooks._warned.clear()
