"""`make demo-web`: a year of five models, and the server that shows it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import UNSET

import holdfast

SCRIPT = Path(__file__).parents[3] / "examples" / "web.py"


@pytest.mark.long
def test_a_year_of_five_models_is_filled_and_whole(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--fill-only", "--folder", str(tmp_path)]
    filled = subprocess.run(command, capture_output=True, text=True, check=True)
    registry = holdfast.open(tmp_path / "store")
    rows = {row.model: row for row in registry.matrix()}
    moves = {model: [past.what for past in registry.history(model)] for model in rows}
    halted = [what for what in moves["clinic/tumours"] if "halted" in what]
    waiting, rolling = rows["clinic/progression"], rows["risk/fraud"].rollout

    assert "refused risk/fraud@1.12.0" in filled.stdout
    assert len(rows) == 5
    assert registry.verify().whole
    assert registry.verify().remarks == ()  # no time of the future
    assert any("by force" in what for what in moves["risk/fraud"])
    assert any(what.startswith("rollback") for what in moves["risk/fraud"])
    assert halted
    assert rolling is not None
    assert (rolling.version, rolling.weight) == ("1.13.0", 0.25)
    assert (waiting.staging, waiting.approvals, waiting.approvals_needed) == ("1.5.0", 1, 2)
    assert rows["lab/wine"].summary.production is None
    first, last = (registry.entries("risk/fraud")[end].at for end in (0, -1))
    assert first[:4] != last[:4]  # dated over a year
    assert rows["risk/fraud"].summary.drift
    assert "scored 2970 payments, 3 refused" in filled.stdout
    retrained_and_compared(registry)


def retrained_and_compared(registry: holdfast.Registry) -> None:
    """See that a schedule retrained a model, once on wrong labels, and that an A/B test runs."""
    if not hasattr(os, "killpg"):  # no training runs on Windows
        return
    outcomes = [slot.outcome or slot.marks[0] for slot in registry.retrainings.slots("post/digits")]
    rollout = registry.rollout("post/digits")

    assert outcomes == ["blocked", "missed", "registered"]
    assert rollout is not None
    assert (rollout.plan.strategy, rollout.version, rollout.outcome) == ("ab", "1.9.0", None)
    assert rollout.verdict is not None
    assert rollout.verdict.comparison is not UNSET
    assert rollout.verdict.comparison.candidate.known > 300


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_it_serves_what_it_filled_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--only", "lab/wine", "--port", "0"]
    with subprocess.Popen(
        [*command, "--folder", str(tmp_path)], stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stderr is not None
        link = next(line for line in serving.stderr if "sign in once" in line)
        serving.send_signal(signal.SIGINT)
        rest = serving.stderr.read()

    assert re.search(r"http://127\.0\.0\.1:\d+/login/\S+$", link.strip())
    assert "Traceback" not in rest
    assert serving.returncode in (0, -signal.SIGINT, 130)
