"""Commands that start rollouts, move them by hand and show them."""

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.rollouts.fleet import Worker

from holdfast import open as open_registry
from holdfast.core.fleet import LoadedVersion

Holdfast = Callable[..., Any]
GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "rollouts.md").read_text()
PLAN = ("--steps", "50,100", "--every", "0", "--no-latency")


@pytest.fixture
def started(churn: Holdfast) -> Holdfast:
    """Return churn with a rollout of 1.2.0 beside 1.1.0 that no server knows of yet."""
    assert churn("rollout", "start", "churn@1.2.0", *PLAN).status == 0
    return churn


@pytest.fixture
def worker(churn: Holdfast, tmp_path: Path) -> Worker:
    """Return a serving worker of churn."""
    churn("ls")
    return Worker(open_registry(tmp_path / "store"), model="churn")


def now() -> datetime:
    return datetime.now(UTC)


def test_a_start_tells_the_plan_what_the_gate_thinks_and_what_comes_next(churn: Holdfast) -> None:
    result = churn(
        "rollout", "start", "churn@1.2.0", "--steps", "5,50,100", "--every", "90s", "--sticky",
        "header:X-User-Id", "--drift", "hold", "--reason", "weekly",
    )  # fmt: skip
    lines = result.out.splitlines()

    assert result.status == 0, result.err
    assert lines[:2] == ["rollout 1 of 1.2.0 starts: canary 5 → 50 → 100 %", "  live      1.1.0"]
    assert lines[3] == "  plan      canary 5 → 50 → 100 %, 1 m 30 s and 120 requests each"
    assert lines[4].endswith("latency p50 p90 p99 10 %, drift of scores (hold), alpha 0.05")
    assert lines[5] == "  sticky    header:X-User-Id"
    assert lines[6].startswith("  gate      would refuse it now: roc_auc: 0.7 is 13.58% worse")
    assert lines[7:] == ["  next      holdfast rollout run churn   (or a server drives it)"]


AB = (
    "--strategy", "ab", "--share", "40", "--outcome", "feedback:clicked", "--minimum-effect", "2%",
    "--within", "6h", "--sticky", "field:user", "--no-latency", "--deadline", "21d",
)  # fmt: skip


def test_the_start_of_an_ab_test_tells_what_it_compares_and_who_drives_it(churn: Holdfast) -> None:
    result = churn("rollout", "start", "churn@1.2.0", *AB)
    lines = result.out.splitlines()

    assert result.status == 0, result.err
    assert lines[0] == "rollout 1 of 1.2.0 starts: ab 40 %"
    assert lines[3] == "  plan      ab 40 %, 10 m 0 s and 120 requests each, until 21 d"
    assert lines[4] == (
        "  outcome   feedback:clicked of each key after 6 h 0 m, a difference beyond 0.02 matters"
    )
    assert lines[-1] == "  next      holdfast rollout run churn --log DIR"


def test_the_guides_ab_test_starts_as_it_is_written(churn: Holdfast) -> None:
    joined = GUIDE.replace("\\\n", "")
    (start,) = re.findall(r"^\$ holdfast (rollout start .*--strategy ab.*)$", joined, re.MULTILINE)
    words = shlex.split(start.replace("iris@1.1.0", "churn@1.2.0"))

    result = churn(*words)

    assert result.status == 0, result.err
    assert result.out.startswith("rollout 1 of 1.2.0 starts: ab 50 %\n")
    assert "outcome   feedback:clicked of each key after" in result.out
    assert "a difference beyond 0.01 matters" in result.out


