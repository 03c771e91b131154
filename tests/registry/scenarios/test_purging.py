"""Purge and retention: planned first, sparing what must be spared, freeing what is old enough."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Policy, Registry, Retention
from holdfast.errors import NotFoundError, RefusedError


@pytest.fixture
def varied(registry: Registry, grow: Grow) -> Registry:
    """Return a registry with ten versions, each in a state of its own or archived."""
    grow(10)
    for minor in (2, 3, 6, 7):
        registry.archive(f"iris@1.{minor}.0")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.archive("iris@1.4.0")
    registry.alias("iris@1.4.0", "eu")
    registry.archive("iris@1.5.0")
    registry.hold("iris@1.5.0", reason="audit")
    registry.stage("iris@1.8.0")
    return registry


def present(registry: Registry) -> list[str]:
    return [info.version for info in registry.versions("iris") if info.status != "purged"]


def test_a_plan_gives_each_version_one_reason(varied: Registry) -> None:
    plan = varied.purge_plan("iris", keep=1)

    assert {row.version: (row.purge, row.reason) for row in plan.rows} == {
        "1.0.0": (False, "rollback target"),
        "1.1.0": (False, "live"),
        "1.2.0": (True, "archived, beyond the 1 newest"),
        "1.3.0": (True, "archived, beyond the 1 newest"),
        "1.4.0": (False, "alias eu"),
        "1.5.0": (False, "held: audit"),
        "1.6.0": (True, "archived, beyond the 1 newest"),
        "1.7.0": (False, "archived, among the 1 newest"),
        "1.8.0": (False, "staged"),
        "1.9.0": (False, "registered, not archived"),
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"keep": 0},
        {"keep": 1},
        {"keep": 2},
        {"keep": 100},
        {"keep": 0, "rollback_target": "purged"},
        {"versions": ["1.2.0", "iris@v7", "1.9.0"]},
        {},
    ],
    ids=str,
)
def test_the_real_run_does_what_the_plan_said(
    varied: Registry, store: Path, asked: dict[str, Any]
) -> None:
    before = disk.truth(store)

    plan = varied.purge_plan("iris", **asked)
    assert disk.truth(store) == before
    done = varied.purge("iris", grace_s=0, **asked)

    assert done.purged == plan.purged
    assert present(varied) == [row.version for row in plan.rows if not row.purge]
    assert varied.verify().whole
    for version in present(varied):
        assert varied.load(f"iris@{version}").ref == f"iris@{version}"


def test_a_version_that_is_named_and_must_stay_is_refused_with_all_others(
    varied: Registry, store: Path
) -> None:
    before = disk.truth(store)
    with pytest.raises(RefusedError) as caught:
        varied.purge("iris", versions=[f"1.{n}.0" for n in range(10)], grace_s=0)

    assert str(caught.value).startswith("purge refused iris: ")
    for reason in (
        "1.0.0 stays: rollback target", "1.1.0 stays: live", "1.4.0 stays: alias eu",
        "1.5.0 stays: held: audit", "1.8.0 stays: staged",
    ):  # fmt: skip
        assert reason in str(caught.value)
    assert "name only the others" in str(caught.value)
    assert disk.truth(store) == before


def test_the_candidate_of_a_rollout_that_is_named_is_refused(varied: Registry) -> None:
    varied.rollouts.start("iris@1.9.0")

    with pytest.raises(RefusedError, match=r"1\.9\.0 stays: in a rollout"):
        varied.purge("iris", versions=["1.9.0"])


def test_what_was_purged_already_may_be_named_again(varied: Registry) -> None:
    varied.purge("iris", versions=["1.2.0"])

    assert varied.purge("iris", versions=["1.2.0", "1.3.0"]).purged == ("1.3.0",)


def test_what_is_live_staged_aliased_held_or_a_rollback_target_stays(varied: Registry) -> None:
    varied.purge("iris", keep=0, grace_s=0)

    assert {"1.0.0", "1.1.0", "1.4.0", "1.5.0", "1.8.0"} <= set(present(varied))
    assert varied.rollback("iris").version == "1.0.0"


def test_keep_counts_by_number_and_not_by_version(registry: Registry, text: Text) -> None:
    for version in ("3.0.0", "1.0.0", "2.0.0"):
        registry.archive(registry.register("iris", text(version), version=version))

    registry.purge("iris", keep=1, grace_s=0)

    assert present(registry) == ["2.0.0"]


def test_a_purge_frees_the_bytes_and_says_how_many(
    registry: Registry, store: Path, text: Text
) -> None:
    for content in ("x" * 1000, "y" * 500, "z" * 10):
        registry.archive(registry.register("iris", text(content)))

    done = registry.purge("iris", keep=1, grace_s=0)

    assert (done.collected.freed_bytes, done.collected.freed_blobs) == (1500, 2)
    assert (done.collected.waiting_bytes, done.collected.waiting_blobs) == (0, 0)
    assert not disk.blob_holding(store, b"x" * 1000).exists()
    assert disk.blob_holding(store, b"z" * 10).exists()
    assert disk.leftovers(store) == []


def test_bytes_younger_than_the_grace_time_wait_and_are_counted(
    registry: Registry, store: Path, text: Text
) -> None:
    registry.archive(registry.register("iris", text("x" * 1000)))

    done = registry.purge("iris", keep=0)

    assert (done.collected.freed_bytes, done.collected.waiting_bytes) == (0, 1000)
    assert disk.blob_holding(store, b"x" * 1000).exists()
    assert registry.gc(grace_s=0).freed_bytes == 1000
    assert not disk.blob_holding(store, b"x" * 1000).exists()


def test_bytes_that_another_version_holds_stay(registry: Registry, store: Path, text: Text) -> None:
    registry.archive(registry.register("iris", text("the same")))
    registry.register("rose", text("the same"))

    done = registry.purge("iris", keep=0, grace_s=0)

    assert done.purged == ("1.0.0",)
    assert done.collected.freed_bytes == 0
    assert registry.load("rose@1.0.0").model.read_text() == "the same"
    assert disk.blob_holding(store, b"the same").exists()


def test_a_purged_version_keeps_its_manifest_and_its_history(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2, metrics={"auc": 0.9})
    manifest = registry.manifest("iris@1.0.0")

    registry.purge("iris", versions=["1.0.0"], grace_s=0, reason="too large")

    assert registry.manifest("iris@1.0.0") == manifest
    assert registry.resolve("iris@v1").status == "purged"
    assert registry.resolve(f"iris@sha256:{registry.resolve('iris@v1').digest[7:19]}").number == 1
    assert registry.history("iris")[-1].reason == "too large"
    folder = store / "models" / "iris" / "versions" / "1.0.0"
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]
    assert b'"status": "purged"' in (folder / "manifest.json").read_bytes()


def test_a_purge_with_nothing_to_purge_writes_no_entry(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(3)
    before = disk.journals(store)

    assert registry.purge("iris", keep=0, grace_s=0).purged == ()
    assert disk.journals(store) == before


def test_purging_a_version_that_does_not_exist_is_refused_before_any_goes(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2)
    before = disk.truth(store)

    with pytest.raises(NotFoundError):
        registry.purge("iris", versions=["1.0.0", "7.0.0"], grace_s=0)

    assert disk.truth(store) == before


def test_versions_of_another_model_cannot_be_purged_by_name(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2)
    grow(2, name="rose")
    before = disk.truth(store)

    with pytest.raises(holdfast.HoldfastError):
        registry.purge("iris", versions=["rose@1.0.0"], grace_s=0)

    assert disk.truth(store) == before


def test_retention_takes_what_is_old_never_served_and_beyond_the_newest(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2025-01-01")
    grow(4)
    registry.promote("iris@1.1.0")
    registry.promote("iris@1.2.0")
    registry.promote("iris@1.1.0")
    clock.on("2026-01-01")
    grow(3)
    registry.set_policy("iris", Policy(retention=Retention(keep=2, max_age_days=100)))
    clock.on("2026-02-01")

    plan = registry.purge_plan("iris")

    assert plan.purged == ("1.0.0", "1.3.0")
    reasons = {row.version: row.reason for row in plan.rows}
    assert (reasons["1.1.0"], reasons["1.2.0"]) == ("live", "rollback target")
    assert all("395 days old" in reasons[version] for version in plan.purged)
    assert "than 100" in reasons["1.4.0"]
    assert reasons["1.5.0"] == reasons["1.6.0"] == "among the 2 newest"


def test_retention_never_takes_what_was_ever_live(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2020-01-01")
    grow(5)
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"):
        registry.promote(f"iris@{version}")
    registry.set_policy("iris", Policy(retention=Retention(keep=0, max_age_days=0)))
    clock.on("2026-01-01")

    registry.purge("iris", grace_s=0)

    assert present(registry) == ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]


def test_the_retention_of_a_new_model_keeps_ten_and_a_year(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2025-01-01")
    grow(12)
    clock.on("2025-12-31")
    young = registry.purge_plan("iris").purged
    clock.on("2026-01-02")

    assert young == ()
    assert registry.purge_plan("iris").purged == ("1.0.0", "1.1.0")


def test_a_version_that_went_live_meanwhile_is_spared(
    varied: Registry, opened: Callable[..., Registry]
) -> None:
    rival = opened(by="bob")

    def between() -> None:
        rival.promote("iris@1.2.0")

    purging = holdfast.open(varied.location, by="ann", clock=Once(between))
    done = purging.purge("iris", keep=0, grace_s=0)

    assert "1.2.0" in present(varied)
    assert "1.2.0" not in done.purged
    assert varied.verify().whole
    assert varied.load("iris@production").ref == "iris@1.2.0"


class Once(Clock):
    """Does something at its first look, which falls between a plan and its entry."""

    def __init__(self, deed: Callable[[], None]) -> None:
        super().__init__()
        self._deed: Callable[[], None] | None = deed

    def __call__(self) -> Any:
        deed, self._deed = self._deed, None
        if deed is not None:
            deed()
        return super().__call__()
