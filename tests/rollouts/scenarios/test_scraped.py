"""Rollouts judged by what Prometheus scraped of real servers under load."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from tests.servers.prometheus import scraping
from tests.serving.serving import MODEL, Callers, Serving, telling

import holdfast
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms

TERMS = Terms(Plan(steps=(0.5, 1.0), dwell_s=1, min_requests=200), Analysis(latency=None))


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    """A live version, and a good one to come."""
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.promote(telling(registry, 1))
    telling(registry, 2)
    return registry


@pytest.fixture
def prometheus(registry: holdfast.Registry, tmp_path: Path) -> Iterator[str]:
    """Two workers that drive nothing, under load, and what scrapes them."""
    words = ("--no-drive", "--workers", "2")
    with (
        Serving(Path(registry.location), tmp_path, *words) as server,
        scraping([server.port], tmp_path / "prometheus") as url,
        Callers(server.port, 8),
    ):
        yield url


def driven(registry: holdfast.Registry, prometheus: str, version: str) -> int:
    """Drive a rollout to its end in a process of its own; return its exit status."""
    registry.rollouts.start(f"{MODEL}@{version}", terms=TERMS)
    command = [sys.executable, "-m", "holdfast", "rollout", "run", MODEL, "--until-done"]
    command += ["--prometheus", prometheus, "--every", "0.2s", "--store", str(registry.location)]
    return subprocess.run(command, env=os.environ, timeout=120, check=False).returncode


def test_a_good_version_goes_live(registry: holdfast.Registry, prometheus: str) -> None:
    assert driven(registry, prometheus, "1.2.0") == 0
    rollout = registry.rollout(MODEL)

    assert rollout is not None
    assert rollout.outcome == "completed"
    assert registry.resolve(f"{MODEL}@production").version == "1.2.0"


def test_one_that_refuses_what_the_live_version_takes_is_halted(
    registry: holdfast.Registry, prometheus: str
) -> None:
    row = {"type": "number", "minimum": 1}
    registry.register(
        MODEL,
        LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])),
        StandardScaler(with_std=False).fit(np.array([[3.0]])),
        version="2.0.0",
        input_example=[[2.0]],
        input_schema={"type": "array", "items": row, "shape": [None, 1]},
        description="refuses 0",
    )

    assert driven(registry, prometheus, "2.0.0") == 1
    rollout = registry.rollout(MODEL)

    assert rollout is not None
    assert rollout.outcome == "halted"
    assert rollout.verdict is not None
    assert "errors" in {reason.code for reason in rollout.verdict.reasons}
    assert registry.resolve(f"{MODEL}@production").version == "1.1.0"
