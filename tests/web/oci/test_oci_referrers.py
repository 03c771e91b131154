"""What others push about a version is kept beside it, found by clients, and believed by nobody."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.web.facing import TOKEN, Caller, Served, register, running
from tests.web.oci.docker_api import MANIFEST, TITLE, Pusher, code, digest
from tests.web.teams import Team, as_

import holdfast
from holdfast.core import attachment_commands
from holdfast.core.events import Attached
from holdfast.errors import InvalidInputError
from holdfast.registry import attachments
from holdfast.registry.attachments import Attachment
from holdfast.registry.session import CommitOptions

SBOM = "application/spdx+json"
TEXT = b'{"spdxVersion":"SPDX-2.3"}'


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    register(holdfast.open(tmp_path / "store", by="ana"), tmp_path, "team/iris")
    with running(tmp_path / "store") as served:
        yield served


def referrer(subject: bytes, data: bytes = TEXT, kind: str = SBOM, /, **more: Any) -> bytes:
    """Write the manifest of an artifact that refers to another."""
    about = {"mediaType": MANIFEST, "digest": digest(subject), "size": len(subject)}
    layer = {"mediaType": kind, "digest": digest(data), "size": len(data)}
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [layer | {"annotations": {TITLE: "sbom.json"}}],
        "subject": about,
        "annotations": {"made.by": "a scanner"},
    }
    return json.dumps(document | more).encode()


def attach(pusher: Pusher, raw: bytes, *blobs: bytes) -> Any:
    for data in (b"{}", TEXT, *blobs):
        assert pusher.blob(data).status == 201
    return pusher.put(digest(raw), raw)


def test_what_refers_to_a_version_is_kept_and_found(served: Served) -> None:
    pusher = Pusher(served, "team/iris")
    model = pusher.ask("GET", "/manifests/1.0.0").body
    raw = referrer(model)
    note = referrer(raw, b"ok", "text/plain")
    pushed, again = attach(pusher, raw), attach(pusher, raw)
    about_it = attach(pusher, note, b"ok")

    assert (pushed.status, again.status, about_it.status) == (201, 201, 201)
    assert pushed.headers["oci-subject"] == digest(model)
    assert pushed.headers["docker-content-digest"] == digest(raw)
    listed = pusher.ask("GET", f"/referrers/{digest(model)}").json["manifests"]
    assert listed == [
        {
            "mediaType": MANIFEST,
            "digest": digest(raw),
            "size": len(raw),
            "artifactType": SBOM,
            "annotations": {"made.by": "a scanner"},
        }
    ]
    (second,) = pusher.ask("GET", f"/referrers/{digest(raw)}").json["manifests"]
    assert (second["digest"], second["artifactType"]) == (digest(note), "text/plain")
    for kind, count in ((SBOM, 1), ("text/plain", 0)):
        found = pusher.ask("GET", f"/referrers/{digest(model)}?artifactType={quote(kind)}")
        assert len(found.json["manifests"]) == count
        assert found.headers["oci-filters-applied"] == "artifactType"
    assert pusher.ask("GET", f"/manifests/{digest(raw)}").body == raw
    assert pusher.ask("GET", f"/blobs/{digest(TEXT)}").body == TEXT
    assert pusher.ask("GET", f"/blobs/{digest(b'{}')}").body == b"{}"
    assert pusher.ask("DELETE", f"/manifests/{digest(raw)}").status == 405
    history = [past.what for past in served.registry.history("team/iris")]
    assert history[-2:] == [
        f"attach {SBOM} sha256:{digest(raw)[7:19]} to 1.0.0",
        f"attach text/plain sha256:{digest(note)[7:19]} to 1.0.0",
    ]


def test_it_goes_where_its_model_goes_and_ends_with_its_files(
    served: Served, tmp_path: Path
) -> None:
    pusher = Pusher(served, "team/iris")
    model = pusher.ask("GET", "/manifests/1.0.0").body
    raw = referrer(model)
    attach(pusher, raw)
    registry = served.registry
    registry.export("team/iris", tmp_path / "iris.tar")
    other = holdfast.open(tmp_path / "other", by="bo")
    other.import_(tmp_path / "iris.tar")
    registry.copy(holdfast.open(tmp_path / "copy", by="bo"))

    for folder in ("other", "copy"):
        assert holdfast.open(tmp_path / folder).verify().damages == ()
        with running(tmp_path / folder) as again:
            there = Pusher(again, "team/iris")
            assert there.ask("GET", "/manifests/1.0.0").body == model
            assert there.ask("GET", f"/manifests/{digest(raw)}").body == raw
            assert there.ask("GET", f"/blobs/{digest(TEXT)}").body == TEXT
    with tarfile.open(tmp_path / "iris.tar") as bundle:
        assert any(digest(raw)[7:] in name for name in bundle.getnames())
    registry.archive("team/iris@1.0.0")
    registry.purge("team/iris", versions=["1.0.0"], grace_s=0)
    registry.gc(grace_s=0)
    assert pusher.ask("GET", f"/blobs/{digest(TEXT)}").status == 404
    assert registry.verify().damages == ()


def test_what_refers_to_nothing_here_is_refused(served: Served) -> None:
    pusher = Pusher(served, "team/iris")
    model = pusher.ask("GET", "/manifests/1.0.0").body
    before = served.registry.history("team/iris")
    nowhere = attach(pusher, referrer(b"nothing"))
    unknown = pusher.put(digest(referrer(model, b"unsent")), referrer(model, b"unsent"))
    longer = referrer(model, config={"mediaType": "a/b", "digest": digest(b"{}"), "size": 3})
    tagged = pusher.put("sbom", referrer(model))
    bare = referrer(model, subject={"mediaType": MANIFEST, "digest": "x", "size": 1})
    untyped = referrer(model, artifactType="a\nb")

    assert (nowhere.status, code(nowhere)) == (404, "MANIFEST_UNKNOWN")
    assert (unknown.status, code(unknown)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert code(pusher.put(digest(longer), longer)) == "MANIFEST_BLOB_UNKNOWN"
    assert (tagged.status, code(tagged)) == (400, "MANIFEST_INVALID")
    assert "push it to its digest" in tagged.json["errors"][0]["message"]
    assert code(pusher.put(digest(bare), bare)) == "DIGEST_INVALID"
    assert code(pusher.put(digest(untyped), untyped)) == "MANIFEST_INVALID"
    assert pusher.put(digest(b"other"), referrer(model)).status == 400
    assert served.registry.history("team/iris") == before


def test_each_role_attaches_what_it_may(tmp_path: Path) -> None:
    team = Team(tmp_path)
    for name in ("team/iris", "team/rose"):
        register(team.registry, tmp_path, name)
    tokens = {role: team.member(role, role, "team/iris") for role in ("viewer", "registrar")}
    with team.served() as served:
        own = Pusher(as_(served, tokens["registrar"]), "team/iris")
        raw = referrer(own.ask("GET", "/manifests/1.0.0").body)
        viewer = Pusher(as_(served, tokens["viewer"]), "team/iris")
        hidden = Pusher(as_(served, tokens["registrar"]), "team/rose")

        assert viewer.put(digest(raw), raw).status == 403
        assert hidden.put(digest(raw), raw).status == 404
        assert Pusher(Caller(served.port, None), "team/iris").put(digest(raw), raw).status == 401
        Pusher(served, "team/rose").push("2.0.0", {"model.txt": b"of others"})
        stolen = referrer(own.ask("GET", "/manifests/1.0.0").body, b"of others")
        assert own.blob(b"{}").status == 201
        assert code(own.put(digest(stolen), stolen)) == "MANIFEST_BLOB_UNKNOWN"
        assert attach(own, raw).status == 201
        assert viewer.ask("GET", f"/manifests/{digest(raw)}").body == raw
        assert viewer.ask("GET", f"/blobs/{digest(TEXT)}").body == TEXT
        entry = team.registry.history("team/iris")[-1]
        assert (entry.op, entry.by) == ("attached", "registrar")


def test_changed_bytes_of_it_are_not_handed_out(served: Served, tmp_path: Path) -> None:
    pusher = Pusher(served, "team/iris")
    model = pusher.ask("GET", "/manifests/1.0.0").body
    raw = referrer(model)
    attach(pusher, raw)
    for data in (raw, TEXT):
        blob = tmp_path / "store" / "blobs" / "sha256" / digest(data)[7:]
        blob.chmod(0o600)
        blob.write_bytes(b"[" + data[1:])

    assert "has changed" in pusher.ask("GET", f"/blobs/{digest(TEXT)}").body.decode()
    with running(tmp_path / "store") as again:
        other = Pusher(again, "team/iris")
        assert other.ask("GET", f"/manifests/{digest(raw)}").status == 404
        assert other.ask("GET", f"/referrers/{digest(model)}").json["manifests"] == []
        assert other.ask("GET", "/manifests/1.0.0").body == model
    assert len(served.registry.verify().damages) == 2


def test_there_is_an_end_to_what_is_kept(served: Served) -> None:
    session = served.registry._session
    state = session.state("team/iris")
    record = state.versions["1.0.0"]
    blobs = tuple(f"{number:064x}" for number in range(101))
    for artifact in (
        Attached(version="1.0.0", manifest="a" * 64, kind=SBOM, blobs=blobs),
        Attached(version="1.0.0", manifest="a" * 64, kind="x" * 201),
    ):
        with pytest.raises(InvalidInputError, match="up to 100 blobs"):
            attachment_commands.attach(state, record, artifact)
    for number in range(100):
        one = Attachment(b"%d" % number, SBOM, ())
        attachments.attach(session, "team/iris@1.0.0", one, CommitOptions())
    with pytest.raises(InvalidInputError, match="100 artifacts attached already"):
        attachments.attach(
            session, "team/iris@1.0.0", Attachment(b"one more", SBOM, ()), CommitOptions()
        )


@pytest.mark.filterwarnings("ignore")
def test_oras_attaches_and_finds(served: Served, tmp_path: Path) -> None:
    client_library = pytest.importorskip("oras.client", reason="oras-py is not installed")
    container_library = pytest.importorskip("oras.container")
    at = f"127.0.0.1:{served.port}"
    client = client_library.OrasClient(hostname=at, insecure=True)
    client.auth.set_basic_auth("anybody", TOKEN)
    model = client.get_manifest(f"{at}/team/iris:1.0.0")
    subject = Pusher(served, "team/iris").ask("GET", "/manifests/1.0.0").body
    assert json.loads(subject) == model
    (tmp_path / "sbom.json").write_bytes(TEXT)
    (tmp_path / "empty.json").write_bytes(b"{}")
    manifest = json.loads(referrer(subject))
    for path, named in (("sbom.json", manifest["layers"][0]), ("empty.json", manifest["config"])):
        client.upload_blob(str(tmp_path / path), f"{at}/team/iris", named)
    raw = json.dumps(manifest).encode()
    target = container_library.Container(f"{at}/team/iris@{digest(raw)}")
    assert client.upload_manifest(manifest, target).status_code == 201

    listed = client.do_request(f"http://{at}/v2/team/iris/referrers/{digest(subject)}").json()
    pulled = client.pull(f"{at}/team/iris@{digest(raw)}", outdir=str(tmp_path / "out"))
    assert [one["artifactType"] for one in listed["manifests"]] == [SBOM]
    assert [Path(path).read_bytes() for path in pulled] == [TEXT]
