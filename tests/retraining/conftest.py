"""Entry points written to a folder, honest and hostile ones, and runs of them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.retraining import training_process
from holdfast.retraining.training_process import Ended, ProcessLimits, Training

Run = Callable[..., Ended]

collect_ignore_glob = [] if hasattr(os, "killpg") else ["*"]
"""No training runs on Windows (`retraining/training_process.py`)."""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return an empty folder for a run."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def run_code(tmp_path: Path, scratch: Path) -> Run:
    """Run a program of Python text under limits."""

    def run(code: str, limits: ProcessLimits | None = None, **further: str) -> Ended:
        training = Training(
            (sys.executable, "-c", code),
            tmp_path,
            scratch,
            {"PATH": "/usr/bin:/bin", "HOLDFAST_TOKEN": "secret", "OMP_NUM_THREADS": "3"},
            further,
            seed=7,
        )
        return training_process.run(training, limits or ProcessLimits())

    return run
