"""Strangers and insiders at the Hub's face: paths, bytes that changed, addresses of others."""

import base64
import hashlib
import http.client
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import TOKEN, Caller, Served, running
from tests.web.hub.test_hub_writes import commit, inline, large, send
from tests.web.teams import Team, as_

from holdfast.access import changes
from holdfast.http.connection_limits import ConnectionLimits

MODEL = "team/tiny"
BIG = os.urandom(6 << 20)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path / "store") as served:
        yield served


def blob(served: Served, data: bytes) -> Path:
    return Path(served.registry.location) / "blobs" / "sha256" / hashlib.sha256(data).hexdigest()


def flip(path: Path, place: int) -> None:
    """Flip a bit as a failing disk does: the file looks as before."""
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "/etc/x", "a//b", ".", "a/.", "..", "", "a\\b", "a:b", "con", "a\0b",
        "x" * 300, "a/", "A\u0301\u0000", "nul.txt", "a b.", "<x>",
    ],
)  # fmt: skip
def test_a_file_cannot_be_put_elsewhere(served: Served, path: str) -> None:
    answer = commit(served, inline("model.bin", b"m"), inline(path, b"x"))

    assert answer.status == 422
    assert served.registry.models() == []


def test_names_that_are_one_on_some_systems_are_refused(served: Served) -> None:
    assert commit(served, inline("a.bin", b"1"), inline("A.bin", b"2")).status == 422
    assert commit(served, inline("a", b"1"), inline("a/b", b"2")).status == 422


@pytest.mark.parametrize(
    "path",
    [
        "/team/tiny/resolve/main/../../../holdfast.json",
        "/team/tiny/resolve/main/%2e%2e/%2e%2e/holdfast.json",
        "/team/tiny/resolve/main/..%2f..%2fholdfast.json",
        "/team/tiny/resolve/..%2f..%2f/model.bin",
        "/team/tiny/resolve/main/%00", "/team/tiny/resolve/main/a%5cb",
        "/team/tiny/resolve/%ff/model.bin", "/team/tiny/resolve/main/%ff",
        "/team%2ftiny/resolve/main/model.bin/x", "/../team/resolve/main/model.bin",
        "/api/models/..%2f..%2fx/tree/main", "/api/models/team/tiny/tree/main/..%2f",
        "/api/models/team/tiny/revision/" + "x" * 5000,
        "/api/models/team/tiny/revision/a@b", "/api/hub/lfs/..%2f..%2fholdfast.json",
    ],
)  # fmt: skip
def test_no_path_leads_elsewhere(served: Served, path: str) -> None:
    commit(served, inline("model.bin", b"m"))

    answer = served.ask("GET", path)

    assert answer.status in (400, 403, 404, 405, 422)
    assert b"format" not in answer.body or answer.status != 200


@pytest.mark.parametrize("data", [b"short" * 100, BIG], ids=["short", "long"])
def test_bytes_that_changed_are_not_handed_out(served: Served, data: bytes) -> None:
    send(served, data)
    commit(served, large("w.bin", data))
    flip(blob(served, data), len(data) - 7)
    path = f"/{MODEL}/resolve/main/w.bin"

    if len(data) < len(BIG):
        assert served.ask("GET", path).status == 410
    else:  # the end stays here
        with pytest.raises(http.client.IncompleteRead) as cut:
            served.ask("GET", path)
        assert len(cut.value.partial) <= len(data) - (1 << 20)
    rest = served.ask("GET", path, range=f"bytes={len(data) - 100}-")
    again = served.ask("GET", path)

    assert (rest.status, again.status) == (410, 410)
    assert "has changed" in again.json["error"]


def test_a_part_is_checked_with_the_whole(served: Served) -> None:
    send(served, BIG)
    commit(served, large("w.bin", BIG))
    flip(blob(served, BIG), 5)
    path = f"/{MODEL}/resolve/main/w.bin"

    assert served.ask("GET", path, range="bytes=100-199").status == 410
    flip(blob(served, BIG), 5)
    assert served.ask("GET", path, range="bytes=100-199").body == BIG[100:200]
    assert served.ask("GET", path, range="bytes=200-299").body == BIG[200:300]
    assert served.ask("GET", path).body == BIG


def address(caller: Caller, data: bytes) -> str:
    oid = hashlib.sha256(data).hexdigest()
    asked = {"operation": "upload", "objects": [{"oid": oid, "size": len(data)}]}
    told = caller.ask("POST", f"/{MODEL}.git/info/lfs/objects/batch", asked).json
    href: str = told["objects"][0]["actions"]["upload"]["href"]
    return href.partition(f":{caller.port}")[2]


def test_an_address_takes_only_the_bytes_it_is_for(served: Served) -> None:
    right = address(served, b"right")
    other = hashlib.sha256(b"other").hexdigest()
    nobody = Caller(served.port, None)

    assert nobody.ask("PUT", right, b"wrong").status == 422
    assert nobody.ask("PUT", right, b"longer than that").status == 422
    assert nobody.ask("PUT", right.replace(hashlib.sha256(b"right").hexdigest(), other), b"other"
                      ).status == 403  # fmt: skip
    assert not blob(served, b"wrong").exists()
    assert nobody.ask("PUT", right, b"right").status == 201


