"""Registrations and imports of bytes that were sent before."""

import hashlib
import io
import pickle
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Served, register, running

import holdfast


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("registering")
    register(holdfast.open(folder / "store"), folder)
    with running(folder / "store") as served:
        yield served


def sent(served: Served, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    assert served.ask("PUT", f"/api/v1/blobs/{sha256}", data).status in (200, 201)
    return sha256


def draft(name: str, data: bytes, path: str = "model.txt", **facts: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    file = {"path": path, "sha256": sha256, "size_bytes": len(data)}
    artifacts = {"model": {"path": path, "format": "file", "files": [file]}}
    return {"name": name, "artifacts": artifacts, **facts}


def test_bytes_that_were_sent_become_a_version(served: Served) -> None:
    sent(served, b"new bytes")
    body = {"draft": draft("fresh", b"new bytes", metrics={"auc": 0.9}), "reason": "weekly"}
    answer = served.post("/models/fresh:register", body, idempotency_key="r1")

    told = answer.json
    assert answer.status == 200
    assert told["result"]["version"]["version"] == "1.0.0"
    assert told["result"]["created"] is True
    assert told["entry"]["seq"] == 1
    info = served.registry.resolve("fresh@1.0.0")
    assert (info.registered_by, info.metrics) == ("ana", {"auc": 0.9})
    assert served.registry.entries("fresh")[0].reason == "weekly"
    again = served.post("/models/fresh:register", body, idempotency_key="r1")
    assert (again.status, again.json["result"]["created"]) == (200, False)
    assert len(served.registry.entries("fresh")) == 1
    other = served.post("/models/fresh:promote", {"version": "1.0.0"}, idempotency_key="r1")
    assert other.status == 422


def test_a_version_or_a_bump_is_asked_for(served: Served) -> None:
    sent(served, b"numbered")
    body = {"draft": draft("numbered", b"numbered"), "version": "3.1.4"}
    assert served.post("/models/numbered:register", body).json["result"]["created"] is True
    sent(served, b"numbered more")
    body = {"draft": draft("numbered", b"numbered more"), "bump": "major"}
    done = served.post("/models/numbered:register", body).json["result"]
    assert done["version"]["version"] == "4.0.0"
    taken = {"draft": draft("numbered", b"numbered"), "version": "4.0.0"}
    assert served.post("/models/numbered:register", taken).code == "version_taken"


def test_what_a_draft_says_of_itself_is_not_believed(served: Served) -> None:
    data = pickle.dumps(wave.Error("code"))
    sent(served, data)
    lying = draft("lying", data, "model.pkl", registered_by="boss", scan={"model": {"kind": "x"}})
    answer = served.post("/models/lying:register", {"draft": lying})

    assert (answer.status, answer.code) == (422, "untrusted")
    body = {"draft": lying, "trust": "our own"}
    assert served.post("/models/lying:register", body).status == 200
    assert served.registry.manifest("lying@1.0.0").registered_by == "ana"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"artifacts": {}},
        {"artifacts": {"model": {"path": "m", "format": "file", "files": [{"sha256": 5}]}}},
        {"artifacts": []},
        {"nobody": 1, "artifacts": None},
    ],
)
def test_a_draft_that_no_registration_could_have_made_is_refused(
    served: Served, change: dict[str, Any]
) -> None:
    sent(served, b"draft")
    answer = served.post("/models/odd:register", {"draft": draft("odd", b"draft") | change})

    assert (answer.status, answer.code) == (422, "invalid_input")


def test_bytes_that_were_not_sent_are_not_registered(served: Served) -> None:
    body = {"draft": draft("absent", b"never sent")}

    assert served.post("/models/absent:register", body).code == "invalid_input"
    assert served.post("/models:import", {"blob": "f" * 64}).code == "invalid_input"


def test_a_bundle_that_was_sent_is_taken_in(served: Served, tmp_path: Path) -> None:
    other = holdfast.open(tmp_path / "elsewhere", by="zoe")
    other.promote(register(other, tmp_path, "travelled", "far"))
    other.export("travelled", tmp_path / "bundle.tar")
    blob = sent(served, (tmp_path / "bundle.tar").read_bytes())
    answer = served.post("/models:import", {"blob": blob})

    assert answer.status == 200, answer.body
    assert answer.json["result"]["model"] == "travelled"
    assert served.registry.heads("travelled") == other.heads("travelled")
    junk = sent(served, io.BytesIO(b"junk").read())
    refused = served.post("/models:import", {"blob": junk})
    assert (refused.status, refused.code) == (422, "damaged")


def reference(name: str, **labels: object) -> dict[str, Any]:
    return {"draft": {"name": name, "artifacts": {}, "reference": "s3://b/x"}, "labels": labels}


def test_tags_and_texts_come_with_a_version_behind_the_entry_that_was_seen(served: Served) -> None:
    labels: dict[str, Any] = {"tags": {"n": "1"}, "texts": {"source": "s3://b/x"}}
    first = served.post("/models/far:register", reference("far", after=0, **labels))
    late = served.post("/models/far:register", reference("far", after=0, **labels))
    second = served.post(
        "/models/far:register", reference("far", after=1, **labels), idempotency_key="once"
    )
    again = served.post(
        "/models/far:register", reference("far", after=1, **labels), idempotency_key="once"
    )

    assert (first.status, second.status, again.status) == (200, 200, 200)
    assert again.json["result"]["created"] is False
    assert (late.status, late.code) == (412, "changed")
    infos = served.registry.versions("far")
    assert [(info.number, info.tags, info.reference) for info in infos] == [
        (number, {"n": "1"}, "s3://b/x") for number in (1, 2)
    ]


def test_a_draft_has_files_or_refers_to_some(served: Served) -> None:
    answer = served.post("/models/none:register", {"draft": {"name": "none", "artifacts": {}}})

    assert (answer.status, answer.code) == (422, "invalid_input")
