"""`holdfast rollout tick`, `run` and `status --watch`, in this process and in others."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.cli.scenarios.test_terminal import STEERING, on_a_terminal
from tests.notices.receiver import listening
from tests.predictions.rows import Rows, arrived_when_told
from tests.rollouts.fleet import Worker
from tests.servers.running import free_port

import holdfast as api
from holdfast import Registry
from holdfast.core.fleet import LoadedVersion
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.predictions import open_log
from holdfast.predictions.log import Label

Holdfast = Callable[..., Any]
TERMS = Terms(Plan(steps=(0.25, 0.5, 0.75, 1.0), dwell_s=0), Analysis(latency=None))
BROKEN, GOOD = 30, 0


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry with iris 1.0.0 live and 1.1.0 registered."""
    made = api.open(tmp_path / "store", by="ana")
    for content in ("one", "two"):
        (tmp_path / "model.txt").write_text(content)
        made.register("iris", tmp_path / "model.txt")
    made.promote("iris@1.0.0")
    return made


@pytest.fixture
def worker(registry: Registry) -> Worker:
    """Return a worker that reports so seldom that it lives as long as the test."""
    slow_worker = Worker(registry, every_s=600.0)
    registry.rollouts.start("iris@1.1.0", terms=TERMS)
    slow_worker.ready(datetime.now(UTC))
    return slow_worker


def count(worker: Worker, failures: int) -> None:
    """Count a thousand requests on the step where the rollout is, at its weight."""
    rollout = worker.registry.rollout("iris")
    assert rollout is not None
    canary = round(1_000 * rollout.weight)
    worker.answer(canary, 1_000 - canary, canary_failures=failures)


def goes_on(registry: Registry) -> bool:
    rollout = registry.rollout("iris")
    return rollout is not None and rollout.goes_on


def until_counted(holdfast: Holdfast, worker: Worker, failures: int = GOOD) -> list[Any]:
    """Tick and count in turns until the rollout ends."""
    ticks = []
    for _ in range(20):
        ticks.append(holdfast("rollout", "tick", "iris"))
        if not goes_on(worker.registry):
            break
        rollout = worker.registry.rollout("iris")
        assert rollout is not None
        if rollout.step >= 0:
            count(worker, failures)
    assert not goes_on(worker.registry)
    return ticks


def test_ticks_bring_a_good_version_to_all_of_the_traffic(
    holdfast: Holdfast, worker: Worker
) -> None:
    ticks = until_counted(holdfast, worker)

    assert {tick.status for tick in ticks} == {0}
    assert [tick.out.split(";")[0] for tick in ticks] == [
        "iris: began", "iris: advanced", "iris: advanced", "iris: advanced", "iris: completed",
    ]  # fmt: skip
    assert holdfast("rollout", "tick", "iris").out.startswith("iris: nothing; rollout 1 of 1.1.0 ")


def test_a_tick_that_halts_says_so_by_its_status(holdfast: Holdfast, worker: Worker) -> None:
    ticks = until_counted(holdfast, worker, BROKEN)

    assert [tick.status for tick in ticks] == [0, 1]
    assert ticks[-1].out.startswith(
        "iris: halted; rollout 1 of 1.1.0 halted at 25 % (step 1 of 4); "
    )


def test_a_tick_over_all_models_tells_of_each(holdfast: Holdfast, registry: Registry) -> None:
    ticks = holdfast("rollout", "tick", "--json").data

    assert ticks == [{"model": "iris", "did": "nothing", "rollout": None, "verdict": None}]
    assert holdfast("rollout", "tick").out == "iris: no rollout\n"
    assert holdfast("rollout", "tick", "--store", "empty").out == "no models\n"
    assert registry.rollout("iris") is None


