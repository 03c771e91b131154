"""The four categories of the distribution specification's conformance suite, one test for each.

Where the suite pushes whatever is a manifest, these push models: other artifacts are refused here.
"""

import json
from collections.abc import Iterator

import pytest
from tests.web.facing import Reply, Served, running
from tests.web.oci.docker_api import MANIFEST, Pusher, code, digest

DATA = b"weights of a model"
NOWHERE = digest(b"nowhere")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("categories") / "store") as served:
        for version in ("1.0.0", "1.1.0"):
            pushed = Pusher(served, "team/pulled").push(version, {"w.bin": DATA + version.encode()})
            assert pushed.status == 201
        yield served


def place(reply: Reply) -> str:
    assert reply.status == 202
    assert reply.headers["range"].startswith("0-")
    return reply.headers["location"]


def test_pull(served: Served) -> None:
    pusher = Pusher(served, "team/pulled")
    raw = pusher.ask("GET", "/manifests/1.0.0").body
    blob = json.loads(raw)["layers"][0]["digest"]
    found = {"/manifests/1.0.0": raw, f"/manifests/{digest(raw)}": raw, f"/blobs/{blob}": None}
    for path, body in found.items():
        head, got = pusher.ask("HEAD", path), pusher.ask("GET", path)
        assert (head.status, got.status, head.body) == (200, 200, b"")
        for name in ("content-length", "content-type", "docker-content-digest"):
            assert head.headers[name] == got.headers[name]
        assert digest(got.body) == got.headers["docker-content-digest"]
        assert body in (None, got.body)
    assert pusher.ask("HEAD", "/manifests/1.0.0").headers["content-type"] == MANIFEST
    missing = {
        f"/blobs/{NOWHERE}": "BLOB_UNKNOWN",
        "/manifests/9.9.9": "MANIFEST_UNKNOWN",
        f"/manifests/{NOWHERE}": "MANIFEST_UNKNOWN",
        "/manifests/.INVALID": "MANIFEST_UNKNOWN",
    }
    for path, word in missing.items():
        assert (pusher.ask("HEAD", path).status, code(pusher.ask("GET", path))) == (404, word)


def test_push(served: Served) -> None:
    pusher = Pusher(served, "team/pushed")
    begun = pusher.ask("POST", "/blobs/uploads/", content_length="0")
    first = served.ask("PATCH", place(begun), DATA[:5], content_range="0-4")
    again = served.ask("PATCH", place(first), DATA[:5], content_range="0-4")
    later = served.ask("PATCH", place(first), DATA[9:], content_range=f"9-{len(DATA) - 1}")
    where = served.ask("GET", place(first))
    rest = served.ask("PATCH", place(first), DATA[5:], content_range=f"5-{len(DATA) - 1}")
    closed = served.ask("PUT", f"{place(rest)}?digest={digest(DATA)}", content_length="0")

    assert [one.status for one in (again, later, where, closed)] == [416, 416, 204, 201]
    assert (again.headers["range"], where.headers["range"]) == ("0-4", "0-4")
    assert served.ask("GET", closed.headers["location"]).body == DATA
    assert served.ask("GET", place(rest)).status == 404

    streamed = served.ask("PATCH", place(pusher.ask("POST", "/blobs/uploads/")), iter([b"a", b"b"]))
    ended = served.ask("PUT", f"{place(streamed)}?digest={digest(b'abc')}", b"c")
    put = pusher.ask("POST", "/blobs/uploads/")
    whole = served.ask("PUT", f"{place(put)}?digest={digest(b'put')}", b"put")
    lied = place(pusher.ask("POST", "/blobs/uploads/"))
    wrong = served.ask("PUT", f"{lied}?digest={NOWHERE}", b"x")
    gone = served.ask("DELETE", place(pusher.ask("POST", "/blobs/uploads/")))
    assert [one.status for one in (ended, whole, wrong, gone)] == [201, 201, 400, 204]
    assert code(wrong) == "DIGEST_INVALID"
    mounted = pusher.ask("POST", f"/blobs/uploads/?mount={digest(DATA)}&from=team/pushed")
    unknown = pusher.ask("POST", f"/blobs/uploads/?mount={NOWHERE}&from=team/pulled")
    without = pusher.ask("POST", f"/blobs/uploads/?mount={NOWHERE}")
    assert [one.status for one in (unknown, without)] == [202, 202]
    assert mounted.status in (201, 202)

    raw = pusher.manifest({"w.bin": DATA})
    unsent = pusher.put("1.0.0", pusher.manifest({"w.bin": b"unsent"}))
    assert (unsent.status, code(unsent)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert pusher.blob(b"{}").status == 201
    pushed = pusher.put("1.0.0", raw)
    assert (pushed.status, pushed.headers["docker-content-digest"]) == (201, digest(raw))
    assert served.ask("GET", pushed.headers["location"]).body == raw
    assert pusher.put("1.0.0", b"{").status == 400


def test_content_discovery(served: Served) -> None:
    pusher = Pusher(served, "team/pulled")
    every = pusher.ask("GET", "/tags/list").json
    page = pusher.ask("GET", "/tags/list?n=1")
    link = page.headers["link"].partition(">")[0].removeprefix("<")
    after = pusher.ask("GET", f"/tags/list?n=9&last={page.json['tags'][0]}")

    assert every == {"name": "team/pulled", "tags": sorted(every["tags"])}
    assert page.json["tags"] + after.json["tags"] == every["tags"]
    assert served.ask("GET", link).json["tags"] == every["tags"][1:2]
    assert pusher.ask("GET", "/tags/list?n=0").json["tags"] == []
    assert code(Pusher(served, "team/nobody").ask("GET", "/tags/list")) == "NAME_UNKNOWN"
    empty = pusher.ask("GET", f"/referrers/{NOWHERE}")
    assert (empty.status, empty.json["manifests"], empty.json["schemaVersion"]) == (200, [], 2)
    assert empty.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    assert pusher.ask("GET", "/referrers/bad").status == 400


def test_content_management(served: Served) -> None:
    pusher = Pusher(served, "team/managed")
    raw = pusher.manifest({"w.bin": DATA})
    assert pusher.push("1.0.0", {"w.bin": DATA}).status == 201
    assert pusher.put("eu", raw).status == 201

    assert pusher.ask("DELETE", "/manifests/eu").status == 202
    assert pusher.ask("GET", "/manifests/eu").status == 404
    for path in (f"/manifests/{digest(raw)}", "/manifests/1.0.0", f"/blobs/{digest(DATA)}"):
        kept = pusher.ask("DELETE", path)
        assert (kept.status, code(kept)) == (405, "UNSUPPORTED")
        assert "allow" in kept.headers
        assert pusher.ask("GET", path).status == 200
    assert pusher.ask("DELETE", "/manifests/nothing").status == 404
