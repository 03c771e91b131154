import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.rollouts.bounds import most
from tests.serving.facing import rollout, routing_table, sums

from holdfast.core.fleet import Sides
from holdfast.core.rollout import aggregation, blocks, verdict
from holdfast.core.rollout.analysis import RATIOS, Analysis
from holdfast.core.rollout.blocks import Block, Blocks
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.rollout_state import Baseline, Rollout
from holdfast.predictions.row import Role
from holdfast.serving.answering.finished import FinishedRequest, Mirrored
from holdfast.serving.answering.routing import RoutingDecision
from holdfast.serving.telemetry.rollout_counts import RolloutCountsSink
from holdfast.serving.vitals import CallInProgress

HOUR_US = 3_600_000_000
ACTIVE, CANARY = sums("1.0.0"), sums("1.1.0")
AT = "2026-11-20T10:00:00.000000Z"


def request(course: Rollout | None, role: str = "active", **facts: Any) -> FinishedRequest:
    """Return a finished request of the model `iris`."""
    loaded = ACTIVE if role == "active" else CANARY
    known: dict[str, Any] = {
        "routing_table": routing_table(ACTIVE, rollout=course, candidate=CANARY),
        "loaded": loaded,
        "role": role,
        "counted": course is not None,
        "failed": False,
        "status": 200,
        "latency_us": 900,
        "model_us": 500,
        "at_us": 5 * HOUR_US,
        "prediction_id": "id",
        "request_id": "id",
    }
    return FinishedRequest(**known | facts)


def counted(*requests: FinishedRequest, course: Rollout) -> Any:
    counting = RolloutCountsSink(["iris"])
    for finished_request in requests:
        counting.finished(finished_request)
    return counting.counts("iris", course.number, "here", AT)


def seen(*requests: FinishedRequest, course: Rollout) -> Any:
    return aggregation.seen(course, [counted(*requests, course=course)], 0.0)


def test_requests_and_failures_are_counted_by_side() -> None:
    course = rollout(weight=0.25)
    evidence = seen(
        request(course),
        request(course, failed=True),
        request(course, "canary"),
        request(course, "canary", failed=True),
        request(course, "canary", failed=True),
        course=course,
    )

    assert evidence.failures == (Tally(0.25, 3, 2, 2, 1),)
    assert evidence.assignments == (Tally(0.25, 3, 2),)


def test_what_was_forced_or_routed_by_no_rollout_counts_for_none() -> None:
    course = rollout()
    counts = counted(request(course, counted=False), request(None), course=course)

    assert counts.steps == ()


def test_each_step_counts_for_itself() -> None:
    first, second = rollout(weight=0.25), rollout(weight=0.25, step=1)
    counts = counted(request(first), request(second, "canary"), course=first)

    assert [(step.step, step.weight, step.requests) for step in counts.steps] == [
        (0, 0.25, Sides(0, 1)),
        (1, 1.0, Sides(1, 0)),
    ]


def test_what_is_sent_to_a_side_counts_before_it_is_answered() -> None:
    course = rollout(weight=0.25)
    counting = RolloutCountsSink(["iris"])
    house, active_choice = (
        routing_table(ACTIVE, rollout=course, candidate=CANARY),
        RoutingDecision(ACTIVE, "active", counted=True),
    )
    for choice in (RoutingDecision(CANARY, "canary", counted=True), active_choice, active_choice):
        counting.routed(house, choice, "id")
    counting.routed(routing_table(ACTIVE), RoutingDecision(ACTIVE, "active", counted=True), "id")
    waiting = aggregation.seen(course, [counting.counts("iris", 7, "here", AT)], 0.0)
    counting.finished(request(course))
    answered = aggregation.seen(course, [counting.counts("iris", 7, "here", AT)], 0.0)

    assert waiting.assignments == answered.assignments == (Tally(0.25, 1, 2),)
    assert (waiting.failures, answered.failures) == ((Tally(0.25, 0, 0),), (Tally(0.25, 0, 1),))
    assert counting.news("iris") == {7: 4}