def test_an_ab_test_may_be_the_usual_way_and_another_time_not(churn: Holdfast) -> None:
    churn("policy", "set", "churn", *AB, "--clip", "0,500", "--minimum-effect", "5")
    usual = churn("rollout", "start", "churn@1.2.0", "--json").data
    churn("rollout", "abort", "churn")
    shares = churn("rollout", "start", "churn@1.2.0", "--clip", "none", "--minimum-effect", "0.1")
    churn("rollout", "abort", "churn")
    canary = churn("rollout", "start", "churn@1.2.0", "--strategy", "canary")

    assert usual["changed"]
    assert "cut to" not in shares.out
    assert canary.out.startswith("rollout 3 of 1.2.0 starts: canary 5 → 25 → 50 → 100 %")
    assert "outcome" not in canary.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sticky", "none"), "A/B test has no sticky key, and outcomes are compared by key"),
        (("--outcome", "auc"), "outcome 'auc' does not say what becomes of a prediction"),
        (("--steps", "5,50"), "plan steps must be one share below 1 in an A/B test"),
        (("--minimum-effect", "200%"), "outcome minimum_effect must be above 0 and below 1"),
        (("--within", "0"), "outcome within_s must be 1 second or more"),
        (("--deadline", "1s"), "plan max_step_time_s is 1, less than the dwell time of 600"),
    ],
)
def test_an_ab_test_that_cannot_be_judged_is_not_started(
    churn: Holdfast, words: tuple[str, ...], message: str
) -> None:
    result = churn("rollout", "start", "churn@1.2.0", *AB, *words)

    assert result.status == 2
    assert message in result.err
    assert churn("rollout", "status", "churn", "--json").data["rollout"] is None


def test_the_same_key_starts_one_rollout(churn: Holdfast) -> None:
    start = ("rollout", "start", "churn@latest", "--idempotency-key", "ci-7")
    churn(*start)
    result = churn(*start)

    assert result.out == "nothing to do: entry 6 did this with the same key\n"


def test_what_is_not_said_is_the_policy(churn: Holdfast) -> None:
    churn(
        "policy", "set", "churn", "--strategy", "shadow", "--every", "1h", "--sticky", "field:id",
        "--analysis", "absolute", "--margin", "2%", "--no-latency",
    )  # fmt: skip
    churn("rollout", "start", "churn@1.2.0", "--every", "2h", "--sticky", "none", "--latency")
    rollout = churn("rollout", "status", "churn", "--json").data["rollout"]

    assert (rollout["plan"]["strategy"], rollout["plan"]["steps"]) == ("shadow", [1.0])
    assert rollout["plan"]["dwell_s"] == 7_200.0
    assert rollout["sticky"] is None
    assert (rollout["analysis"]["errors"]["rule"], rollout["analysis"]["errors"]["margin"]) == (
        "absolute",
        0.02,
    )
    assert rollout["analysis"]["latency"] is not None


def test_a_margin_alone_keeps_the_rule(churn: Holdfast) -> None:
    churn("policy", "set", "churn", "--analysis", "threshold")
    churn("policy", "set", "churn", "--margin", "7%", "--drift", "halt")
    shown = churn("policy", "set", "churn", "--drift", "off", "--strategy", "canary").out

    said = "rollout.analysis errors threshold 7 %, latency p50 p90 p99 10 %, alpha"
    assert said in " ".join(shown.split())


def test_a_policy_of_another_rule_loses_the_old_ones_margin(churn: Holdfast) -> None:
    churn("policy", "set", "churn", "--analysis", "threshold", "--margin", "7%")
    shown = churn("policy", "set", "churn", "--analysis", "relative").out

    assert "rollout.analysis errors relative 5 %" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--sticky", "cookie", "does not say where the key is"),
        ("--steps", "5,x", "must be percentages"),
        ("--margin", "much", "is not a share"),
        ("--every", "soon", "is not a span of time"),
    ],
)
def test_terms_without_sense_are_refused(
    churn: Holdfast, option: str, value: str, complaint: str
) -> None:
    result = churn("rollout", "start", "churn@1.2.0", option, value)

    assert result.status == 2
    assert complaint in result.err


def test_a_rollout_is_paused_resumed_and_advanced_by_hand(started: Holdfast) -> None:
    pauses = [started("rollout", "pause", "churn", "--reason", "lunch") for _ in range(2)]
    resumed = started("rollout", "resume", "churn")
    advanced = started("rollout", "advance", "churn", "--reason", "no servers of ours")

    assert pauses[0].out.splitlines()[:2] == ["rollout 1 paused", "  live      1.1.0"]
    assert pauses[1].out == "nothing to do: rollout 1 is already paused\n"
    assert resumed.out.startswith("rollout 1 resumed\n")
    assert advanced.out.startswith("rollout 1 to 50 %\n")
    assert started("rollout", "advance", "churn").status == 2


