"""The driver: what a tick does at each step of a rollout, and that it does it once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.core.conftest import drift_found
from tests.rollouts.conftest import Later
from tests.rollouts.fleet import Worker
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.core.fleet import Counts, LoadedVersion
from holdfast.core.rollout.analysis import Analysis, Latency
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Rollout, Terms
from holdfast.rollouts.count_sources import Published
from holdfast.rollouts.driver import Ticked, look, shown, tick

ERRORS = Analysis(latency=None)
PLAN = Plan(steps=(0.5, 1.0), dwell_s=60)
TERMS = Terms(PLAN, ERRORS)


def start(registry: Registry, terms: Terms = TERMS, version: str = "1.1.0") -> None:
    registry.rollouts.start(f"iris@{version}", terms=terms)


def drive(registry: Registry, later: Later, seconds: float = 0.0) -> Ticked:
    return tick(registry, "iris", Published(registry, "iris"), later(seconds))


def begin(registry: Registry, worker: Worker, later: Later, terms: Terms = TERMS) -> None:
    """Start a rollout and bring it to its first step."""
    start(registry, terms)
    worker.ready(later())
    drive(registry, later)


def codes(ticked: Ticked) -> set[str]:
    assert ticked.verdict is not None

    return {reason.code for reason in ticked.verdict.reasons}


def rollout_of(ticked: Ticked) -> Rollout:
    assert ticked.rollout is not None

    return ticked.rollout


def test_without_a_rollout_there_is_nothing_to_do(registry: Registry, later: Later) -> None:
    assert drive(registry, later) == Ticked("iris", "nothing", None, None)


def test_a_good_version_reaches_all_of_the_traffic(
    registry: Registry, worker: Worker, later: Later
) -> None:
    start(registry)
    worker.ready(later())
    did = [drive(registry, later).did]
    worker.answer(canary=500, active=500)
    did.append(drive(registry, later, 61).did)
    worker.ready(later())
    worker.answer(canary=200, active=0)
    did.append(drive(registry, later, 61).did)
    ended = drive(registry, later)

    assert did == ["began", "advanced", "completed"]
    assert (ended.did, rollout_of(ended).outcome) == ("nothing", "completed")
    assert registry.resolve("iris@production").version == "1.1.0"
    assert [past.what for past in registry.history("iris")[4:]] == [
        "rollout 1 of 1.1.0 starts: canary 50 → 100 %",
        "rollout 1 to 50 %",
        "rollout 1 to 100 % (certified)",
        "rollout 1: advance (counted)",
        "promote 1.0.0 → 1.1.0, ends rollout 1",
    ]


def test_a_broken_version_is_halted_and_gets_nothing_any_more(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=40, active=40, canary_failures=20)
    ticked = drive(registry, later, 1)

    assert (ticked.did, codes(ticked)) == ("halted", {"errors"})
    assert (rollout_of(ticked).outcome, rollout_of(ticked).weight) == ("halted", 0.0)
    assert registry.resolve("iris@production").version == "1.0.0"
    assert drive(registry, later).did == "nothing"


def test_nothing_begins_before_every_live_server_has_it_ready(
    registry: Registry, worker: Worker, later: Later
) -> None:
    start(registry)
    other = Worker(registry, "b")
    worker.ready(later())
    other.report(later())
    unheard = drive(registry, later)
    other.report(later(), LoadedVersion("1.1.0", "loading"))
    loading = drive(registry, later)
    other.report(later(), LoadedVersion("1.1.0", "failed", "no such column"))
    failed = drive(registry, later)

    assert [codes(result) for result in (unheard, loading, failed)] == [
        {"not_ready"},
        {"not_ready"},
        {"load_failed"},
    ]
    assert failed.verdict is not None
    assert failed.verdict.sentence == "hold at 0 %: b cannot load 1.1.0: no such column"
    assert rollout_of(failed).weight == 0.0
    other.ready(later())
    worker.ready(later())
    assert drive(registry, later).did == "began"


def test_a_server_that_is_gone_is_not_waited_for(
    registry: Registry, worker: Worker, later: Later
) -> None:
    start(registry)
    Worker(registry, "b").report(later())
    worker.ready(later(7))

    assert drive(registry, later).did == "began"


def test_without_any_server_the_rollout_waits_and_says_so(registry: Registry, later: Later) -> None:
    start(registry)
    first, again = drive(registry, later), drive(registry, later)

    assert (first.did, codes(first)) == ("held", {"no_server"})
    assert registry.history("iris")[-1].what == "rollout 1: hold (no_server)"
    assert rollout_of(first) == rollout_of(again)


def test_holds_that_change_back_and_forth_do_not_fill_the_journal(
    registry: Registry, worker: Worker, later: Later
) -> None:
    start(registry)
    other = Worker(registry, "b")
    reason_codes = []
    for turn in range(60):
        worker.ready(later(1))
        other.report(
            later(1), LoadedVersion("1.1.0", ("loading", "failed")[turn % 2], "no such column")
        )
        reason_codes.append(codes(drive(registry, later)))
    written = [past.what for past in registry.history("iris") if "hold" in past.what]

    assert reason_codes == [{"not_ready"}, {"load_failed"}] * 30
    assert written == ["rollout 1: hold (not_ready)", "rollout 1: hold (load_failed)"]


def test_a_weight_does_not_rise_before_a_new_server_has_it_ready(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=500, active=500)
    worker.ready(later(61))
    Worker(registry, "b").report(later())
    ticked = drive(registry, later)

    assert (ticked.did, codes(ticked)) == ("held", {"not_ready"})


def test_without_traffic_a_rollout_holds_for_ever(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later, Terms(replace(PLAN, overdue="advance"), ERRORS))
    early, late = drive(registry, later, 61), drive(registry, later, 1e9)

    assert "no_traffic" in codes(early)
    assert (late.did, rollout_of(late).step) == ("held", 0)


def test_what_was_not_measured_holds(registry: Registry, worker: Worker, later: Later) -> None:
    begin(registry, worker, later, Terms(PLAN, Analysis(latency=Latency(quantiles=(0.5,)))))
    worker.answer(canary=500, active=500)
    ticked = drive(registry, later, 61)

    assert ticked.verdict is not None
    assert [reason.sentence for reason in ticked.verdict.reasons] == [
        "latency p50 was not measured"
    ]


def test_the_active_version_is_measured_once_it_answered_often_enough(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later, Terms(PLAN, Analysis(latency=Latency(quantiles=(0.5,)))))
    worker.answer(canary=500, active=500)
    worker.report(later(61), LoadedVersion("1.1.0", "ready"), latency_us=[(100, 1_999)])
    early = drive(registry, later)
    worker.report(later(), LoadedVersion("1.1.0", "ready"), latency_us=[(100, 2_000)])
    ticked = drive(registry, later)

    assert rollout_of(early).baseline is None
    assert rollout_of(ticked).baseline == Baseline(2_000, ((0.5, 100),))
    assert ticked.did == "advanced"


def test_a_pause_holds_what_would_advance_and_halts_what_is_broken(
    registry: Registry, worker: Worker, later: Later
) -> None:
    start(registry)
    registry.rollouts.pause("iris")
    worker.ready(later())
    preparing = drive(registry, later)
    registry.rollouts.resume("iris")
    drive(registry, later)
    registry.rollouts.pause("iris")
    worker.answer(canary=500, active=500)
    healthy = drive(registry, later, 61)
    worker.answer(canary=40, active=40, canary_failures=40)
    broken = drive(registry, later)

    assert (preparing.did, codes(preparing)) == ("held", {"paused"})
    assert (healthy.did, codes(healthy)) == ("held", {"paused"})
    assert broken.did == "halted"


def test_what_the_gate_refuses_stays_on_its_last_step(
    registry: Registry, worker: Worker, later: Later
) -> None:
    registry.evaluate("iris@1.1.0", {"auc": 0.5})
    begin(registry, worker, later, Terms(replace(PLAN, steps=(1.0,)), ERRORS))
    worker.answer(canary=500, active=0)
    refused, again = drive(registry, later, 61), drive(registry, later)
    written = len(registry.history("iris"))
    registry.evaluate("iris@1.1.0", {"auc": 0.95})
    done = drive(registry, later)

    assert (refused.did, codes(refused)) == ("held", {"gate"})
    assert refused.verdict is not None
    assert "auc: 0.5 is 44.44% worse" in refused.verdict.sentence
    assert rollout_of(again) == rollout_of(refused)
    assert written == 8
    assert done.did == "completed"


def test_a_shadow_passes_and_moves_nothing(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later, Terms(replace(PLAN, strategy="shadow", steps=(1.0,)), ERRORS))
    worker.answer(canary=500, active=500)
    ticked = drive(registry, later, 61)

    assert (ticked.did, rollout_of(ticked).outcome) == ("passed", "passed")
    assert registry.resolve("iris@production").version == "1.0.0"


def test_a_good_version_rolls_forward_over_a_broken_one(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=500, active=500, active_failures=400)
    ticked = drive(registry, later, 61)

    assert ticked.did == "advanced"


def test_counts_of_workers_that_are_gone_still_count(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=20, active=20, canary_failures=9)
    registry.fleet.leave("iris", "a")
    other = Worker(registry, "b")
    other.ready(later())
    other.answer(canary=20, active=20, canary_failures=1)

    assert drive(registry, later).did == "halted"


def test_a_rollout_runs_in_a_bucket(moto: Endpoint, tmp_path: Path, later: Later) -> None:
    url = moto.store(moto.make_bucket(), tmp_path).url.partition("?")[0]
    settings: Any = {"options": moto.options, "cache": tmp_path / "cache", "clock": later}
    registry = holdfast.open(url, by="driver", **settings)
    for content in ("one", "two"):
        (tmp_path / "model.txt").write_text(content)
        registry.register("iris", tmp_path / "model.txt")
    registry.promote("iris@1.0.0")
    workers = [Worker(registry, name) for name in "abc"]
    start(registry)
    did = []
    for _ in range(3):
        for worker in workers:
            worker.ready(later())
        did.append(drive(registry, later).did)
        later(61)
        rollout = registry.rollout("iris")
        for worker in workers if rollout and rollout.goes_on else ():
            worker.answer(canary=200, active=0 if rollout and rollout.is_last else 200)

    assert did == ["began", "advanced", "completed"]
    assert registry.resolve("iris@production").version == "1.1.0"


def test_looking_changes_nothing(registry: Registry, worker: Worker, later: Later) -> None:
    begin(registry, worker, later)
    worker.answer(canary=40, active=40, canary_failures=40)
    snapshot = look(registry, "iris", Published(registry, "iris"), later())

    assert snapshot.verdict is not None
    assert snapshot.verdict.outcome == "halt"
    assert [server.worker for server in snapshot.servers] == ["a"]
    assert registry.rollout("iris") == snapshot.rollout


def test_a_look_says_that_inputs_drifted_and_a_tick_moves_on_all_the_same(
    registry: Registry, worker: Worker, later: Later
) -> None:
    registry.drift.record("iris", drift_found("1.0.0", "drift", "2026-03-03", "age"))
    begin(registry, worker, later)
    snapshot = shown(registry, "iris", Published(registry, "iris"), later())
    worker.answer(canary=4_000, active=4_000)

    assert [finding.finding for finding in snapshot.findings] == ["drift-2026-03-03"]
    assert drive(registry, later, 60).did == "advanced"
    registry.drift.acknowledge("iris", "drift-2026-03-03")
    assert shown(registry, "iris", Published(registry, "iris"), later()).findings == ()


def test_two_drivers_that_looked_at_once_step_once(
    registry: Registry, worker: Worker, later: Later
) -> None:
    """The second one reads its counts when the first has moved already."""
    begin(registry, worker, later)
    worker.answer(canary=500, active=500)
    now = later(61)
    rival = holdfast.open(registry.location, by="rival", clock=later)

    class Overtaken:
        """Lets the rival move between look and act."""

        def counts(self, rollout: Rollout) -> list[Counts]:
            published_counts = registry.fleet.counts("iris", rollout.number)
            tick(rival, "iris", Published(rival, "iris"), now)
            return published_counts

        def proved(self, counts: list[Counts]) -> list[Counts]:
            return counts

        def outcomes(self, rollout: Rollout, now: datetime) -> None:
            """Tell nothing."""

    ticked = tick(registry, "iris", Overtaken(), now)

    assert (ticked.did, rollout_of(ticked).step) == ("late", 1)


def test_many_drivers_at_once_move_a_rollout_as_one(
    registry: Registry, worker: Worker, later: Later, tally: Any
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=500, active=500)
    now = later(61)
    rivals = [holdfast.open(registry.location, by=f"d{index}", clock=later) for index in range(8)]
    with ThreadPoolExecutor(8) as threads:
        ticked = list(
            threads.map(
                lambda rival: tick(rival, "iris", Published(rival, "iris"), now).did, rivals
            )
        )
    tally("drivers that raced for a step", len(rivals))

    assert ticked.count("advanced") == 1
    assert set(ticked) <= {"advanced", "late", "held"}
    rollout = registry.rollout("iris")
    assert rollout is not None
    assert rollout.step == 1


def test_a_rollout_that_was_pushed_aside_is_left_alone(
    registry: Registry, worker: Worker, later: Later
) -> None:
    begin(registry, worker, later)
    registry.promote("iris@1.2.0", force=True, reason="fix")
    ticked = drive(registry, later)

    assert (ticked.did, rollout_of(ticked).outcome) == ("nothing", "superseded")


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_step_lasts_as_long_as_the_plan_says(
    registry: Registry, worker: Worker, later: Later, seconds: float
) -> None:
    begin(registry, worker, later)
    worker.answer(canary=500, active=500)

    assert codes(drive(registry, later, seconds)) == {"dwell"}