def test_a_key_that_is_never_answered_has_been_assigned() -> None:
    course = rollout(sticky="header:x-user")
    counting = RolloutCountsSink(["iris"])
    house = routing_table(ACTIVE, rollout=course, candidate=CANARY)
    for _ in range(2):
        counting.routed(house, RoutingDecision(CANARY, "canary", counted=True, key=8), "id")
    evidence = aggregation.seen(course, [counting.counts("iris", 7, "here", AT)], 0.0)

    assert evidence.assignments == (Tally(0.5, 1, 0),)


def test_a_full_queue_and_time_that_is_up_are_slower_than_anything() -> None:
    course = rollout(baseline=Baseline(2_000, ((0.5, 1_000_000),)))
    evidence = seen(
        *(request(course, "canary", failed=True, status=at, model_us=None) for at in (503, 504)),
        request(course, "canary", failed=True, status=500, model_us=None),
        course=course,
    )

    assert evidence.latency == {0.5: (Tally(0.5, 3, 0, 2, 0),)}


def test_a_key_counts_once_an_hour_and_a_request_without_one_for_itself() -> None:
    course = rollout(weight=0.25, sticky="header:X-User")
    evidence = seen(
        *(request(course, "canary", key=7, failed=True) for _ in range(5)),
        request(course, "canary", key=7, failed=True, at_us=6 * HOUR_US),
        request(course, "canary", key=None, failed=True, prediction_id="a"),
        request(course, "canary", key=None, failed=True, prediction_id="b"),
        request(course, key=8),
        course=course,
    )

    (tally,) = evidence.failures
    assert (tally.canary_failures, tally.active_failures) == (4, 0)
    assert evidence.failing_keys == 3
    assert evidence.assignments == (Tally(0.25, 3, 1),)


def test_a_key_is_assigned_once_where_it_first_came() -> None:
    first = rollout(weight=0.25, sticky="header:X-User")
    later = replace(first, step=1)
    evidence = seen(
        request(first, key=1),
        request(later, "canary", key=1),
        request(later, "canary", key=2),
        course=later,
    )

    assert evidence.assignments == (Tally(0.25, 0, 1), Tally(1.0, 1, 0))


def test_of_very_many_keys_a_sample_is_kept() -> None:
    course = rollout(weight=0.5, sticky="header:X-User")
    chance = random.Random(5)
    keys = [chance.getrandbits(64) for _ in range(20_000)]
    counts = counted(
        *(request(course, "canary", key=key, failed=True) for key in keys), course=course
    )

    ((_, failed),) = counts.steps[0].failed_keys
    level = failed.level
    assert level > 0
    assert set(failed.canary) == {key for key in keys if key % 2**level == 0}
    assert counts.steps[0].first_seen.level == level
    assert len(failed.canary) <= 4_096


def test_what_is_slower_than_the_baseline_is_counted_by_the_models_time() -> None:
    baseline = Baseline(2_000, ((0.5, 400), (0.99, 800)))
    course = rollout(weight=0.25, baseline=baseline)
    counts = counted(
        request(course, latency_us=9_000, model_us=300),
        request(course, model_us=500),
        request(course, "canary", model_us=500),  # within the slack of 200
        request(course, "canary", model_us=900),
        request(course, "canary", model_us=900, waited_us=400),  # beside others' calls
        request(course, "canary", model_us=None, latency_us=100, status=504, failed=True),
        course=course,
    )

    assert dict(counts.steps[0].slower) == {0.5: Sides(2, 1), 0.99: Sides(1, 0)}


def test_a_call_is_one_observation_and_the_first_ones_of_a_candidate_are_none() -> None:
    baseline = Baseline(2_000, ((0.5, 400),))
    course = rollout(weight=0.5, baseline=baseline)
    cold = [request(course, "canary", model_us=900)] * 20
    shared = [request(course, "canary", model_us=900, leads=False)] * 20
    calls = [request(course, "canary", model_us=900), request(course, model_us=300)] * 3
    before = seen(*cold, *shared, *calls, course=course)
    after = seen(*cold, *shared, *calls, *calls[:2], course=course)

    assert before.latency == {0.5: Blocks((0.0,) * 7, 0)}  # no block is full yet
    assert after.latency[0.5].events == 4
    assert after.latency[0.5].logs == blocks.won(RATIOS, Block(4, 4, 4, 0))


