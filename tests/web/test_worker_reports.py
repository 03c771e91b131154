"""Reports and counts of serving processes elsewhere: who may send them, and what they may be."""

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Reply, Served, register, running
from tests.web.teams import Team, as_

import holdfast
from holdfast.web import worker_reports

AT = "2026-03-02T09:00:00.000000Z"
SERVERS, COUNTS = "/models/iris:servers", "/models/iris:counts"


def report(worker: str = "host-1", **fields: Any) -> dict[str, Any]:
    return {"model": "iris", "worker": worker, "at": AT, "every_s": 2.0, "seq": 1} | fields


def counts(worker: str = "host-1", **fields: Any) -> dict[str, Any]:
    return {"model": "iris", "worker": worker, "at": AT, "rollout": 1} | fields


def put(served: Any, path: str, document: Any) -> Reply:
    answer: Reply = served.ask("PUT", f"/api/v1{path}", document)
    return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    registry = holdfast.open(tmp_path / "store", by="eve")
    registry.promote(register(registry, tmp_path))
    registry.rollouts.start(register(registry, tmp_path, text="2"), reason="try it")
    with running(tmp_path / "store") as served:
        yield served


def test_a_worker_s_report_is_kept_replaced_and_removed(served: Served) -> None:
    answers = [put(served, f"{SERVERS}/host-1", report(active=live)) for live in ("1.0.0", "1.1.0")]
    after = served.get(SERVERS).json["items"]
    left = [served.ask("DELETE", f"/api/v1{SERVERS}/host-1").status for _ in range(2)]

    assert [answer.status for answer in answers] == [204, 204]
    assert [(item["worker"], item["active"]) for item in after] == [("host-1", "1.1.0")]
    assert [told.worker for told in served.registry.fleet.servers("iris")] == []
    assert left == [204, 204]


def test_counts_are_of_a_rollout(served: Served) -> None:
    kept = put(served, f"{COUNTS}/host-1?rollout=1", counts())
    never = put(served, f"{COUNTS}/host-1?rollout=2", counts(rollout=2))
    unnamed = put(served, f"{COUNTS}/host-1", counts())

    assert (kept.status, never.status, unnamed.status) == (204, 404, 404)
    assert [item["worker"] for item in served.get(f"{COUNTS}?rollout=1").json["items"]] == [
        "host-1"
    ]
    assert served.get(f"{COUNTS}?rollout=7").code == "not_found"


@pytest.mark.parametrize(
    ("path", "document", "problem"),
    [
        (f"{SERVERS}/host-1", report("host-2"), "worker is 'host-2', but the path says 'host-1'"),
        (f"{SERVERS}/host-1", report(model="churn"), "model is 'churn', but the path says 'iris'"),
        (f"{COUNTS}/host-1?rollout=1", counts(rollout=2), "rollout is '2', but the path says '1'"),
        (f"{SERVERS}/a%20b", report("a b"), "must be 1 to 200 printable ASCII characters"),
        (f"{SERVERS}/{'a' * 201}", report("a" * 201), "must be 1 to 200 printable ASCII"),
        (f"{SERVERS}/host-1", report(seq="no number"), "cannot be used"),
        (f"{SERVERS}/host-1", report(at="soon"), "time 'soon' is not a time with its offset"),
        (f"{COUNTS}/host-1?rollout=1", counts(at="2026-03-02T09:00:00"), "is not a time with"),
    ],
)
def test_a_document_must_say_what_the_path_says(
    served: Served, path: str, document: Any, problem: str
) -> None:
    refused = put(served, path, document)

    assert (refused.status, refused.code) == (422, "invalid_input")
    assert problem in refused.json["detail"]
    assert served.registry.fleet.servers("iris") == []


def test_a_report_may_not_be_endless(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("PUT", f"/api/v1{SERVERS}/host-1")
        connection.putheader("authorization", f"Bearer {served.token}")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str((64 << 10) + 1))
        connection.endheaders()
        status = connection.getresponse().status

    assert status == 413
    assert put(served, f"{SERVERS}/host-1", report(scores=[0.123456789] * 1_000)).status == 204


def test_a_model_has_so_many_workers_and_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_reports, "MOST_WORKERS", 2)
    now = served.registry.status("iris").at
    fresh = [put(served, f"{SERVERS}/{name}", report(name, at=now)).status for name in "ab"]
    third = put(served, f"{SERVERS}/c", report("c", at=now))
    again = put(served, f"{SERVERS}/a", report("a"))  # which makes it an old one
    instead = put(served, f"{SERVERS}/c", report("c", at=now))

    assert fresh == [204, 204]
    assert (third.status, third.code) == (429, "busy")
    assert (again.status, instead.status) == (204, 204)
    assert [told.worker for told in served.registry.fleet.servers("iris")] == ["b", "c"]


def test_rollouts_are_judged_by_what_servers_say_and_nobody_else(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path)
    register(team.registry, tmp_path, "churn")
    tokens = {
        "scorer": team.member("scorer", "server", "iris"),
        "bo": team.member("bo", "promoter"),
        "stranger": team.member("stranger", "server", "other"),
    }
    with team.served() as served:
        answers = {
            name: put(as_(served, token), f"{SERVERS}/host-1", report())
            for name, token in tokens.items()
        }
        refused = put(as_(served, tokens["scorer"]), "/models/churn:servers/x", report())
        wrong = as_(served, tokens["scorer"]).post("/models/iris:promote", {"version": "1.0.0"})

    assert [answers[name].status for name in ("scorer", "bo", "stranger")] == [204, 403, 404]
    assert "it takes the role server" in answers["bo"].json["detail"]
    assert (refused.status, wrong.status) == (404, 403)


def test_a_server_that_only_reads_takes_none(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store", by="eve"), tmp_path)
    with running(tmp_path / "store", read_only=True) as served:
        assert put(served, f"{SERVERS}/host-1", report()).code == "read_only"
