"""Rollback: back to what was live, whole and never to what was just rejected."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow
from tests.registry.crew import Crew, Job, step

from holdfast import Registry
from holdfast.errors import (
    ConflictError,
    DamagedError,
    HoldfastError,
    NoPreviousVersionError,
    NotFoundError,
)


@pytest.fixture
def served(registry: Registry, grow: Grow) -> Registry:
    """Return a registry in which 1.0.0, 1.1.0 and 1.2.0 were live in turn; 1.3.0 never was."""
    grow(4)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        registry.promote(f"iris@{version}")
    return registry


def live(registry: Registry) -> str:
    return registry.resolve("iris@production").version


def test_a_rollback_goes_back_to_what_was_live_before_and_keeps_its_reason(
    served: Registry,
) -> None:
    moved = served.rollback("iris", reason="errors doubled")

    assert (moved.version, moved.was, moved.changed) == ("1.1.0", "1.2.0", True)
    last = served.history("iris")[-1]
    assert (last.what, last.reason) == ("rollback 1.2.0 → 1.1.0", "errors doubled")
    assert {info.version: info.status for info in served.versions("iris")} == {
        "1.0.0": "archived",
        "1.1.0": "production",
        "1.2.0": "archived",
        "1.3.0": "registered",
    }


def test_rolling_back_again_goes_one_further_back(served: Registry) -> None:
    assert [served.rollback("iris").version for _ in range(2)] == ["1.1.0", "1.0.0"]

    with pytest.raises(NoPreviousVersionError) as caught:
        served.rollback("iris")

    hint = "holdfast rollback iris --to 1.1.0 undoes the last rollback"
    assert str(caught.value) == f"No previous version to roll back to. (model iris; {hint})"
    assert live(served) == "1.0.0"


def test_a_rollback_never_returns_to_the_version_just_rejected(served: Registry) -> None:
    served.promote("iris@1.0.0")
    served.rollback("iris")  # to 1.2.0, 1.0.0 is rejected

    moved = served.rollback("iris")

    assert moved.version == "1.1.0"
    with pytest.raises(NoPreviousVersionError):
        served.rollback("iris")


def test_a_promotion_ends_the_rejection(served: Registry) -> None:
    served.rollback("iris")
    served.promote("iris@1.3.0")

    assert served.rollback("iris").version == "1.1.0"
    served.promote("iris@1.2.0")
    assert served.resolve("iris@previous").version == "1.1.0"


@pytest.mark.parametrize("to", ["1.0.0", "iris@1.0.0", "v1", "iris@v1"])
def test_any_version_that_was_ever_live_can_be_named(served: Registry, to: str) -> None:
    moved = served.rollback("iris", to=to, reason="known good")

    assert (moved.version, moved.was) == ("1.0.0", "1.2.0")
    assert live(served) == "1.0.0"


def test_a_rejected_version_can_be_named_in_spite_of_it(served: Registry) -> None:
    served.rollback("iris")

    moved = served.rollback("iris", to="iris@1.2.0")

    assert moved.version == "1.2.0"
    assert served.resolve("iris@previous").version == "1.0.0"


def test_a_version_that_was_never_live_is_no_target(served: Registry, store: Path) -> None:
    before = disk.truth(store)

    with pytest.raises(ConflictError, match="was never live"):
        served.rollback("iris", to="iris@1.3.0")

    assert disk.truth(store) == before


def test_the_live_version_is_no_target(served: Registry) -> None:
    with pytest.raises(ConflictError, match="is already live"):
        served.rollback("iris", to="iris@1.2.0")


def test_a_version_of_another_model_is_no_target(served: Registry, store: Path, grow: Grow) -> None:
    grow(1, name="rose")
    served.promote("rose@1.0.0")
    before = disk.truth(store)

    with pytest.raises(HoldfastError):
        served.rollback("iris", to="rose@1.0.0")

    assert disk.truth(store) == before


def test_a_target_that_does_not_exist_is_not_found(served: Registry) -> None:
    with pytest.raises(NotFoundError):
        served.rollback("iris", to="iris@9.9.9")


def test_with_nothing_live_there_is_nothing_to_go_back_from(registry: Registry, grow: Grow) -> None:
    grow(2)

    with pytest.raises(
        NoPreviousVersionError, match=r"^No previous version to roll back to\. \(model iris"
    ):
        registry.rollback("iris")


def test_with_one_release_there_is_nothing_to_go_back_to(registry: Registry, grow: Grow) -> None:
    grow(2)
    registry.promote("iris@1.0.0")

    with pytest.raises(
        NoPreviousVersionError, match=r"^No previous version to roll back to\. \(model iris"
    ):
        registry.rollback("iris")


def test_a_purged_version_is_passed_over(served: Registry) -> None:
    served.purge("iris", keep=0, rollback_target="purged", grace_s=0)

    with pytest.raises(NoPreviousVersionError):
        served.rollback("iris")
    with pytest.raises(ConflictError, match="was purged"):
        served.rollback("iris", to="iris@1.0.0")


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
@pytest.mark.parametrize("what", ["model", "manifest"])
def test_a_target_that_is_not_whole_is_refused_and_nothing_moves(
    served: Registry,
    opened: Callable[..., Registry],
    store: Path,
    hurt: disk.Hurt,
    what: str,
) -> None:
    info = served.resolve("iris@1.1.0")
    digest = info.digest if what == "manifest" else served.manifest(info).files[0].sha256
    hurt(disk.blob(store, digest))
    before = disk.journals(store)

    for registry in (served, opened()):
        with pytest.raises(DamagedError, match=digest.removeprefix("sha256:")):
            registry.rollback("iris")

    assert disk.journals(store) == before
    assert live(opened()) == "1.2.0"


def test_past_a_damaged_target_a_whole_one_can_be_named(served: Registry, store: Path) -> None:
    disk.flip(disk.blob(store, served.manifest("iris@1.1.0").files[0].sha256))

    assert served.rollback("iris", to="iris@1.0.0").version == "1.0.0"


def test_a_rollback_goes_on_only_if_the_expected_version_is_live(
    served: Registry, store: Path
) -> None:
    before = disk.truth(store)

    with pytest.raises(ConflictError, match=r"has 1\.2\.0 live, not 1\.1\.0"):
        served.rollback("iris", expect="1.1.0")
    assert disk.truth(store) == before
    assert served.rollback("iris", expect="1.2.0").version == "1.1.0"


def test_of_two_rollbacks_at_once_one_wins_and_the_other_is_told(
    served: Registry, store: Path, crew: Crew
) -> None:
    jobs = [Job(store, [step("rollback", "iris")], by=by, meets=True) for by in ("bob", "cid")]

    outcomes = [job_outcomes[0] for job_outcomes in crew.work(jobs)]

    winners = [outcome for outcome in outcomes if outcome.error is None]
    losers = [outcome for outcome in outcomes if outcome.error == "ConflictError"]
    assert (len(winners), len(losers)) == (1, 1)
    assert winners[0].version == live(served) == "1.1.0"
    assert "changed meanwhile:" in losers[0].message
    assert [past.op for past in served.history("iris")].count("rolled_back") == 1


def test_a_rollback_that_lost_to_a_promotion_does_not_undo_it(
    served: Registry, store: Path, crew: Crew
) -> None:
    jobs = [
        Job(store, [step("rollback", "iris")], by="bob", meets=True),
        Job(store, [step("promote", "iris@1.3.0")], by="cid", meets=True),
    ]

    rolled, promoted = (job_outcomes[0] for job_outcomes in crew.work(jobs))

    assert promoted.error is None
    assert live(served) == "1.3.0"
    assert rolled.error == "ConflictError" or rolled.version == "1.1.0"  # it was first, then


def test_a_bad_release_is_not_live_after_everybody_pressed_rollback(
    served: Registry, store: Path, crew: Crew
) -> None:
    jobs = [
        Job(store, [step("rollback", "iris", expect="1.2.0")], by=f"p{n}", meets=True)
        for n in range(6)
    ]

    outcomes = [job_outcomes[0] for job_outcomes in crew.work(jobs)]

    assert [outcome.error for outcome in outcomes].count(None) == 1
    assert [outcome.error for outcome in outcomes].count("ConflictError") == 5
    assert live(served) == "1.1.0"