def test_the_gate_stands_before_an_early_end(started: Holdfast) -> None:
    refused = started("rollout", "promote", "churn")
    forced = started("rollout", "promote", "churn", "--force", "--reason", "metric is wrong")

    assert refused.status == 4
    assert "roc_auc: 0.7 is 13.58% worse" in refused.err
    assert forced.out.splitlines()[1:3] == [
        "promote 1.1.0 → 1.2.0 by force, ends rollout 1",
        "  live      1.2.0",
    ]


def test_promoting_another_version_names_the_ways_out(started: Holdfast) -> None:
    result = started("promote", "churn@1.0.0")

    assert result.status == 5
    assert "while rollout 1 of 1.2.0 is running" in result.err
    assert "holdfast rollout abort churn" in result.err


def test_what_ends_a_rollout_says_so(started: Holdfast) -> None:
    back = started("rollback", "churn", "--reason", "complaints")
    started("rollout", "start", "churn@1.1.0", *PLAN)
    on = started("promote", "churn@1.1.0")

    assert back.out.splitlines()[:2] == [
        "churn@1.0.0 is live, 1.1.0 is archived",
        "  rollout 1 ended by this",
    ]
    assert "  rollout 2 ended by this\n" in on.out


def test_where_nothing_was_live_before_a_rollback_points_to_the_rollout(
    holdfast: Holdfast, model: Callable[[str], str]
) -> None:
    for content in ("one", "two"):
        holdfast("register", "iris", model(content))
    holdfast("promote", "iris@1.0.0")
    plain = holdfast("rollback", "iris")
    holdfast("rollout", "start", "iris@1.1.0")
    result = holdfast("rollback", "iris")

    assert plain.err == "holdfast: No previous version to roll back to. (model iris)\n"
    assert result.status == 3
    assert result.err == (
        "rollout 1 of 1.1.0 is running; holdfast rollout abort iris ends it\n"
        "holdfast: No previous version to roll back to. (model iris)\n"
    )


def test_an_abort_is_legal_in_every_state(started: Holdfast) -> None:
    running = started("rollout", "abort", "churn", "--reason", "complaints")
    again = started("rollout", "abort", "churn")
    started("rollout", "retry", "churn")
    started("rollout", "promote", "churn", "--force", "--reason", "test")
    completed = started("rollout", "abort", "churn")

    assert running.out.splitlines()[:2] == ["rollout 1 aborted", "  live      1.1.0"]
    assert again.out == "nothing to do: rollout 1 has ended: aborted\n"
    assert completed.out.startswith("rollback 1.2.0 → 1.1.0, ends rollout 2\n")


def test_nothing_says_aborted_after_a_rollout_that_was_completed(started: Holdfast) -> None:
    started("rollout", "promote", "churn", "--force", "--reason", "test")
    started("rollback", "churn", "--reason", "slower")
    screens = [
        started(*words).out
        for words in (
            ("rollout", "status", "churn"),
            ("rollout", "abort", "churn"),
            ("rollout", "status", "churn", "--json"),
            ("status", "churn"),
            ("history", "churn"),
            ("history", "churn", "--json"),
        )
    ]

    assert "nothing to do: rollout 1 has ended: completed\n" in screens
    assert [screen for screen in screens if "aborted" in screen] == []
    assert "rolled back" in screens[0]
    assert ", rolled back since" in screens[3]


def test_rollouts_are_numbered_for_each_model_from_one(started: Holdfast) -> None:
    started("rollout", "abort", "churn")
    retried = started("rollout", "retry", "churn")
    shown = started("rollout", "status", "churn", "--json").data["rollout"]
    lines = [line["what"] for line in started("history", "churn", "--json").data]

    assert retried.out.startswith(
        "rollout 2 of 1.2.0 starts: canary 50 → 100 %, repeats rollout 1\n"
    )
    assert (shown["number"], shown["seq"]) == (2, 8)
    assert lines[:3] == [
        "rollout 2 of 1.2.0 starts: canary 50 → 100 %, repeats rollout 1",
        "rollout 1 aborted",
        "rollout 1 of 1.2.0 starts: canary 50 → 100 %",
    ]
    assert "churn · rollout 2 · " in started("rollout", "status", "churn").out


