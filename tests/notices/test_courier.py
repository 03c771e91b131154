"""The courier: what happened reaches each target, in order, at least once."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.notices.conftest import Carry, register
from tests.notices.receiver import Receiver, listening

import holdfast
from holdfast import Registry
from holdfast.core.entry import format_time
from holdfast.core.fleet import LoadedVersion, Report
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_events import RolloutEnded, RolloutStarted
from holdfast.errors import DamagedError
from holdfast.notices.courier import Courier, Round
from holdfast.notices.notice import Notice
from holdfast.notices.outbox import Outbox
from holdfast.notices.targets import Configuration, Target
from holdfast.registry.session import CommitOptions


def failing(registry: Registry, worker: str = "host-1", age_s: float = 0, **held: str) -> None:
    """Report that a worker holds versions in the states given, `v1_0_0="failed"`."""
    versions = tuple(
        LoadedVersion(name.removeprefix("v").replace("_", "."), state, "no such file")  # type: ignore[arg-type]
        for name, state in held.items()
    )
    at = format_time(datetime.now(UTC) - timedelta(seconds=age_s))
    registry.fleet.report(Report("iris", worker, at, 2.0, 3, versions=versions))


def test_what_happens_after_the_beginning_is_told_in_order(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    registry.promote("iris@1.0.0", reason="before anybody listened")
    courier = carry()
    courier.begin()
    registry.promote("iris@1.1.0", reason="better")
    registry.rollback("iris", reason="worse")

    done = courier.round()

    assert done == Round(delivered=2)
    assert receiver.kinds == ["version.promoted", "version.rolled_back"]
    assert receiver.posts[0].event["data"]["reason"] == "better"
    assert receiver.posts[0].event["subject"] == "iris@1.1.0"


def test_a_second_round_tells_nothing_twice(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    carry().round()

    assert carry().round() == Round()
    assert receiver.taken == ["iris/3/version.promoted"]


def test_a_model_that_comes_later_is_told_from_its_first_entry(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote(register(registry, "rose", "three"))

    carry().round()

    assert receiver.taken == ["rose/2/version.promoted"]


def test_what_a_receiver_refuses_waits_and_keeps_its_order(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    receiver.answers = [503]

    first = carry().round()
    second = carry().insist()

    assert first is not None
    assert (first.delivered, first.waiting) == (0, 2)
    assert first.problems == ("ops: http://127.0.0.1 answers 503",)
    assert second == Round(delivered=2)
    assert receiver.taken == ["iris/3/version.promoted", "iris/4/version.promoted"]


def test_a_target_that_failed_is_not_tried_again_at_once(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    receiver.answers = [503]
    carry().round()

    again = carry().round()
    standing = carry().outbox.standing("ops")

    assert again == Round(waiting=1)
    assert len(receiver.posts) == 1
    assert standing is not None
    assert (standing.tries, standing.problem) == (1, "http://127.0.0.1 answers 503")
    assert 0 < standing.retry_at - time.time() <= 2


def test_one_insists_a_few_times_and_then_lets_it_wait(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    receiver.usual = 500

    done = carry().insist(attempts=3, pause_s=0.001)

    assert done is not None
    assert (done.delivered, done.waiting, len(receiver.posts)) == (0, 1, 3)


def test_a_notice_that_is_too_old_is_put_aside_and_the_next_one_comes(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    receiver.answers = [503, 204]

    done = carry(give_up_s=0.0).insist()

    assert done is not None
    assert (done.delivered, done.given_up, done.waiting) == (1, 1, 0)
    (letter,) = carry().outbox.failed("ops")
    assert (letter.notice.id, letter.problem) == (
        "iris/3/version.promoted",
        "http://127.0.0.1 answers 503",
    )


def test_a_notice_that_its_receiver_will_never_take_does_not_stop_the_others(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    receiver.answers = [400]

    done = carry().round()

    assert done is not None
    assert (done.delivered, done.given_up) == (1, 1)
    assert receiver.taken == ["iris/4/version.promoted"]


def test_a_dead_receiver_loses_nothing(registry: Registry, carry: Carry) -> None:
    with listening() as gone:
        url, port = gone.url, int(gone.url.split(":")[2].split("/")[0])
    courier = carry(url=url)
    courier.begin()
    registry.promote("iris@1.0.0")
    down = courier.round()
    with listening(port) as back:
        courier.insist()

        assert down is not None
        assert down.problems == ("ops: http://127.0.0.1 does not answer: Connection refused",)
        assert back.taken == ["iris/3/version.promoted"]


def test_a_crash_between_queue_and_cursor_repeats_nothing_that_waits(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    before = carry().outbox.standing("ops")
    registry.promote("iris@1.0.0")
    receiver.usual = 503
    carry().round()
    assert before is not None
    carry().outbox.stand("ops", before)  # as if it had been killed before it wrote this

    receiver.usual = 204
    done = carry().insist()

    assert done == Round(delivered=1)


def test_each_target_is_told_what_it_wants_and_one_that_fails_holds_up_no_other(
    registry: Registry, receiver: Receiver, tmp_path: Path
) -> None:
    register(registry, "rose", "three")
    with listening() as broken:
        broken.usual = 500
        targets = (
            Target("broken", "webhook", broken.url),
            Target("roses", "webhook", receiver.url, models=("ro*",), events=("version.*",)),
        )
        courier = Courier(registry, Configuration(tmp_path / "outbox", targets))
        courier.begin()
        for ref in ("iris@1.0.0", "rose@1.0.0"):
            registry.promote(ref)

        done = courier.round()

    assert done is not None
    assert (done.delivered, done.waiting) == (1, 2)
    assert receiver.taken == ["rose/2/version.promoted"]


def test_a_version_that_a_server_fails_to_load_is_told_once_until_it_is_mended(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    for worker in ("host-1", "host-2"):
        failing(registry, worker, v1_1_0="failed", v1_0_0="ready")
    carry().round()
    carry().round()
    for worker in ("host-1", "host-2"):
        failing(registry, worker, v1_1_0="ready")
    carry().round()
    failing(registry, v1_1_0="failed")
    carry().round()

    assert receiver.kinds == ["serving.failed", "serving.failed"]
    assert len(set(receiver.taken)) == 2
    data = receiver.posts[0].event["data"]
    assert (data["version"], data["worker"]) == ("1.1.0", "host-1")
    assert data["sentence"] == "iris@1.1.0 does not load in host-1: no such file"


def test_what_a_silent_server_said_last_counts_no_more(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    failing(registry, age_s=3600, v1_1_0="failed")

    assert carry().round() == Round()
    assert receiver.posts == []


def test_what_another_process_drops_is_told_to_those_who_want_it(
    receiver: Receiver, carry: Carry
) -> None:
    courier = carry(models=("iris",))
    courier.begin()
    for model in ("iris", "rose", "iris"):
        kind = "dev.holdfast.drift.detected"
        drift = Notice(f"drift-{model}", "urn:holdfast:x", kind, model, "", {"model": model})
        Outbox(courier.outbox.folder).drop(drift)

    assert courier.round() == Round(delivered=1)
    assert receiver.taken == ["drift-iris"]
    assert list(courier.outbox.incoming()) == []


def test_the_end_of_a_rollout_is_told_with_what_production_did(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    registry.promote("iris@1.0.0")
    carry().begin()
    start = RolloutStarted(version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis())
    session = registry._session
    session.commit("iris", lambda _s, _at: start, RolloutStarted, CommitOptions())
    registry.promote("iris@1.1.0", reason="early")

    carry(events=("*",)).round()

    assert receiver.kinds == ["rollout.started", "version.promoted", "rollout.completed"]


def test_a_halt_is_told(registry: Registry, receiver: Receiver, carry: Carry) -> None:
    registry.promote("iris@1.0.0")
    start = RolloutStarted(version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis())
    session = registry._session
    session.commit("iris", lambda _s, _at: start, RolloutStarted, CommitOptions())
    carry().begin()
    end = RolloutEnded(version="1.1.0", rollout=4, outcome="halted")
    session.commit("iris", lambda _s, _at: end, RolloutEnded, CommitOptions())

    carry().round()

    assert receiver.taken == ["iris/5/rollout.halted"]


def test_a_damaged_model_holds_up_no_other_and_is_told_from_where_it_can_be_read(
    registry: Registry, receiver: Receiver, tmp_path: Path
) -> None:
    register(registry, "rose", "three")
    entry = tmp_path / "store" / "models" / "iris" / "journal" / "0000000002.json"
    whole = entry.read_bytes()
    entry.chmod(0o644)
    entry.write_bytes(b"{}")
    fresh = holdfast.open(tmp_path / "store", by="ann")
    target = Target("ops", "webhook", receiver.url)
    courier = Courier(fresh, Configuration(tmp_path / "outbox", (target,)))
    courier.begin()
    fresh.promote("rose@1.0.0")
    first = courier.round()
    entry.write_bytes(whole)
    courier.round()
    fresh.promote("iris@1.0.0")
    courier.round()

    assert first is not None
    assert receiver.taken == ["rose/2/version.promoted", "iris/3/version.promoted"]


def test_a_damage_that_comes_later_is_a_problem_of_the_round(
    receiver: Receiver, carry: Carry, tmp_path: Path
) -> None:
    carry().begin()
    entry = tmp_path / "store" / "models" / "iris" / "journal" / "0000000002.json"
    entry.chmod(0o644)
    entry.write_bytes(b"{}")
    fresh = holdfast.open(tmp_path / "store", by="ann")
    target = Target("ops", "webhook", receiver.url)

    done = Courier(fresh, Configuration(tmp_path / "outbox", (target,))).round()

    assert done is not None
    assert "entry 2 of iris" in done.problems[0]


def test_before_there_is_a_store_nothing_is_told(receiver: Receiver, tmp_path: Path) -> None:
    target = Target("ops", "webhook", receiver.url)
    nothing = holdfast.open(tmp_path / "nothing", by="ann")

    done = Courier(nothing, Configuration(tmp_path / "outbox", (target,))).round()

    assert done is not None
    assert "a store yet" in done.problems[0]


def test_whoever_finds_another_at_work_leaves_it_to_them(carry: Carry) -> None:
    courier = carry()
    with courier.outbox.alone() as is_alone:
        seen = (is_alone, courier.round(), courier.insist())
        courier.begin()

    assert seen == (True, None, None)
    assert courier.outbox.standing("ops") is None


def test_nothing_is_begun_when_the_time_is_over(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")

    assert carry().round(budget_s=0) == Round(waiting=1)
    assert receiver.posts == []


def test_a_test_reaches_every_target_past_what_waits(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    registry.promote("iris@1.0.0")
    receiver.answers = [204, 500]

    good, bad = carry(models=("none",)).test(), carry().test()

    assert good == Round(delivered=1)
    assert bad == Round(problems=("ops: http://127.0.0.1 answers 500",))
    assert receiver.kinds == ["notify.test"]


def test_it_follows_until_it_is_stopped(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    carry().begin()
    stop = threading.Event()
    rounds: list[Round] = []

    def follow() -> None:
        rounds.extend(carry().follow(stop, 0.01))

    thread = threading.Thread(target=follow)
    thread.start()
    registry.promote("iris@1.0.0")
    receiver.wait_for(lambda: len(receiver.taken) == 1)
    stop.set()
    thread.join()

    assert sum(done.delivered for done in rounds) == 1


def test_a_standing_that_cannot_be_read_is_said(carry: Carry) -> None:
    carry().begin()
    file = carry().outbox.folder / "ops" / "standing.json"
    file.write_bytes(b"{")

    with pytest.raises(DamagedError, match="remove it to notify the target"):
        carry().round()


def test_it_goes_on_where_its_outbox_cannot_be_written_and_delivers_once_it_can(
    registry: Registry, receiver: Receiver, carry: Carry
) -> None:
    courier, stop = carry(), threading.Event()
    courier.begin()
    folder = courier.outbox.folder
    aside = folder.rename(folder.with_name("aside"))
    folder.write_text("no folder")
    registry.promote("iris@1.0.0")
    following = courier.follow(stop, 0.01)
    broken = next(following)
    folder.unlink()
    aside.rename(folder)
    mended = next(following)
    stop.set()

    assert (broken.delivered, len(broken.problems)) == (0, 1)
    assert mended == Round(delivered=1)
    assert receiver.taken == ["iris/3/version.promoted"]
