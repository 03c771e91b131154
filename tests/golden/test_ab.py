"""A/B tests as earlier releases wrote them: understood, and gone on with."""

from pathlib import Path

import pytest
from msgspec import UNSET
from tests.golden import write
from tests.registry import disk

import holdfast
from holdfast import Registry

KEPT = sorted(Path(__file__).parent.glob("ab-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store."""
    return holdfast.open(store, by="cid")


def test_there_are_stores_to_open() -> None:
    assert "ab-1.tar.xz" in {path.name for path in KEPT}


def test_they_are_whole_and_tell_how_each_test_ended(registry: Registry) -> None:
    history = [past.what for past in registry.history("iris")]

    assert registry.verify().damages == ()
    ended = [what for what in history[4:] if not {"starts:", "hold", "policy:"} & set(what.split())]
    assert ended == [
        "rollout 1 to 50 %",
        "rollout 1 passed (no_difference)",
        "rollout 2 to 50 %",
        "rollout 2 undecided (not_decided)",
        "rollout 3 to 50 %",
        "rollout 3 halted (worse)",
        "rollout 4 to 50 %",
        "promote 1.0.0 → 1.1.0, ends rollout 4",
        "rollout 5 to 50 %",
    ]


def test_the_one_that_goes_on_is_gone_on_with(registry: Registry) -> None:
    running = registry.rollout("iris")
    registry.rollouts.abort("iris")
    again = registry.rollouts.retry("iris")

    assert running is not None
    assert running.weight == 0.5
    assert running.analysis.outcome is not UNSET
    assert running.analysis.outcome.clip == (-20.0, 500.0)
    assert running.plan == registry.policy("iris").rollout.plan
    assert again.changed


def test_they_can_be_moved_elsewhere(registry: Registry, tmp_path: Path) -> None:
    registry.export("iris", tmp_path / "iris.tar")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")
    elsewhere.import_(tmp_path / "iris.tar")

    assert elsewhere.rollout("iris") == registry.rollout("iris")


def test_the_writer_gives_equal_stores_in_every_run(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stores.append(write.furnish_ab(tmp_path / name))

    first, second = (disk.truth(store) for store in stores)

    assert first == second
