"""Models that demand signatures: prepared here, signed by the caller, decided again and written."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.keys import ANA, BOB, Person
from tests.web.facing import Reply, Served, register
from tests.web.teams import Team, as_

import holdfast
from holdfast import signing
from holdfast.core.events import Registered
from holdfast.core.policy import Policy
from holdfast.core.signers import Signer
from holdfast.web import entry_pens

PROMOTE = {"verb": "promote", "arguments": {"version": "1.0.0", "reason": "first"}}


@pytest.fixture
def team(tmp_path: Path) -> Team:
    made = Team(tmp_path)
    register(made.registry, tmp_path)
    register(made.registry, tmp_path, text="2")
    signing.create("ana", tmp_path)
    key = signing.load(tmp_path / "ana.key")
    signers = {"ana": Signer(ANA.key, key.signer.ec), "bob": Signer(ed25519=BOB.key)}
    made.registry.set_policy("iris", Policy(signers=signers))
    by_hand = holdfast.open(tmp_path / "store", by="ana", signing_key=tmp_path / "ana.key")
    for version in ("1.0.0", "1.1.0"):
        by_hand.sign(f"iris@{version}")
    return made


@pytest.fixture
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        policy = served.get("/models/iris:policy").json | {"require_signature": True}
        arguments = {"policy": policy, "reason": "sign all"}
        answer = signed(served, {"verb": "policy", "arguments": arguments})
        assert answer.status == 200, answer.body
        yield served


def prepared(served: Served, asked: dict[str, Any], person: Person = ANA, **headers: str) -> bytes:
    answer = served.post("/models/iris:prepare", asked | {"key": person.key}, **headers)
    assert answer.status == 200, answer.body
    return base64.b64decode(answer.json["bytes"])


def sent(
    served: Served, asked: dict[str, Any], message: bytes, person: Person = ANA, **headers: str
) -> Reply:
    body = asked | {
        "key": person.key,
        "bytes": base64.b64encode(message).decode(),
        "signature": person.sign(message),
    }
    return served.post("/models/iris:commit", body, **headers)


def signed(served: Served, asked: dict[str, Any], **headers: str) -> Reply:
    return sent(served, asked, prepared(served, asked, ANA, **headers), ANA, **headers)


def test_what_is_not_signed_is_refused_with_what_to_do(served: Served) -> None:
    answer = served.post("/models/iris:promote", {"version": "1.0.0"})

    assert (answer.status, answer.code) == (409, "refused")
    assert answer.json["by"] == "require_signature"


def test_what_the_caller_signs_is_written(team: Team, served: Served) -> None:
    before = len(team.registry.entries("iris"))
    message = prepared(served, PROMOTE)
    assert len(team.registry.entries("iris")) == before
    answer = sent(served, PROMOTE, message)

    assert answer.status == 200, answer.body
    entry = team.registry.entries("iris")[-1]
    assert entry.signature is not None
    assert (entry.by, entry.reason, entry.signature.message) == ("ana", "first", message)
    assert entry.commit == answer.json["entry"]["commit"]
    assert team.registry.verify().whole


def test_a_registration_is_signed_with_its_manifest_in_sight(team: Team, served: Served) -> None:
    name = hashlib.sha256(b"3").hexdigest()
    sent_bytes = served.ask("PUT", f"/api/v1/blobs/{name}", b"3")
    file = {"path": "model.txt", "size_bytes": 1, "sha256": name}
    artifact = {"path": "model.txt", "format": "file", "files": [file]}
    draft = {"artifacts": {"model": artifact}}
    body = {"verb": "register", "arguments": {"draft": draft, "reason": "retrained"}}
    told = served.post("/models/iris:prepare", body | {"key": ANA.key}).json
    assert "bytes" in told, told
    answer = sent(served, body, base64.b64decode(told["bytes"]))

    assert (sent_bytes.status, answer.status) == (201, 200), answer.body
    entry = team.registry.entries("iris")[-1]
    assert isinstance(entry.event, Registered)
    assert entry.signature is not None
    assert (entry.by, entry.reason, entry.signature.key) == ("ana", "retrained", ANA.key)
    manifest = base64.b64decode(told["manifest"])
    assert hashlib.sha256(manifest).hexdigest() == entry.event.manifest
    assert team.registry.verify().whole


def test_a_registration_is_prepared_for_whoever_may_register(team: Team, served: Served) -> None:
    body = {"verb": "register", "arguments": {"draft": {"artifacts": {}}}, "key": BOB.key}
    viewer = as_(served, team.member("bob", "viewer"))
    refused = viewer.post("/models/iris:prepare", body)
    unread = served.post("/models/iris:prepare", body | {"arguments": {"draft": 5}})

    assert (refused.status, refused.code) == (403, "forbidden")
    assert (unread.status, unread.code) == (422, "invalid_input")


def test_the_same_bytes_are_written_once(team: Team, served: Served) -> None:
    message = prepared(served, PROMOTE)
    sent(served, PROMOTE, message)
    again = sent(served, PROMOTE, message)

    assert again.status in (200, 412)
    assert [line.op for line in team.registry.history("iris")].count("promoted") == 1


def test_a_key_gives_the_first_entry_again(team: Team, served: Served) -> None:
    first = signed(served, PROMOTE, idempotency_key="once")
    body = PROMOTE | {"key": ANA.key}
    again = served.post("/models/iris:prepare", body, idempotency_key="once")

    assert first.status == 200
    assert again.json["bytes"] is None
    assert len([line for line in team.registry.history("iris") if line.op == "promoted"]) == 1


def test_bytes_that_the_server_would_not_write_are_not_written(served: Served) -> None:
    message = prepared(served, PROMOTE)
    other = {"verb": "promote", "arguments": {"version": "1.1.0", "reason": "first"}}

    answer = sent(served, other, message)
    assert (answer.status, answer.code) == (412, "changed")
    forged = message.replace(b'"by":"ana"', b'"by":"bob"')
    assert sent(served, PROMOTE, forged).code == "changed"
    assert sent(served, PROMOTE, message.replace(b"1.0.0", b"1.1.0")).code == "changed"


def test_what_was_prepared_before_another_wrote_is_not_written(served: Served) -> None:
    message = prepared(served, PROMOTE)
    served.post("/models/iris:note", {"version": "1.0.0", "text": "meanwhile"})

    assert sent(served, PROMOTE, message).code == "changed"


def test_a_signature_that_was_not_made_over_the_bytes_is_refused(served: Served) -> None:
    message = prepared(served, PROMOTE)
    body = PROMOTE | {
        "key": ANA.key,
        "bytes": base64.b64encode(message).decode(),
        "signature": ANA.sign(message + b" "),
    }
    answer = served.post("/models/iris:commit", body)

    assert (answer.status, answer.code) == (422, "invalid_input")


def test_another_persons_key_signs_nothing_of_mine(served: Served) -> None:
    answer = served.post("/models/iris:prepare", PROMOTE | {"key": BOB.key})

    assert (answer.status, answer.code) == (409, "refused")


@pytest.mark.parametrize(("minutes", "problem"), [(11, "too long ago"), (-2, "to come")])
def test_what_was_prepared_at_another_time_is_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch, minutes: int, problem: str
) -> None:
    message = prepared(served, PROMOTE)

    class Elsewhere(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz or UTC) + timedelta(minutes=minutes)

    monkeypatch.setattr(entry_pens, "datetime", Elsewhere)
    answer = sent(served, PROMOTE, message)

    assert (answer.status, answer.code) == (422, "invalid_input")
    assert problem in answer.json["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"verb": "nothing"},
        {"verb": "purge-plan"},
        {"verb": "repair"},
        {"arguments": {"nobody": 1}},
        {"key": "short"},
        {"key": "A" * 43 + "="},
    ],
)
def test_what_cannot_be_prepared_is_refused(served: Served, change: dict[str, Any]) -> None:
    answer = served.post("/models/iris:prepare", PROMOTE | {"key": ANA.key} | change)

    assert answer.status in (409, 422)


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b'{"at":"soon","commit":"x"', b"\xff"])
def test_what_is_not_an_entry_is_not_committed(served: Served, message: bytes) -> None:
    answer = sent(served, PROMOTE, message)

    assert (answer.status, answer.code) == (422, "invalid_input")
    body = PROMOTE | {"key": ANA.key, "bytes": "%", "signature": ANA.sign(b"")}
    assert served.post("/models/iris:commit", body).code == "invalid_input"


def test_it_takes_the_right_to_the_verb(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "viewer"))
    answer = bob.post("/models/iris:prepare", PROMOTE | {"key": BOB.key})

    assert (answer.status, answer.code) == (403, "forbidden")
