"""Following journals, whatever happens to them."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.registry import behind_server
from tests.serving.facing import sums, until
from tests.serving.serving import MODEL, estimating

import holdfast
from holdfast import Registry
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.deployment.watcher import Watcher, _Pool
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.worker_state import WorkerState


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = holdfast.open(tmp_path / "store", by="ana")
    for number in (1, 2):
        estimating(made, number)
    made.promote(f"{MODEL}@1.1.0")
    return made


class House:
    def __init__(self, location: Path | str) -> None:
        self.served = WorkerState("w", {MODEL: RoutingTable(MODEL)})
        self.changed = threading.Event()
        self.following = Watcher(lambda: holdfast.open(location), self.served, self.changed.set)

    def live(self) -> str | None:
        active = self.served.routing_tables[MODEL].active
        return active.version if active else None


@pytest.fixture
def house(registry: Registry) -> Iterator[House]:
    made = House(registry.location)
    made.following.start()
    yield made
    made.following.stop()


def test_a_move_is_followed_and_told(registry: Registry, house: House) -> None:
    until(lambda: house.live() == "1.1.0")
    house.changed.clear()
    done = registry.promote(f"{MODEL}@1.2.0")
    until(lambda: house.live() == "1.2.0")

    assert house.following.settled.is_set()
    assert house.changed.is_set()
    assert str(house.following.seq(MODEL)) == str(done.head).split(":")[0]


def test_a_move_is_followed_through_a_server(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("eve"))
    with behind_server.served(Path(registry.location), lambda: datetime.now(UTC)) as url:
        house = House(url)
        house.following.start()
        until(lambda: house.live() == "1.1.0")
        holdfast.open(url).promote(f"{MODEL}@1.2.0")
        until(lambda: house.live() == "1.2.0")
        house.following.stop()


def test_a_journal_that_cannot_be_read_changes_nothing_and_is_told_once(
    registry: Registry, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    until(lambda: house.live() == "1.1.0")
    journal = Path(registry.location) / "models" / MODEL / "journal"
    entry = journal / f"{house.following.seq(MODEL) + 1:010}.json"
    entry.write_text("{}")
    until(lambda: any("cannot be followed" in message for message in caplog.messages))
    during = house.live()
    entry.unlink()
    until(lambda: any("followed again" in message for message in caplog.messages))
    registry.promote(f"{MODEL}@1.2.0")
    until(lambda: house.live() == "1.2.0")

    assert during == "1.1.0"
    assert len([message for message in caplog.messages if "cannot be followed" in message]) == 1


def test_a_deleted_model_is_answered_for_no_longer(registry: Registry, house: House) -> None:
    until(lambda: house.live() == "1.1.0")
    registry.delete(MODEL, force=True, reason="over")

    until(lambda: house.live() is None)
    assert house.served.routing_tables[MODEL].kept == {}


def test_a_stop_before_the_start_is_no_fault(registry: Registry) -> None:
    House(registry.location).following.stop()

    assert not any(thread.name == "follow" for thread in threading.enumerate())


def test_a_load_without_end_holds_up_no_other_and_not_the_end_of_the_process() -> None:
    pool, gate = _Pool(), threading.Event()

    def load(_model: str, version: str) -> Loaded:
        if version == "1.0.0":
            gate.wait(20)
        return sums(version)

    slow = pool.submit(load, "iris", "1.0.0")
    quick = pool.submit(load, "iris", "1.1.0").result(20)
    done = slow.done()
    [thread] = [
        candidate for candidate in threading.enumerate() if candidate.name == "load iris@1.0.0"
    ]
    gate.set()

    assert (quick.version, done, thread.daemon) == ("1.1.0", False, True)
    assert slow.result(20).version == "1.0.0"
