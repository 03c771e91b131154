"""What the guide about recording a training shows."""

import re
from pathlib import Path
from typing import Any

import pytest

import holdfast

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "guides" / "training.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_programs_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    for program in PROGRAMS:
        exec(program, scope)
    registry = holdfast.open("store")
    record = registry.trainings.record("tumours@1.0.0")

    assert capsys.readouterr().out.splitlines()[0] == "tumours@1.0.0"
    assert sorted(record.curves) == ["test/log_loss", "train/log_loss"]
    assert registry.resolve("tumours@1.0.0").metrics["accuracy"] > 0.9
