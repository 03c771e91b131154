"""Rollouts as earlier releases wrote them: understood, and gone on with."""

import json
from pathlib import Path

import pytest
from tests.golden import write
from tests.registry import disk

import holdfast
from holdfast import Registry
from holdfast.core.events import OPERATIONS

KEPT = sorted(Path(__file__).parent.glob("rollouts-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store."""
    return holdfast.open(store, by="cid")


def test_there_are_stores_to_open() -> None:
    assert "rollouts-1.tar.xz" in {path.name for path in KEPT}


def test_every_event_of_a_rollout_is_in_them(store: Path) -> None:
    ops = {json.loads(raw)["op"] for raw in disk.journals(store).values()}

    assert ops >= {op for op in OPERATIONS if op.startswith("rollout_")}


def test_they_are_whole_and_tell_how_each_rollout_ended(registry: Registry) -> None:
    history = [past.what for past in registry.history("iris")]

    assert registry.verify().damages == ()
    assert history[5:] == [
        "rollout 1 of 1.1.0 starts: canary 50 → 100 %",
        "rollout 1: active version measured on 2,000 requests",
        "rollout 1 to 50 %",
        "rollout 1: hold (dwell, few_requests)",
        "rollout 1 paused",
        "rollout 1 resumed",
        "rollout 1 to 100 % (certified)",
        "promote 1.0.0 → 1.1.0, ends rollout 1",
        "rollout 2 of 1.2.0 starts: blue-green 95 → 100 %",
        "rollout 2 to 95 %",
        "rollout 2 halted (errors)",
        "rollout 3 of 1.2.0 starts: blue-green 95 → 100 %, repeats rollout 2",
        "rollout 3 aborted",
        "rollout 4 of 1.2.0 starts: shadow 100 %",
        "rollout 4 to 100 %",
        "rollout 4 passed (certified)",
        "rollout 5 of 1.2.0 starts: canary 5 → 25 → 50 → 100 %",
        "promote 1.1.0 → 1.3.0, ends rollout 5",
        "rollout 6 of 1.2.0 starts: canary 5 → 25 → 50 → 100 %",
        "rollout 6 to 5 %",
    ]


def test_the_rollout_that_goes_on_is_gone_on_with(registry: Registry) -> None:
    running = registry.rollout("iris")
    registry.rollouts.promote("iris")
    ended = registry.rollout("iris")
    registry.rollouts.abort("iris")

    assert running is not None
    assert (running.number, running.was, running.weight) == (6, "1.3.0", 0.05)
    assert ended is not None
    assert ended.outcome == "completed"
    assert registry.resolve("iris@production").version == "1.3.0"


def test_they_can_be_moved_elsewhere(registry: Registry, tmp_path: Path) -> None:
    registry.export("iris", tmp_path / "iris.tar")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")
    elsewhere.import_(tmp_path / "iris.tar")

    assert elsewhere.rollout("iris") == registry.rollout("iris")


def test_the_writer_gives_equal_stores_in_every_run(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stores.append(write.furnish_rollouts(tmp_path / name))

    first, second = (disk.truth(store) for store in stores)

    assert first == second
