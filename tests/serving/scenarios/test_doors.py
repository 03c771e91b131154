"""What a server refuses at its start, and who may ask it."""

import http.client
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.serving import BODY, MODEL, PATIENCE_S, Serving, telling

import holdfast


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doors")
    registry = holdfast.open(folder / "store", by="ana")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    return folder / "store"


def refused(store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", *options, "--store", str(store)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.parametrize(
    "options",
    [
        ["serve", MODEL, "--port", "99999"],
        ["serve", MODEL, "--port", "-1"],
        ["serve", MODEL, "--queue", "0"],
        ["serve", MODEL, "--max-body", "0"],
        ["serve", MODEL, "--host-name", "a:80"],
        ["serve", MODEL, "--root-path", "models"],
        ["serve", MODEL, "--root-path", "/a b"],
        ["serve", MODEL, "--root-path", "/models"],
        ["serve", MODEL, "--root-path", "/v2/here"],
        ["serve", MODEL, "--drain", "-1"],
        ["serve", MODEL, "--keep-alive", "0"],
        ["history", MODEL, "--limit", "-1"],
        ["predictions", "list", "--limit", "-1"],
        ["predictions", "export", "--limit", "0"],
    ],
)
def test_what_no_option_can_be_is_a_usage_error(store: Path, options: list[str]) -> None:
    assert refused(store, *options).returncode == 2


def status(server: Serving, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    header_fields = {"content-type": "application/json", **headers}
    connection.request("POST", "/predict", BODY, header_fields)
    status_code = connection.getresponse().status
    connection.close()
    return status_code


def test_an_open_server_answers_no_page_of_another_site(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--host-name", "models.example") as server:
        statuses = [status(server, Host=name) for name in ("evil.example", "models.example")]
        foreign = status(server, Origin="http://evil.example")
    assert statuses == [421, 200]
    assert foreign == 403
    assert {path.stat().st_mode & 0o77 for path in (tmp_path / "predictions").rglob("*")} == {0}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2", "2"),
        pytest.param("2", "1", marks=pytest.mark.sweep),
        pytest.param("1", "2", marks=pytest.mark.sweep),
    ],
    ids=lambda count: f"{count} workers",
)
def test_two_servers_do_not_share_a_port(
    store: Path, tmp_path: Path, first: str, second: str
) -> None:
    with Serving(store, tmp_path, "--workers", first) as server:
        options = ["--port", str(server.port), "--workers", second, "--log", "none"]
        process = refused(store, "serve", MODEL, *options)
        still = server.get("/livez")[0]

    assert process.returncode == 2
    assert "cannot be listened on: Address already in use" in process.stderr
    assert still == 200


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "predictions are kept with whole inputs in {log} (files 0600, for their owner alone)"),
        pytest.param(
            ["--inputs", "hash"],
            "predictions are kept with hashed inputs in {log} (files 0600",
            marks=pytest.mark.sweep,
        ),
        (["--inputs", "none", "--sample", "0.1"], "0.1 of predictions are kept without inputs in"),
        pytest.param(["--log", "none"], "no prediction is kept", marks=pytest.mark.sweep),
    ],
)
def test_a_server_says_at_its_start_what_it_keeps(
    store: Path, tmp_path: Path, options: list[str], line: str
) -> None:
    with Serving(store, tmp_path, *options) as server:
        log_text = server.log

    assert line.format(log=server.predictions) in log_text


def test_a_server_answers_below_the_path_that_a_proxy_shows(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--root-path", "/homes/") as server:
        plain = [server.get(path)[0] for path in ("/homes/livez", "/livez", "/homes/models")]
        other = [server.get(path)[0] for path in ("/homeslivez", "/homes/homes/livez")]
        page = server.get("/homes/docs")[1]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        answers = []
        for path in ("/homes/predict", "/predict", "/homes/predict/"):
            connection.request("POST", path, BODY, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
        connection.close()

    assert (plain, other) == ([200, 200, 200], [404, 404])
    assert "/homes/openapi.json" in page
    assert answers == [200, 200, 200]


def test_a_token_is_asked_for_below_a_prefix_too(store: Path, tmp_path: Path) -> None:
    environment = {"HOLDFAST_TOKEN": "secret"}
    with Serving(store, tmp_path, "--root-path", "/livez", environment=environment) as server:
        statuses = [
            server.get(path)[0] for path in ("/livez/livez", "/livez", "/livez/models", "/models")
        ]

    assert statuses == [200, 200, 401, 401]
