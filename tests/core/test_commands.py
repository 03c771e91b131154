"""What each verb decides: the event, the refusal, or that there is nothing to do."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import commands, events, retention
from holdfast.core.approvals import Mover
from holdfast.core.gate import Verdict
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Scan
from holdfast.core.policy import Policy, Retention
from holdfast.core.retention import Chosen, KeepNewest
from holdfast.core.state import State
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)

Play = Callable[..., State]

THREE = ("register 1.0.0", "register 1.1.0", "register 1.2.0")
ABC = (*THREE, "promote 1.0.0", "promote 1.1.0", "promote 1.2.0")
PASSED = Verdict((), (), ("auc: 0.9 → 0.89",))
REFUSED = Verdict(("auc fell", "no description"), (), ())
PROTECTED = """policy '{"protected_aliases": ["eu"]}'"""


def promoted(
    state: State, version: str, verdict: Verdict = PASSED, *, force: bool = False
) -> object:
    return commands.promote(state, state.record(version), verdict, by_force=force)


@pytest.mark.parametrize("reason", [None, "", " "])
def test_force_needs_a_reason(reason: str | None) -> None:
    commands.check_force(reason, by_force=False)
    commands.check_force("hurry", by_force=True)

    with pytest.raises(InvalidInputError, match="needs a reason"):
        commands.check_force(reason, by_force=True)


def test_the_first_promotion_follows_nothing(play: Play) -> None:
    assert promoted(play(*THREE), "1.0.0") == events.Promoted(
        version="1.0.0", was=None, remarks=PASSED.remarks
    )


def test_a_promotion_names_the_champion(play: Play) -> None:
    event = promoted(play(*THREE, "promote 1.0.0"), "1.2.0")

    assert event == events.Promoted(version="1.2.0", was="1.0.0", remarks=PASSED.remarks)


def test_promoting_the_live_version_changes_nothing(play: Play) -> None:
    state = play(*THREE, "promote 1.0.0")

    assert promoted(state, "1.0.0", REFUSED) == Unchanged("1.0.0 is already live", "1.0.0")


def test_a_refusal_lists_every_reason(play: Play) -> None:
    with pytest.raises(RefusedError) as refusal:
        promoted(play(*THREE), "1.0.0", REFUSED)

    assert refusal.value.reasons == REFUSED.reasons
    assert str(refusal.value) == (
        "production refused iris@1.0.0: auc fell; no description "
        "(to promote it anyway: --force --reason …)"
    )


def test_a_forced_promotion_keeps_the_reasons_it_passed_over(play: Play) -> None:
    event = promoted(play(*THREE), "1.0.0", REFUSED, force=True)

    assert event == events.Promoted(version="1.0.0", was=None, forced=True, refused=REFUSED.reasons)


def test_force_that_was_not_needed_is_not_recorded(play: Play) -> None:
    event = promoted(play(*THREE), "1.0.0", PASSED, force=True)

    assert event == events.Promoted(version="1.0.0", was=None, remarks=PASSED.remarks)


def test_what_the_caller_expects_to_be_live_must_be(play: Play) -> None:
    state = play(*THREE, "promote 1.0.0")
    commands.expect_live(state, "1.0.0")
    commands.expect_live(state, None)

    with pytest.raises(ConflictError, match=r"has 1\.0\.0 live, not 1\.1\.0"):
        commands.expect_live(state, "1.1.0")


def test_an_expectation_fails_where_nothing_is_live(play: Play) -> None:
    with pytest.raises(ConflictError, match=r"has no version live, not 1\.1\.0"):
        commands.expect_live(play(*THREE), "1.1.0")


def test_a_version_is_staged_in_the_place_of_another(play: Play) -> None:
    state = play(*THREE, "stage 1.0.0")

    assert commands.stage(state, state.record("1.1.0")) == events.Staged(
        version="1.1.0", was="1.0.0"
    )


def test_staging_the_staged_version_changes_nothing(play: Play) -> None:
    state = play(*THREE, "stage 1.0.0")

    assert commands.stage(state, state.record("1.0.0")) == Unchanged(
        "1.0.0 is already staged", "1.0.0"
    )


def test_the_live_version_cannot_be_staged(play: Play) -> None:
    state = play(*ABC)

    with pytest.raises(ConflictError, match=r"iris@1\.2\.0 is live; it cannot be staged"):
        commands.stage(state, state.record("1.2.0"))


def test_a_version_is_put_away(play: Play) -> None:
    state = play(*THREE)

    assert commands.archive(state, state.record("1.0.0")) == events.Archived(version="1.0.0")


def test_archiving_the_archived_changes_nothing(play: Play) -> None:
    state = play(*THREE, "archive 1.0.0")

    assert commands.archive(state, state.record("1.0.0")) == Unchanged(
        "1.0.0 is already archived", "1.0.0"
    )


def test_the_live_version_cannot_be_archived(play: Play) -> None:
    state = play(*ABC)

    with pytest.raises(ConflictError, match="promote another version or roll back first"):
        commands.archive(state, state.record("1.2.0"))


def test_an_alias_is_set_and_moved(play: Play) -> None:
    state = play(*THREE, "alias eu 1.0.0")

    moved = commands.set_alias(state, "eu", state.record("1.1.0"), Mover("ada"), by_force=False)
    assert moved == events.AliasSet(alias="eu", version="1.1.0", was="1.0.0")


def test_setting_an_alias_to_its_version_changes_nothing(play: Play) -> None:
    state = play(*THREE, "alias eu 1.0.0")

    same = commands.set_alias(state, "eu", state.record("1.0.0"), Mover("ada"), by_force=False)
    assert same == Unchanged("eu already points to 1.0.0", "1.0.0")


def test_an_alias_must_be_a_name(play: Play) -> None:
    state = play(*THREE)

    with pytest.raises(InvalidInputError, match="is reserved"):
        commands.set_alias(state, "production", state.record("1.0.0"), Mover("ada"), by_force=True)


@pytest.mark.parametrize("approvals", [(), ("approve 1.0.0 by=ada",)])
def test_a_protected_alias_needs_a_second_person(play: Play, approvals: tuple[str, ...]) -> None:
    state = play(*THREE, PROTECTED, *approvals)

    with pytest.raises(RefusedError, match=r"no second person has approved 1\.0\.0"):
        commands.set_alias(state, "eu", state.record("1.0.0"), Mover("ada"), by_force=False)


def test_a_protected_alias_moves_with_an_approval(play: Play) -> None:
    state = play(*THREE, PROTECTED, "approve 1.0.0 by=eve")

    moved = commands.set_alias(state, "eu", state.record("1.0.0"), Mover("ada"), by_force=False)
    assert moved == events.AliasSet(alias="eu", version="1.0.0", was=None)


def test_a_protected_alias_moved_by_force_is_marked(play: Play) -> None:
    state = play(*THREE, PROTECTED)

    moved = commands.set_alias(state, "eu", state.record("1.0.0"), Mover("ada"), by_force=True)
    assert moved == events.AliasSet(alias="eu", version="1.0.0", was=None, forced=True)


def test_an_unprotected_alias_moved_by_force_is_not_marked(play: Play) -> None:
    state = play(*THREE)

    moved = commands.set_alias(state, "eu", state.record("1.0.0"), Mover("ada"), by_force=True)
    assert moved == events.AliasSet(alias="eu", version="1.0.0", was=None)


def test_an_alias_is_removed(play: Play) -> None:
    state = play(*THREE, "alias eu 1.0.0")

    assert commands.remove_alias(state, "eu", by_force=False) == events.AliasRemoved(
        alias="eu", was="1.0.0"
    )


def test_an_unknown_alias_is_not_removed_and_the_nearest_is_named(play: Play) -> None:
    with pytest.raises(NotFoundError) as refusal:
        commands.remove_alias(play(*THREE, "alias champion 1.0.0"), "champoin", by_force=True)

    assert refusal.value.nearest == ("champion",)


def test_a_protected_alias_is_removed_by_force_alone(play: Play) -> None:
    state = play(*THREE, "alias eu 1.0.0", PROTECTED)

    with pytest.raises(RefusedError, match="the protected alias eu refused"):
        commands.remove_alias(state, "eu", by_force=False)
    assert commands.remove_alias(state, "eu", by_force=True).forced


def test_tags_are_set_sorted(play: Play) -> None:
    state = play(*THREE)

    event = commands.tag(state, state.record("1.0.0"), {"b": "1", "a": "2"})
    assert event == events.Tagged(version="1.0.0", tags={"a": "2", "b": "1"})


@pytest.mark.parametrize("tags", [{"a": "1"}, {"b": None}, {}])
def test_tags_it_bears_already_change_nothing(play: Play, tags: dict[str, str | None]) -> None:
    state = play(*THREE, "tag 1.0.0 a=1")

    assert isinstance(commands.tag(state, state.record("1.0.0"), tags), Unchanged)


@pytest.mark.parametrize("key", ["", " ", "a\nb", "\x00", 5, None])
def test_the_key_of_a_tag_must_be_printable(play: Play, key: Any) -> None:
    state = play(*THREE)

    with pytest.raises(InvalidInputError, match="is not a name"):
        commands.tag(state, state.record("1.0.0"), {key: "1"})


def test_a_note_must_say_something(play: Play) -> None:
    record = play(*THREE).record("1.0.0")

    with pytest.raises(InvalidInputError, match="write what you learnt"):
        commands.note(record, " \n")
    assert commands.note(record, "seen") == events.Noted(version="1.0.0", text="seen")


def test_an_evaluation_holds_clean_metrics(play: Play) -> None:
    record = play(*THREE).record("1.0.0")

    event = commands.evaluate(record, {"b": 1, "a": 0.5}, "holdout")
    assert event == events.Evaluated(version="1.0.0", metrics={"a": 0.5, "b": 1}, dataset="holdout")


@pytest.mark.parametrize("metrics", [{}, {"auc": float("nan")}, {"auc": "high"}])
def test_an_evaluation_needs_numbers(play: Play, metrics: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        commands.evaluate(play(*THREE).record("1.0.0"), metrics, None)


def test_each_person_approves_once(play: Play) -> None:
    state = play(*THREE, "approve 1.0.0 by=eve")
    record = state.record("1.0.0")

    assert commands.approve(state, record, Mover("ada")) == events.Approved(version="1.0.0")
    assert commands.approve(state, record, Mover("eve")) == Unchanged(
        "eve has already approved 1.0.0", "1.0.0"
    )


def test_what_comes_from_elsewhere_is_trusted_with_a_finding_and_a_reason(play: Play) -> None:
    state = play(*THREE)
    record = state.record("1.0.0")
    seen = Scan("pickle", executes_code=True, unknown=("os.system",), trusted="reviewed")

    assert commands.trust(state, record, {"model": seen}) == events.Trusted(
        version="1.0.0", scan={"model": seen}
    )
    for scan in ({}, {"model": replace(seen, trusted=" ")}, {"model": replace(seen, unknown=())}):
        with pytest.raises(InvalidInputError, match="a finding and a reason"):
            commands.trust(state, record, scan)


def test_what_is_trusted_already_is_left(play: Play) -> None:
    seen = {"model": Scan("pickle", unknown=("os.system",), trusted="reviewed")}
    state = play(*THREE)
    record = replace(state.record("1.0.0"), scan=seen)

    assert commands.trust(state, record, seen) == Unchanged("1.0.0 is already trusted", "1.0.0")


def test_a_hold_is_set_once(play: Play) -> None:
    state = play(*THREE, "hold 1.0.0 why=audit")

    assert commands.hold(state, state.record("1.1.0")) == events.Held(version="1.1.0")
    assert commands.hold(state, state.record("1.0.0")) == Unchanged(
        "1.0.0 is already held: audit", "1.0.0"
    )


def test_a_hold_is_released_once(play: Play) -> None:
    state = play(*THREE, "hold 1.0.0")

    assert commands.release(state.record("1.0.0")) == events.Released(version="1.0.0")
    assert commands.release(state.record("1.1.0")) == Unchanged("1.1.0 is not held", "1.1.0")


@pytest.mark.parametrize(
    "wish",
    [
        lambda state, record: promoted(state, record.version),
        lambda state, record: promoted(state, record.version, force=True),
        commands.stage,
        commands.archive,
        commands.hold,
        lambda state, record: commands.approve(state, record, Mover("eve")),
        lambda state, record: commands.set_alias(state, "eu", record, Mover("ada"), by_force=True),
    ],
    ids=["promote", "force", "stage", "archive", "hold", "approve", "alias"],
)
def test_nothing_is_done_with_a_version_without_bytes(
    play: Play, wish: Callable[..., object]
) -> None:
    state = play(*THREE, "purge 1.0.0")

    with pytest.raises(ConflictError, match=r"iris@1\.0\.0 was purged, so its bytes are gone"):
        wish(state, state.record("1.0.0"))


def test_what_is_learnt_of_a_purged_version_is_still_noted(play: Play) -> None:
    state = play(*THREE, "purge 1.0.0", "note 1.0.0 'was wrong'", "tag 1.0.0 bad=yes")

    assert state.record("1.0.0").notes == ("was wrong",)


def test_a_policy_is_set(play: Play) -> None:
    policy = Policy(approvals=1)

    decided = commands.set_policy(play(*THREE), policy)

    assert decided == events.PolicySet(policy=policy, was=Policy())


def test_a_policy_can_be_set_before_the_first_version(play: Play) -> None:
    decided = commands.set_policy(play(), Policy())

    assert decided == events.PolicySet(policy=Policy(), was=Policy())


def test_setting_the_same_policy_changes_nothing(play: Play) -> None:
    assert isinstance(commands.set_policy(play(*THREE), Policy()), Unchanged)


@pytest.mark.parametrize("script", [(), THREE])
def test_a_policy_without_sense_is_not_set(play: Play, script: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        commands.set_policy(play(*script), Policy(retention=Retention(keep=-1)))


def test_a_purge_keeps_the_reason_of_each_version(play: Play) -> None:
    state = play(*THREE)

    event = commands.purge(state, retention.plan(state, Chosen(("1.0.0", "1.1.0"))))
    assert event == events.Purged(reasons={"1.0.0": "chosen", "1.1.0": "chosen"})


def test_a_plan_without_victims_changes_nothing(play: Play) -> None:
    state = play(*THREE)

    assert commands.purge(state, retention.plan(state, KeepNewest(0))) == Unchanged(
        "there is no version to purge"
    )


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        ("promote 1.0.0", "live"),
        ("stage 1.0.0", "staged"),
        ("alias eu 1.0.0", "alias eu"),
        ("hold 1.0.0 why=audit", "held: audit"),
        ("purge 1.0.0", "already purged"),
    ],
)
def test_a_purge_stops_at_what_became_protected_since_the_plan(
    play: Play, meanwhile: str, why: str
) -> None:
    planned = retention.plan(play(*THREE), Chosen(("1.0.0", "1.1.0")))

    with pytest.raises(
        ConflictError, match=rf"iris@1\.0\.0 cannot be purged: {why}; make a new plan"
    ):
        commands.purge(play(*THREE, meanwhile), planned)


def test_a_purge_stops_at_what_became_the_rollback_target(play: Play) -> None:
    planned = retention.plan(play(*ABC), Chosen(("1.0.0",)))

    with pytest.raises(ConflictError, match="rollback target"):
        commands.purge(play(*ABC, "rollback"), planned)


def test_a_purge_told_to_takes_the_rollback_target(play: Play) -> None:
    state = play(*ABC)
    event = commands.purge(state, retention.plan(state, KeepNewest(0, target="purged")))

    assert isinstance(event, events.Purged)
    assert event.versions() == ("1.0.0", "1.1.0")


def test_a_deletion_names_all_that_have_bytes(play: Play) -> None:
    state = play(*THREE, "purge 1.1.0")

    assert commands.delete(state, by_force=False) == events.Deleted(purged=("1.0.0", "1.2.0"))


def test_a_deletion_refused_lists_every_reason(play: Play) -> None:
    state = play(*ABC, "hold 1.0.0 why=audit", "hold 1.1.0 why=court")

    with pytest.raises(RefusedError) as refusal:
        commands.delete(state, by_force=False)

    assert refusal.value.reasons == (
        "1.2.0 is live (--force --reason … deletes it anyway)",
        "1.0.0 is held: audit",
        "1.1.0 is held: court",
    )


def test_force_deletes_what_is_live_and_not_what_is_held(play: Play) -> None:
    assert commands.delete(play(*ABC), by_force=True).purged == ("1.0.0", "1.1.0", "1.2.0")
    with pytest.raises(RefusedError):
        commands.delete(play(*ABC, "hold 1.0.0"), by_force=True)
