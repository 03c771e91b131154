"""The how-to's recipes for Airflow, Prefect and Dagster, run by these; each has an environment.

uv venv .venv/schedulers/prefect
uv pip install --python .venv/schedulers/prefect/bin/python prefect
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import holdfast
from holdfast.core.policy import Policy
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.retraining.slot_record import SlotRecord

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "retraining.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
SCHEDULERS = Path(sys.prefix) / "schedulers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a job whose policy names its entry point."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "churn.py").write_text(PROGRAMS[0])
    rows = np.random.default_rng(7).normal(size=(200, 3))
    lines = [f"{a},{b},{c},{int(a > 0)}" for a, b, c in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,label", *lines]) + "\n")
    registry = holdfast.open(tmp_path / "store", by="ann")
    terms = RetrainingTerms(entry="jobs.churn:train", every_s=604_800)
    registry.set_policy("churn", Policy(retraining=terms))
    return tmp_path


def recipe(folder: Path, tool: str, name: str) -> Path:
    """Write the program of the page that begins with the tool's name."""
    (program,) = [text for text in PROGRAMS if text.startswith(f"# {tool}:")]
    path = folder / name
    path.write_text(program.replace("/srv/churn", str(folder)))
    return path


def run(folder: Path, program: str, *words: str) -> None:
    """Run a program of a scheduler's environment; it finds `holdfast` by its path."""
    bin_ = SCHEDULERS / program.partition(" ")[0] / "bin"
    name = program.rpartition(" ")[2]
    if not (bin_ / name).exists():
        pytest.skip(f"{name} is not installed in {bin_.parent}")
    done = subprocess.run(
        [bin_ / name, *words],
        cwd=folder,
        env={
            "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "HOLDFAST_STORE": str(folder / "store"),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "DAGSTER_HOME": str(folder / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def slots(folder: Path) -> list[SlotRecord]:
    return holdfast.open(folder / "store").retrainings.slots("churn")


def test_a_run_of_airflow_stands_for_the_end_of_its_interval(folder: Path) -> None:
    (folder / "dags").mkdir()
    recipe(folder, "Airflow", "dags/churn.py")

    run(folder, "airflow", "db", "migrate")
    for _ in range(2):
        run(folder, "airflow", "dags", "test", "retrain_churn", "2026-11-29T02:05:00+00:00")

    (slot,) = slots(folder)
    assert (slot.slot, slot.outcome) == ("2026-11-29T02:05:00Z", "registered")


def test_a_flow_of_prefect_stands_for_the_time_it_was_planned_at(folder: Path) -> None:
    recipe(folder, "Prefect", "flow.py")

    run(folder, "prefect python", "flow.py")

    (slot,) = slots(folder)
    assert slot.outcome == "registered"


def test_a_partition_of_dagster_stands_for_its_end(folder: Path) -> None:
    (folder / "dagster").mkdir()
    recipe(folder, "Dagster", "assets.py")

    for _ in range(2):
        run(
            folder, "dagster", "asset", "materialize", "-f", "assets.py",
            "--select", "churn", "--partition", "2026-11-22",
        )  # fmt: skip

    (slot,) = slots(folder)
    assert (slot.slot, slot.outcome) == ("2026-11-29T00:00:00Z", "registered")
