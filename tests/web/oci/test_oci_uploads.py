"""Blobs that come in: whole, in parts, from another repository; never under a false name."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.facing import Reply, Served, process, running
from tests.web.oci.docker_api import Pusher, code, digest

import holdfast

DATA = b"parts" * 10_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("uploads")
    holdfast.open(folder / "store", by="ana").init()
    with running(folder / "store") as served:
        yield served


@pytest.fixture
def pusher(served: Served) -> Pusher:
    return Pusher(served, "team/iris")


def begun(pusher: Pusher) -> str:
    answer = pusher.ask("POST", "/blobs/uploads/")
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
    where = answer.headers["location"]
    assert where.endswith(answer.headers["docker-upload-uuid"])
    return where.removeprefix(f"/v2/{pusher.name}")


def part(pusher: Pusher, where: str, data: bytes, start: int) -> Reply:
    bounds = f"{start}-{start + len(data) - 1}"
    return pusher.ask("PATCH", where, data, content_range=bounds)


def test_a_blob_comes_whole(pusher: Pusher) -> None:
    answer = pusher.blob(b"whole")

    assert answer.status == 201
    assert answer.headers["location"] == f"/v2/team/iris/blobs/{digest(b'whole')}"
    assert pusher.ask("HEAD", f"/blobs/{digest(b'whole')}").status == 200
    assert pusher.ask("GET", f"/blobs/{digest(b'whole')}").body == b"whole"


def test_a_blob_comes_in_parts(pusher: Pusher) -> None:
    where = begun(pusher)
    first = part(pusher, where, DATA[:20_000], 0)
    status = pusher.ask("GET", where)

    assert (first.status, first.headers["range"]) == (202, "0-19999")
    assert (status.status, status.headers["range"]) == (204, "0-19999")
    assert part(pusher, where, DATA[20_000:40_000], 20_000).status == 202
    closed = pusher.ask("PUT", f"{where}?digest={digest(DATA)}", DATA[40_000:])
    assert (closed.status, closed.headers["docker-content-digest"]) == (201, digest(DATA))
    assert pusher.ask("GET", f"/blobs/{digest(DATA)}").body == DATA
    assert pusher.ask("GET", where).status == 404


def test_a_part_may_come_without_its_length(pusher: Pusher) -> None:
    where = begun(pusher)
    sent = pusher.ask("PATCH", where, iter([DATA[:7], DATA[7:]]))

    assert sent.status == 202
    assert pusher.ask("PUT", f"{where}?digest={digest(DATA)}").status == 201


def test_a_part_that_begins_elsewhere_is_refused(pusher: Pusher) -> None:
    where = begun(pusher)
    part(pusher, where, b"first", 0)

    for start in (0, 4, 6):
        answer = part(pusher, where, b"second", start)
        assert (answer.status, answer.headers["range"]) == (416, "0-4")
    odd = pusher.ask("PATCH", where, b"x", content_range="x")
    assert (odd.status, code(odd)) == (416, "BLOB_UPLOAD_INVALID")
    assert part(pusher, where, b"second", 5).status == 202


def test_other_bytes_than_the_digest_says_are_thrown_away(pusher: Pusher, served: Served) -> None:
    whole = pusher.ask("POST", f"/blobs/uploads/?digest={digest(b'said')}", b"sent")
    where = begun(pusher)
    part(pusher, where, b"sent", 0)
    closed = pusher.ask("PUT", f"{where}?digest={digest(b'said')}")

    for answer in (whole, closed):
        assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")
    assert pusher.ask("GET", where).status == 404
    assert pusher.ask("HEAD", f"/blobs/{digest(b'said')}").status == 404
    assert isinstance(served.registry.location, Path)
    names = os.listdir(served.registry.location / "blobs" / "sha256")
    assert digest(b"sent").removeprefix("sha256:") not in names


@pytest.mark.parametrize("text", ["", "sha256:x", "sha512:" + "a" * 128, "../../x"])
def test_only_a_digest_closes_an_upload(pusher: Pusher, text: str) -> None:
    where = begun(pusher)
    for method, path in (("PUT", where), ("POST", "/blobs/uploads/")):
        answer = pusher.ask(method, f"{path}?digest={text}", b"x")
        assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")
    assert pusher.ask("DELETE", where).status == 204


def test_an_upload_is_cancelled_once(pusher: Pusher) -> None:
    where = begun(pusher)

    assert pusher.ask("DELETE", where).status == 204
    again = pusher.ask("DELETE", where)
    assert (again.status, code(again)) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("upload", ["x", "0" * 32, "..%2f..%2fx", "%2e%2e"])
def test_an_upload_that_nobody_began_is_not_there(pusher: Pusher, upload: str) -> None:
    assert pusher.ask("PATCH", f"/blobs/uploads/{upload}", b"x").status == 404


def test_a_blob_is_mounted_from_where_it_is_named(pusher: Pusher, served: Served) -> None:
    Pusher(served, "source").push("1.0.0", {"a": b"mounted"})
    mount = f"/blobs/uploads/?mount={digest(b'mounted')}&from="
    there = pusher.ask("POST", f"{mount}source")

    assert (there.status, there.headers["location"]) == (
        201,
        f"/v2/team/iris/blobs/{digest(b'mounted')}",
    )
    for source in ("nobody", "team/iris", "..", "a@b"):
        assert pusher.ask("POST", mount + source).status == 202
    absent = pusher.ask("POST", f"/blobs/uploads/?mount={digest(b'absent')}&from=source")
    assert absent.status == 202
    odd = pusher.ask("POST", "/blobs/uploads/?mount=x&from=source")
    assert code(odd) == "DIGEST_INVALID"


@pytest.mark.long
def test_a_gibibyte_is_taken_in_without_memory(tmp_path: Path) -> None:
    holdfast.open(tmp_path / "store", by="ana").init()
    piece, count, whole = os.urandom(1 << 20), 1024, hashlib.sha256()
    with process(tmp_path / "store") as served:
        pusher = Pusher(served, "big")
        where = begun(pusher)
        before = memory_bytes(served.process.pid)
        sent = pusher.ask("PATCH", where, (piece for _ in range(count)))
        after = memory_bytes(served.process.pid)
        for _ in range(count):
            whole.update(piece)
        closed = pusher.ask("PUT", f"{where}?digest=sha256:{whole.hexdigest()}")

        assert (sent.status, closed.status) == (202, 201)
        assert after - before < 32 << 20
        assert after < 150 << 20


def memory_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024
