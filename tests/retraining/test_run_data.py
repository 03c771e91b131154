"""The data of a run by name: found, held against its record, and recorded with the version."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunOutcome, RunRequest

Train = Callable[..., RunOutcome]
ENTRY = """
def train(context):
    return {"model": {"rows": context.data["train"].read_text(), "seed": context.seed}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.data.add("sales", str(tmp_path / "rows.csv"))
    return registry


@pytest.fixture
def train(tmp_path: Path, registry: Registry) -> Train:
    def run(text: str = ENTRY, **changed: Any) -> RunOutcome:
        (tmp_path / "jobs.py").write_text(text)
        facts: dict[str, Any] = {"entry": "jobs:train", "environment": {"PATH": "/usr/bin:/bin"}}
        request = RunRequest("churn", "2026-11-29T02:00:00Z", tmp_path, **(facts | changed))
        return retraining_run.run(registry, request)

    return run


def test_a_run_records_the_version_of_data_entry_slot_and_seed(
    registry: Registry, train: Train
) -> None:
    outcome = train(data_refs={"train": "sales@v1"}, seed=3)
    lineage = registry.manifest(f"churn@{outcome.record.version}").lineage
    added = registry.data.find("sales").added

    use = lineage.used_data["train"]
    assert (use.ref, use.digest, use.rows) == ("sales@v1", added.digest, added.rows)
    assert (lineage.entry, lineage.slot, lineage.seed) == ("jobs:train", "2026-11-29T02:00:00Z", 3)


def test_a_path_is_recorded_with_both_digests(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    outcome = train(data={"train": tmp_path / "rows.csv"})
    use = registry.manifest(f"churn@{outcome.record.version}").lineage.used_data["train"]
    added = registry.data.find("sales").added

    assert (use.digest, use.rows, use.ref) == (added.digest, added.rows, None)


def test_data_that_is_no_longer_what_was_recorded_is_refused_before_the_training(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n2,x\n")
    problem = "data sales@v1 has changed: its bytes are sha256:"
    with pytest.raises(InvalidInputError, match=re.escape(problem)):
        train("raise SystemExit('it was run')", data_refs={"train": "sales@v1"})

    assert registry.models() == []


def test_what_the_store_keeps_is_trained_on_although_the_file_is_gone(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    registry.data.add("sales", str(tmp_path / "rows.csv"), keep=True)
    (tmp_path / "rows.csv").unlink()

    assert train(data_refs={"train": "sales@v2"}).record.outcome == "registered"


def test_an_entry_that_writes_to_what_the_store_keeps_writes_to_a_copy(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    registry.data.add("sales", str(tmp_path / "rows.csv"), keep=True)
    body = 'path = context.data["train"]; path.chmod(0o600); path.write_text("other")'
    outcome = train(f"def train(context):\n    {body}\n", data_refs={"train": "sales@v2"})

    assert "changed during the run" in outcome.record.why
    assert registry.verify().whole
