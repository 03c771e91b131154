"""The newest version of each stage, kept from entry to entry, is what a look at all finds."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

import holdfast
from holdfast.core.state import State
from holdfast.errors import HoldfastError
from holdfast.gateways.mlflow import entities, newest_versions
from holdfast.registry.catalogue_verbs import Labels
from holdfast.registry.registry import Registry


def anything(_state: State) -> None:
    """Refuse nothing."""


NO_LABELS = Labels(anything)


def move(registry: Registry, dice: random.Random) -> None:
    """Do one of what changes stages, or does not; what is refused changes nothing."""
    catalogue = registry.catalogue
    versions = list(catalogue.require("iris").versions)
    ref = f"iris@{dice.choice(versions)}"
    version = ref.partition("@")[2]
    deeds: list[Callable[[], object]] = [
        lambda: catalogue.refer("iris", "s3://b/x", NO_LABELS, {}),
        lambda: registry.stage(ref),
        lambda: registry.archive(ref),
        lambda: registry.tag(ref, {"n": str(dice.random())}),
        lambda: registry.alias(ref, "eu"),
        lambda: catalogue.remove("iris", version, "wrong"),
        lambda: catalogue.describe(
            "iris",
            version,
            {entities.STAGE: dice.choice(("Staging while registered", None))},
            anything,
        ),
    ]
    try:
        dice.choice(deeds)()
    except HoldfastError:
        return


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_a_look_at_all_versions_finds(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    registry = holdfast.open(tmp_path / "store", by="ann")
    catalogue = registry.catalogue
    catalogue.refer("iris", "s3://b/x", NO_LABELS, {})
    newest = None
    for _ in range(60):
        for _ in range(dice.choice((1, 1, 1, 3, 20))):
            move(registry, dice)
        state = catalogue.require("iris")
        newest = newest_versions.follow(newest, state, catalogue.touched)

        assert newest.found == entities.newest(state)


def test_a_model_that_was_deleted_begins_anew(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    catalogue = registry.catalogue
    catalogue.refer("iris", "s3://b/x", NO_LABELS, {})
    before = newest_versions.follow(None, catalogue.require("iris"), catalogue.touched)
    registry.delete("iris", reason="over")
    catalogue.describe("iris", None, {}, anything)
    after = newest_versions.follow(before, catalogue.require("iris"), catalogue.touched)

    assert (list(before.found), after.found) == (["None"], {})


def test_a_live_version_is_the_newest_in_production(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    (tmp_path / "model.json").write_text("{}")
    for _ in range(2):
        registry.register("iris", tmp_path / "model.json", bump="minor")
    registry.promote("iris@1.0.0")
    state = registry.catalogue.require("iris")
    newest = newest_versions.follow(None, state, registry.catalogue.touched)
    other = newest_versions.follow(newest, state, lambda *_: None)

    assert other is newest
    assert newest.shown(state)["Production"].version == "1.0.0"
    assert newest.shown(state)["None"].version == "1.1.0"
