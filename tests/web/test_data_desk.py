"""Data by name over HTTP: open to whoever a model of that name is open to."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.web.teams import Team, as_

from holdfast.datasets.data_records import encode_description


def described(team: Team, path: Path, **changes: Any) -> bytes:
    """Return the bytes of a description of a file that is kept."""
    added = team.registry.data.add("scratch", str(path), keep=True)
    return encode_description(msgspec.structs.replace(added.description, **changes))


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n")
    return path


def test_who_may_read_and_add_data_is_said_by_grants(team: Team, rows: Path) -> None:
    team.registry.data.add("sales", str(rows), keep=True)
    team.registry.data.add("hidden", str(rows))
    reader = team.member("rob", "viewer", "sales")
    writer = team.member("wim", "registrar", "risk/*")
    kept = hashlib.sha256(rows.read_bytes()).hexdigest()
    with team.served() as served:
        rob, wim = as_(served, reader), as_(served, writer)
        journal = rob.get("/data/sales:journal")
        unchanged = rob.get("/data/sales:journal", if_none_match=journal.headers["etag"])

        assert rob.get("/data").json["items"] == [{"name": "sales"}]
        assert journal.body.count(b"\n") == int(journal.headers["holdfast-last"]) == 1
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert rob.get(f"/data/sales:blobs/{kept}").body == rows.read_bytes()
        assert rob.get(f"/data/sales:blobs/{kept}", range="bytes=0-2").body == b"a,b"
        for path in (f"/data/sales:blobs/{'0' * 64}", "/data/sales:blobs/x", "/data/none:journal"):
            assert (rob.get(path).status, rob.get(path).code) == (404, "not_found")
        for path in ("/data/hidden:journal", f"/data/hidden:blobs/{kept}", "/data/bad:name:x"):
            assert rob.get(path).status == 404
        assert served.get("/data/..:journal").status == 404
        assert rob.post("/data/sales:add", {"description": "0" * 64}).status == 403
        assert wim.post("/data/sales:add", {"description": "0" * 64}).status == 404
        assert as_(served, None).get("/data").status == 401


def test_nobody_names_bytes_that_they_did_not_send(team: Team, rows: Path) -> None:
    description = described(team, rows)
    sha256, kept = (hashlib.sha256(one).hexdigest() for one in (description, rows.read_bytes()))
    writer = team.member("wim", "registrar", "risk/*")
    with team.served() as served:
        wim = as_(served, writer)
        body = {"description": sha256, "reason": "nightly"}

        assert "was not sent by you" in wim.post("/data/risk/a:add", body).json["detail"]
        assert wim.ask("PUT", f"/api/v1/blobs/{sha256}", description).status in (200, 201)
        assert "was not sent by you" in wim.post("/data/risk/a:add", body).json["detail"]
        assert wim.ask("PUT", f"/api/v1/blobs/{kept}", rows.read_bytes()).status in (200, 201)
        assert wim.post("/data/risk/a:add", body).json == {"result": {"number": 1, "created": True}}
        assert wim.post("/data/risk/a:add", body).json["result"]["created"] is False
        version = team.registry.data.versions("risk/a")[0]
        assert (version.by, version.reason) == ("wim", "nightly")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": f"sha256:{'0' * 64}"}, "has another digest than its files"),
        ({"size_bytes": 1}, "has another size than its files"),
        ({"rows": "sha256:x"}, "has rows that are not a digest"),
        ({"kind": "query"}, "has no query"),
        ({"files": ()}, "has another digest than its files"),
        (None, "is not written as descriptions are"),
        ({"format": 9}, "needs format 9"),
    ],
)
def test_a_description_that_cannot_be_true_is_refused(
    team: Team, rows: Path, changes: dict[str, Any] | None, message: str
) -> None:
    raw = described(team, rows, **(changes or {}))
    raw = raw if changes is not None else raw.replace(b"{", b"{ ", 1)
    sha256 = hashlib.sha256(raw).hexdigest()
    with team.served() as served:
        served.ask("PUT", f"/api/v1/blobs/{sha256}", raw)
        answer = served.post("/data/sales:add", {"description": sha256})

        assert (answer.status, answer.code) == (422, "invalid_input")
        assert message in answer.json["detail"]
        missing = served.post("/data/sales:add", {"description": "0" * 64})
        assert "was not sent; send it first" in missing.json["detail"]
