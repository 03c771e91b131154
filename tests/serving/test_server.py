import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.conftest import drift_found
from tests.notices.receiver import listening
from tests.registry.disk import blob, flip
from tests.servers.running import Endpoint
from tests.serving.facing import until
from tests.serving.serving import BODY, MODEL, PATIENCE_S, Callers, Serving, estimating, telling

import holdfast
from holdfast.predictions import ALL, open_log

CUT = ("ConnectionReset", "RemoteDisconnected", "IncompleteRead", "BrokenPipe", "ConnectionRefused")
"""What callers hear whose worker dies."""


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    """Two versions, the first one live."""
    registry = holdfast.open(tmp_path / "store", by="ana")
    for number in (1, 2):
        telling(registry, number)
    registry.promote(f"{MODEL}@1.1.0")
    return registry


@pytest.fixture
def server(registry: holdfast.Registry, tmp_path: Path) -> Iterator[Serving]:
    assert registry.location == tmp_path / "store"
    with Serving(tmp_path / "store", tmp_path) as server:
        yield server


def live(server: Serving) -> Any:
    return server.get("/ready")[1]["live"][MODEL]


def test_no_request_is_lost_or_mixed_while_versions_are_promoted_and_rolled_back(
    registry: holdfast.Registry, server: Serving
) -> None:
    with Callers(server.port) as callers:
        for _ in range(20):
            registry.promote(f"{MODEL}@1.2.0")
            callers.more(20)
            registry.rollback(MODEL)
            callers.more(20)
        registry.promote(f"{MODEL}@1.2.0")
        until(lambda: live(server) == "1.2.0")
        callers.more(50)

    assert callers.wrong == []
    assert {version for version, _ in callers.answered} == {"1.1.0", "1.2.0"}
    assert min(callers.answered.values()) > 100


def test_the_way_back_needs_no_loading(registry: holdfast.Registry, server: Serving) -> None:
    registry.promote(f"{MODEL}@1.2.0")
    until(lambda: live(server) == "1.2.0")
    for manifest in ("1.1.0", "1.2.0"):
        for file in registry.manifest(f"{MODEL}@{manifest}").files:
            blob(Path(registry.location), file.sha256).chmod(0)  # whoever reads it fails
    ready_before = server.log.count("is ready")
    registry.promote(f"{MODEL}@1.1.0")
    until(lambda: live(server) == "1.1.0")

    assert server.log.count("is ready") == ready_before


def test_a_finding_of_drift_is_a_gauge_until_it_is_acknowledged(
    registry: holdfast.Registry, server: Serving
) -> None:
    registry.drift.record(MODEL, drift_found("1.1.0", "nulls", "2026-03-03", "age"))
    gauge = 'holdfast_drift_findings{kind="nulls",model="sums"} 1.0'
    until(lambda: gauge in server.get("/metrics")[1])
    registry.drift.acknowledge(MODEL, "nulls-2026-03-03")

    until(lambda: gauge not in server.get("/metrics")[1])


def test_a_damaged_version_never_answers_is_named_and_takes_over_once_it_is_mended(
    registry: holdfast.Registry, server: Serving
) -> None:
    damaged = blob(
        Path(registry.location), registry.manifest(f"{MODEL}@1.2.0").artifacts["model"].digest
    )
    with server.paused():
        registry.promote(f"{MODEL}@1.2.0")
        flip(damaged)
    until(lambda: "failed" in server.get("/ready")[1])
    status, document = server.get("/ready")
    (report,) = registry.fleet.servers(MODEL)
    flip(damaged)

    assert (status, document["live"]) == (200, {MODEL: "1.1.0"})
    assert "has changed" in document["failed"][f"{MODEL}@1.2.0"]
    assert server.get("/ready?version=1.2.0")[0] == 503
    assert 'holdfast_model_loaded{model="sums",version="1.2.0"} 0.0' in server.get("/metrics")[1]
    assert "1.2.0 takes no traffic" in server.log
    version_status = report.held("1.2.0")
    assert version_status is not None
    assert version_status.state == "failed"
    until(lambda: live(server) == "1.2.0")


def test_a_version_that_fails_on_its_own_example_never_answers(
    registry: holdfast.Registry, server: Serving
) -> None:
    telling(registry, 3, intercept=float("nan"))
    registry.promote(f"{MODEL}@1.3.0", reason="who looks at examples?")
    until(lambda: "failed" in server.get("/ready")[1])

    document = server.get("/ready")[1]
    assert document["live"] == {MODEL: "1.1.0"}
    assert (
        "failed on its own input_example: the output is not a finite number"
        in (document["failed"][f"{MODEL}@1.3.0"])
    )


def test_a_deleted_model_answers_no_more(registry: holdfast.Registry, server: Serving) -> None:
    registry.delete(MODEL, force=True, reason="given up")
    server.wait_for(503)

    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
    assert connection.getresponse().status == 503
    connection.close()


