"""Cases of the distribution specification, one by one, as its conformance suite lists them.

The suite itself needs modules of Go that are not everywhere to be had. What it pushes beside models
(container images, lists of them) is refused here, which `test_oci_pushes` shows.
"""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.web.facing import Caller, Reply, Served, running
from tests.web.oci.docker_api import Pusher, code, digest

DATA = bytes(range(256)) * 8
OTHER = DATA + b"oh no"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("cases") / "store") as served:
        assert Pusher(served, "team/one").push("1.0.0", {"w.bin": DATA}).status == 201
        yield served


def begin(pusher: Pusher) -> str:
    reply = pusher.ask("POST", "/blobs/uploads/", content_length="0")
    assert reply.status == 202
    return reply.headers["location"]


def part(caller: Caller, place: str, data: bytes, first: int) -> Reply:
    """Send a part; where it was taken, what is told next is where the next one goes."""
    return caller.ask("PATCH", place, data, content_range=f"{first}-{first + len(data) - 1}")


def close(caller: Caller, place: str, name: bytes, data: bytes = b"") -> Reply:
    length = str(len(data))
    return caller.ask("PUT", f"{place}?digest={digest(name)}", data, content_length=length)


def post_only(pusher: Pusher, name: bytes, data: bytes) -> Reply:
    return pusher.ask("POST", f"/blobs/uploads/?digest={digest(name)}", data)


def post_and_put(pusher: Pusher, name: bytes, data: bytes) -> Reply:
    return close(pusher.caller, begin(pusher), name, data)


def one_part(pusher: Pusher, name: bytes, data: bytes) -> Reply:
    place = begin(pusher)
    if data:
        place = part(pusher.caller, place, data, 0).headers["location"]
    return close(pusher.caller, place, name)


def stream(pusher: Pusher, name: bytes, data: bytes) -> Reply:
    sent = pusher.caller.ask("PATCH", begin(pusher), iter([data]))
    return close(pusher.caller, sent.headers["location"], name)


WAYS = [post_only, post_and_put, one_part, stream]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", [b"", b"{}", b"512" * 171], ids=["empty", "JSON", "bytes"])
def test_a_blob_comes_each_way(
    served: Served, way: Callable[[Pusher, bytes, bytes], Reply], data: bytes
) -> None:
    pusher = Pusher(served, "team/blobs")
    done = way(pusher, data, data)
    head, got = (
        pusher.ask("HEAD", f"/blobs/{digest(data)}"),
        served.ask("GET", done.headers["location"]),
    )

    assert (done.status, head.status, got.status) == (201, 200, 200)
    assert got.body == data
    assert head.headers["content-length"] == str(len(data))
    assert (
        done.headers["docker-content-digest"]
        == head.headers["docker-content-digest"]
        == digest(data)
    )


@pytest.mark.parametrize("way", WAYS)
def test_another_digest_is_refused_each_way(
    served: Served, way: Callable[[Pusher, bytes, bytes], Reply]
) -> None:
    pusher = Pusher(served, "team/blobs")
    refused = way(pusher, b"what it was to be", OTHER)

    assert (refused.status, code(refused)) == (400, "DIGEST_INVALID")
    assert pusher.ask("GET", f"/blobs/{digest(OTHER)}").status == 404


@pytest.mark.parametrize("last", ["in its own part", "with the end"])
@pytest.mark.parametrize("order", ["in order", "out of order"])
def test_a_blob_comes_in_parts(served: Served, last: str, order: str) -> None:
    data = f"{last}, {order}".encode() * 100
    third = len(data) // 3
    pusher, place = Pusher(served, "team/blobs"), ""
    place = begin(pusher)
    if order == "out of order":
        early = part(served, place, data[third:], third)
        assert (early.status, early.headers["range"]) == (416, "0-0")
    for first in (0, third):
        place = part(served, place, data[first : first + third], first).headers["location"]
        if order == "out of order":
            again = part(served, place, data[:third], 0)
            where = served.ask("GET", place)
            assert (again.status, where.status) == (416, 204)
            assert where.headers["range"] == again.headers["range"] == f"0-{first + third - 1}"
            place = where.headers["location"]
    rest = data[2 * third :]
    if last == "in its own part":
        place = part(served, place, rest, 2 * third).headers["location"]
        done = close(served, place, data)
    else:
        said = f"{2 * third}-{len(data) - 1}"
        if order == "out of order":
            wrong = served.ask(
                "PUT", f"{place}?digest={digest(data)}", rest, content_range=f"0-{len(rest) - 1}"
            )
            assert wrong.status == 416
        done = served.ask("PUT", f"{place}?digest={digest(data)}", rest, content_range=said)

    assert done.status == 201
    assert served.ask("GET", done.headers["location"]).body == data


RANGES = {
    "bytes=500-1499": (500, 1500), "bytes=500-": (500, 2048), "bytes=-500": (1548, 2048),
    "bytes=2000-5000": (2000, 2048), "bytes=0-0": (0, 1), "bytes=-5000": (0, 2048),
}  # fmt: skip


