"""Deleting a model, and registering it again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text

from holdfast import Policy, Registry
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError


def test_a_deleted_model_is_gone_and_its_bytes_are_freed(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(2)
    grow(1, name="rose")

    registry.delete("iris", reason="out of use")
    freed = registry.gc(grace_s=0)

    assert [info.model for info in opened().models()] == ["rose"]
    assert freed.freed_blobs == 2
    for look in (registry.status, registry.versions):
        with pytest.raises(NotFoundError, match="model iris"):
            look("iris")
    assert json.loads((store / "models/iris/active_version.json").read_bytes())["current"] is None
    assert opened().verify().whole


def test_the_journal_of_a_deleted_model_stays(registry: Registry, store: Path, grow: Grow) -> None:
    grow(2)
    before = disk.journals(store)

    registry.delete("iris", reason="out of use")

    assert before.items() < disk.journals(store).items()
    assert len(disk.journals(store)) == 3


def test_a_live_model_is_deleted_by_force_alone(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    before = disk.truth(store)

    with pytest.raises(RefusedError, match=r"1\.0\.0 is live"):
        registry.delete("iris", reason="out of use")
    assert disk.truth(store) == before
    registry.delete("iris", reason="out of use", force=True)

    assert registry.models() == []


def test_a_held_version_keeps_its_model_whatever_the_force(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(3)
    registry.promote("iris@1.0.0")
    registry.hold("iris@1.0.0", reason="audit")
    registry.hold("iris@1.2.0", reason="court")
    before = disk.truth(store)

    with pytest.raises(RefusedError) as unforced:
        registry.delete("iris", reason="out of use")
    with pytest.raises(RefusedError) as forced:
        registry.delete("iris", reason="out of use", force=True)

    assert len(unforced.value.reasons) == 3
    assert [reason.partition(":")[2] for reason in forced.value.reasons] == [" audit", " court"]
    assert disk.truth(store) == before


def test_force_needs_a_reason_for_a_deletion_too(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.promote("iris@1.0.0")

    with pytest.raises(InvalidInputError, match="reason"):
        registry.delete("iris", reason=" ", force=True)

    assert registry.status("iris").live is not None


def test_registering_again_goes_on_in_the_same_journal(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow, text: Text
) -> None:
    grow(2)
    registry.promote("iris@1.1.0")
    registry.alias("iris@1.0.0", "eu")
    registry.stage("iris@1.0.0")
    registry.set_policy("iris", Policy(max_regression=0.5), reason="noisy")
    registry.delete("iris", reason="out of use", force=True)

    made = registry.register("iris", text("again"))

    again = opened()
    assert (made.version.version, made.version.number) == ("1.2.0", 3)
    assert {info.version: info.status for info in again.versions("iris")} == {
        "1.0.0": "purged",
        "1.1.0": "purged",
        "1.2.0": "registered",
    }
    assert again.status("iris").live is None
    assert again.status("iris").staging is None
    assert [past.seq for past in again.history("iris")] == list(range(1, 9))
    assert len(disk.journals(store)) == 8
    with pytest.raises(NotFoundError):
        again.resolve("iris@eu")


def test_a_version_of_the_deleted_model_is_never_used_again(
    registry: Registry, grow: Grow, text: Text
) -> None:
    grow(1)
    registry.delete("iris", reason="out of use")

    with pytest.raises(ConflictError, match="was purged"):
        registry.register("iris", text("iris 0\n"), version="1.0.0")


def test_what_served_before_a_deletion_is_still_told(
    registry: Registry, grow: Grow, text: Text
) -> None:
    grow(1)
    registry.promote("iris@1.0.0")
    registry.delete("iris", reason="out of use", force=True)
    registry.promote(registry.register("iris", text("again")))

    periods = [(period.version, period.until is None) for period in registry.served("iris")]

    assert periods == [("1.0.0", False), ("1.1.0", True)]


def test_after_a_deletion_there_is_nothing_to_roll_back_to(
    registry: Registry, grow: Grow, text: Text
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.delete("iris", reason="out of use", force=True)
    registry.promote(registry.register("iris", text("again")))

    with pytest.raises(NotFoundError, match="No previous version"):
        registry.rollback("iris")


def test_a_model_that_does_not_exist_cannot_be_deleted(registry: Registry, grow: Grow) -> None:
    grow(1)

    with pytest.raises(NotFoundError):
        registry.delete("rose", reason="out of use")
    registry.delete("iris", reason="out of use")
    with pytest.raises(NotFoundError):
        registry.delete("iris", reason="out of use")
