"""`holdfast serve` as it is called: what it refuses before it listens, and what it hands on."""

import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast

from holdfast.cli import serve, serve_addresses
from holdfast.cli.context import Context
from holdfast.serving.settings import ServerSettings

GIVEN = Context("store", "ana", as_json=False)
OPTIONS = {
    **serve.COMMANDS[0].make_context("serve", ["iris"]).params,
    "host": "127.0.0.1",
    "host_name": (),
    "port": None,
    "workers": 1,
    "log": None,
    "durable": False,
    "inputs": "full",
    "sample": 1.0,
    "redact": None,
    "token_file": None,
    "no_token": False,
    "max_body": 1,
    "timeout": "60s",
    "hang": "10s",
    "access_log": "off",
    "max_requests": None,
    "max_memory": None,
    "queue": 1,
    "pin": True,
    "inline": True,
    "drive": True,
    "drain": 0,
    "keep_alive": 5,
    "root_path": "",
    "uds": None,
    "sandbox": "auto",
}

Set = Callable[[str, str], None]


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set a variable of the environment, those of a server being unset."""
    for name in ("HOLDFAST_TOKEN", "HOLDFAST_LOG", "AIP_HTTP_PORT", "HOLDFAST_CACHE"):
        monkeypatch.delitem(os.environ, name, raising=False)
    return lambda name, value: monkeypatch.setitem(os.environ, name, value)


def setting(**options: object) -> ServerSettings:
    return serve._setting(GIVEN, ("iris", "wine", "iris"), {**OPTIONS, **options})


def test_a_system_on_which_processes_share_no_address_is_told_so(
    churn: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")  # as on Windows

    result = churn("serve", "churn", "--json")

    assert (result.status, result.error["code"]) == (8, "unsupported")
    assert "on Windows no two processes listen at one address" in result.error["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", "192.168.0.7"])
def test_an_address_that_others_reach_needs_a_token_or_a_word(
    churn: Holdfast, set_variable: Set, host: str
) -> None:
    result = churn("serve", "churn", "--host", host, "--json")
    set_variable("HOLDFAST_TOKEN", "secret")

    assert result.status == 4
    assert "--no-token" in result.error["message"]
    assert setting(host=host).limits.token == "secret"
    os.environ.pop("HOLDFAST_TOKEN")
    assert setting(host=host, no_token=True).limits.token is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
@pytest.mark.usefixtures("set_variable")
def test_an_address_of_this_machine_needs_no_token(host: str) -> None:
    assert setting(host=host).limits.token is None


@pytest.mark.usefixtures("set_variable")
def test_every_version_can_be_given_a_thread() -> None:
    assert [setting(inline=inline).limits.inline_us for inline in (True, False)] == [1000, 0]


def test_a_token_is_read_from_its_file(set_variable: Set, tmp_path: Path) -> None:
    set_variable("HOLDFAST_TOKEN", "other")
    file = tmp_path / "token"
    file.write_text("secret\n")

    assert setting(token_file=str(file)).limits.token == "secret"


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_token_file_without_a_token_is_refused(
    churn: Holdfast, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    result = churn("serve", "churn", "--token-file", "token")

    assert result.status == 2
    assert "--token-file 'token'" in result.err


def test_the_port_is_what_the_platform_says_or_8080(set_variable: Set) -> None:
    default = serve_addresses._port()
    set_variable("AIP_HTTP_PORT", "9090")

    assert (default, serve_addresses._port()) == (8080, 9090)


def test_a_port_that_is_none_is_refused(churn: Holdfast, set_variable: Set) -> None:
    set_variable("AIP_HTTP_PORT", "http")
    result = churn("serve", "churn")

    assert result.status == 2
    assert "AIP_HTTP_PORT 'http' is not a port" in result.err


def test_a_port_that_is_taken_is_refused(churn: Holdfast, set_variable: Set) -> None:
    import socket

    set_variable("HOLDFAST_LOG", "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = churn("serve", "churn", "--port", str(taken.getsockname()[1]))

    assert result.status == 2
    assert "cannot be listened on" in result.err


def test_a_model_that_does_not_exist_is_told_before_anything_listens(churn: Holdfast) -> None:
    result = churn("serve", "chrun")

    assert result.status == 3
    assert "churn" in result.err


def test_the_log_is_where_the_environment_says_or_nowhere(set_variable: Set) -> None:
    default = setting().log
    set_variable("HOLDFAST_LOG", "elsewhere")

    assert [default, setting().log, setting(log="here").log] == [
        "predictions",
        "elsewhere",
        "here",
    ]
    assert setting(log="none").log is None


@pytest.mark.usefixtures("set_variable")
def test_options_become_a_setting() -> None:
    made = setting(
        pin=False, timeout="2s", queue=9, drive=False, inputs="hash", sample=0.5, durable=True
    )

    assert made.models == ("iris", "wine")
    assert (made.limits.pinning, made.limits.timeout_s, made.limits.queue) == (False, 2.0, 9)
    assert made.limits.body_bytes == 1 << 20
    assert (made.drives, made.durable) == (False, True)
    assert (made.keeping.inputs, made.keeping.sampling) == ("hash", 0.5)


def test_a_setting_can_be_sent_to_a_worker() -> None:
    made = setting()

    assert pickle.loads(pickle.dumps(made)).open_registry.args[0] == GIVEN


@pytest.mark.usefixtures("set_variable")
def test_no_worker_may_write_what_was_checked_of_its_models(
    churn: Holdfast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert churn("load", "churn@1.0.0").status == 0
    (checked,) = tmp_path.glob(".cache/*/verdicts")

    places = serve._writable(GIVEN, {**OPTIONS, "uds": str(tmp_path / "run" / "socket")})

    assert (tmp_path / "run").resolve() in places
    assert not any(checked.is_relative_to(folder) for folder in places)
