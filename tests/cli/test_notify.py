"""Notices on the command line: told right after a verb, by cron, and listed where they wait."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.notices.receiver import Receiver, listening


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as running:
        yield running


@pytest.fixture
def config(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a configuration whose one target is the receiver."""
    monkeypatch.setitem(os.environ, "OPS_SECRET", "s3cret")
    file = tmp_path / "notices.toml"
    file.write_text(f'[[targets]]\nname = "ops"\nurl = "{receiver.url}"\nsecret_env = "OPS_SECRET"')
    return file.name


@pytest.fixture
def told(churn: Any, config: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store `churn`, its commands with HOLDFAST_NOTIFY."""
    monkeypatch.setitem(os.environ, "HOLDFAST_NOTIFY", config)
    return churn


def test_a_promotion_and_a_rollback_are_told_when_the_commands_return(
    told: Any, receiver: Receiver
) -> None:
    statuses = [
        told("promote", "churn@1.2.0", "--force", "--reason", "must").status,
        told("rollback", "churn", "--reason", "worse").status,
    ]

    assert statuses == [0, 0]
    assert receiver.kinds == ["version.promoted", "version.rolled_back"]


def test_a_refused_promotion_tells_nothing(told: Any, receiver: Receiver) -> None:
    refused = told("promote", "churn@1.2.0")

    assert refused.status == 4
    assert receiver.posts == []


def test_a_receiver_that_fails_fails_no_command_and_what_it_missed_waits(
    told: Any, receiver: Receiver
) -> None:
    receiver.answers = [503]

    done = told("rollback", "churn", "--reason", "worse")
    listed = told("notify", "list")
    once = told("notify", "once", "--json")

    assert done.status == 0
    assert "notices wait: ops: http://127.0.0.1 answers 503" in done.err
    assert "version.rolled_back  churn@1.0.0" in listed.out
    assert "waiting" in listed.out
    assert (once.status, once.data["delivered"]) == (0, 1)
    assert told("notify", "list").out == "no notice waits\n"


def test_a_receiver_that_never_answers_holds_a_command_up_no_longer_than_its_budget(
    told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.cli.telling._BUDGET_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        (tmp_path / "notices.toml").write_text(f'[[targets]]\nname = "ops"\nurl = "{url}"')
        done = told("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "does not answer: " in done.err


def test_a_receiver_that_trickles_is_left_to_the_runner(
    told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.cli.telling._BUDGET_S", 0.1)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def trickle() -> None:
            connection, _ = slow.accept()
            with connection:
                while not over.wait(0.05):
                    connection.sendall(b"H")

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        (tmp_path / "notices.toml").write_text(f'[[targets]]\nname = "ops"\nurl = "{url}"')
        done = told("rollback", "churn", "--reason", "worse")
        over.set()
        thread.join()

    assert done.status == 0
    assert "a receiver takes too long" in done.err


def test_a_configuration_that_cannot_be_read_fails_no_command(told: Any, tmp_path: Path) -> None:
    (tmp_path / "notices.toml").write_text("[[")

    done = told("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices are not sent: notices 'notices.toml'" in done.err


def test_an_outbox_that_cannot_be_read_fails_no_command(told: Any, tmp_path: Path) -> None:
    told("notify", "once")
    (tmp_path / "outbox" / "ops" / "standing.json").write_bytes(b"{")

    done = told("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices are not sent" in done.err


def test_an_outbox_damaged_meanwhile_fails_no_command(
    told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.notices.courier import Courier

    def damage(_self: Courier) -> None:
        (tmp_path / "outbox" / "ops").mkdir(parents=True)
        (tmp_path / "outbox" / "ops" / "standing.json").write_bytes(b"{")

    monkeypatch.setattr(Courier, "begin", damage)

    done = told("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices wait: " in done.err


def test_a_test_says_whether_it_arrived(churn: Any, config: str, receiver: Receiver) -> None:
    receiver.answers = [204, 500]

    good = churn("notify", "test", "--config", config)
    bad = churn("notify", "test", "--config", config)

    assert (good.status, good.out) == (0, "1 notice delivered\n")
    assert (bad.status, "ops: http://127.0.0.1 answers 500" in bad.out) == (1, True)


def test_what_was_given_up_is_listed_with_its_problem(told: Any, receiver: Receiver) -> None:
    receiver.usual = 400

    done = told("rollback", "churn", "--reason", "worse")
    listed = told("notify", "list", "--json").data

    assert done.status == 0
    assert [(one["target"], one["state"], one["problem"]) for one in listed] == [
        ("ops", "given up", "http://127.0.0.1 answers 400")
    ]


def test_once_says_1_while_something_waits_and_leaves_it_to_another(
    told: Any, receiver: Receiver, tmp_path: Path
) -> None:
    from holdfast.notices.outbox import Outbox

    receiver.usual = 503
    told("rollback", "churn", "--reason", "worse")
    waiting = told("notify", "once")
    with Outbox(tmp_path / "outbox").alone():
        busy = told("notify", "once")
        (tmp_path / "outbox" / "lock").write_bytes(b"")
        silent = told("notify", "once")

    assert (silent.status, silent.out) == (0, "another process is delivering already\n")
    assert (waiting.status, "1 waiting" in waiting.out) == (1, True)
    assert busy.status == 0
    assert busy.out.startswith(f"process {os.getpid()} on ")
    assert busy.out.endswith(" is delivering already\n")


def test_without_a_configuration_the_way_to_one_is_named(churn: Any) -> None:
    said = churn("notify", "once")

    assert said.status == 2
    assert "--config notices.toml, or set HOLDFAST_NOTIFY" in said.err


def test_run_follows_until_it_is_asked_to_stop(
    told: Any, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "notify", "run", "--every", "0.1s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    receiver.wait_for((tmp_path / "outbox" / "ops" / "standing.json").exists)
    monkeypatch.delitem(os.environ, "HOLDFAST_NOTIFY")
    told("rollback", "churn", "--reason", "worse")
    receiver.wait_for(lambda: len(receiver.taken) == 1)
    runner.send_signal(signal.SIGTERM)
    out, _ = runner.communicate(timeout=30)

    assert runner.returncode == 0
    assert out == b"1 notice delivered\n"