@pytest.mark.parametrize("asked", RANGES)
def test_a_range_is_sent(served: Served, asked: str) -> None:
    first, end = RANGES[asked]
    got = Pusher(served, "team/one").ask("GET", f"/blobs/{digest(DATA)}", range=asked)

    assert (got.status, got.body) == (206, DATA[first:end])
    assert got.headers["content-range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
    assert got.headers["content-length"] == str(end - first)


@pytest.mark.parametrize("asked", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"])
def test_a_range_that_is_not_there_is_refused(served: Served, asked: str) -> None:
    got = Pusher(served, "team/one").ask("GET", f"/blobs/{digest(DATA)}", range=asked)

    assert got.status == 416
    assert got.headers["content-range"] == f"bytes */{len(DATA)}"


def test_a_mount_gives_what_may_be_read_and_an_upload_else(served: Served) -> None:
    pusher = Pusher(served, "team/mounted")
    mounted = pusher.ask("POST", f"/blobs/uploads/?mount={digest(DATA)}&from=team/one")
    others = [
        f"mount={digest(DATA)}",
        f"mount={digest(b'no')}&from=team/one",
        f"mount={digest(DATA)}&from=team/no",
    ]

    assert mounted.status == 201
    assert served.ask("GET", mounted.headers["location"]).body == DATA
    for query in others:  # a mount that is not made is the beginning of an upload
        begun = pusher.ask("POST", f"/blobs/uploads/?{query}", content_length="0")
        assert begun.status == 202
        assert close(served, begun.headers["location"], DATA, DATA).status == 201


def test_a_manifest_of_four_mebibytes_with_fields_of_others_comes_back(served: Served) -> None:
    pusher = Pusher(served, "team/large")
    assert pusher.blob(b"{}").status == pusher.blob(DATA).status == 201
    long = {f"annotation-{number}": "A" * 10_000 for number in range(390)}
    raw = pusher.manifest({"w.bin": DATA}, annotations=long, **{"org.example": {"new": [1]}})
    document = json.loads(raw)
    document["layers"][0]["data"] = "inline"
    document["layers"][0]["org.example"] = True
    raw = json.dumps(document).encode()
    pushed = pusher.put("1.0.0", raw)

    assert pushed.status == 201
    assert pusher.ask("GET", f"/manifests/{digest(raw)}").body == raw


@pytest.mark.parametrize(
    "name", ["sha256:baddigeststring", "sha512:" + "0" * 128, digest(b"others")]
)
def test_a_manifest_under_another_digest_is_refused(served: Served, name: str) -> None:
    pusher = Pusher(served, "team/one")
    pushed = pusher.put(name, pusher.manifest({"w.bin": DATA}))

    assert pushed.status == 400
    assert code(pushed) in ("DIGEST_INVALID", "MANIFEST_INVALID")
    assert pusher.ask("GET", f"/manifests/{name}").status in (400, 404)


def test_referrers_are_filtered_and_said_to_be(served: Served) -> None:
    pusher = Pusher(served, "team/one")
    subject = pusher.ask("GET", "/manifests/1.0.0")
    about = {
        "mediaType": subject.headers["content-type"],
        "digest": digest(subject.body),
        "size": len(subject.body),
    }
    kinds = ("application/vnd.example.one", "application/vnd.example.two")
    assert pusher.blob(b"{}").status == 201
    made = {}
    for kind in kinds:
        said = {"org.example": kind}
        raw = pusher.manifest({"w.bin": DATA}, subject=about, artifactType=kind, annotations=said)
        pushed = pusher.put(digest(raw), raw)
        assert (pushed.status, pushed.headers["oci-subject"]) == (201, about["digest"])
        made[kind] = {
            "digest": digest(raw),
            "size": len(raw),
            "artifactType": kind,
            "annotations": said,
        }
    path = f"/referrers/{about['digest']}"
    every, one = pusher.ask("GET", path), pusher.ask("GET", f"{path}?artifactType={kinds[0]}")

    assert "oci-filters-applied" not in every.headers
    assert one.headers["oci-filters-applied"] == "artifactType"
    assert len(every.json["manifests"]) == 2
    (entry,) = one.json["manifests"]
    assert made[kinds[0]].items() <= entry.items()


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_what_a_version_is_of_is_not_deleted_and_what_is_not_there_is_not_found(
    served: Served, kind: str
) -> None:
    pusher = Pusher(served, "team/one")
    there = DATA if kind == "blobs" else pusher.ask("GET", "/manifests/1.0.0").body
    kept, missing = (pusher.ask("DELETE", f"/{kind}/{digest(one)}") for one in (there, b"missing"))

    assert (kept.status, code(kept)) == (405, "UNSUPPORTED")
    assert missing.status in (404, 405)
    assert pusher.ask("GET", f"/{kind}/{digest(there)}").body == there


def test_a_manifest_comes_with_its_tags_beside_its_digest(served: Served) -> None:
    pusher = Pusher(served, "team/tagged")
    raw = pusher.manifest({"w.bin": DATA})
    assert pusher.blob(b"{}").status == pusher.blob(DATA).status == 201

    bare = pusher.put(digest(raw), raw)
    pushed = pusher.put(f"{digest(raw)}?tag=eu&tag=1.0.0&tag=production", raw)
    assert (bare.status, pushed.status) == (400, 201)
    assert pushed.headers["oci-tag"] == "1.0.0, eu, production"
    assert {
        pusher.ask("GET", f"/manifests/{tag}").body for tag in ("1.0.0", "eu", "production")
    } == {raw}
    many = "&".join(f"tag=name{number}" for number in range(21))
    for query in ("tag=1.1.0&tag=a/b", "tag=", many):
        assert pusher.put(f"{digest(raw)}?{query}", raw).status == 400
    assert pusher.ask("GET", "/tags/list").json["tags"] == ["1.0.0", "eu", "latest", "production"]
