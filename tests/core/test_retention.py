"""Retention: which versions a plan gives up, which it spares, and why."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.policy import Retention
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, PurgePlan, Rule, plan, protection
from holdfast.core.state import State
from holdfast.errors import InvalidInputError

Play = Callable[..., State]

TEN = tuple(f"register 1.{minor}.0" for minor in range(10))
ARCHIVED = (*TEN, *(f"archive v{number}" for number in range(1, 11)))
REGISTERED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEARS_LATER = datetime(2030, 1, 1, tzinfo=UTC)
PROTECTED = {
    "live": ("promote 1.0.0",),
    "staged": ("stage 1.0.0",),
    "rollback target": ("promote 1.0.0", "promote 1.1.0"),
    "alias eu, us": ("alias us 1.0.0", "alias eu 1.0.0"),
    "held: audit": ("hold 1.0.0 why=audit",),
}


def fates(planned: PurgePlan) -> dict[str, str]:
    return {row.version: row.reason for row in planned.rows}


def after(days: float) -> datetime:
    return REGISTERED_AT + timedelta(days=days)


def by_age(keep: int, days: float, now: datetime = YEARS_LATER) -> ByPolicy:
    return ByPolicy(Retention(keep, days), now)


@pytest.mark.parametrize("keep", [-1, 2.5, "2", None])
def test_less_than_none_cannot_be_kept(play: Play, keep: Any) -> None:
    with pytest.raises(InvalidInputError, match="must be a whole number from 0"):
        plan(play(*ARCHIVED), KeepNewest(keep))


def test_the_newest_archived_versions_are_kept_by_number(play: Play) -> None:
    planned = plan(play(*ARCHIVED), KeepNewest(3))

    assert planned.purged == tuple(f"1.{minor}.0" for minor in range(7))


def test_ten_is_newer_than_nine(play: Play) -> None:
    assert plan(play(*ARCHIVED), KeepNewest(1)).purged[-1] == "1.8.0"


def test_number_and_not_version_says_which_is_newer(play: Play) -> None:
    script = ("register 2.0.0", "register 1.0.0", "archive 2.0.0", "archive 1.0.0")

    assert plan(play(*script), KeepNewest(1)).purged == ("2.0.0",)


def test_keep_none_purges_all_that_is_archived(play: Play) -> None:
    assert len(plan(play(*ARCHIVED), KeepNewest(0)).purged) == 10


@pytest.mark.parametrize("keep", [10, 11, 1000])
def test_keep_enough_purges_nothing(play: Play, keep: int) -> None:
    assert plan(play(*ARCHIVED), KeepNewest(keep)).purged == ()


def test_only_what_is_archived_counts_and_goes(play: Play) -> None:
    planned = plan(play(*TEN, "archive 1.0.0", "archive 1.9.0"), KeepNewest(1))

    assert planned.purged == ("1.0.0",)
    assert fates(planned)["1.5.0"] == "registered, not archived"


def test_the_count_leaves_out_what_was_purged_before(play: Play) -> None:
    assert plan(play(*ARCHIVED, "purge 1.9.0"), KeepNewest(1)).purged[-1] == "1.7.0"


@pytest.mark.parametrize("why", PROTECTED)
@pytest.mark.parametrize(
    "rule", [KeepNewest(0), Chosen(("1.0.0",)), by_age(0, 0)], ids=["keep", "chosen", "policy"]
)
def test_each_protection_spares_its_version_whatever_the_rule(
    play: Play, why: str, rule: Rule
) -> None:
    planned = plan(play("register 1.0.0", "register 1.1.0", *PROTECTED[why]), rule)

    assert "1.0.0" not in planned.purged
    assert fates(planned)["1.0.0"] == why


def test_what_is_protected_takes_no_place_among_the_newest(play: Play) -> None:
    planned = plan(play(*ARCHIVED, "hold 1.0.0 why=audit"), KeepNewest(2))

    assert set(fates(planned)) - set(planned.purged) == {"1.0.0", "1.8.0", "1.9.0"}


def test_a_rule_can_give_up_the_rollback_target(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0")

    assert plan(state, KeepNewest(0)).purged == ()
    assert plan(state, KeepNewest(0, target="purged")).purged == ("1.0.0",)


def test_what_has_no_bytes_can_lose_none(play: Play) -> None:
    state = play("register 1.0.0", "purge 1.0.0")

    assert protection(state, state.record("1.0.0"), "spared") == "already purged"


def test_what_nothing_protects_has_no_reason_to_stay(play: Play) -> None:
    state = play("register 1.0.0")

    assert protection(state, state.record("1.0.0"), "spared") is None


def test_the_chosen_go_and_no_others(play: Play) -> None:
    planned = plan(play("register 1.0.0", "register 1.1.0"), Chosen(("1.1.0",)))

    assert fates(planned) == {"1.0.0": "not chosen", "1.1.0": "chosen"}
    assert planned.purged == ("1.1.0",)


def test_by_policy_the_old_go_beyond_the_newest(play: Play) -> None:
    planned = plan(play(*TEN), by_age(3, 365))

    assert planned.purged == tuple(f"1.{minor}.0" for minor in range(7))
    assert fates(planned)["1.0.0"] == "1401 days old, never live, beyond the 3 newest"
    assert fates(planned)["1.9.0"] == "among the 3 newest"


def test_by_policy_the_young_stay(play: Play) -> None:
    planned = plan(play("register 1.0.0"), by_age(0, 365, after(100)))

    assert fates(planned)["1.0.0"].startswith("100 days old")
    assert planned.purged == ()


def test_by_policy_what_is_older_than_allowed_goes(play: Play) -> None:
    assert plan(play("register 1.0.0"), by_age(0, 365, after(365.1))).purged == ("1.0.0",)


def test_by_policy_what_is_just_as_old_as_allowed_stays(play: Play) -> None:
    assert plan(play("register 1.0.0"), by_age(0, 365, after(365))).purged == ()


def test_by_policy_what_was_ever_live_stays_for_ever(play: Play) -> None:
    script = ("promote 1.0.0", "promote 1.1.0", "promote 1.2.0", "promote 1.3.0")
    planned = plan(play(*TEN, *script), by_age(0, 0))

    assert fates(planned)["1.0.0"] == fates(planned)["1.1.0"] == "was live once"
    assert planned.purged == tuple(f"1.{minor}.0" for minor in range(4, 10))


def test_by_policy_the_archived_go_as_the_registered_do(play: Play) -> None:
    planned = plan(play("register 1.0.0", "register 1.1.0", "archive 1.0.0"), by_age(0, 30))

    assert planned.purged == ("1.0.0", "1.1.0")


@pytest.mark.parametrize("days", [1e6, 1e12])
def test_by_policy_an_age_that_nobody_reaches_keeps_all(play: Play, days: float) -> None:
    assert plan(play("register 1.0.0"), by_age(0, days)).purged == ()


def test_a_clock_that_stands_behind_purges_nothing(play: Play) -> None:
    assert plan(play("register 1.0.0"), by_age(0, 0, after(-1))).purged == ()


@settings(deadline=None)
@given(
    st.one_of(
        st.integers(0, 12).map(KeepNewest),
        st.builds(by_age, st.integers(0, 12), st.floats(0, 2000)),
        st.lists(st.sampled_from([f"1.{minor}.0" for minor in range(12)])).map(
            lambda versions: Chosen(tuple(versions))
        ),
    ),
    st.sampled_from(sorted(PROTECTED)),
)
def test_a_plan_names_each_version_with_its_bytes_once_in_order_with_a_reason(
    play: Play, rule: Rule, why: str
) -> None:
    state = play(*ARCHIVED, "purge 1.5.0", *PROTECTED[why])
    planned = plan(state, rule)

    assert [row.version for row in planned.rows] == [record.version for record in state.present()]
    assert all(row.reason for row in planned.rows)
    assert set(planned.purged) == {row.version for row in planned.rows if row.purge}


def test_a_plan_tells_how_much_each_version_would_free(play: Play) -> None:
    assert [row.size_bytes for row in plan(play("register 1.0.0"), KeepNewest(0)).rows] == [1000]


def test_a_plan_changes_nothing(play: Play) -> None:
    state = play(*ARCHIVED)
    plan(state, KeepNewest(0))

    assert state == play(*ARCHIVED)


def test_a_model_without_versions_has_an_empty_plan() -> None:
    assert plan(State("iris"), KeepNewest(0)) == PurgePlan("iris", (), "spared")