def test_calls_are_compared_with_calls_for_about_as_many_requests() -> None:
    course = rollout(weight=0.5, baseline=Baseline(2_000, ((0.5, 400),)))
    cold = [request(course, "canary")] * 20
    alone = [request(course, "canary", model_us=300)] * 8
    joined = [request(course, model_us=900, batch=6)] * 8
    evidence = seen(*cold, *alone, *joined, course=course)

    assert evidence.latency == {0.5: Blocks((0.0,) * 7, 0)}  # neither block has both sides


def test_a_mirrored_request_is_a_pair() -> None:
    baseline = Baseline(2_000, ((0.5, 400),))
    course = rollout(weight=0.5, strategy="shadow", baseline=baseline)
    pairs = [(False, False, 100, 100), (True, False, 700, 100), (False, True, 100, 500)]
    pairs += [(True, True, 700, 500)]
    cold = [(False, False, 500, 100)] * 20
    evidence = seen(
        *(
            request(
                course, "shadow", failed=ours, model_us=our_us, mirrored=Mirrored(theirs, their_us)
            )
            for ours, theirs, our_us, their_us in [*cold, *pairs]
        ),
        course=course,
    )

    assert evidence.failures == Pairs(24, 1, 1, 1)
    assert evidence.latency == {0.5: Pairs(24, 1, 1, 1)}


def test_scores_are_counted_in_the_bins_of_the_baseline() -> None:
    course = rollout(weight=0.5, baseline=Baseline(2_000, (), (0.2, 0.8)))
    counts = counted(
        request(course, score=0.1),
        request(course, score=0.2),
        request(course, "canary", score=0.9),
        request(course, "canary", score=None),
        course=course,
    )

    assert counts.steps[0].scores == ((0, 0, 1), (1, 1, 0))


def test_the_live_version_is_measured_until_another_one_answers() -> None:
    counting = RolloutCountsSink(["iris"])
    for us in (100, 100, 10_000):
        counting.finished(request(None, model_us=us, score=us / 10))
    bounds = counting.latency_us("iris", "1.0.0")
    scores = counting.scores("iris", "1.0.0")
    counting.finished(request(None, loaded=CANARY))

    assert [count for _, count in bounds] == [2, 1]
    assert 100 <= bounds[0][0] <= 106
    assert 10_000 <= bounds[1][0] <= 10_600
    assert scores == (10.0, 10.0, 1000.0)
    assert counting.latency_us("iris", "1.0.0") == ()
    assert counting.scores("iris", "1.0.0") == ()


def test_scores_are_drawn_evenly_and_what_is_no_number_is_none() -> None:
    counting = RolloutCountsSink(["iris"])
    for score in (*map(float, range(10_000)), float("nan")):
        counting.finished(request(None, score=score))
    scores = counting.scores("iris", "1.0.0")

    assert len(scores) == 1_000
    assert 4_500 < sum(scores) / 1_000 < 5_500


def test_the_last_two_rollouts_are_remembered() -> None:
    counting = RolloutCountsSink(["iris"])
    for number in (5, 6, 7):
        counting.finished(request(rollout(number=number)))

    assert counting.news("iris") == {6: 1, 7: 1}
    assert counting.counts("iris", 5, "here", AT).steps == ()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 9)),
        max_size=40,
    ),
    st.sampled_from([None, "header:X-User"]),
    st.integers(1, 3),
)
def test_counts_of_several_workers_together_are_those_of_one_who_saw_all(
    draws: list[tuple[bool, int]], sticky: str | None, workers: int
) -> None:
    course = rollout(weight=0.5, sticky=sticky)
    sides = ("active", "canary")  # a key keeps to one
    requests = [request(course, sides[key % 2], failed=bad, key=key) for bad, key in draws]
    alone = [counted(*requests, course=course)]
    shared = [counted(*requests[at::workers], course=course) for at in range(workers)]

    assert aggregation.seen(course, shared, 1.0) == aggregation.seen(course, alone, 1.0)


