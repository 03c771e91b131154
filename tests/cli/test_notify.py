"""Notices on the command line: told right after a verb, by cron, and listed where they wait."""

import contextlib
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
def notifying_churn(churn: Any, config: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store `churn`, its commands with HOLDFAST_NOTIFY."""
    monkeypatch.setitem(os.environ, "HOLDFAST_NOTIFY", config)
    return churn


def test_a_promotion_and_a_rollback_are_told_when_the_commands_return(
    notifying_churn: Any, receiver: Receiver
) -> None:
    statuses = [
        notifying_churn("promote", "churn@1.2.0", "--force", "--reason", "must").status,
        notifying_churn("rollback", "churn", "--reason", "worse").status,
    ]

    assert statuses == [0, 0]
    assert receiver.kinds == ["version.promoted", "version.rolled_back"]


def test_a_refused_promotion_tells_nothing(notifying_churn: Any, receiver: Receiver) -> None:
    refused = notifying_churn("promote", "churn@1.2.0")

    assert refused.status == 4
    assert receiver.posts == []


def test_a_receiver_that_fails_fails_no_command_and_what_it_missed_waits(
    notifying_churn: Any, receiver: Receiver
) -> None:
    receiver.answers = [503]

    done = notifying_churn("rollback", "churn", "--reason", "worse")
    listed = notifying_churn("notify", "list")
    once = notifying_churn("notify", "once", "--json")

    assert done.status == 0
    assert "notices wait: ops: http://127.0.0.1 answers 503" in done.err
    assert "version.rolled_back  churn@1.0.0" in listed.out
    assert "waiting" in listed.out
    assert (once.status, once.data["delivered"]) == (0, 1)
    assert notifying_churn("notify", "list").out == "no notice waits\n"


def test_a_receiver_that_never_answers_holds_a_command_up_no_longer_than_its_budget(
    notifying_churn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.cli.notify_hook._BUDGET_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        (tmp_path / "notices.toml").write_text(f'[[targets]]\nname = "ops"\nurl = "{url}"')
        done = notifying_churn("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "does not answer: " in done.err


def test_a_receiver_that_trickles_is_left_to_the_runner(
    notifying_churn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.cli.notify_hook._BUDGET_S", 0.1)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def trickle() -> None:
            connection, _ = slow.accept()
            with connection, contextlib.suppress(OSError):  # who left does not listen
                while not over.wait(0.05):
                    connection.sendall(b"H")

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        (tmp_path / "notices.toml").write_text(f'[[targets]]\nname = "ops"\nurl = "{url}"')
        done = notifying_churn("rollback", "churn", "--reason", "worse")
        over.set()
        thread.join()

    assert done.status == 0
    assert "a receiver takes too long" in done.err


def test_a_configuration_that_cannot_be_read_fails_no_command(
    notifying_churn: Any, tmp_path: Path
) -> None:
    (tmp_path / "notices.toml").write_text("[[")

    done = notifying_churn("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices are not sent: notices 'notices.toml'" in done.err


def test_an_outbox_that_cannot_be_read_fails_no_command(
    notifying_churn: Any, tmp_path: Path
) -> None:
    notifying_churn("notify", "once")
    (tmp_path / "outbox" / "ops" / "standing.json").write_bytes(b"{")

    done = notifying_churn("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices are not sent" in done.err


def test_an_outbox_damaged_meanwhile_fails_no_command(
    notifying_churn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.notices.courier import Courier

    def damage(_self: Courier) -> None:
        (tmp_path / "outbox" / "ops").mkdir(parents=True)
        (tmp_path / "outbox" / "ops" / "standing.json").write_bytes(b"{")

    monkeypatch.setattr(Courier, "begin", damage)

    done = notifying_churn("rollback", "churn", "--reason", "worse")

    assert done.status == 0
    assert "notices wait: " in done.err


def test_a_test_says_whether_it_arrived(churn: Any, config: str, receiver: Receiver) -> None:
    receiver.answers = [204, 500]

    good = churn("notify", "test", "--config", config)
    bad = churn("notify", "test", "--config", config)

    assert (good.status, good.out) == (0, "1 notice delivered\n")
    assert (bad.status, "ops: http://127.0.0.1 answers 500" in bad.out) == (1, True)


def test_what_was_given_up_is_listed_with_its_problem(
    notifying_churn: Any, receiver: Receiver
) -> None:
    receiver.usual = 400

    done = notifying_churn("rollback", "churn", "--reason", "worse")
    listed = notifying_churn("notify", "list", "--json").data

    assert done.status == 0
    assert [(notice["target"], notice["state"], notice["problem"]) for notice in listed] == [
        ("ops", "given up", "http://127.0.0.1 answers 400")
    ]


def test_once_says_1_while_something_waits_and_leaves_it_to_another(
    notifying_churn: Any, receiver: Receiver, tmp_path: Path
) -> None:
    from holdfast.notices.outbox import Outbox

    receiver.usual = 503
    notifying_churn("rollback", "churn", "--reason", "worse")
    waiting = notifying_churn("notify", "once")
    with Outbox(tmp_path / "outbox").alone():
        busy = notifying_churn("notify", "once")
        (tmp_path / "outbox" / "lock").write_bytes(b"")
        silent = notifying_churn("notify", "once")

    assert (silent.status, silent.out) == (0, "another process is delivering already\n")
    assert (waiting.status, "1 waiting" in waiting.out) == (1, True)
    assert busy.status == 0
    assert busy.out.startswith(f"process {os.getpid()} on ")
    assert busy.out.endswith(" is delivering already\n")


def test_without_a_configuration_the_way_to_one_is_named(churn: Any) -> None:
    result = churn("notify", "once")

    assert result.status == 2
    assert "--config notices.toml, or set HOLDFAST_NOTIFY" in result.err


def test_run_follows_until_it_is_asked_to_stop(
    notifying_churn: Any, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "notify", "run", "--every", "0.1s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    receiver.wait_for((tmp_path / "outbox" / "ops" / "standing.json").exists)
    monkeypatch.delitem(os.environ, "HOLDFAST_NOTIFY")
    notifying_churn("rollback", "churn", "--reason", "worse")
    receiver.wait_for(lambda: len(receiver.taken) == 1)
    runner.send_signal(signal.SIGTERM)
    out, _ = runner.communicate(timeout=30)

    assert runner.returncode == 0
    assert out == b"1 notice delivered\n"
