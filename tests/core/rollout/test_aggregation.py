"""What workers counted, put together: in any order, in any parts."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core.fleet import Counts, Keys, Sides, StepCounts
from holdfast.core.rollout.aggregation import seen
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.blocks import Blocks
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Rollout
from holdfast.core.rollout.verdict import Observations

WEIGHTS = (0.05, 0.25, 1.0)
ROLLOUT = Rollout(
    number=5,
    seq=17,
    version="1.1.0",
    was="1.0.0",
    plan=Plan(steps=WEIGHTS),
    analysis=Analysis(),
    by="ada",
    started_at="2026-03-02T12:00:00Z",
    since="2026-03-02T12:00:00Z",
    step=1,
    baseline=Baseline(2_000, ((0.5, 100), (0.99, 900)), (0.5,)),
)
STICKY = replace(ROLLOUT, sticky="header:X-User-Id")
SHADOW = replace(ROLLOUT, plan=Plan("shadow", WEIGHTS))


def counts(*steps: StepCounts, worker: str = "a", number: int = 5) -> Counts:
    return Counts("iris", number, worker, "2026-03-02T12:00:00Z", steps)


def at(step: int, **counted: object) -> StepCounts:
    return replace(StepCounts(step, WEIGHTS[step]), **counted)


def test_requests_and_failures_are_added_up_by_step() -> None:
    observations = seen(
        ROLLOUT,
        [
            counts(at(0, requests=Sides(5, 95), failures=Sides(1, 2))),
            counts(at(0, requests=Sides(6, 90)), at(1, requests=Sides(30, 70)), worker="b"),
        ],
        60.0,
    )

    assert (observations.step, observations.elapsed_s, observations.failing_keys) == (1, 60.0, None)
    assert observations.failures == (Tally(0.05, 11, 185, 1, 2), Tally(0.25, 30, 70))
    assert observations.assignments == (Tally(0.05, 11, 185), Tally(0.25, 30, 70))


def test_where_nobody_counted_there_was_no_traffic() -> None:
    observations = seen(ROLLOUT, [], 60.0)

    assert (observations.failures, observations.assignments, observations.scores) == ((), (), None)


def test_counts_of_another_rollout_or_of_no_step_of_the_plan_are_left_out() -> None:
    other = counts(at(0, requests=Sides(5, 95)), number=4)
    foreign = counts(StepCounts(3, 1.0, Sides(1, 1)), StepCounts(0, 0.1, Sides(1, 1)))

    assert seen(ROLLOUT, [other, foreign], 60.0).failures == ()


def test_who_failed_was_a_request() -> None:
    late = counts(at(0, requests=Sides(0, 5), failures=Sides(2, 0)))

    assert seen(ROLLOUT, [late], 60.0).failures == (Tally(0.05, 2, 5, 2, 0),)


def test_requests_slower_than_the_baseline_are_added_up_by_quantile() -> None:
    counted_step = at(1, requests=Sides(30, 70), slower=((0.5, Sides(20, 30)), (0.9, Sides(9, 9))))
    observations = seen(ROLLOUT, [counts(counted_step), counts(counted_step, worker="b")], 60.0)

    assert observations.latency == {
        0.5: (Tally(0.25, 60, 140, 40, 60),),
        0.99: (Tally(0.25, 60, 140),),
    }


def test_blocks_of_calls_are_judged_where_each_call_is_known() -> None:
    logs = (1.0, 2.0, 0.5, 0.0, 0.0, 0.0, -1.0)
    first = at(1, requests=Sides(30, 70), blocks=((0.5, logs, 4), (0.99, (math.nan,) * 7, 9)))
    second = at(2, requests=Sides(30, 70), blocks=((0.5, logs, 1),))
    observations = seen(ROLLOUT, [counts(first), counts(second, worker="b")], 60.0)

    assert observations.latency == {
        0.5: Blocks((2.0, 4.0, 1.0, 0.0, 0.0, 0.0, -2.0), 5),
        0.99: Blocks((0.0,) * 7),
    }


def test_before_the_baseline_latencies_and_scores_are_unknown() -> None:
    observations = seen(
        replace(ROLLOUT, baseline=None), [counts(at(0, scores=((1, 2), (3, 4))))], 60.0
    )

    assert observations.latency == {}
    assert observations.scores is None


def test_scores_are_compared_over_all_steps_and_workers() -> None:
    parts = [
        counts(at(0, scores=((10, 0), (90, 10)))),
        counts(at(1, scores=((0, 90), (10, 90))), worker="b"),
        counts(at(1, scores=((1, 1, 1), ())), worker="of other edges"),
    ]
    whole = counts(at(1, scores=((10, 90), (100, 100))))
    drift = seen(ROLLOUT, parts, 60.0).scores

    assert drift is not None
    assert drift.psi > 0.5
    assert drift == seen(ROLLOUT, [whole], 60.0).scores


def test_a_quantile_that_somebody_could_not_measure_is_absent() -> None:
    worker_counts = counts(at(1, requests=Sides(30, 70), slower=((0.5, Sides(20, 30)),)))

    observations = seen(
        ROLLOUT, [worker_counts, replace(worker_counts, worker="b", unmeasured=(0.99,))], 60.0
    )

    assert observations.latency == {0.5: (Tally(0.25, 60, 140, 40, 60),)}


def test_a_shadow_is_judged_by_pairs() -> None:
    counted_step = at(1, requests=Sides(50, 100), pairs=(3, 2, 1), slower_pairs=((0.5, (4, 5, 6)),))
    observations = seen(SHADOW, [counts(counted_step), counts(counted_step, worker="b")], 60.0)

    assert observations.failures == Pairs(100, 6, 4, 2)
    assert observations.latency == {0.5: Pairs(100, 8, 10, 12), 0.99: Pairs(100, 0, 0, 0)}
    assert observations.assignments is None


def keys(canary: Iterable[int] = (), active: Iterable[int] = (), level: int = 0) -> Keys:
    return Keys(level, tuple(canary), tuple(active))


def failed(*hours: tuple[int, Keys]) -> dict[str, object]:
    return {"requests": Sides(1_000, 9_000), "failed_keys": hours}


def tallied(observations: Observations) -> list[tuple[int, int]]:
    assert isinstance(observations.failures, tuple)

    return [(tally.canary_failures, tally.active_failures) for tally in observations.failures]


def test_a_key_fails_once_an_hour_however_many_workers_saw_it() -> None:
    observations = seen(
        STICKY,
        [
            counts(at(0, **failed((7, keys([1, 2], [5]))))),
            counts(at(0, **failed((7, keys([2, 3], [5, 6])), (8, keys([2])))), worker="b"),
        ],
        60.0,
    )

    assert tallied(observations) == [(4, 2)]
    assert observations.failing_keys == 3


def test_a_key_fails_on_the_step_and_side_where_it_failed_first() -> None:
    before, later = keys([], [1, 2]), keys([1, 3], [2, 4])
    observations = seen(
        STICKY, [counts(at(1, **failed((7, later))), at(0, **failed((7, before))))], 60.0
    )

    assert tallied(observations) == [(0, 2), (1, 1)]
    assert observations.failing_keys == 2


def test_a_key_that_failed_on_both_sides_at_once_is_no_evidence_against_the_canary() -> None:
    observations = seen(STICKY, [counts(at(0, **failed((7, keys([1, 2], [1])))))], 60.0)

    assert tallied(observations) == [(1, 1)]


def test_samples_of_keys_are_reduced_to_the_smallest() -> None:
    observations = seen(
        STICKY,
        [
            counts(at(0, **failed((7, keys([0b1000, 0b0100], [0b1100], level=2))))),
            counts(at(0, **failed((7, keys([0b0001, 0b0010, 0b0100], [0b0111])))), worker="b"),
        ],
        60.0,
    )

    assert observations.failures == (Tally(0.05, 500, 4_500, 2, 1),)
    assert observations.failing_keys == 2


def test_requests_are_assigned_where_they_were_sent_answered_or_not() -> None:
    sent = at(0, requests=Sides(2, 900), assigned=Sides(50, 950))
    uncounted = at(0, requests=Sides(5, 95))
    observations = seen(ROLLOUT, [counts(sent), counts(uncounted, worker="b")], 60.0)

    assert observations.assignments == (Tally(0.05, 55, 1045),)
    assert observations.failures == (Tally(0.05, 7, 995),)


def test_a_key_is_assigned_once_where_it_was_first_seen() -> None:
    observations = seen(
        STICKY,
        [
            counts(at(0, first_seen=keys([1], [2, 3, 4]))),
            counts(at(0, first_seen=keys([1])), at(1, first_seen=keys([2, 5], [6])), worker="b"),
        ],
        60.0,
    )

    assert observations.assignments == (Tally(0.05, 1, 3), Tally(0.25, 1, 1))


# Any counts, cut into any parts:

numbers = st.integers(0, 50)
sides = st.builds(Sides, numbers, numbers)
some_keys = st.lists(st.integers(0, 63).map(lambda key: key * 4), max_size=6).map(tuple)
key_sets = st.builds(Keys, st.sampled_from((0, 1, 2)), some_keys, some_keys)
trios = st.tuples(numbers, numbers, numbers)
bins = st.tuples(numbers, numbers)
step_counts = st.builds(
    lambda step, **counted: StepCounts(step, WEIGHTS[step], **counted),
    st.integers(0, 2),
    requests=sides,
    failures=sides,
    failed_keys=st.lists(st.tuples(st.integers(7, 8), key_sets), max_size=2).map(tuple),
    first_seen=key_sets,
    slower=st.dictionaries(st.sampled_from((0.5, 0.99)), sides).map(lambda d: tuple(d.items())),
    pairs=trios,
    slower_pairs=st.dictionaries(st.just(0.5), trios).map(lambda d: tuple(d.items())),
    scores=st.tuples(bins, bins),
)


@pytest.mark.parametrize("rollout", [ROLLOUT, STICKY, SHADOW], ids=["plain", "sticky", "shadow"])
@settings(deadline=None, max_examples=80)
@given(steps=st.lists(step_counts, max_size=8), data=st.data())
def test_order_and_parts_make_no_difference(
    rollout: Rollout, steps: list[StepCounts], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(steps))
    cut = data.draw(st.integers(0, len(steps)))
    parts = [counts(*shuffled[:cut]), counts(*shuffled[cut:], worker="b")]

    assert seen(rollout, parts, 60.0) == seen(rollout, [counts(*steps)], 60.0)
