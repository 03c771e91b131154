"""Bytes that come in: hashed on the way, named by their digest once whole, never before."""

import hashlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until
from tests.web.facing import TOKEN, Served, process, register, running

import holdfast
from holdfast.store.incoming import IncomingFiles

DATA = b"weights" * 300_000


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("uploads")
    register(holdfast.open(folder / "store"), folder)
    with running(folder / "store") as served:
        yield served


def blobs(served: Served) -> Path:
    assert isinstance(served.registry.location, Path)
    return served.registry.location / "blobs" / "sha256"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]


def put(served: Any, data: bytes, sha256: str | None = None, **headers: str) -> Any:
    return served.ask("PUT", f"/api/v1/blobs/{sha256 or digest(data)}", data, **headers)


def test_a_file_is_stored_under_its_digest(served: Served) -> None:
    answer = put(served, DATA)

    assert answer.status == 201
    assert answer.json == {"sha256": digest(DATA), "size_bytes": len(DATA)}
    assert answer.headers["repr-digest"].startswith("sha-256=:")
    assert (blobs(served) / digest(DATA)).read_bytes() == DATA
    assert put(served, DATA).status == 200
    assert leftovers(blobs(served)) == []


def test_an_empty_file_is_a_file(served: Served) -> None:
    assert put(served, b"").status in (200, 201)


def test_other_bytes_than_their_digest_says_are_thrown_away(served: Served) -> None:
    answer = put(served, b"other bytes", "b" * 64)

    assert (answer.status, answer.code) == (422, "invalid_input")
    assert not (blobs(served) / ("b" * 64)).exists()
    assert leftovers(blobs(served)) == []


@pytest.mark.parametrize("sha256", ["A" * 64, "b" * 63, "..%2f..%2fholdfast.json", "x%00"])
def test_only_a_digest_names_bytes(served: Served, sha256: str) -> None:
    assert put(served, b"x", sha256).status in (400, 404, 422)


def test_a_file_of_unknown_length_is_refused(served: Served) -> None:
    answer = served.ask("PUT", f"/api/v1/blobs/{digest(b'x')}", iter([b"x"]))

    assert (answer.status, answer.code) == (411, "length_required")


def test_a_packed_body_is_refused(served: Served) -> None:
    assert put(served, b"x", content_encoding="gzip").status == 415


