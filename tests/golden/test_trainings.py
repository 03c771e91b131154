"""Recorded trainings as earlier releases wrote them: understood, and gone on with."""

from pathlib import Path

import pytest

import holdfast
from holdfast import Registry
from holdfast.core import training_commands
from holdfast.core.curves import Curve

KEPT = sorted(Path(__file__).parent.glob("trainings-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store."""
    return holdfast.open(store, by="cid")


def test_there_are_stores_to_open() -> None:
    assert "trainings-1.tar.xz" in {path.name for path in KEPT}


def test_they_are_whole_and_tell_what_was_recorded(registry: Registry) -> None:
    record = registry.trainings.record("iris@1.0.0")

    assert registry.verify().damages == ()
    assert [past.what for past in registry.history("iris")] == [
        "training failed after 3 m 5 s: ValueError: no rows",
        "register 1.0.0 (v1)",
    ]
    assert record.facts["took_s"] == 1.5
    assert record.curves == {
        "loss": Curve((1.0,), (0.5,), 1_000_000),
        "train/loss": Curve((1.0, 2.0, 3.0), (0.5, None, 0.25), 3),
    }
    assert [figure.name for figure in record.figures] == ["a/b"]
    assert registry.trainings.figure("iris@1.0.0", "a/b")[1].startswith(b"\x89PNG")


def test_they_are_gone_on_with(registry: Registry, tmp_path: Path) -> None:
    registry.trainings.fail("iris", training_commands.failure("KeyboardInterrupt", "", 2.0))
    registry.export("iris", tmp_path / "iris.tar")
    other = holdfast.open(tmp_path / "other", by="eve")
    other.import_(tmp_path / "iris.tar")
    registry.copy(holdfast.open(tmp_path / "copy", by="eve"))

    for copied in (other, holdfast.open(tmp_path / "copy")):
        assert copied.verify().damages == ()
        assert copied.history("iris") == registry.history("iris")
        assert copied.trainings.record("iris@1.0.0") == registry.trainings.record("iris@1.0.0")
