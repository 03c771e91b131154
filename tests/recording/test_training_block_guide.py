"""What the guide about recording a training shows."""

import re
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.recording import autolog

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "guides" / "training.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_programs_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    for program in PROGRAMS:
        exec(program, scope)
    autolog(disable=True)
    registry = holdfast.open("store")
    record = registry.trainings.record("tumours@1.0.0")

    assert capsys.readouterr().out.splitlines() == ["tumours@1.0.0", "tumours@1.1.0"]
    assert sorted(record.curves) == ["test/log_loss", "train/log_loss"]
    assert "search/score" in registry.trainings.record("tumours@1.1.0").curves
    assert "cv_roc_auc_mean" in registry.resolve("tumours@1.1.0").metrics
    assert registry.resolve("tumours@1.0.0").metrics["accuracy"] > 0.9