def test_run_until_done_tells_each_change_on_a_line(holdfast: Holdfast, worker: Worker) -> None:
    until_counted(holdfast, worker, BROKEN)
    broken = holdfast("rollout", "run", "iris", "--until-done")
    worker.registry.rollouts.retry("iris")
    worker.registry.rollouts.promote("iris")
    good = holdfast("rollout", "run", "--until-done")

    assert broken.status == 1
    assert len(broken.out.splitlines()) == 1
    assert "  iris  rollout 1 of 1.1.0  halted at 25 % (step 1 of 4)  halt at 25 %: " in broken.out
    assert good.status == 0


def test_the_json_of_a_run_steers_no_terminal(holdfast: Holdfast, worker: Worker) -> None:
    worker.registry.rollouts.abort("iris")
    worker.report(datetime.now(UTC), LoadedVersion("1.1.0", "failed", "\x9b31m\u202e"))

    said = holdfast("rollout", "run", "iris", "--until-done", "--json")

    (told,) = json.loads(said.out)["look"]["servers"]
    assert "\x9b31m\u202e" in [held["problem"] for held in told["versions"]]
    assert not set(said.out) & set("\x9b\u202e")


def test_run_until_done_without_a_rollout_is_done(holdfast: Holdfast, registry: Registry) -> None:
    result = holdfast("rollout", "run", "iris", "--until-done", "--json")

    assert (result.status, json.loads(result.out)["look"]["rollout"]) == (0, None)
    assert holdfast("rollout", "run", "iris", "--until-done").out.endswith("  iris  no rollout\n")
    assert registry.rollout("iris") is None


def test_a_model_that_is_not_there_is_not_driven(holdfast: Holdfast, registry: Registry) -> None:
    assert registry.models()
    assert holdfast("rollout", "run", "irs").status == 3


def test_a_store_that_cannot_be_asked_just_now_is_asked_again(
    registry: Registry, tmp_path: Path
) -> None:
    """A folder that cannot be listed stands for a network that is away."""
    away = tmp_path / "store/models/iris/servers"
    away.symlink_to(away.name)
    process = driver(tmp_path / "store", "ana")
    assert process.stderr is not None
    complaint = process.stderr.readline().decode()
    away.unlink()
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.read()
    process.stdout.close()

    assert process.wait(300) == 0
    assert complaint.startswith("holdfast: iris: ")
    assert registry.rollout("iris") is None


def test_watching_ends_with_the_rollout(holdfast: Holdfast, worker: Worker) -> None:
    worker.registry.rollouts.abort("iris")
    result = holdfast("rollout", "status", "iris", "--watch")

    assert result.status == 0
    assert result.out.rstrip().endswith("rollout 1 of 1.1.0  aborted before its first step")


