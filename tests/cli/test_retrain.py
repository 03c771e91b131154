"""`holdfast retrain`: statuses, slots, schedules, findings and limits, through the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until

import holdfast as library
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.events import AnyEvent
from holdfast.registry.session import CommitOptions

Holdfast = Callable[..., Any]
SLOT = "2026-11-29T02:00Z"
GOOD = 'def train(context):\n    return {"model": {"weight": context.slot}}\n'


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str], None]:
    """Write the body of an entry point `jobs:train`."""

    def write(body: str) -> None:
        (tmp_path / "jobs.py").write_text(
            f"import os, sys, time\ndef train(context):\n    {body}\n"
        )

    write('return {"model": {"weight": context.slot}}')
    return write


def retrain(holdfast: Holdfast, *words: str) -> Any:
    return holdfast("retrain", "churn", "--entry", "jobs:train", "--slot", SLOT, *words)


@pytest.mark.usefixtures("job")
def test_a_run_registers_stages_and_says_what_comes_next(holdfast: Holdfast) -> None:
    done = retrain(holdfast)

    assert done.status == 0
    assert done.out.splitlines() == [
        "churn: slot 2026-11-29T02:00:00Z registered 1.0.0 and staged it",
        "  next      holdfast promote churn@1.0.0",
    ]
    assert holdfast("show", "churn@staging").status == 0
    again = holdfast("retrain", "once", "churn", "--entry", "jobs:train", "--slot", SLOT)
    assert (again.status, "(done before)" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("body", "words", "status", "said"),
    [
        ("sys.exit('no rows today')", (), 12, "attempt 1 failed: it ended with status 1"),
        ("pass", (), 12, "run did not leave a model"),
        ("return {'model': {'a': 1}, 'metrics': {'auc': float('nan')}}", (), 12, "finite number"),
        ("time.sleep(60)", ("--time-limit", "1s"), 13, "it took longer than its limit"),
        ("held = bytearray(9 * 10**7); held[::4096] = b'1' * len(held[::4096]); time.sleep(60)",
         ("--memory", "80MB"), 13, "its processes held"),
        ("bytearray(2 * 10**9)", ("--memory-hard", "1GB"), 13, "more memory than its limit"),
    ],
)  # fmt: skip
def test_a_failure_and_a_limit_have_statuses_of_their_own(
    holdfast: Holdfast, job: Any, body: str, words: tuple[str, ...], status: int, said: str
) -> None:
    job(body)

    done = retrain(holdfast, *words)

    assert (done.status, said in done.out) == (status, True), (done.out, done.err)


def test_the_end_of_the_log_of_a_failure_is_shown(holdfast: Holdfast, job: Any) -> None:
    job("sys.exit('no rows today \\x1b[31m')")

    done = retrain(holdfast)

    assert "no rows today" in done.err
    assert "\x1b" not in done.err


def test_what_the_gate_refuses_has_its_status_every_time(holdfast: Holdfast, job: Any) -> None:
    holdfast("policy", "set", "churn", "--metric", "auc:min=0.9")
    job("return {'model': {'a': 1}, 'metrics': {'auc': 0.5}}")

    first, again = retrain(holdfast), retrain(holdfast)

    assert (first.status, again.status) == (4, 4)
    assert "registered 1.0.0, which the gate refuses" in first.out
    (line,) = holdfast("history", "churn", "--limit", "1", "--json").data
    assert "auc: 0.5 is below the minimum 0.9" in line["gate"][0]


@pytest.mark.usefixtures("job")
def test_a_lease_that_is_held_has_its_status(holdfast: Holdfast, tmp_path: Path) -> None:
    from holdfast.registry.retraining_lease import LeaseHolder

    registry = library.open(tmp_path / "store", by="eve")
    with registry.retrainings.lease("churn", LeaseHolder("2026-11-29T02:00:00Z", "ci:7")):
        done = retrain(holdfast)
        shown = holdfast("retrain", "status", "churn")

    assert done.status == 5
    assert "is going on: term 1 by eve (ci:7)" in done.err
    assert shown.status == 0
    assert "now       term 1 by eve (ci:7), slot 2026-11-29T02:00:00Z" in shown.out
    assert "last      no slot was run" in shown.out
    assert holdfast("retrain", "status", "churn").status == 3  # nobody registered it


@pytest.mark.usefixtures("job")
def test_a_name_that_may_be_a_typing_error_makes_no_model_unasked(holdfast: Holdfast) -> None:
    assert retrain(holdfast).status == 0
    words = ("retrain", "chrun", "--entry", "jobs:train", "--slot", SLOT)

    done = holdfast(*words)

    assert done.status == 2
    assert "is new, and close to churn; add --new if you mean it" in done.err
    assert holdfast(*words, "--new").status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process's files")
@pytest.mark.usefixtures("job")
def test_a_status_needs_nothing_written(holdfast: Holdfast, tmp_path: Path) -> None:
    import resource

    from holdfast.registry.retraining_lease import LeaseHolder

    assert retrain(holdfast).status == 0
    registry = library.open(tmp_path / "store", by="eve")
    command = [sys.executable, "-m", "holdfast", "retrain", "status", "churn"]
    with registry.retrainings.lease("churn", LeaseHolder("2026-11-30T02:00:00Z", "ci:7")):
        shown = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )

    assert "by eve (ci:7)" in shown.stdout


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "needs one entry point or command"),
        (("--entry", "train.py"), 2, "is malformed; write package.module:function"),
        (("--entry", "jobs:train", "--command", "true"), 2, "needs one entry point or command"),
        (("--command", "'"), 2, "cannot be read: No closing quotation"),
        (("--entry", "jobs:train", "--data", "rows=no.csv"), 2, "data rows"),
        (("--entry", "jobs:train", "--window", "2026/2025"), 2, "is not a time"),
        (("--entry", "jobs:train", "--memory", "much"), 2, "is not a length; write 500MB or 8GB"),
        (("--entry", "jobs:train", "--if", "age=1d"), 2, "cannot be combined"),
    ],
)
def test_a_call_that_makes_no_sense_is_no_attempt(
    holdfast: Holdfast, words: tuple[str, ...], status: int, message: str
) -> None:
    done = holdfast("retrain", "churn", "--slot", SLOT, *words)

    assert (done.status, message in done.err) == (status, True), done.err
    assert holdfast("status", "churn").status in (3, 7)


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("slot", "message"),
    [
        ("2026-03-29T02:30", "does not exist in Europe/Berlin"),
        ("2026-10-25T02:30", "exists twice in Europe/Berlin"),
        ("tomorrow", "is not a time"),
    ],
)
def test_a_slot_in_local_time_is_one_moment_or_refused(
    holdfast: Holdfast, slot: str, message: str
) -> None:
    words = ("retrain", "churn", "--entry", "jobs:train", "--zone", "Europe/Berlin", "--slot")

    assert message in holdfast(*words, slot).err
    assert "slot 2026-10-25T01:30:00Z" in holdfast(*words, "2026-10-25T02:30+01:00").out
    assert "(done before)" in holdfast(*words, "2026-10-25T01:30Z").out


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    "words",
    [
        ("retrain", "churn", "--entry", "jobs:train", "--slot", SLOT),
        ("retrain", "run", "churn", "--entry", "jobs:train", "--every", "1d"),
        ("reproduce", "churn@1.0.0", "--run"),
    ],
)
def test_a_system_that_cannot_end_a_training_is_told_so_and_nothing_is_written(
    holdfast: Holdfast, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delattr(os, "killpg")  # as on Windows

    done = holdfast(*words, "--json")

    assert (done.status, done.error["code"]) == (8, "unsupported")
    assert "Windows has no process groups" in done.error["message"]
    assert "in WSL" in done.error["message"]
    assert not Path("store").exists()


def test_a_command_in_any_language_leaves_files(holdfast: Holdfast) -> None:
    script = """sh -c 'printf weights > "$HOLDFAST_OUT/model.txt"; echo "$HOLDFAST_SLOT"'"""

    done = holdfast("retrain", "churn", "--command", script, "--slot", SLOT)

    assert done.status == 0, done.err
    entry = holdfast("retrain", "history", "churn", "--json").data[0]["entry"]
    assert entry.startswith("command sh ")
    assert "weights" not in entry


def test_a_policy_says_what_a_call_does_not(holdfast: Holdfast, job: Any) -> None:
    job("return {'model': {'days': (context.window[1] - context.window[0]).days}}")
    set_ = holdfast(
        "policy", "set", "churn", "--retrain-entry", "jobs:train", "--retrain-every", "7d",
        "--retrain-window", "90d", "--retrain-time-limit", "1h", "--retrain-memory", "2GB",
        "--retrain-cooldown", "3d", "--retrain-most-runs", "5", "--retrain-then", "rollout",
    )  # fmt: skip
    assert set_.status == 0, set_.err
    shown = holdfast("policy", "show", "churn", "--json").data["retraining"]
    assert shown == {
        "entry": "jobs:train",
        "every_s": 604800.0,
        "cron": None,
        "zone": "UTC",
        "window_days": 90.0,
        "time_limit_s": 3600.0,
        "memory_bytes": 2_000_000_000,
        "then": "rollout",
        "cooldown_days": 3.0,
        "most_runs": 5,
    }

    done = holdfast("retrain", "churn")

    assert done.status == 0, done.err
    assert "T00:00:00Z registered 1.0.0" in done.out
    assert "no rollout begins" in done.out
    assert "(done before)" in holdfast("retrain", "churn").out
    status = holdfast("retrain", "status", "churn", "--json").data
    assert status["next"].endswith("T00:00:00Z")
    assert status["now"] is None
    assert holdfast("policy", "set", "churn", "--retrain-cron", "0 2 * * 0").status == 0
    shown = holdfast("policy", "show", "churn", "--json").data["retraining"]
    assert (shown["cron"], shown["every_s"]) == ("0 2 * * 0", None)
    assert holdfast("policy", "set", "churn", "--retrain-cron", "often").status == 2


@pytest.mark.usefixtures("job")
def test_a_schedule_that_is_changed_does_not_run_what_a_later_slot_did(holdfast: Holdfast) -> None:
    words = ("retrain", "churn", "--entry", "jobs:train")
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    runs = [
        holdfast(*words, "--slot", f"{now}/age-v1-1"),  # which stands for nothing but its finding
        holdfast(*words, "--every", "1000d"),
        holdfast(*words, "--slot", now),
        holdfast(*words, "--every", "1001d"),
    ]

    assert [run.status for run in runs] == [0] * 4
    assert ["(done before)" in run.out for run in runs] == [False, False, False, True]
    assert f"slot {now} registered 1.2.0" in runs[3].out


@pytest.mark.usefixtures("job")
def test_a_missed_slot_is_told_once_and_fails_the_check(holdfast: Holdfast) -> None:
    words = ("retrain", "check", "churn", "--entry", "jobs:train", "--every", "1d")
    holdfast("retrain", "churn", "--entry", "jobs:train", "--slot", "2026-11-01T00:00Z")

    first, again = holdfast(*words), holdfast(*words)

    assert (first.status, again.status) == (1, 1)
    assert "was missed" in first.out
    missed = [line for line in holdfast("history", "churn").out.splitlines() if "no run in" in line]
    assert len(missed) == len(first.out.splitlines()) <= 10
    latest = first.out.split()[2]
    assert holdfast("retrain", "churn", "--entry", "jobs:train", "--slot", latest).status == 0


@pytest.mark.usefixtures("job")
def test_a_schedule_that_is_kept_passes_the_check(holdfast: Holdfast) -> None:
    words = ("churn", "--entry", "jobs:train", "--every", "3650d")
    holdfast("retrain", *words)

    done = holdfast("retrain", "check", *words)

    assert (done.status, done.out) == (0, "churn: no slot was missed\n")
    assert holdfast("retrain", "check", "churn", "--entry", "jobs:train").status == 2


def found(tmp_path: Path, kind: str, day: str) -> None:
    """Write a finding, as a look at the predictions would."""
    session = library.open(tmp_path / "store", by="drift")._session

    def decide(_state: object, _at: str) -> AnyEvent:
        return DriftFound(
            version="1.0.0", finding=f"{kind}-{day}", kind=kind, since=day, until=day,  # type: ignore[arg-type]
            log_evidence=3.5,
        )  # fmt: skip

    session.commit("churn", decide, DriftFound, CommitOptions())


@pytest.mark.usefixtures("job")
def test_a_finding_of_the_calendars_last_day_gives_a_run_like_any(
    holdfast: Holdfast, model: Callable[[str], str], tmp_path: Path
) -> None:
    holdfast("register", "churn", model("old"))
    holdfast("promote", "churn@1.0.0")
    found(tmp_path, "drift", "9999-12-31")

    done = holdfast("retrain", "churn", "--entry", "jobs:train", "--if", "drift")

    assert done.status == 4  # nothing shows that it is better
    assert "slot 9999-12-31T00:00:00Z/drift-9999-12-31 registered 1.1.0" in done.out


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--every", "100000000000000s", "policy retraining.every_s must"),
        ("--every", "9" * 400 + "d", "is too long"),
        ("--time-limit", "9" * 400 + "d", "is too long"),
        ("--memory", "9" * 400 + "T", "must be above 0, at most 1000000TB"),
        ("--memory", "0", "must be above 0, at most 1000000TB"),
        ("--memory-hard", "99999999999T", "must be above 0, at most 1000000TB"),
    ],
)
@pytest.mark.usefixtures("job")
def test_a_span_or_size_beyond_all_sense_is_refused_before_the_training(
    holdfast: Holdfast, option: str, text: str, said: str
) -> None:
    slot = () if option == "--every" else ("--slot", SLOT)

    done = holdfast("retrain", "churn", "--entry", "jobs:train", *slot, option, text)

    assert (done.status, said in done.err) == (2, True), done.err


@pytest.mark.usefixtures("job")
def test_a_finding_gives_one_run_and_a_broken_feed_none(
    holdfast: Holdfast, model: Callable[[str], str], tmp_path: Path
) -> None:
    words = ("retrain", "churn", "--entry", "jobs:train", "--if", "drift,accuracy")
    holdfast("register", "churn", model("old"))
    holdfast("promote", "churn@1.0.0")
    assert holdfast(*words).out == "churn: nothing asks for a retraining\n"
    found(tmp_path, "nulls", "2026-11-27")
    assert "nothing asks" in holdfast(*words).out
    found(tmp_path, "drift", "2026-11-28")

    first = holdfast(*words)
    assert "slot 2026-11-29T00:00:00Z/drift-2026-11-28 registered" in first.out, first.err
    assert "nothing asks" in holdfast(*words).out

    found(tmp_path, "accuracy", "2026-11-29")
    held, again = holdfast(*words), holdfast(*words)
    assert (held.status, again.status) == (0, 0)
    assert "held: finding accuracy-2026-11-29, but the last attempt was at" in held.out
    ops = [line["op"] for line in holdfast("history", "churn", "--json").data]
    assert ops.count("retrained") == 2


@pytest.mark.usefixtures("job")
def test_an_age_asks_once_a_span(
    holdfast: Holdfast, model: Callable[[str], str], tmp_path: Path
) -> None:
    old = library.open(
        tmp_path / "store", by="ann", clock=lambda: datetime.now(UTC) - timedelta(days=45)
    )
    old.register("churn", tmp_path / model("old"))
    old.promote("churn@1.0.0")
    words = ("retrain", "churn", "--entry", "jobs:train", "--if")

    assert "nothing asks" in holdfast(*words, "age=60d").out
    assert "/age-v1-1 registered" in holdfast(*words, "age=30d").out
    assert "nothing asks" in holdfast(*words, "age=30d").out
    for text in ("age", "drift=3d", "luck"):
        assert holdfast(*words, text).status == 2


def test_a_request_to_end_gives_the_lease_back(
    holdfast: Holdfast, job: Any, tmp_path: Path
) -> None:
    job("open('began', 'w').close(); time.sleep(60)")
    command = [sys.executable, "-m", "holdfast", "retrain", "churn", "--entry", "jobs:train",
               "--slot", SLOT]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until((tmp_path / "began").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
        assert process.stderr is not None
        assert "the training was ended and nothing was registered" in process.stderr.read()
    job('return {"model": {"weight": 1}}')

    assert retrain(holdfast).status == 0


def test_a_schedule_is_followed_until_it_is_stopped(
    job: Callable[[str], None], tmp_path: Path
) -> None:
    job('open("ran", "a").write(context.slot + "\\n"); return {"model": {"weight": context.slot}}')
    command = [sys.executable, "-m", "holdfast", "retrain", "run", "churn", "--entry",
               "jobs:train", "--every", "2s", "--json"]  # fmt: skip
    environment = {**os.environ, "HOLDFAST_BY": "cron"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, env=environment
    ) as process:
        ran = tmp_path / "ran"
        try:
            until(lambda: ran.exists() and len(ran.read_text().splitlines()) >= 2)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]

    assert lines[0]["outcome"]["record"]["outcome"] == "registered"
    slots = (tmp_path / "ran").read_text().splitlines()
    assert len(set(slots)) == len(slots)
