"""What is pulled: exact bytes, by tag or digest, and nothing that changed."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.facing import Served, running
from tests.web.oci.docker_api import MANIFEST, Pusher, code, digest

import holdfast
from holdfast import signing
from holdfast.registry.catalogue_verbs import Labels

DATA = b"weights" * 1_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("pulls")
    signing.create("ana", folder)
    registry = holdfast.open(
        folder / "store", by="ana", signing_key=lambda: signing.load(folder / "ana.key")
    )
    file = folder / "model.bin"
    for number, data in enumerate([DATA, b"two", b"three"]):
        file.write_bytes(data)
        version = ("1.0.0", "1.1.0", "2.0.0+cu12")[number]
        registry.register("team/iris", file, version=version, metrics={"auc": 0.9})
    registry.promote("team/iris@1.1.0")
    registry.alias("team/iris@1.0.0", "eu")
    registry.sign("team/iris@1.0.0")
    file.write_bytes(b"other")
    registry.register("Big Iris", file)
    with running(folder / "store") as served:
        yield served


@pytest.fixture
def iris(served: Served) -> Pusher:
    return Pusher(served, "team/iris")


def sha256_of(iris: Pusher, tag: str) -> str:
    """Return the digest of a version's only file."""
    document = json.loads(iris.ask("GET", f"/manifests/{tag}").body)
    return str(document["layers"][1]["digest"])


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.0.0", "1.0.0"), ("v1.0.0", "1.0.0"), ("v1", "1.0.0"), ("eu", "1.0.0"),
        ("1.x", "1.1.0"), ("1.0.x", "1.0.0"), ("production", "1.1.0"), ("2.0.0_cu12", "2.0.0+cu12"),
        ("latest", "2.0.0+cu12"),
    ],
)  # fmt: skip
def test_a_tag_names_a_version_or_one_that_moves(iris: Pusher, tag: str, version: str) -> None:
    answer = iris.ask("GET", f"/manifests/{tag}")
    head = iris.ask("HEAD", f"/manifests/{tag}")

    assert answer.json["annotations"]["org.opencontainers.image.version"] == version
    assert answer.headers["content-type"] == MANIFEST
    assert answer.headers["docker-content-digest"] == digest(answer.body)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.body))
    same = iris.ask("GET", f"/manifests/{digest(answer.body)}")
    assert same.body == answer.body


@pytest.mark.parametrize("tag", ["9.9.9", "1.2", "nobody", "5.x", f"sha256:{'a' * 64}", "a" * 200])
def test_other_tags_are_not_found(iris: Pusher, tag: str) -> None:
    answer = iris.ask("GET", f"/manifests/{tag}")

    assert (answer.status, code(answer)) == (404, "MANIFEST_UNKNOWN")


def test_a_repository_that_is_not_there_is_not_found(served: Served) -> None:
    for path in ("/manifests/1.0.0", "/tags/list"):
        answer = Pusher(served, "nobody").ask("GET", path)
        assert (answer.status, code(answer)) == (404, "NAME_UNKNOWN")
    assert code(Pusher(served, "nobody").ask("GET", f"/blobs/{digest(b'')}")) == "BLOB_UNKNOWN"
    assert code(Pusher(served, "Big%20Iris").ask("GET", "/tags/list")) == "NAME_UNKNOWN"


def test_a_blob_is_sent_whole_or_in_ranges(iris: Pusher) -> None:
    wanted = sha256_of(iris, "1.0.0")
    whole = iris.ask("GET", f"/blobs/{wanted}")
    head = iris.ask("HEAD", f"/blobs/{wanted}")
    part = iris.ask("GET", f"/blobs/{wanted}", range="bytes=7-13")
    beyond = iris.ask("GET", f"/blobs/{wanted}", range="bytes=99999999-")

    assert (whole.status, whole.body) == (200, DATA)
    assert whole.headers["docker-content-digest"] == digest(DATA) == wanted
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
    assert (part.status, part.body) == (206, b"weights")
    assert part.headers["content-range"] == f"bytes 7-13/{len(DATA)}"
    assert beyond.status == 416


def test_every_document_that_a_manifest_names_is_there(iris: Pusher) -> None:
    document = json.loads(iris.ask("GET", "/manifests/1.1.0").body)

    for descriptor in [document["config"], *document["layers"]]:
        blob = iris.ask("GET", f"/blobs/{descriptor['digest']}")
        assert (digest(blob.body), len(blob.body)) == (descriptor["digest"], descriptor["size"])


@pytest.mark.parametrize("text", ["sha256:x", "sha512:" + "a" * 128, "x", "sha256:" + "A" * 64])
def test_only_a_digest_names_a_blob(iris: Pusher, text: str) -> None:
    for kind in ("blobs", "referrers"):
        answer = iris.ask("GET", f"/{kind}/{text}")
        assert (answer.status, code(answer)) == (400, "DIGEST_INVALID")


