"""The entry point of the how-to, as it is written there, runs."""

import os
import re
from pathlib import Path

import numpy as np

import holdfast
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunRequest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "retraining.md"


def test_the_entry_point_of_the_page_registers_a_version(tmp_path: Path) -> None:
    program = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "churn.py").write_text(program)
    rows = np.random.default_rng(7).normal(size=(200, 3))
    labels = (rows[:, 0] > 0).astype(int)
    lines = [f"{a},{b},{c},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,label", *lines]) + "\n")
    registry = holdfast.open(tmp_path / "store", by="ann")
    request = RunRequest(
        "churn",
        "2026-11-29T02:00:00Z",
        tmp_path,
        dict(os.environ),
        entry="jobs.churn:train",
        data={"rows": tmp_path / "rows.csv"},
    )

    outcome = retraining_run.run(registry, request)

    assert outcome.record.outcome == "registered", outcome.log
    assert set(registry.manifest("churn@1.0.0").metrics) == {"accuracy", "brier", "log_loss"}
