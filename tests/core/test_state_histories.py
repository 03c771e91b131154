"""The state: what every history of wishes leaves true."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core import commands, events, retention
from holdfast.core.entry import Entry
from holdfast.core.policy import Retention
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, PurgeDecision, PurgePlan, Rule
from holdfast.core.state import State, empty, fold
from holdfast.errors import ConflictError

Journal = list[tuple[Entry, str]]
Attempt = Callable[[Iterable[str]], Journal]

# Every wish as often as it is to be tried; most histories are promotions and rollbacks.
NUMBERS = ("v1", "v2", "v3", "v4", "v5")
TEMPLATES = {
    "promote {} force": 12,
    "rollback {}": 5,
    "stage {}": 4,
    "archive {}": 2,
    "hold {} why=audit": 1,
    "release {}": 1,
    "alias eu {} force": 1,
    "alias champion {} force": 1,
    "purge {}": 3,
    "tag {} team=risk": 1,
    "note {} seen": 1,
    "evaluate {} auc=0.5": 1,
    "approve {} by=eve": 1,
    "rollout start {}": 3,
}
PLAIN = {
    "rollback": 80,
    "register minor": 6,
    "register patch key=ci": 3,
    "register major": 3,
    "register auto auc=0.9": 3,
    "register 9.0.0-rc.1": 2,
    "register 1.0.5": 2,
    "register 0.9.0+cpu": 2,
    "unalias eu": 3,
    "unalias champion": 3,
    "purge keep 0": 3,
    "purge keep 1": 3,
    "purge keep 0 target": 3,
    "purge policy at=2030-01-01T00:00+00:00": 2,
    """policy '{"protected_aliases": ["eu"], "retention": {"keep": 1}}'""": 2,
    "rollout step": 12,
    "rollout finish": 4,
    "rollout judge hold dwell": 2,
    "rollout halt errors": 2,
    "rollout abort": 3,
    "rollout retry": 3,
    "rollout pause": 2,
    "rollout resume": 2,
    "rollout calibrate 2000": 2,
    "delete": 1,
    "delete force": 2,
}
STEPS = [
    *(step for step, times in PLAIN.items() for _ in range(times)),
    *(
        template.format(number)
        for template, times in TEMPLATES.items()
        for number in NUMBERS
        for _ in range(times)
    ),
]
scripts = st.lists(st.sampled_from(STEPS), min_size=10, max_size=60).map(
    lambda steps: ["register minor"] * 4 + steps
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
    for start, end in itertools.pairwise(places):
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
    state = empty("iris")
    for item in attempt(script):
        picture = msgspec.json.encode(state)
        after = fold(state, [item])

        assert msgspec.json.encode(state) == picture
        state = after


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
        live = [
            record.version for record in state.versions.values() if record.status == "production"
        ]

        assert live == [version for version in (state.production,) if version is not None]


@thorough
@given(scripts)
def test_the_staged_version_alone_has_the_status_staging(
    attempt: Attempt, script: list[str]
) -> None:
    for state in prefixes(attempt(script)):
        staged = [
            record.version for record in state.versions.values() if record.status == "staging"
        ]

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
def test_rolling_back_again_and_again_comes_to_an_end(attempt: Attempt, script: list[str]) -> None:
    journal = attempt([*script, *["rollback"] * 70])
    back = [entry.event.versions()[0] for entry, _ in journal[len(attempt(script)) :]]

    assert at_once(journal).previous is None
    assert len(set(back)) == len(back)


@thorough
@given(scripts, rules)
def test_what_is_protected_is_in_no_plan(attempt: Attempt, script: list[str], rule: Rule) -> None:
    for state in prefixes(attempt(script)):
        protected = {
            state.production,
            state.staging,
            state.previous,
            *state.aliases.values(),
            *(record.version for record in state.versions.values() if record.held is not None),
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
        wish = PurgePlan(
            "iris", (PurgeDecision(str(version), purge=True, reason="", size_bytes=1),), "spared"
        )

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
        now = {record.version for record in state.versions.values() if record.status == "purged"}

        assert gone <= now
        gone = now


@thorough
@given(scripts)
def test_the_moves_tell_what_was_live_at_every_time(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    final = at_once(journal).moves
    for state in prefixes(journal):
        versions = [move.version for move in final if move.seq <= state.seq]

        assert (versions[-1] if versions else None) == state.production


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

    assert {
        record.version: record.updated_at for record in at_once(journal).versions.values()
    } == last


@thorough
@given(scripts)
def test_the_state_names_the_last_entry(attempt: Attempt, script: list[str]) -> None:
    journal = attempt(script)
    state = at_once(journal)
    entry, head = journal[-1]

    assert (state.seq, state.head, state.at) == (entry.seq, head, entry.at)