def test_tags_come_in_order_some_at_a_time(iris: Pusher) -> None:
    every = ["1.0.0", "1.1.0", "2.0.0_cu12", "eu", "latest", "production"]
    assert iris.ask("GET", "/tags/list").json == {"name": "team/iris", "tags": every}
    first = iris.ask("GET", "/tags/list?n=4")

    assert first.json["tags"] == every[:4]
    assert first.headers["link"] == '</v2/team/iris/tags/list?n=4&last=eu>; rel="next"'
    last = iris.ask("GET", "/tags/list?n=4&last=eu")
    assert (last.json["tags"], "link" in last.headers) == (every[4:], False)
    assert iris.ask("GET", "/tags/list?n=0").json["tags"] == []
    assert iris.ask("GET", "/tags/list?n=x").status == 400


def test_a_signature_refers_to_its_version(iris: Pusher, served: Served) -> None:
    subject = iris.ask("GET", "/manifests/1.0.0")
    listed = iris.ask("GET", f"/referrers/{digest(subject.body)}").json["manifests"]
    artifact = iris.ask("GET", f"/manifests/{listed[0]['digest']}")
    bundle = iris.ask("GET", f"/blobs/{artifact.json['layers'][0]['digest']}")

    assert len(listed) == 1
    assert artifact.json["subject"]["digest"] == digest(subject.body)
    assert bundle.json["mediaType"] == listed[0]["artifactType"]
    assert iris.ask("GET", f"/blobs/{digest(b'{}')}").body == b"{}"
    kind = listed[0]["artifactType"].replace("+", "%2B")
    filtered = iris.ask("GET", f"/referrers/{digest(subject.body)}?artifactType={kind}")
    assert len(filtered.json["manifests"]) == 1
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    other = iris.ask("GET", f"/referrers/{digest(subject.body)}?artifactType=sbom")
    assert other.json["manifests"] == []
    for name, wanted in (("team/iris", digest(b"nothing")), ("nobody", digest(subject.body))):
        empty = Pusher(served, name).ask("GET", f"/referrers/{wanted}")
        assert (empty.status, empty.json["manifests"]) == (200, [])


def test_what_is_pulled_is_the_same_after_the_server_starts_again(
    iris: Pusher, served: Served
) -> None:
    before = [iris.ask("GET", f"/manifests/{tag}").body for tag in ("1.0.0", "eu")]
    assert isinstance(served.registry.location, Path)
    with running(served.registry.location) as again:
        other = Pusher(again, "team/iris")
        assert [other.ask("GET", f"/manifests/{tag}").body for tag in ("1.0.0", "eu")] == before


def test_methods_that_are_not_there_are_refused(iris: Pusher) -> None:
    answer = iris.ask("POST", "/manifests/1.0.0", b"")

    assert (answer.status, code(answer)) == (405, "UNSUPPORTED")
    assert answer.headers["allow"] == "DELETE, GET, PUT"


def test_a_flipped_bit_is_not_handed_out(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    (tmp_path / "model.bin").write_bytes(DATA)
    registry.register("iris", tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(b"short")
    registry.register("iris", tmp_path / "model.bin")
    with running(tmp_path / "store") as served:
        iris = Pusher(served, "iris")
        blobs = [sha256_of(iris, tag) for tag in ("1.0.0", "1.1.0")]
        for name in blobs:
            blob = tmp_path / "store" / "blobs" / "sha256" / name.removeprefix("sha256:")
            raw = bytearray(blob.read_bytes())
            raw[-1] ^= 1
            blob.chmod(0o600)
            blob.write_bytes(raw)

        with pytest.raises(http.client.IncompleteRead):
            iris.ask("GET", f"/blobs/{blobs[0]}")
        for name, headers in ((blobs[0], {}), (blobs[0], {"range": "bytes=0-3"}), (blobs[1], {})):
            answer = iris.ask("GET", f"/blobs/{name}", **headers)
            assert answer.status == 500
            assert "has changed" in answer.body.decode()


def test_a_purged_version_is_gone(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for text in ("one", "two"):
        (tmp_path / "model.bin").write_text(text)
        registry.register("iris", tmp_path / "model.bin")
    with running(tmp_path / "store") as served:
        iris = Pusher(served, "iris")
        raw = iris.ask("GET", "/manifests/1.0.0").body
        served.registry.archive("iris@1.0.0")
        served.registry.purge("iris", versions=["iris@1.0.0"], grace_s=0)

        for reference in ("1.0.0", digest(raw)):
            assert iris.ask("GET", f"/manifests/{reference}").status == 404
        assert iris.ask("GET", "/tags/list").json["tags"] == ["1.1.0", "latest"]
        again = iris.push("1.0.0", {"model.bin": b"one"})
        assert (again.status, code(again)) == (409, "DENIED")


def test_a_version_without_bytes_is_not_found(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.catalogue.refer("iris", "s3://gone/model", Labels(lambda _state: None), {})
    with running(tmp_path / "store") as served:
        iris = Pusher(served, "iris")
        answer = iris.ask("GET", "/manifests/1.0.0")

        assert (answer.status, code(answer)) == (404, "MANIFEST_UNKNOWN")
        assert iris.ask("GET", "/manifests/Image-1.0.0").status == 404
        assert iris.ask("GET", "/tags/list").json["tags"] == []
        assert iris.push("1.0.0", {"a": b"a"}).status == 409
        assert iris.push("1.1.0", {"a": b"a"}).status == 201