@pytest.mark.parametrize("proof", ["", "x", "AAAA", base64.urlsafe_b64encode(b"0" * 90).decode()])
def test_an_address_cannot_be_made_up(served: Served, proof: str) -> None:
    oid = hashlib.sha256(b"x").hexdigest()
    nobody = Caller(served.port, None)

    assert nobody.ask("PUT", f"/api/hub/lfs/{oid}?proof={proof}", b"x").status == 403
    assert nobody.ask("PUT", f"/api/hub/lfs/{oid}", b"x").status == 403


def test_an_address_of_a_user_who_left_is_worth_nothing(tmp_path: Path) -> None:
    team = Team(tmp_path)
    token = team.member("rolf", "registrar")
    with team.served() as served:
        place = address(as_(served, token), b"bytes")
        team.access.commit(lambda state, _stamp: changes.disable_user(state, "rolf"))

        assert Caller(served.port, None).ask("PUT", place, b"bytes").status == 403


def test_a_body_that_stands_still_is_ended(tmp_path: Path) -> None:
    with running(tmp_path / "store", limits=ConnectionLimits(body_s=0.3)) as served:
        head = (
            f"POST /api/models/{MODEL}/commit/main HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: 1000000\r\n\r\n"
        )
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as caller:
            caller.sendall(head.encode() + b'{"key"')
            while caller.recv(4096):
                pass

        assert time.monotonic() - began < 50
        assert served.registry.models() == []


def test_bodies_are_bounded(served: Served) -> None:
    paths = {
        f"/api/models/{MODEL}/commit/main": 257 << 20, f"/api/models/{MODEL}/tag/main": 65 << 10,
        f"/api/models/{MODEL}/preupload/main": 17 << 20, "/api/validate-yaml": 5 << 20,
        f"/{MODEL}.git/info/lfs/objects/batch": 17 << 20, "/api/repos/create": 65 << 10,
    }  # fmt: skip
    for path, size in paths.items():
        assert served.ask("POST", path, b"", content_length=str(size)).status == 413, path


def test_a_line_that_does_not_end_is_refused(served: Served) -> None:
    body = b'{"key":"file","value":{"path":"a","content":"' + b"a" * (25 << 20)

    assert served.ask("POST", f"/api/models/{MODEL}/commit/main", body).status == 422


def test_foreign_pages_and_hosts_are_refused(served: Served) -> None:
    path = f"/api/models/{MODEL}/commit/main"

    assert served.ask("POST", path, b"", origin="https://evil.example").status == 403
    assert served.ask("GET", "/api/models", host="evil.example").status == 421


def test_no_secret_stands_in_a_path_that_is_logged(served: Served) -> None:
    place = address(served, b"bytes")
    path, _, query = place.partition("?")

    assert "proof" in query
    assert "proof" not in path
    told = served.ask("GET", f"/api/models/{MODEL}/xet-write-token/main")
    assert TOKEN not in told.json["casUrl"]
    assert told.headers["cache-control"] == "no-store"


def test_a_client_of_git_lfs_that_lies_gets_nothing_in_or_out(served: Served) -> None:
    data, path = b"true" * 99, f"/{MODEL}.git/info/lfs/objects"
    oid = hashlib.sha256(data).hexdigest()

    def asked(operation: str, **wanted: object) -> Any:
        objects = [{"oid": oid, "size": len(data)} | wanted]
        return served.ask("POST", f"{path}/batch", {"operation": operation, "objects": objects})

    sent = asked("upload").json["objects"][0]["actions"]["upload"]["href"]
    href = sent.partition(f":{served.port}")[2]
    for lie in (data[:-1], data + b"!", b"lies" * 99, b""):
        assert served.ask("PUT", href, lie).status == 422
    assert not blob(served, data).exists()
    assert served.ask("POST", f"{path}/verify", {"oid": oid, "size": len(data)}).status == 404
    assert served.ask("PUT", href, data).status == 201
    assert "actions" in asked("upload", size=1).json["objects"][0]  # not what is there
    assert served.ask("POST", f"{path}/verify", {"oid": oid, "size": 1}).status == 404
    for size in (-1, 1 << 60, "1", 1.5, None):
        assert asked("upload", size=size).status == 422
    for name in ("0" * 63, oid.upper(), "../" + oid, "", 7):
        assert asked("upload", oid=name).status == 422

    told = asked("download").json["objects"][0]
    assert told["error"]["code"] == 404  # sent, but of no version
    assert served.ask("GET", f"{path}/{oid}").status == 404
    for name in (oid.upper(), "..%2f" + oid, "0" * 64):
        assert served.ask("GET", f"{path}/{name}").status in (404, 422)