def test_a_stop_answers_what_was_begun_and_leaves_nothing_behind(
    registry: holdfast.Registry, server: Serving, tmp_path: Path
) -> None:
    until(lambda: len(registry.fleet.servers(MODEL)) == 1)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("POST", "/predict")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(len(BODY)))
    connection.endheaders(BODY[:5].encode())
    server.wait_for(200, "/livez")  # what came before on other connections is read by now
    server.process.send_signal(signal.SIGTERM)
    until(lambda: not is_open(server.port))
    connection.send(BODY[5:].encode())
    answer = connection.getresponse()

    assert (answer.status, answer.headers["x-model-version"]) == (200, "1.1.0")
    connection.close()
    assert server.process.wait(PATIENCE_S) == 0
    assert registry.fleet.servers(MODEL) == []
    (row,) = open_log(tmp_path / "predictions").scan(ALL)
    assert row.prediction_id == answer.headers["x-prediction-id"]


def is_open(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True


def test_a_stop_does_not_wait_for_callers_who_never_end(server: Serving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", "1000")
    connection.endheaders(b"{")
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(PATIENCE_S) == 0
    connection.close()


def test_a_killed_worker_is_replaced_and_nothing_is_corrupt(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    with Serving(tmp_path / "store", tmp_path, "--workers", "2") as server:
        until(lambda: len(registry.fleet.servers(MODEL)) == 2)
        with Callers(server.port, 12) as callers:
            until(lambda: len(workers_in(tmp_path / "predictions")) == 2)
            known = {report.worker for report in registry.fleet.servers(MODEL)}
            server.kill_worker()
            until(lambda: bool({report.worker for report in registry.fleet.servers(MODEL)} - known))
            with Callers(server.port, 12) as more:  # the others stay where they are
                until(lambda: len(workers_in(tmp_path / "predictions")) == 3)
            registry.promote(f"{MODEL}@1.2.0")
            until(lambda: callers.answered["1.2.0", 200] > 50)

    assert server.process.returncode == 0
    assert "ended with -9" in server.log
    assert [problem for problem in callers.wrong if not problem.startswith(CUT)] == more.wrong == []
    assert len(callers.wrong) <= 24
    assert registry.verify().whole
    rows = list(open_log(tmp_path / "predictions").scan(ALL))
    assert len({row.prediction_id for row in rows}) == len(rows)
    answered = callers.answered.total() + more.answered.total()
    assert len(rows) >= answered - 1000  # of the last moments of the one that was killed


def workers_in(log: Path) -> set[str]:
    return {row.worker for row in open_log(log).scan(ALL)}


def test_a_server_drives_a_rollout_through_and_an_error_halts_the_next(
    registry: holdfast.Registry, server: Serving
) -> None:
    from holdfast.core.rollout.analysis import Analysis
    from holdfast.core.rollout.plan import Plan
    from holdfast.core.rollout.rollout_state import Terms

    terms = Terms(Plan(steps=(0.5, 1.0), dwell_s=0), Analysis(latency=None))
    with Callers(server.port) as callers:
        registry.rollouts.start(f"{MODEL}@1.2.0", terms=terms)
        until(lambda: live(server) == "1.2.0")

    rollout = registry.rollout(MODEL)
    assert callers.wrong == []
    assert rollout is not None
    assert rollout.outcome == "completed"
    assert registry.resolve(f"{MODEL}@production").version == "1.2.0"
    moves = [past.what for past in registry.history(MODEL) if "rollout" in past.what]
    assert len([what for what in moves if what.endswith("to 50 %")]) == 1


def test_a_promotion_can_wait_for_all_servers_and_the_screen_tells_of_them(
    registry: holdfast.Registry, server: Serving
) -> None:
    until(lambda: registry.wait(MODEL, timeout_s=0).workers == 1)
    waited = cli(registry, "promote", f"{MODEL}@1.2.0", "--wait", "300s")

    assert (waited.returncode, live(server)) == (0, "1.2.0")
    assert "serving 1/1 on 1.2.0" in waited.stdout
    assert "serving 1/1 on 1.2.0" in cli(registry, "status", MODEL).stdout


def test_a_promotion_that_waits_in_vain_is_done_and_names_who_does_not_serve_it(
    registry: holdfast.Registry, server: Serving
) -> None:
    until(lambda: registry.wait(MODEL, timeout_s=0).workers == 1)
    telling(registry, 3, intercept=float("nan"))
    waited = cli(registry, "promote", f"{MODEL}@1.3.0", "--wait", "1s")
    screen = cli(registry, "status", MODEL).stdout
    back = cli(registry, "rollback", MODEL, "--wait", "300s", "--json")

    assert waited.returncode == 1
    assert "1.3.0 is live" in waited.stdout
    assert "serving 0/1 on 1.3.0" in waited.stdout
    assert "on 1.1.0, 1.3.0 failed" in waited.stdout
    assert "1.3.0 failed" in screen
    assert back.returncode == 0
    assert json.loads(back.stdout)["data"]["serving"]["lagging"] == []
    assert live(server) == "1.1.0"


def test_without_servers_nothing_is_waited_for(registry: holdfast.Registry) -> None:
    waited = cli(registry, "promote", f"{MODEL}@1.2.0", "--wait")

    assert waited.returncode == 1
    assert "no live server to wait for" in waited.stdout
    assert registry.status(MODEL).serving is None


def cli(registry: holdfast.Registry, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", *words, "--store", str(registry.location)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.parametrize(
    ("options", "status", "problem"),
    [
        (["--host", "0.0.0.0"], 4, "other machines could call it without a token"),
        (["--token-file", "nowhere"], 2, "cannot be read"),
        (["--log", "kafka://x"], 2, "cannot hold a prediction log"),
        (["--sample", "2"], 2, "must be a share"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(
    registry: holdfast.Registry, options: list[str], status: int | None, problem: str
) -> None:
    refused = cli(registry, "serve", MODEL, *options)

    assert refused.returncode == status, refused.stderr
    assert problem in refused.stderr


def test_a_port_that_is_taken_is_refused(registry: holdfast.Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = cli(registry, "serve", MODEL, "--port", str(taken.getsockname()[1]))

    assert refused.returncode == 2
    assert "cannot be listened on" in refused.stderr


def test_a_model_nobody_registered_is_not_served(registry: holdfast.Registry) -> None:
    refused = cli(registry, "serve", "summs")

    assert refused.returncode == 3
    assert "nearest: sums" in refused.stderr


def test_a_token_from_a_file_is_asked_for(registry: holdfast.Registry, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    with Serving(
        Path(registry.location), tmp_path, "--token-file", str(tmp_path / "token")
    ) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        statuses = []
        for headers in ({}, {"authorization": "Bearer open sesame"}):
            connection.request(
                "POST", "/predict", BODY, {"content-type": "application/json", **headers}
            )
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    assert statuses == [401, 200]


def test_feedback_is_kept_beside_the_predictions(server: Serving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    made = answer.headers["x-prediction-id"]
    until(lambda: any(open_log(server.predictions).scan(ALL)))
    body = json.dumps({"prediction_id": made, "label": 7})
    connection.request("POST", "/feedback", body, {"content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == 200
    assert 'holdfast_log_rows_total{outcome="kept"} 1.0' in server.get("/metrics")[1]
    assert 'holdfast_log_rows_total{outcome="dropped"} 0.0' in server.get("/metrics")[1]
    assert [label.label for label in open_log(server.predictions).feedback.of(made)] == [7]


def test_a_bucket_is_followed(moto: Endpoint, tmp_path: Path) -> None:
    location = f"s3://{moto.make_bucket()}/x"
    registry = holdfast.open(location, options=moto.options, cache=tmp_path / "cache")
    for number in (1, 2):
        estimating(registry, number)
    registry.promote(f"{MODEL}@1.1.0")
    environment = {
        "AWS_ENDPOINT_URL": moto.address,
        "AWS_REGION": moto.options["region"],
        "AWS_ACCESS_KEY_ID": moto.options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": moto.options["secret_access_key"],
        "AWS_ALLOW_HTTP": "true",
        "HOLDFAST_CACHE": str(tmp_path / "its cache"),
    }
    with Serving(location, tmp_path, environment=environment) as server:
        registry.promote(f"{MODEL}@1.2.0")
        until(lambda: live(server) == "1.2.0")
        registry.rollback(MODEL)
        until(lambda: live(server) == "1.1.0")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_tells_what_happens(
    registry: holdfast.Registry, tmp_path: Path, workers: str
) -> None:
    with listening() as receiver:
        (tmp_path / "notices.toml").write_text(
            f'[[targets]]\nname = "ops"\nurl = "{receiver.url}"\n'
        )
        words = ("--notify", "--workers", workers)
        environment = {"HOLDFAST_NOTIFY": str(tmp_path / "notices.toml")}
        with Serving(tmp_path / "store", tmp_path, *words, environment=environment):
            registry.promote(f"{MODEL}@1.2.0")
            receiver.wait_for(lambda: receiver.kinds == ["version.promoted"])


def test_a_server_that_is_to_tell_nobody_is_not_begun(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "holdfast", "serve", MODEL, "--notify", "--port", "0"]
    done = subprocess.run(
        [*command, "--store", str(registry.location)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "HOLDFAST_NOTIFY"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 2
    assert "set HOLDFAST_NOTIFY=notices.toml" in done.stderr
