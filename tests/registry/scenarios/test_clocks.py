"""A clock that was wrong once: nothing fails, the record says so, and times are honest again."""

import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.core.fleet import Report
from holdfast.core.policy import Policy, Retention
from holdfast.errors import DamagedError, InvalidInputError

Open = Callable[..., Registry]


@pytest.fixture
def mistaken(registry: Registry, clock: Clock, grow: Grow) -> Registry:
    """Return a registry in which 1.0.0 went live in 2035, and 1.1.0 was registered in 2026."""
    grow(1)
    clock.on("2035-03-02")
    registry.promote("iris@1.0.0")
    clock.on("2026-03-03")
    grow(1)
    return registry


def test_entries_behind_one_of_the_far_future_are_honest_again(
    mistaken: Registry, opened: Open
) -> None:
    times = [entry.at[:4] for entry in mistaken.entries("iris")]

    assert times == ["2026", "2035", "2026"]
    assert opened().promote("iris@1.1.0").changed


def test_status_and_verify_say_which_time_cannot_be_right(mistaken: Registry) -> None:
    (message,) = mistaken.status("iris").remarks
    verification = mistaken.verify()

    assert message.startswith("entry 2 says 2035-03-02T00:00:01.000000Z, later than the entries")
    assert (verification.whole, [remark.subject for remark in verification.remarks]) == (
        True,
        ["iris"],
    )
    assert "later than the next entry, 3" in verification.remarks[0].text


def test_a_last_entry_that_is_yet_to_come_is_told(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2035-03-02")
    grow(1)
    registry.promote("iris@1.0.0")
    clock.on("2026-03-02")

    assert "is in the future" in registry.status("iris").remarks[0]
    assert "is in the future" in registry.verify("iris").remarks[0].text
    assert registry.status("iris", at="2040-01-01").remarks == ()


def test_what_was_live_when_is_told_in_the_order_of_numbers(mistaken: Registry) -> None:
    mistaken.promote("iris@1.1.0")

    live = mistaken.status("iris", at="2026-03-04").live
    assert live is not None
    assert live.version == "1.1.0"
    before = mistaken.status("iris").before
    assert before is not None
    assert before.served_s == 0.0


def test_such_a_journal_goes_elsewhere_and_comes_back(mistaken: Registry, tmp_path: Path) -> None:
    mistaken.export("iris", tmp_path / "iris.tar")
    other = holdfast.open(tmp_path / "other")

    assert other.import_(tmp_path / "iris.tar").created
    assert other.verify().whole


def test_at_the_end_of_time_verbs_say_that_the_clock_is_wrong(
    store: Path, text: Text, opened: Open
) -> None:
    last = holdfast.open(store, clock=lambda: datetime.max.replace(tzinfo=UTC))
    last.register("iris", text("words"))

    with pytest.raises(InvalidInputError, match="which leaves no later time to record"):
        last.promote("iris@1.0.0")
    assert opened().promote("iris@1.0.0").changed
    assert opened().verify().whole


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59.999999-05:00", "soon", "0000-01-01T00:00Z"])
def test_an_entry_whose_time_no_calendar_has_is_damage(
    registry: Registry, store: Path, grow: Grow, opened: Open, at: str
) -> None:
    grow(1)
    path = store / "models/iris/journal/0000000001.json"
    old = registry.entries("iris")[0].at
    disk.overwrite(path, disk.sealed(path.read_bytes().replace(old.encode(), at.encode())))
    (store / "models/iris/active_version.json").unlink()

    with pytest.raises(DamagedError, match=r"has the invalid time .*"):
        opened().status("iris")
    assert not opened().verify().whole


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_times_at_the_ends_of_the_calendar_can_be_asked_about(
    mistaken: Registry, year: str
) -> None:
    day = f"{year}-12-31"
    count = 3 if year == "9999" else 0

    assert len(mistaken.history("iris", at=day)) == count
    assert len(mistaken.models(at=day)) == min(count, 1)


def test_age_counts_from_no_time_that_is_yet_to_come(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2035-03-02")
    grow(3)
    clock.on("2026-03-02")
    registry.set_policy("iris", Policy(retention=Retention(keep=1, max_age_days=1)))

    plan = registry.purge_plan("iris")

    assert [row.purge for row in plan.rows] == [False, False, False]
    assert "registered in the future, not older than 1" in [row.reason for row in plan.rows]


def test_a_file_of_the_year_10000_is_adopted(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    model = folder / "model.pkl"
    model.write_bytes(pickle.dumps({"weights": 1}))
    os.utime(model, (253_402_300_800, 253_402_300_800))
    if model.stat().st_mtime < 253_402_300_800:
        pytest.skip("this file system keeps no such time")

    adopted = registry.adopt("iris", folder)

    assert adopted.plan.rows[0].modified == "9999-12-31T23:59:59.999999Z"


def test_reports_of_the_far_future_are_swept(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.fleet.report(Report("iris", "dead", "9999-12-31T23:59:59Z", 1e300, 9, "1.0.0"))

    assert registry.status("iris").serving is None
    assert registry.wait("iris", "2.0.0", timeout_s=0).workers == 0
    assert registry.gc().leftovers == 1
    assert registry.fleet.servers("iris") == []
