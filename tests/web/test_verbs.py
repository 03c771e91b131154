"""Verbs over HTTP: who did it, once under a key, and only after what the caller had seen."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.core.conftest import drift_found
from tests.web.facing import Served, register, running

import holdfast
from holdfast.core.auth import Auth
from holdfast.web.verbs import VERBS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    registry = holdfast.open(tmp_path / "store", by="eve")
    for text in ("one", "two", "three"):
        register(registry, tmp_path, text=text)
    register(registry, tmp_path, "other", "else")
    with running(tmp_path / "store") as served:
        yield served


def promoted(served: Served, version: str = "1.0.0", **headers: str) -> Any:
    answer = served.post("/models/iris:promote", {"version": version}, **headers)
    assert answer.status == 200, answer.body
    return answer


def test_a_promotion_is_written_in_the_callers_name(served: Served) -> None:
    answer = served.post("/models/iris:promote", {"version": "1.0.0", "reason": "first"})

    told = answer.json
    (head,) = served.registry.heads("iris")
    assert told["result"]["version"] == "1.0.0"
    assert told["result"]["changed"] is True
    assert f"{told['entry']['seq']}:{told['entry']['head']}" == str(head)
    assert answer.headers["etag"] == f'"{head}"'
    entry = served.registry.entries("iris", after=head.seq - 1)[-1]
    assert (entry.by, entry.reason, entry.commit) == ("ana", "first", told["entry"]["commit"])


def test_whom_a_caller_claims_to_be_changes_nothing(served: Served) -> None:
    body = {"version": "1.0.0", "by": "the boss"}
    served.post("/models/iris:promote", body, x_remote_user="boss", x_forwarded_user="boss")

    entry = served.registry.entries("iris")[-1]
    assert entry.by == "ana"
    assert entry.auth == Auth("local", "local", "person", "the boss", "holdfast")


def test_the_same_key_does_it_once_and_gives_the_first_answer(served: Served) -> None:
    first = promoted(served, idempotency_key="deploy-1")
    promoted(served, "1.1.0")
    again = promoted(served, idempotency_key="deploy-1")

    assert again.json == first.json
    assert served.registry.resolve("iris@production").version == "1.1.0"


def test_one_key_eight_times_at_once_is_one_entry(served: Served) -> None:
    before = len(served.registry.entries("iris"))
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: promoted(served, idempotency_key="once").json, range(8))
        )

    assert len(served.registry.entries("iris")) == before + 1
    assert len({json.dumps(answer["entry"]) for answer in answers}) == 1


@pytest.mark.parametrize(
    ("verb", "body"),
    [("promote", {"version": "1.1.0"}), ("stage", {"version": "1.0.0"}), ("rollback", {})],
)
def test_a_key_that_did_something_else_is_refused(
    served: Served, verb: str, body: dict[str, Any]
) -> None:
    promoted(served, idempotency_key="deploy-1")
    answer = served.post(f"/models/iris:{verb}", body, idempotency_key="deploy-1")

    assert (answer.status, answer.code) == (422, "conflict")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "naïve".encode().decode("latin-1")])
def test_a_key_is_short_and_visible(served: Served, key: str) -> None:
    answer = served.post("/models/iris:promote", {"version": "1.0.0"}, idempotency_key=key)

    assert (answer.status, answer.code) == (400, "malformed")


def test_of_sixteen_who_promote_at_once_one_wins(served: Served) -> None:
    promoted(served)

    def attempt(number: int) -> int:
        body = {"version": f"1.{1 + number % 2}.0", "expect": "1.0.0"}
        return served.post("/models/iris:promote", body).status

    before = len(served.registry.entries("iris"))
    with ThreadPoolExecutor(16) as threads:
        statuses = sorted(threads.map(attempt, range(16)))

    assert len(served.registry.entries("iris")[before:]) == 1
    assert set(statuses) <= {200, 409}
    assert 409 in statuses


def test_nothing_is_done_where_something_happened_since(served: Served) -> None:
    tag = served.get("/models/iris:journal").headers["etag"]
    done = promoted(served, if_match=tag)
    late = served.post("/models/iris:stage", {"version": "1.1.0"}, if_match=tag)

    assert (late.status, late.code) == (412, "changed")
    assert promoted(served, "1.1.0", if_match=done.headers["etag"]).status == 200
    assert served.post("/models/iris:stage", {"version": "1.2.0"}, if_match="*").status == 200
    odd = served.post("/models/iris:stage", {"version": "1.2.0"}, if_match='"x"')
    assert (odd.status, odd.code) == (400, "malformed")


def test_of_many_who_saw_the_same_entry_one_writes_the_next(served: Served) -> None:
    tag = served.get("/models/iris:journal").headers["etag"]

    def attempt(number: int) -> int:
        body = {"version": "1.0.0", "text": f"note {number}"}
        return served.post("/models/iris:note", body, if_match=tag).status

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(attempt, range(8)))

    assert statuses == [200, *[412] * 7]


def test_another_live_version_than_expected_refuses(served: Served) -> None:
    promoted(served)
    body = {"version": "1.1.0", "expect": "1.2.0"}
    answer = served.post("/models/iris:promote", body)

    assert (answer.status, answer.code) == (409, "conflict")


@pytest.mark.parametrize("verb", ["promote", "stage", "archive", "approve", "hold", "release"])
def test_a_verb_reaches_no_version_of_another_model(served: Served, verb: str) -> None:
    body = {"version": "other@1.0.0", "reason": "x"}
    answer = served.post(f"/models/iris:{verb}", body)

    assert (answer.status, answer.code) == (422, "invalid_input")
    assert len(served.registry.entries("other")) == 1


FOUND = msgspec.to_builtins(drift_found("1.0.0", "nulls", "2026-03-03", "age"))
TEXTS = {"version": "1.0.0", "texts": {"description": "Told"}, "after": 3}
STORY: list[tuple[str, dict[str, Any], str]] = [
    ("describe", TEXTS, "described"),
    ("promote", {"version": "1.0.0"}, "promoted"),
    ("promote", {"version": "iris@1.1.0", "force": True, "reason": "now"}, "promoted"),
    ("rollback", {"reason": "falling", "expect": "1.1.0"}, "rolled_back"),
    ("stage", {"version": "latest"}, "staged"),
    ("archive", {"version": "1.2.0"}, "archived"),
    ("alias", {"version": "1.0.0", "alias": "eu"}, "alias_set"),
    ("remove-alias", {"alias": "eu"}, "alias_removed"),
    ("tag", {"version": "1.0.0", "tags": {"team": "risk"}}, "tagged"),
    ("note", {"version": "v1", "text": "seen"}, "noted"),
    ("evaluate", {"version": "1.0.0", "metrics": {"auc": 0.9}}, "evaluated"),
    (
        "evaluate",
        {
            "version": "1.0.0",
            "losses": {"loss": [0.1, 0.2]},
            "evaluation_set": f"sha256:{'a' * 64}",
        },
        "evaluated",
    ),
    ("training-failed", {"error": "ValueError", "why": "no rows"}, "training_failed"),
    ("approve", {"version": "1.2.0"}, "approved"),
    ("hold", {"version": "1.1.0", "reason": "audit"}, "held"),
    ("release", {"version": "1.1.0"}, "released"),
    ("policy", {"policy": {"approvals": 0, "max_regression": None}, "reason": "x"}, "policy_set"),
    ("drift-record", {"found": FOUND}, "drift_found"),
    ("drift-acknowledge", {"finding": "nulls-2026-03-03"}, "drift_acknowledged"),
    ("rollout-start", {"version": "1.2.0"}, "rollout_started"),
    ("rollout-pause", {}, "rollout_paused"),
    ("rollout-resume", {}, "rollout_resumed"),
    ("rollout-advance", {"reason": "ready"}, "rollout_stepped"),
    ("rollout-abort", {"reason": "slow"}, "rollout_ended"),
    ("rollout-retry", {}, "rollout_started"),
    ("rollout-promote", {"force": True, "reason": "fine"}, "promoted"),
    ("purge", {"versions": ["1.1.0"], "grace_s": 0, "reason": "room"}, "purged"),
    ("delete", {"reason": "over", "force": True}, "deleted"),
]


def test_every_verb_writes_its_entry_once_for_each_key(served: Served) -> None:
    for number, (verb, body, operation) in enumerate(STORY):
        first = served.post(f"/models/iris:{verb}", body, idempotency_key=f"k{number}")
        assert first.status == 200, (verb, first.body)
        entry = first.json["entry"]
        assert entry is not None, verb
        newest = served.get(f"/models/iris:entries?after={entry['seq'] - 1}").json["items"][-1]
        assert (newest["op"], newest["by"]) == (operation, "ana"), verb
        again = served.post(f"/models/iris:{verb}", body, idempotency_key=f"k{number}")
        assert again.status == 200, (verb, again.body)
        assert again.json["entry"] == entry, verb
        last = served.get(f"/models/iris:entries?after={entry['seq']}").json["items"]
        assert last == [], verb


def test_what_would_be_done_is_told_and_not_done(served: Served) -> None:
    promoted(served)
    before = len(served.registry.entries("iris"))
    plan = served.post("/models/iris:purge-plan", {"keep": 0}).json["result"]
    repair = served.post("/models/iris:repair-plan", {}).json["result"]

    assert {row["version"] for row in plan["rows"]} == {"1.0.0", "1.1.0", "1.2.0"}
    assert repair == {"mends": [], "left": []}
    assert served.post("/models/iris:repair", {}).json["result"] == repair
    assert len(served.registry.entries("iris")) == before


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"reason": "a", "reason": "b"}', 400),
        (b'{"nobody": 1}', 422),
        (b"[]", 422),
        (b'{"reason": 5}', 422),
        (b"[" * 100_000, 413),
    ],
)
def test_a_body_that_is_not_the_verbs_is_refused(
    served_once: Served, verb: str, body: bytes, status: int
) -> None:
    headers = {"content_type": "application/json"}
    answer = served_once.ask("POST", f"/api/v1/models/iris:{verb}", body, **headers)

    takes_more = verb in ("evaluate", "tag", "describe")
    too_long = 400 if takes_more and status == 413 else status
    assert answer.status == too_long


@pytest.mark.parametrize("verb", ["record-verdict", "halt", "pass", "conclude", "finish"])
def test_a_judgement_without_a_verdict_is_refused(served_once: Served, verb: str) -> None:
    position = {"rollout": 1, "step": 0}
    for body in ({"position": position}, {"position": position, "verdict": None}):
        answer = served_once.post(f"/models/iris:rollout-{verb}", body)

        assert (answer.status, answer.code) == (422, "invalid_input")


def test_a_verdict_that_cannot_be_is_refused(served_once: Served) -> None:
    candidate = {"keys": 0, "known": 9}
    comparison: dict[str, Any] = {"outcome": "accuracy", "candidate": candidate, "active": {}}
    comparison |= dict.fromkeys(("unit_low", "unit_width", "difference", "low", "high"), 0)
    verdict: dict[str, Any] = {"outcome": "end", "conclusive": True, "weight": 0.5}
    verdict |= {
        "reasons": [],
        "readings": [],
        "canary": None,
        "active": None,
        "comparison": comparison,
    }
    body = {"position": {"rollout": 1, "step": 0}, "verdict": verdict}
    answer = served_once.post("/models/iris:rollout-conclude", body)

    assert (answer.status, answer.code) == (422, "invalid_input")
    assert "9 keys with an outcome among 0" in answer.json["detail"]


def test_no_lease_is_asked_for_a_name_that_no_model_can_have(served_once: Served) -> None:
    for verb, body in (("retrain-holder", {}), ("retrain-lease", {"act": "take"})):
        answer = served_once.post(f"/models/{'0' * 251}:{verb}", body)

        assert (answer.status, answer.code) == (422, "invalid_input")


@pytest.fixture(scope="module")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("once")
    register(holdfast.open(folder / "store"), folder)
    with running(folder / "store") as served:
        yield served


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_what_a_web_page_can_send_anywhere_is_no_body(served_once: Served, media: str) -> None:
    answer = served_once.ask(
        "POST", "/api/v1/models/iris:stage", b'{"version": "1.0.0"}', content_type=media
    )

    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    packed = served_once.post("/models/iris:stage", {"version": "1"}, content_encoding="gzip")
    assert packed.status == 415


def test_no_value_of_a_body_is_a_file_of_the_server(served_once: Served, tmp_path: Path) -> None:
    file = tmp_path / "losses.csv"
    file.write_text("0.1\n0.2\n")
    losses = {"version": "1.0.0", "losses": {"loss": str(file)}}
    answer = served_once.post("/models/iris:evaluate", losses)
    assert answer.code == "invalid_input"

    measured = {"version": "1.0.0", "losses": {"l": [0.1]}, "evaluation_set": str(file)}
    assert served_once.post("/models/iris:evaluate", measured).code == "invalid_input"

    signed = {"version": "1.0.0", "signature": str(file), "key": str(file)}
    assert served_once.post("/models/iris:sign-attach", signed).code == "invalid_input"


@pytest.mark.parametrize(
    ("verb", "body", "status", "code"),
    [
        ("promote", {"version": "9.9.9"}, 404, "not_found"),
        ("promote", {"version": "1.0.0", "force": True}, 422, "invalid_input"),
        ("rollback", {}, 409, "no_previous_version"),
        ("alias", {"version": "1.0.0", "alias": "Latest!"}, 422, "invalid_input"),
        ("rollout-pause", {}, 404, "not_found"),
    ],
)
def test_what_the_registry_refuses_is_a_problem_with_its_code(
    served_once: Served, verb: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = served_once.post(f"/models/iris:{verb}", body)

    assert (answer.status, answer.code) == (status, code)


def test_a_gate_that_refuses_gives_every_reason(served_once: Served) -> None:
    policy = {"required_metrics": ["auc"], "required_fields": ["description"]}
    served_once.post("/models/strict:policy", {"policy": policy, "reason": "x"})
    register(served_once.registry, served_once.registry.location.parent, "strict")  # type: ignore[union-attr]
    answer = served_once.post("/models/strict:promote", {"version": "1.0.0"})

    assert (answer.status, answer.code) == (409, "refused")
    assert len(answer.json["reasons"]) == 2


def test_a_server_that_only_reads_writes_nothing(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with running(tmp_path / "store", read_only=True) as served:
        answer = served.post("/models/iris:promote", {"version": "1.0.0"})
        plan = served.post("/models/iris:purge-plan", {"keep": 0})

        assert (answer.status, answer.code) == (403, "read_only")
        assert plan.status == 200
        assert len(served.registry.entries("iris")) == 1
        assert served.get("/whoami").json["read_only"] is True


def test_a_measured_evaluation_names_losses_that_were_sent(served_once: Served) -> None:
    measured = {
        "name": "june", "data": "a" * 64, "label": "price", "rows": 2, "task": "regression",
        "tool": "scikit-learn 1.9", "figures": [{"name": "mae", "value": 2.0}],
    }  # fmt: skip
    body = {"version": "1.0.0", "measured": measured, "kept": {"mae": "b" * 64}}
    answer = served_once.post("/models/iris:evaluate", body)
    both = served_once.post("/models/iris:evaluate", body | {"metrics": {"auc": 0.9}})
    bare = served_once.post("/models/iris:evaluate", body | {"kept": {}})

    assert (answer.code, both.code) == ("invalid_input", "invalid_input")
    assert bare.status == 200