def test_a_file_for_which_there_is_no_room_is_refused_before_it_comes(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        head = (
            f"PUT /api/v1/blobs/{'c' * 64} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: {1 << 49}\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        line.sendall(head.encode())
        answer = http.client.HTTPResponse(line)
        answer.begin()
        document = json.loads(answer.read())

    assert (answer.status, document["code"]) == (507, "store_full")


def test_a_caller_who_hangs_up_leaves_nothing(served: Served) -> None:
    before = set(blobs(served).iterdir())
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        head = (
            f"PUT /api/v1/blobs/{'d' * 64} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: 5000000\r\n\r\n"
        )
        line.sendall(head.encode() + b"x" * 3_000_000)
        until(lambda: bool(leftovers(blobs(served))))
    until(lambda: set(blobs(served).iterdir()) == before)


def begun(served: Any, data: bytes, **more: Any) -> str:
    body = {"sha256": digest(data), "size_bytes": len(data)} | more
    answer = served.post("/uploads", body)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["upload-offset"] == "0"
    return str(answer.headers["location"])


def part(served: Any, where: str, data: bytes, offset: int, *, last: bool = False) -> Any:
    complete = "?1" if last else "?0"
    headers = {"upload_offset": str(offset), "upload_complete": complete}
    return served.ask("PATCH", where, data, **headers)


def offset_of(served: Any, where: str) -> int:
    answer = served.ask("HEAD", where)
    assert answer.status == 204
    return int(answer.headers["upload-offset"])


def test_a_file_comes_in_parts(served: Served) -> None:
    data = b"in parts" * 1000
    where = begun(served, data)

    assert part(served, where, data[:3000], 0).status == 204
    assert offset_of(served, where) == 3000
    done = part(served, where, data[3000:], 3000, last=True)
    assert (done.status, done.headers["upload-complete"]) == (201, "?1")
    assert (blobs(served) / digest(data)).read_bytes() == data
    assert served.ask("HEAD", where).status == 404
    assert leftovers(blobs(served)) == []


def test_one_user_has_no_end_of_uploads_under_way(served: Served) -> None:
    body = {"sha256": digest(b"one of many"), "size_bytes": 11}
    places = []
    while (answer := served.post("/uploads", body)).status == 201:
        places.append(answer.headers["location"])
        assert len(places) <= 100  # others of this module may be under way
    served.ask("DELETE", places.pop())
    places.append(served.post("/uploads", body).headers["location"])
    for where in places:
        assert served.ask("DELETE", where).status == 204

    assert (answer.status, answer.code) == (503, "busy")


def test_a_part_that_begins_elsewhere_is_refused(served: Served) -> None:
    data = b"elsewhere" * 100
    where = begun(served, data)
    part(served, where, data[:100], 0)

    for offset in (0, 99, 101):
        answer = part(served, where, data[offset : offset + 10], offset)
        assert (answer.status, answer.code) == (409, "conflict")
    assert part(served, where, data, 100).code == "invalid_input"
    assert part(served, where, b"x", 100, last=True).code == "invalid_input"
    odd = served.ask("PATCH", where, b"x", upload_offset="x")
    assert odd.code == "malformed"
    odd = served.ask("PATCH", where, b"x", upload_offset="101", upload_complete="yes")
    assert odd.code == "malformed"
    assert served.ask("DELETE", where).status == 204
    assert served.ask("DELETE", where).status == 404


def test_parts_of_other_bytes_are_thrown_away(served: Served) -> None:
    where = begun(served, b"what was announced")
    answer = part(served, where, b"what else came in.", 0, last=True)

    assert (answer.status, answer.code) == (422, "invalid_input")
    assert served.ask("HEAD", where).status == 404
    assert leftovers(blobs(served)) == []


@pytest.mark.parametrize("upload", ["x", "..%2f..", "0" * 32, "%2e%2e%2fholdfast.json"])
def test_an_upload_that_nobody_began_is_not_there(served: Served, upload: str) -> None:
    assert served.ask("HEAD", f"/api/v1/uploads/{upload}").status == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"sha256": "x", "size_bytes": 1}, {"sha256": "a" * 64, "size_bytes": -1}],
)
def test_what_is_to_come_is_said_in_full(served: Served, body: dict[str, Any]) -> None:
    assert served.post("/uploads", body).code == "invalid_input"


def test_an_upload_ends_after_a_day(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    where = begun(served, b"too slow")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000)

    assert served.ask("HEAD", where).status == 404
    assert leftovers(blobs(served)) == []


def test_an_old_upload_goes_when_another_begins(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(served, b"forgotten")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000)
    where = begun(served, b"new")

    assert len(leftovers(blobs(served))) == 1
    served.ask("DELETE", where)


def test_two_who_write_one_upload_do_not_mix(served: Served) -> None:
    data = b"mixed" * 1000
    where = begun(served, data)
    files = served.app.desk.incoming
    assert isinstance(files, IncomingFiles)
    with files.part(where.rpartition("/")[2], 0):
        answer = part(served, where, data, 0, last=True)

    assert (answer.status, answer.code) == (409, "conflict")
    assert part(served, where, data, 0, last=True).status == 201


def test_a_server_killed_during_an_upload_leaves_nothing_named(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store")
    register(registry, tmp_path)
    folder = tmp_path / "store" / "blobs" / "sha256"
    named = sorted(path.name for path in folder.iterdir())
    data = os.urandom(4_000_000)
    with process(tmp_path / "store") as server:
        where = begun(server, data)
        part(server, where, data[:1_000_000], 0)
        line = http.client.HTTPConnection("127.0.0.1", server.port)
        line.putrequest("PUT", f"/api/v1/blobs/{digest(data)}")
        line.putheader("Authorization", f"Bearer {TOKEN}")
        line.putheader("Content-Length", str(len(data)))
        line.endheaders()
        line.send(data[:3_000_000])
        until(lambda: len(leftovers(folder)) == 2)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(60)
        line.close()

    assert sorted(set(os.listdir(folder)) - set(leftovers(folder))) == named
    assert holdfast.open(tmp_path / "store").verify().whole
    with process(tmp_path / "store") as server:  # and another goes on where that one was
        offset = offset_of(server, where)
        assert offset == 1_000_000
        assert part(server, where, data[offset:], offset, last=True).status == 201
    assert (folder / digest(data)).read_bytes() == data


def test_a_server_that_only_reads_takes_nothing_in(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with running(tmp_path / "store", read_only=True) as served:
        assert put(served, b"x").code == "read_only"
        assert served.post("/uploads", {}).code == "read_only"