def test_a_model_that_was_asked_for_nothing_has_no_figures() -> None:
    counting = RolloutCountsSink(["iris"])

    assert counting.latency_us("iris", "1.0.0") == ()
    assert counting.scores("iris", "1.0.0") == ()
    assert counting.news("iris") == {}


def lost(role: Role, course: Rollout, times: int = 1) -> Any:
    counting = RolloutCountsSink(["iris"])
    calls = CallInProgress("iris", "1.1.0", role, course.number, course.step, course.weight, 2, 1)
    for _ in range(times):
        counting.lost(calls, 5 * HOUR_US)
    counting.lost(replace(calls, model="wine"), 0)
    counting.lost(replace(calls, rollout=None), 0)
    return aggregation.seen(course, [counting.counts("iris", course.number, "here", AT)], 0.0)


def test_calls_in_which_workers_died_count_as_failed_on_their_side() -> None:
    course = rollout(weight=0.25)

    assert lost("canary", course).failures == (Tally(0.25, 1, 0, 1, 0),)
    assert lost("active", course).failures == (Tally(0.25, 0, 1, 0, 1),)
    assert lost("shadow", rollout(strategy="shadow")).failures == Pairs(1, 1, 0, 0)


@pytest.mark.parametrize("sticky", [None, "header:user"])
def test_a_canary_in_whose_calls_workers_die_is_halted(sticky: str | None) -> None:
    course = rollout(weight=0.5, sticky=sticky)
    judgement = verdict.judge(course.plan, Analysis(), lost("canary", course, 20))

    assert judgement.outcome == "halt"
    assert judgement.reasons[0].code == "errors"


def noisy(chance: random.Random, course: Rollout, slower: float) -> bool:
    """Tell whether a rollout on a busy machine with few users is halted within 1,000 requests.

    Two workers answer. The machine has spells in which calls of both versions take ten times as
    long, each user stays on a side and a few send most, and a worker's first calls of the candidate
    take ten times as long.
    """
    workers = [RolloutCountsSink(["iris"]) for _ in range(2)]
    cold = [15, 15]
    sides = [chance.random() < course.weight for _ in range(60)]
    activity = [1 / (rank + 1) for rank in range(60)]
    spell = 0
    for number, of_canary in enumerate(chance.choices(sides, activity, k=1_000), 1):
        spell = max(0, spell - 1) if chance.random() < 0.99 else 40
        which = chance.randrange(2)
        took_us = 500 * chance.lognormvariate(0, 0.5) * (10 if spell else 1)
        if of_canary:
            took_us *= slower * (10 if cold[which] else 1)
            cold[which] = max(0, cold[which] - 1)
        role = "canary" if of_canary else "active"
        workers[which].finished(request(course, role, model_us=int(took_us)))
        if number % 100 == 0:
            counts = [worker.counts("iris", course.number, "here", AT) for worker in workers]
            judgement = verdict.judge(
                course.plan, Analysis(), aggregation.seen(course, counts, 0.0)
            )
            if judgement.outcome == "halt":
                return True
    return False


def test_a_noisy_machine_few_users_and_cold_starts_halt_no_healthy_canary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(5)
    calm = Baseline(2_000, ((0.5, 500), (0.9, 949), (0.99, 1_600)))  # of 500 us, log-normal
    courses = [rollout(weight=weight, baseline=calm) for weight in (0.05, 0.25, 0.5)]
    halted = sum(noisy(chance, course, 1.0) for course in courses for _ in range(6))
    slow = sum(noisy(chance, courses[2], 2.0) for _ in range(6))
    monkeypatch.setattr("holdfast.serving.telemetry.rollout_counts._WARM_CALLS", 0)
    naive = sum(noisy(chance, courses[1], 1.0) for _ in range(6))

    assert halted / 18 <= most(0.05, 18)
    assert (slow, naive) == (6, 6)  # a slow canary is seen; cold calls must not be counted
