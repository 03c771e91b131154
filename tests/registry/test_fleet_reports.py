"""What serving workers report and count, kept beside the journal in a folder or a bucket."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry.conftest import Clock, Grow
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.core.fleet import Counts, LoadedVersion, Report, Sides, StepCounts
from holdfast.errors import InvalidInputError

NOON = "2026-03-02T12:00:00.000000Z"


def report(worker: str, model: str = "iris", at: str = NOON) -> Report:
    versions = (LoadedVersion("1.0.0", "ready"), LoadedVersion("1.1.0", "failed", "no such file"))
    return Report(model, worker, at, every_s=2.0, seq=7, active="1.0.0", versions=versions)


def counts(worker: str, number: int = 5, canary: int = 3, at: str = NOON) -> Counts:
    step = StepCounts(0, 0.05, requests=Sides(canary, 60), failures=Sides(1, 2))
    return Counts("iris", number, worker, at, (step,))


@pytest.fixture(params=["folder", "bucket"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    """Return a registry in a folder, and one in a bucket."""
    if request.param == "folder":
        made = holdfast.open(tmp_path / "store", clock=Clock())
    else:
        moto: Endpoint = request.getfixturevalue("moto")
        url = moto.store(moto.make_bucket(), tmp_path).url.partition("?")[0]
        cache = tmp_path / "cache"
        made = holdfast.open(url, options=moto.options, cache=cache, clock=Clock())
    made.init()
    return made


def test_workers_are_told_apart_and_replace_their_own(shared: Registry) -> None:
    shared.fleet.report(report("b"))
    shared.fleet.report(report("Host/1 con"))
    shared.fleet.report(report("b", at="2026-03-02T12:00:02.000000Z"))

    assert shared.fleet.servers("iris") == [
        report("Host/1 con"),
        report("b", at="2026-03-02T12:00:02.000000Z"),
    ]


def test_counts_are_kept_by_rollout(shared: Registry) -> None:
    for number, canary in ((5, 3), (5, 4), (9, 1)):
        shared.fleet.count(counts("b", number, canary))
    shared.fleet.count(counts("a"))

    assert shared.fleet.counts("iris", 5) == [counts("a"), counts("b", canary=4)]
    assert shared.fleet.counts("iris", 9) == [counts("b", 9, 1)]
    assert shared.fleet.counts("iris", 6) == []


def test_a_worker_that_stops_takes_its_report_and_leaves_its_counts(shared: Registry) -> None:
    shared.fleet.report(report("a"))
    shared.fleet.count(counts("a"))
    shared.fleet.leave("iris", "a")
    shared.fleet.leave("iris", "a")

    assert shared.fleet.servers("iris") == []
    assert shared.fleet.counts("iris", 5) == [counts("a")]


def test_nothing_is_known_before_the_store_is_there(registry: Registry, store: Path) -> None:
    assert registry.fleet.servers("iris") == []
    assert not store.exists()


def test_what_is_broken_or_foreign_counts_as_absent(registry: Registry, store: Path) -> None:
    registry.init()
    registry.fleet.report(report("whole"))
    folder = store / "models/iris/servers"
    whole = (folder / "whole.json").read_bytes()
    for name, content in {
        "cut.json": whole[:50],
        "empty.json": b"",
        "deep.json": b"[" * 100_000,
        "renamed.json": whole,
        "other.json": whole.replace(b'"whole"', b'"other"').replace(b'"iris"', b'"rose"'),
        "timeless.json": whole.replace(b'"whole"', b'"timeless"').replace(b"2026-03-02T", b"soon "),
        "naive.json": whole.replace(b'"whole"', b'"naive"').replace(b"00Z", b"00"),
        "README": b"hello",
    }.items():
        (folder / name).write_bytes(content)
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("whole.json")

    assert registry.fleet.servers("iris") == [report("whole")]


def test_counts_of_another_rollout_in_its_folder_count_as_absent(
    registry: Registry, store: Path
) -> None:
    registry.init()
    registry.fleet.count(counts("a", 5))
    (store / "models/iris/rollouts/5").rename(store / "models/iris/rollouts/6")

    assert registry.fleet.counts("iris", 6) == []


def test_a_report_of_no_model_is_refused(registry: Registry) -> None:
    registry.init()

    with pytest.raises(InvalidInputError, match="model"):
        registry.fleet.report(report("a", model="../iris"))


def test_the_collector_sweeps_workers_that_were_silent_for_a_day(
    registry: Registry, grow: Grow, clock: Clock
) -> None:
    grow(1)
    for worker, at in (("gone", "2026-03-01T11:00:00Z"), ("here", "2026-03-01T13:00:00Z")):
        registry.fleet.report(report(worker, at=at))
        registry.fleet.count(counts(worker, at=at))
    clock.on("2026-03-02 12:00")
    swept = registry.gc().leftovers

    assert swept == 2
    assert [worker_report.worker for worker_report in registry.fleet.servers("iris")] == ["here"]
    assert [worker_counts.worker for worker_counts in registry.fleet.counts("iris", 5)] == ["here"]
    assert registry.verify().whole


def test_reports_are_no_damage_and_hide_no_model(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    grow(2)
    registry.fleet.report(report("a"))
    registry.fleet.count(counts("a"))

    assert opened().verify().whole
    assert [info.model for info in opened().models()] == ["iris"]