@pytest.mark.skipif(sys.platform == "win32", reason="processes end in another way there")
def test_watching_tells_each_change_until_the_end(worker: Worker, tmp_path: Path) -> None:
    words = ("rollout", "status", "iris", "--watch", "--store", str(tmp_path / "store"))
    process = subprocess.Popen([sys.executable, "-m", "holdfast", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.readline().decode()
    worker.registry.rollouts.abort("iris")
    rest = process.stdout.read().decode()
    process.stdout.close()

    assert process.wait(300) == 0
    assert first.endswith(
        "rollout 1 of 1.1.0  before its first step  advance at 0 %: 1 of 1 servers have it ready\n"
    )
    assert rest.endswith("rollout 1 of 1.1.0  aborted before its first step\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals there")
def test_a_terminal_shows_a_panel(holdfast: Holdfast, worker: Worker, tmp_path: Path) -> None:
    until_counted(holdfast, worker)
    store = str(tmp_path / "store")
    sent = on_a_terminal("rollout", "run", "iris", "--until-done", "--store", store)

    assert "✔ 25 %" in sent
    assert "completed" in sent
    assert "1 of 1 have 1.1.0 ready" in sent


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals there")
def test_what_a_server_reports_cannot_steer_the_terminal(
    registry: Registry, tmp_path: Path
) -> None:
    worker = Worker(registry, f"web{STEERING}", every_s=600.0)
    registry.rollouts.start("iris@1.1.0", terms=TERMS, reason=f"why{STEERING}")
    worker.report(datetime.now(UTC), LoadedVersion("1.1.0", "failed", f"because{STEERING}"))
    store = str(tmp_path / "store")
    shown = on_a_terminal("rollout", "status", "iris", "--store", store)
    registry.rollouts.abort("iris", reason=f"enough{STEERING}")
    watched = on_a_terminal("rollout", "status", "iris", "--watch", "--store", store)

    assert "because" in shown
    assert "aborted" in watched
    for sent in (shown, watched):
        assert not set(sent) & set("\x07\x9b\u202e")
        assert "\x1b]" not in sent
        assert STEERING[:4] not in sent


def driver(store: Path, name: str) -> subprocess.Popen[bytes]:
    words = ("rollout", "run", "iris", "--every", "0.2s", "--until-done", "--by", name)
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast", *words, "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal there")
def test_drivers_killed_at_any_moment_step_once_and_lose_nothing(
    registry: Registry, worker: Worker, tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    """Two at a time, both killed after a random time, until the rollout is through."""
    slow = replace(TERMS, plan=replace(TERMS.plan, dwell_s=1.0))
    registry.rollouts.abort("iris")
    registry.rollouts.start("iris@1.1.0", terms=slow)
    dice, killed = random.Random(7), 0
    for _ in range(40):
        drivers = [driver(tmp_path / "store", name) for name in ("d1", "d2")]
        for process in drivers:
            assert process.stdout is not None
            process.stdout.readline()  # it has looked at the rollout, however slow the machine is
        deadline = datetime.now(UTC) + timedelta(seconds=dice.uniform(0.0, 1.0))
        while datetime.now(UTC) < deadline:
            rollout = registry.rollout("iris")
            if rollout is not None and rollout.goes_on and rollout.step >= 0:
                count(worker, GOOD)
            threading.Event().wait(0.05)  # the drivers need the processor
        for process in drivers:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=300)
            killed += 1
        if not goes_on(registry):
            break
    tally("drivers of rollouts killed", killed)
    rollout = registry.rollout("iris")

    assert rollout is not None
    assert rollout.outcome == "completed"
    steps = [past for past in registry.history("iris") if past.op == "rollout_stepped"]
    assert [past.what.partition(" (")[0] for past in steps] == [
        "rollout 2 to 25 %", "rollout 2 to 50 %", "rollout 2 to 75 %", "rollout 2 to 100 %",
    ]  # fmt: skip
    assert sum(past.op == "promoted" for past in registry.history("iris")) == 2
    looking = api.open(tmp_path / "store")
    looking.models()  # brings up to date what the last driver had no time for
    assert looking.verify().whole


def test_a_prometheus_that_does_not_answer_holds_whatever_servers_published(
    holdfast: Holdfast, worker: Worker
) -> None:
    holdfast("rollout", "tick", "iris")
    count(worker, GOOD)

    result = holdfast("rollout", "tick", "iris", "--prometheus", f"http://127.0.0.1:{free_port()}")
    advanced = holdfast("rollout", "tick", "iris")

    assert (result.status, result.out.split(";")[0]) == (0, "iris: held")
    assert advanced.out.startswith("iris: advanced")


def record(tmp_path: Path, registry: Registry, failures: int) -> None:
    """Write a thousand rows of the step where the rollout is to the prediction log."""
    rollout, row = registry.rollout("iris"), Rows()
    assert rollout is not None
    routed = {"rollout": rollout.number, "weight": rollout.weight}
    canary = round(1_000 * rollout.weight)
    rows = [row(**routed) for _ in range(1_000 - canary)]
    for index in range(canary):
        rows.append(row(**routed, role="canary", status=500 if index < failures else 200))
    log = open_log(tmp_path / "log")
    log.write(rows)
    log.close()


@pytest.mark.parametrize(("failures", "did"), [(BROKEN, "halted"), (GOOD, "advanced")])
def test_the_prediction_log_can_tell_the_counts(
    holdfast: Holdfast, worker: Worker, tmp_path: Path, failures: int, did: str
) -> None:
    holdfast("rollout", "tick", "iris")
    record(tmp_path, worker.registry, failures)

    assert holdfast("rollout", "tick", "iris").out.startswith("iris: held")
    assert holdfast("rollout", "tick", "iris", "--log", "log").out.startswith(f"iris: {did}")


def test_the_status_counts_where_a_driver_does(
    holdfast: Holdfast, worker: Worker, tmp_path: Path
) -> None:
    holdfast("rollout", "tick", "iris")
    record(tmp_path, worker.registry, 40)
    published, logged = (
        holdfast("rollout", "status", "iris", *words, "--json").data["verdict"]
        for words in ((), ("--log", "log"))
    )

    assert (published["outcome"], logged["outcome"]) == ("hold", "halt")
    assert worker.registry.rollout("iris") is not None


@pytest.mark.parametrize(
    ("words", "status"),
    [(("--log", "nowhere"), 3), (("--log", "log", "--prometheus", "http://127.0.0.1:1"), 2)],
)
def test_a_source_that_cannot_be_is_refused(
    holdfast: Holdfast, worker: Worker, words: tuple[str, ...], status: int
) -> None:
    assert worker.registry.rollout("iris") is not None
    assert holdfast("rollout", "tick", "iris", *words).status == status


@pytest.mark.parametrize("words", [("tick", "iris"), ("run", "iris", "--until-done")])
def test_a_halt_is_told_when_the_command_returns(
    holdfast: Holdfast,
    worker: Worker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    holdfast("rollout", "tick", "iris")
    count(worker, BROKEN)
    with listening() as receiver:
        url = f'[[targets]]\nname = "ops"\nurl = "{receiver.url}"\n'
        (tmp_path / "notices.toml").write_text(url)
        monkeypatch.setitem(os.environ, "HOLDFAST_NOTIFY", "notices.toml")
        done = holdfast("rollout", *words)

        assert done.status == 1
        assert receiver.kinds == ["rollout.halted"]
    assert receiver.posts[0].event["data"]["verdict"]["outcome"] == "halt"


def test_an_ab_test_is_judged_by_the_log_and_shown_with_both_sides(
    holdfast: Holdfast, registry: Registry, tmp_path: Path
) -> None:
    outcome = OutcomeTest("feedback:ok", within_s=3600.0)
    plan = Plan("ab", (0.5,), dwell_s=0, max_step_time_s=86_400.0)
    analysis = Analysis(latency=None, outcome=outcome)
    registry.rollouts.start("iris@1.1.0", terms=Terms(plan, analysis, "field:user"))
    Worker(registry, every_s=600.0).ready(datetime.now(UTC))
    holdfast("rollout", "tick", "iris")
    begun = datetime.now(UTC) - timedelta(hours=3)
    row = Rows(start_us=int(begun.timestamp() * 1e6))
    rows = [
        row(role=role, rollout=1, weight=0.5, key=f"{side}{number:015x}")
        for number in range(60)
        for side, role in enumerate(("active", "canary"))
    ]
    log = open_log(tmp_path / "predictions")
    log.write([*rows, row(rollout=1, weight=0.5)])
    log.feedback.add(
        [
            Label(made.prediction_id, {"ok": number % 4 > 1}, made.at_us, "ana")
            for number, made in enumerate(rows)
        ]
    )
    arrived_when_told(log)
    log.close()
    words = ("iris", "--log", str(tmp_path / "predictions"))
    status = holdfast("rollout", "status", *words)
    blind = holdfast("rollout", "status", "iris")
    ticked = holdfast("rollout", "tick", *words)

    assert "outcome feedback:ok  difference +0 (-0." in status.out
    assert "canary mean 0.5 of 60 keys, 100 % of those that matured" in status.out
    assert "active mean 0.5 of 60 keys" in status.out
    assert "requests without a key: 1" in status.out
    assert "of at most 1 d, sticky by field:user" in status.out
    assert "outcomes are read from a prediction log: give --log" in blind.out
    assert "feedback:ok may be better or worse: +0 (" in ticked.out
    assert ticked.status == 0
