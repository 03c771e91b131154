"""Retraining as earlier releases wrote it: understood, and gone on with."""

import json
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace
from tests.golden import write
from tests.registry import disk

import holdfast
from holdfast import Registry
from holdfast.core.retraining.slot_record import Outcome
from holdfast.errors import ConflictError, InvalidInputError

KEPT = sorted(Path(__file__).parent.glob("retraining-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store."""
    return holdfast.open(store, by="cid")


def test_there_are_stores_to_open() -> None:
    assert "retraining-1.tar.xz" in {path.name for path in KEPT}


def test_every_outcome_is_in_them(store: Path) -> None:
    entries = [json.loads(raw) for raw in disk.journals(store).values()]
    outcomes = {entry["data"]["outcome"] for entry in entries if entry["op"] == "retrained"}

    assert outcomes == set(get_args(Outcome))


def test_they_are_whole_and_tell_what_became_of_each_slot(registry: Registry) -> None:
    assert registry.verify().damages == ()
    assert [past.what for past in registry.history("iris")] == [
        "retrain 2026-03-01T02:00:00Z: no run in time: as it was then",
        "retrain 2026-03-01T02:00:00Z: attempt 1 failed: as it was then",
        "retrain 2026-03-01T02:00:00Z: attempt 2 failed: as it was then",
        "retrain 2026-03-01T02:00:00Z: register 1.0.0 (v1) and stage it",
        "promote 1.0.0",
        "retrain 2026-03-08T02:00:00Z: register 1.1.0 (v2) and stage it",
        "retrain 2026-03-15T02:00:00Z: register 1.2.0 (v3), which the gate refuses",
        "retrain 2026-03-22T02:00:00Z: the same model as 1.1.0",
        "retrain 2026-03-23T02:00:00Z/drift-7: held: as it was then",
    ]
    state = registry.retrainings.state("iris")
    assert (state.production, state.staging) == ("1.0.0", "1.1.0")
    assert [losses.mean for losses in state.record("1.2.0").losses] == [1.875]
    assert len(list(state.runs)) == 6


def test_they_are_gone_on_with(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises((ConflictError, InvalidInputError)):
        registry.retrainings.remark("iris", write._retrained("tomorrow", "missed"))
    done = write._retrained("2026-03-08T02:00:00Z", "missed")
    assert not registry.retrainings.remark("iris", done)
    assert registry.retrainings.remark("iris", replace(done, slot="2026-03-29T02:00:00Z"))
    registry.gc(grace_s=0)
    assert registry.verify().damages == ()
    registry.export("iris", tmp_path / "iris.tar")
    other = holdfast.open(tmp_path / "other", by="eve")
    other.import_(tmp_path / "iris.tar")
    registry.copy(holdfast.open(tmp_path / "copy", by="eve"))
    for copied in (other, holdfast.open(tmp_path / "copy")):
        assert copied.verify().damages == ()
        assert copied.retrainings.slots("iris") == registry.retrainings.slots("iris")