def test_without_a_rollout_there_is_none_to_abort(churn: Holdfast) -> None:
    result = churn("rollout", "abort", "churn")

    assert result.status == 3
    assert "start one: holdfast rollout start churn@VERSION" in result.err


def test_without_a_rollout_the_status_says_how_to_start_one(churn: Holdfast) -> None:
    result = churn("rollout", "status", "churn")

    assert result.out == "no rollout of churn; start one: holdfast rollout start churn@VERSION\n"


def test_the_screen_shows_steps_counts_tests_and_servers(started: Holdfast, worker: Worker) -> None:
    before = started("rollout", "status", "churn").out
    worker.ready(now(), "1.2.0")
    assert started("rollout", "tick", "churn").status == 0
    worker.answer(canary=200, active=300, canary_failures=1, active_failures=3)
    Worker(worker.registry, "b", "churn").report(
        now(), LoadedVersion("1.2.0", "failed", "no column")
    )
    screen = started("rollout", "status", "churn").out
    lines = [line.strip("│ ") for line in screen.splitlines()]

    assert "no server reports that it serves this model" in before
    assert all(len(line) <= 100 for line in screen.splitlines())
    assert lines[1] == "version 1.2.0 beside 1.1.0, canary, by ana"
    assert lines[2] == "steps ● 50 %   ○ 100 %"
    rails = {line[:6]: line[37:] for line in lines if line.startswith(("canary", "active"))}
    assert rails == {
        "canary": "  1 of 200 failed (0.0005 %–4.5 %)",
        "active": "  3 of 300 failed (0.051 %–4.5 %)",
    }
    assert "test silent errors: " in screen
    assert lines[-3] == "servers 1 of 2 have 1.2.0 ready; active 1.1.0"
    assert lines[-1] == "next  holdfast rollout abort churn   → 1.1.0 alone"


def test_the_screen_for_11_pm_shows_the_rollout_with_its_verdict(
    started: Holdfast, worker: Worker
) -> None:
    worker.ready(now(), "1.2.0")
    started("rollout", "tick")
    worker.answer(canary=40, active=40, canary_failures=30)
    running = started("status", "churn").out
    halted = started("rollout", "tick", "churn")
    ended = started("status", "churn").out

    assert "rollout 1 of 1.2.0  at 50 % (step 1 of 2) since" in running
    assert 'next  holdfast rollout abort churn --reason "…"   → 1.1.0 alone' in running
    assert halted.status == 1
    assert halted.out.startswith("churn: halted; rollout 1 of 1.2.0 halted at 50 % (step 1 of 2);")
    assert "rollout 1 of 1.2.0  halted at 50 % (step 1 of 2) since" in ended
    assert "verdict halt at 50 %: errors: the evidence against the canary is" in ended
    assert "rollout abort" not in ended
    assert "rollout 1 halted (errors)" in started("history", "churn").out


def test_the_screen_shows_a_shadow_that_was_paused_and_passed(
    churn: Holdfast, worker: Worker
) -> None:
    """Its steps are done then, and there is nothing left to abort."""
    shadow = ("--strategy", "shadow", "--every", "0", "--no-latency", "--sticky", "field:id")
    churn("rollout", "start", "churn@1.2.0", *shadow, "--max-step-time", "none")
    paused = churn("rollout", "pause", "churn")
    shown = churn("rollout", "status", "churn").out
    churn("rollout", "resume", "churn")
    worker.ready(now(), "1.2.0")
    churn("rollout", "tick", "churn")
    worker.answer(canary=500, active=500)
    done = churn("rollout", "tick", "churn")
    ended = churn("rollout", "status", "churn").out

    assert paused.status == done.status == 0
    assert "○ 100 %   paused" in shown
    assert "since it started, sticky by field:id" in shown
    assert done.out.startswith("churn: passed; ")
    assert "✔ 100 %" in ended
    assert "rollout abort" not in ended


def test_a_long_reason_leaves_the_labels_readable(churn: Holdfast) -> None:
    churn("promote", "churn@1.2.0", "--force", "--reason", "because " * 40)
    shown = churn("status", "churn").out

    assert "│   versions 3 in all" in shown
