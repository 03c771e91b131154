"""The state: what every history of wishes must leave true, and what single entries do."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core import commands, events, retention
from holdfast.core.entry import Entry
from holdfast.core.policy import Retention
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, Plan, Row, Rule
from holdfast.core.state import MAX_KEYS, Move, Record, State, empty, fold
from holdfast.errors import ConflictError

Journal = list[tuple[Entry, str]]
Attempt = Callable[[Iterable[str]], Journal]
Play = Callable[..., State]
Written = Callable[..., Journal]

numbers = st.integers(1, 6).map("v{}".format)
aliases = st.sampled_from(("eu", "champion"))
authors = st.sampled_from(("ada", "eve"))
registrations = st.sampled_from(
    ("register minor", "register patch", "register major", "register auto auc=0.9")
    + ("register 9.0.0-rc.1", "register 1.5.0", "register 0.9.0+cpu")
)
moving = st.one_of(
    numbers.map("promote {} force".format),
    numbers.map("promote {} force".format),
    numbers.map("stage {}".format),
    st.just("rollback"),
    numbers.map("rollback {}".format),
)
noting = st.one_of(
    numbers.map("archive {}".format),
    st.builds("alias {} {} force".format, aliases, numbers),
    aliases.map("unalias {}".format),
    numbers.map("tag {} team=risk".format),
    numbers.map("note {} seen".format),
    numbers.map("evaluate {} auc=0.5".format),
    st.builds("approve {} by={}".format, numbers, authors),
    numbers.map("hold {} why=audit".format),
    numbers.map("release {}".format),
    st.just("""policy '{"protected_aliases": ["eu"]}'"""),
)
ending = st.one_of(
    st.integers(0, 3).map("purge keep {}".format),
    st.integers(0, 3).map("purge keep {} target".format),
    st.builds("purge {} {}".format, numbers, numbers),
    st.just("purge policy at=2030-01-01T00:00+00:00"),
    st.sampled_from(("delete", "delete force")),
)
steps = st.one_of(registrations, registrations, moving, moving, moving, noting, noting, ending)
scripts = st.builds(
    lambda first, rest: ["register minor", "register minor", *first, *rest],
    st.lists(registrations, max_size=4),
    st.lists(steps, min_size=5, max_size=40),
)
rules: st.SearchStrategy[Rule] = st.one_of(
    st.builds(KeepNewest, st.integers(0, 4)),
    st.builds(
        ByPolicy,
        st.builds(Retention, st.integers(0, 3), st.integers(0, 400)),
        st.just(datetime(2027, 1, 1, tzinfo=UTC)),
    ),
    st.builds(Chosen, st.just(tuple(f"{major}.{minor}.0" for major in (1, 2) for minor in (0, 1)))),
)
thorough = settings(deadline=None, max_examples=150)


def at_once(journal: Journal) -> State:
    return fold(empty("iris"), journal)


def prefixes(journal: Journal) -> list[State]:
    """Return the state after each entry."""
    states = [empty("iris")]
    for item in journal:
        states.append(fold(states[-1], [item]))
    return states


@thorough
@given(scripts, st.lists(st.integers(0, 60), max_size=4))
def test_folding_in_parts_equals_folding_at_once(
    attempt: Attempt, script: list[str], cuts: list[int]
) -> None:
    journal = attempt(script)
    places = [0, *sorted(min(cut, len(journal)) for cut in cuts), len(journal)]
    state = empty("iris")
    for start, end in zip(places, places[1:], strict=False):
        state = fold(state, journal[start:end])

    assert state == at_once(journal)


@thorough
@given(scripts, st.integers(0, 60))
def test_a_snapshot_folds_on_as_if_it_had_never_been_away(
    attempt: Attempt, script: list[str], cut: int
) -> None:
    journal = attempt(script)
    snapshot = msgspec.json.encode(at_once(journal[:cut]))
    woken = msgspec.json.decode(snapshot, type=State)

    assert woken == at_once(journal[:cut])
    assert fold(woken, journal[cut:]) == at_once(journal)


@thorough
@given(scripts)
def test_two_folds_of_one_journal_give_the_same_snapshot(
    attempt: Attempt, script: list[str]
) -> None:
    journal = attempt(script)

    assert msgspec.json.encode(at_once(journal)) == msgspec.json.encode(prefixes(journal)[-1])


@thorough
@given(scripts)
def test_folding_leaves_the_state_before_as_it_was(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    before = prefixes(journal)
    pictures = [msgspec.json.encode(state) for state in before]
    for state, item in zip(before, journal, strict=False):
        fold(state, [item])

    assert [msgspec.json.encode(state) for state in before] == pictures


@thorough
@given(scripts)
def test_numbers_count_registrations_and_are_never_used_again(
    attempt: Attempt, script: list[str]
) -> None:
    journal = attempt(script)
    given_out = [
        entry.event.number for entry, _ in journal if isinstance(entry.event, events.Registered)
    ]
    state = at_once(journal)

    assert given_out == list(range(1, len(given_out) + 1))
    assert [record.number for record in state.versions.values()] == given_out
    assert state.next_number == len(given_out) + 1


@thorough
@given(scripts)
def test_a_version_once_registered_stays_on_record(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    registered = [
        entry.event.version for entry, _ in journal if isinstance(entry.event, events.Registered)
    ]

    assert list(at_once(journal).versions) == registered
    assert len(set(registered)) == len(registered)


@thorough
@given(scripts)
def test_the_live_version_alone_has_the_status_production(
    attempt: Attempt, script: list[str]
) -> None:
    for state in prefixes(attempt(script)):
        live = [one.version for one in state.versions.values() if one.status == "production"]

        assert live == [version for version in (state.production,) if version is not None]


@thorough
@given(scripts)
def test_the_staged_version_alone_has_the_status_staging(
    attempt: Attempt, script: list[str]
) -> None:
    for state in prefixes(attempt(script)):
        staged = [one.version for one in state.versions.values() if one.status == "staging"]

        assert staged == [version for version in (state.staging,) if version is not None]


@thorough
@given(scripts)
def test_the_rollback_target_served_has_its_bytes_and_is_not_live(
    attempt: Attempt, script: list[str]
) -> None:
    for state in prefixes(attempt(script)):
        if state.previous is not None:
            target = state.versions[state.previous]

            assert target.served
            assert target.status != "purged"
            assert target.version != state.production


@thorough
@given(scripts)
def test_the_rollback_target_was_not_rejected_since_the_last_promotion(
    attempt: Attempt, script: list[str]
) -> None:
    journal = attempt(script)
    rejected: set[str] = set()
    for (entry, _), state in zip(journal, prefixes(journal)[1:], strict=True):
        match entry.event:
            case events.Promoted() | events.Deleted():
                rejected.clear()
            case events.RolledBack(version=version, was=was):
                rejected.add(was)
                rejected.discard(version)

        assert state.previous not in rejected


@thorough
@given(scripts)
def test_rolling_back_again_and_again_comes_to_an_end(
    attempt: Attempt, script: list[str]
) -> None:
    state = at_once(attempt(script))
    seen = [state.production]
    while state.previous is not None:
        state = at_once(attempt([*script, *["rollback"] * len(seen)]))
        seen.append(state.production)

    assert len(set(seen)) == len(seen)


@thorough
@given(scripts, rules)
def test_what_is_protected_is_in_no_plan(
    attempt: Attempt, script: list[str], rule: Rule
) -> None:
    for state in prefixes(attempt(script)):
        protected = {
            state.production,
            state.staging,
            state.previous,
            *state.aliases.values(),
            *(one.version for one in state.versions.values() if one.held is not None),
        }

        assert protected.isdisjoint(retention.plan(state, rule).purged)


@thorough
@given(scripts)
def test_what_is_protected_is_not_purged_whatever_a_plan_says(
    attempt: Attempt, script: list[str]
) -> None:
    state = at_once(attempt(script))
    pointers = {state.production, state.staging, state.previous, *state.aliases.values()}
    for version in pointers - {None}:
        wish = Plan("iris", (Row(str(version), purge=True, reason="", size_bytes=1),), "spared")

        with pytest.raises(ConflictError):
            commands.purge(state, wish)


@thorough
@given(scripts)
def test_what_is_pointed_at_has_its_bytes(attempt: Attempt, script: list[str]) -> None:
    for state in prefixes(attempt(script)):
        pointed = {state.production, state.staging, *state.aliases.values()} - {None}

        assert pointed <= {record.version for record in state.present()}


@thorough
@given(scripts)
def test_what_was_purged_never_comes_back(attempt: Attempt, script: list[str]) -> None:
    gone: set[str] = set()
    for state in prefixes(attempt(script)):
        now = {one.version for one in state.versions.values() if one.status == "purged"}

        assert gone <= now
        gone = now


@thorough
@given(scripts)
def test_the_moves_tell_what_was_live_at_every_time(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    final = at_once(journal).moves
    for state in prefixes(journal):
        told = [move.version for move in final if move.seq <= state.seq]

        assert (told[-1] if told else None) == state.production


@thorough
@given(scripts)
def test_each_move_starts_where_the_one_before_ended(attempt: Attempt, script: list[str]) -> None:
    moves = at_once(attempt(script)).moves

    assert [move.was for move in moves] == [None, *(move.version for move in moves)][: len(moves)]
    assert all(move.version != move.was for move in moves)
    assert [move.seq for move in moves] == sorted({move.seq for move in moves})
    assert [move.at for move in moves] == sorted({move.at for move in moves})


@thorough
@given(scripts)
def test_served_are_just_the_versions_that_moves_name(attempt: Attempt, script: list[str]) -> None:
    state = at_once(attempt(script))
    served = {record.version for record in state.versions.values() if record.served}

    assert served == {move.version for move in state.moves if move.version is not None}


@thorough
@given(scripts)
def test_a_record_tells_the_time_of_the_last_entry_about_it(
    attempt: Attempt, script: list[str]
) -> None:
    journal = attempt(script)
    last = {version: entry.at for entry, _ in journal for version in entry.event.versions()}

    assert {one.version: one.updated_at for one in at_once(journal).versions.values()} == last


@thorough
@given(scripts)
def test_the_state_names_the_last_entry(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    state = at_once(journal)
    entry, head = journal[-1]

    assert (state.seq, state.head, state.at) == (entry.seq, head, entry.at)


def test_nobody_registered_the_empty_model() -> None:
    state = empty("iris")

    assert not state.exists
    assert (state.production, state.previous, state.live, state.latest()) == (None,) * 4


def test_a_model_exists_until_it_is_deleted_and_again_after(play: Play) -> None:
    script = ["register 1.0.0", "delete", "register 1.1.0"]

    assert [play(*script[:length]).exists for length in (1, 2, 3)] == [True, False, True]


def test_a_deleted_model_keeps_its_tombstones_and_loses_its_names(play: Play) -> None:
    state = play(
        "register 1.0.0", "register 1.1.0", "promote 1.0.0", "stage 1.1.0", "alias eu 1.0.0",
        "delete force",
    )  # fmt: skip

    assert {record.status for record in state.versions.values()} == {"purged"}
    assert (state.production, state.staging, state.previous, state.aliases) == (None, None, None, {})


def test_a_deletion_ends_what_was_live(play: Play) -> None:
    state = play("register 1.0.0", "promote 1.0.0", "delete force by=eve why=obsolete")

    assert state.live is None
    assert state.moves[-1] == Move(
        None, "1.0.0", 3, "2026-03-01T12:02:00.000000Z", "eve", "obsolete", "deleted"
    )


def test_numbers_go_on_after_a_deletion(play: Play) -> None:
    state = play("register 1.0.0", "delete", "register 1.1.0")

    assert state.versions["1.1.0"].number == 2


def test_live_is_the_move_that_made_it_so(play: Play) -> None:
    state = play("register 1.0.0", "promote 1.0.0 by=eve why=better", "note 1.0.0 seen")

    assert state.live == Move(
        "1.0.0", None, 2, "2026-03-01T12:01:00.000000Z", "eve", "better", "promoted"
    )


def test_a_forced_promotion_is_marked(play: Play) -> None:
    state = play(
        "register 1.0.0 auc=0.9", "register 1.1.0 auc=0.5", "promote 1.0.0", "promote 1.1.0 force"
    )

    assert [move.forced for move in state.moves] == [False, True]


def test_a_promotion_archives_the_champion(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0")

    assert state.record("1.0.0").status == "archived"


def test_a_promotion_of_the_staged_version_leaves_staging_empty(play: Play) -> None:
    assert play("register 1.0.0", "stage 1.0.0", "promote 1.0.0").staging is None


def test_a_rollback_to_the_staged_version_leaves_staging_empty(play: Play) -> None:
    state = play(
        "register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0", "stage 1.0.0",
        "rollback",
    )  # fmt: skip

    assert (state.production, state.staging) == ("1.0.0", None)


def test_what_leaves_staging_for_another_is_registered_again(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "stage 1.0.0", "stage 1.1.0")

    assert [record.status for record in state.versions.values()] == ["registered", "staging"]


def test_an_archived_version_leaves_staging(play: Play) -> None:
    state = play("register 1.0.0", "stage 1.0.0", "archive 1.0.0")

    assert (state.staging, state.record("1.0.0").status) == (None, "archived")


def test_archiving_another_leaves_staging_alone(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "stage 1.0.0", "archive 1.1.0")

    assert state.staging == "1.0.0"


def annotated(play: Play, *script: str) -> Record:
    return play("register 1.0.0 auc=0.9", *script).record("1.0.0")


def test_tags_are_merged_sorted_and_removed(play: Play) -> None:
    record = annotated(play, "tag 1.0.0 b=1 a=2", "tag 1.0.0 c=3 b=")

    assert list(record.tags.items()) == [("a", "2"), ("c", "3")]


def test_notes_are_kept_in_order(play: Play) -> None:
    assert annotated(play, "note 1.0.0 one", "note 1.0.0 two").notes == ("one", "two")


def test_an_evaluation_is_merged_over_the_metrics(play: Play) -> None:
    record = annotated(play, "evaluate 1.0.0 auc=0.8 acc=0.7")

    assert list(record.metrics.items()) == [("acc", 0.7), ("auc", 0.8)]


def test_approvals_name_each_person_once_in_order(play: Play) -> None:
    record = annotated(play, "approve 1.0.0 by=eve", "approve 1.0.0 by=ada", "approve 1.0.0 by=eve")

    assert record.approvals == ("eve", "ada")


def test_a_hold_keeps_its_reason_until_it_is_released(play: Play) -> None:
    assert annotated(play, "hold 1.0.0 why=audit").held == "audit"
    assert annotated(play, "hold 1.0.0").held == "held"
    assert annotated(play, "hold 1.0.0", "release 1.0.0").held is None


def test_an_alias_can_be_removed(play: Play) -> None:
    assert play("register 1.0.0", "alias eu 1.0.0", "unalias eu").aliases == {}


def test_the_aliases_of_a_version_are_sorted(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "alias us 1.0.0", "alias eu 1.0.0")

    assert (state.aliases_of("1.0.0"), state.aliases_of("1.1.0")) == (("eu", "us"), ())


def test_a_policy_outlives_a_deletion(play: Play) -> None:
    script = ("""policy '{"approvals": 2}'""", "register 1.0.0", "delete")

    assert play(*script).policy.approvals == 2


def test_versions_are_ordered_by_semver_and_present_by_number(play: Play) -> None:
    state = play(
        "register 1.10.0", "register 1.9.0", "register 1.9.0-rc.1", "register 1.8.0", "purge 1.8.0"
    )

    assert [one.version for one in state.ordered()] == ["1.8.0", "1.9.0-rc.1", "1.9.0", "1.10.0"]
    assert [one.version for one in state.present()] == ["1.10.0", "1.9.0", "1.9.0-rc.1"]


def test_ten_is_later_than_nine(play: Play) -> None:
    assert play("register 1.9.0", "register 1.10.0").latest() == "1.10.0"


def test_a_key_remembers_its_deed(play: Play) -> None:
    state = play("register 1.0.0 key=k", "policy '{}' key=p", "promote 1.0.0 key=q")

    assert {key: (use.op, use.seq, use.version) for key, use in state.keys.items()} == {
        "k": ("registered", 1, "1.0.0"),
        "p": ("policy_set", 2, None),
        "q": ("promoted", 3, "1.0.0"),
    }


def test_the_oldest_keys_are_forgotten_beyond_ten_thousand(written: Written) -> None:
    *before, (note, head) = written("register 1.0.0", "note 1.0.0 seen")
    uses = [(replace(note, key=f"k{number}"), head) for number in range(MAX_KEYS + 5)]
    state = fold(at_once(before), uses)

    assert len(state.keys) == MAX_KEYS
    assert next(iter(state.keys)) == "k5"


def test_an_entry_about_an_unknown_version_changes_no_record(written: Written) -> None:
    *before, (last, head) = written("register 1.0.0", "alias eu 1.0.0", "unalias eu")
    odd = replace(last, event=events.AliasRemoved(alias="eu", was="9.9.9"))

    assert fold(at_once(before), [(odd, head)]).versions == at_once(before).versions
