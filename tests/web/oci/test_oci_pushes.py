"""What is pushed becomes a version, under the rules of any registration, or nothing."""

import contextlib
import http.client
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from tests.web.facing import Served, running
from tests.web.oci.docker_api import MANIFEST, TITLE, Pusher, code, digest

import holdfast
from holdfast.core.manifest import Manifest
from holdfast.core.policy import Policy


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("pushes")
    holdfast.open(folder / "store", by="ana").init()
    with running(folder / "store") as served:
        yield served


def manifest(served: Served, ref: str) -> Manifest:
    return served.registry.manifest(ref)


def test_a_pushed_file_is_a_version(served: Served) -> None:
    pusher = Pusher(served, "plain/iris")
    raw = pusher.manifest({"weights.txt": b"w"})
    answer = pusher.push("1.2.0", {"weights.txt": b"w"})

    assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest(raw))
    assert answer.headers["location"] == f"/v2/plain/iris/manifests/{digest(raw)}"
    version = manifest(served, "plain/iris@1.2.0")
    assert [file.path for file in version.artifacts["model"].files] == ["weights.txt"]
    pulled = pusher.ask("GET", "/manifests/1.2.0")
    assert (pulled.body, pulled.headers["content-type"]) == (raw, MANIFEST)
    assert served.registry.verify().damages == ()


def test_older_model_packs_name_their_files_otherwise(served: Served) -> None:
    pusher = Pusher(served, "team/older")
    data = b"weights"
    layer = {
        "mediaType": "application/vnd.cnai.model.weight.v1.raw",
        "digest": digest(data),
        "size": len(data),
        "annotations": {"org.cnai.model.filepath": "deep/w.bin"},
    }
    assert [pusher.blob(sent).status for sent in (data, b"{}")] == [201, 201]

    assert pusher.put("1.0.0", pusher.manifest({}, layers=[layer])).status == 201
    (file,) = served.registry.manifest("team/older@1.0.0").artifacts["model"].files
    assert file.path == "model/deep/w.bin"
    for kind in ("cnai.model.weight.v1.tar", "cncf.model.doc.v1.tar+gzip"):
        archive = layer | {"mediaType": f"application/vnd.{kind}"}
        refused = pusher.put("1.1.0", pusher.manifest({}, layers=[archive]))
        assert (refused.status, code(refused)) == (400, "MANIFEST_INVALID")
        assert "is an archive" in refused.json["errors"][0]["message"]


def test_pushing_the_same_again_changes_nothing(served: Served) -> None:
    pusher = Pusher(served, "again")
    assert pusher.push("1.0.0", {"a.txt": b"a"}).status == 201
    assert pusher.push("1.0.0", {"a.txt": b"a"}).status == 201
    other = pusher.push("1.0.0", {"a.txt": b"other"})

    assert (other.status, code(other)) == (409, "DENIED")
    assert "push it under the next version" in other.json["errors"][0]["message"]
    assert len(served.registry.versions("again")) == 1


def test_several_files_are_a_folder_and_a_pair_is_a_pair(served: Served) -> None:
    folder, pair = Pusher(served, "folder"), Pusher(served, "pair")
    folder.push("1.0.0", {"config.json": b"{}", "./sub/weights.txt": b"w"})
    pair.push("1.0.0", {"model.txt": b"m", "preprocessor.txt": b"p"})

    paths = [file.path for file in manifest(served, "folder@1.0.0").artifacts["model"].files]
    assert paths == ["model/config.json", "model/sub/weights.txt"]
    assert set(manifest(served, "pair@1.0.0").artifacts) == {"model", "preprocessor", "oci"}


def test_a_pushed_pair_can_be_loaded(served: Served, tmp_path: Path) -> None:
    joblib.dump({"weights": [1, 2]}, tmp_path / "model.joblib")
    data = (tmp_path / "model.joblib").read_bytes()
    assert Pusher(served, "loaded").push("1.0.0", {"model.joblib": data}).status == 201

    assert manifest(served, "loaded@1.0.0").artifacts["model"].format == "joblib"
    assert served.registry.load("loaded@1.0.0").model == {"weights": [1, 2]}


class _Code:
    def __reduce__(self) -> Any:
        return eval, ("1 + 1",)


def test_code_outside_the_allow_list_is_refused(served: Served) -> None:
    answer = Pusher(served, "code").push("1.0.0", {"model.pkl": pickle.dumps(_Code())})

    assert (answer.status, code(answer)) == (400, "MANIFEST_INVALID")
    assert "eval" in answer.json["errors"][0]["message"]
    assert "code" not in [info.model for info in served.registry.models()]


@pytest.mark.parametrize(
    "title",
    ["../../x", "/etc/passwd", "a/../../x", "a//b", "C:\\x", "nul", "a\x00b", "..", "a/", "x:y"],
)
def test_a_path_that_leaves_its_folder_is_refused(served: Served, title: str) -> None:
    answer = Pusher(served, "tricks").push("1.0.0", {title: b"x", "b.txt": b"y"})

    assert (answer.status, code(answer)) == (400, "MANIFEST_INVALID")
    assert "tricks" not in [info.model for info in served.registry.models()]


@pytest.mark.parametrize("name", ["../x", "a/../b", "Upper", "a//b", "%2e%2e/x", "_token/x", "a@b"])
def test_a_name_that_is_no_repository_is_not_found(served: Served, name: str) -> None:
    answer = Pusher(served, name).ask("POST", "/blobs/uploads/")

    assert (answer.status, code(answer)) == (404, "NAME_UNKNOWN")


def test_paths_that_are_one_on_some_systems_are_refused(served: Served) -> None:
    answer = Pusher(served, "tricks").push("1.0.0", {"a.txt": b"x", "A.TXT": b"y"})

    assert code(answer) == "MANIFEST_INVALID"


@pytest.mark.parametrize(
    ("raw", "media"),
    [
        (b"not json", MANIFEST),
        (b"{}", MANIFEST),
        (b'{"schemaVersion": 2, "schemaVersion": 2}', MANIFEST),
        (b"{}", "application/vnd.oci.image.index.v1+json"),
        (b"{}", "text/plain"),
        (b"[" * 100_000, MANIFEST),
    ],
)
def test_what_is_no_manifest_is_refused(served: Served, raw: bytes, media: str) -> None:
    answer = Pusher(served, "odd").put("1.0.0", raw, media)

    assert (answer.status, code(answer)) == (400, "MANIFEST_INVALID")


def test_manifests_that_cannot_be_versions_are_refused(served: Served) -> None:
    pusher = Pusher(served, "odd")
    pusher.blob(b"x")
    first = pusher.put("1.0.0", pusher.manifest({"x": b"x"}, schemaVersion=1))
    assert (first.status, code(first)) == (400, "MANIFEST_INVALID")
    image = json.loads(pusher.manifest({"x": b"x"}))
    image["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    image["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    subject = {"mediaType": MANIFEST, "digest": digest(b"x"), "size": 1}

    assert "container image" in pusher.put("1.0.0", json.dumps(image).encode()).body.decode()
    assert "no layers" in pusher.push("1.0.0", {}).body.decode()
    referring = pusher.push("1.0.0", {"x": b"x"}, subject=subject)
    assert "push it to its digest" in referring.body.decode()
    assert "says of itself" in pusher.push("1.0.0", {"x": b"x"}, mediaType="else").body.decode()
    assert "odd" not in [info.model for info in served.registry.models()]


def test_bytes_that_were_not_sent_are_named(served: Served) -> None:
    pusher = Pusher(served, "missing")
    pusher.blob(b"{}")
    absent = pusher.put("1.0.0", pusher.manifest({"a": b"never sent"}))
    pusher.blob(b"longer")
    raw = pusher.manifest({"a": b"longer"}).replace(b'"size": 6', b'"size": 5')

    assert (absent.status, code(absent)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert code(pusher.put("1.0.0", raw)) == "MANIFEST_BLOB_UNKNOWN"


def test_a_version_needs_a_tag_that_is_one(served: Served) -> None:
    pusher = Pusher(served, "tags")
    pusher.push("1.0.0", {"a": b"a"})
    raw = pusher.manifest({"a": b"a"})

    assert "has no tag" in pusher.put(digest(raw), raw).body.decode()
    assert code(pusher.put(digest(b"other"), raw)) == "DIGEST_INVALID"
    assert "is set by Holdfast alone" in pusher.put("latest", raw).body.decode()
    assert pusher.put("1.x", raw).status == 400
    assert "is reserved" in pusher.put("canary", raw).body.decode()


def test_a_moving_tag_is_a_promotion_a_stage_or_an_alias(served: Served) -> None:
    pusher = Pusher(served, "moving")
    pusher.push("1.0.0", {"a": b"a"})
    raw = pusher.manifest({"a": b"a"})

    assert [pusher.put(tag, raw).status for tag in ("staging", "production", "eu")] == [201] * 3
    assert served.registry.status("moving").live is not None
    assert served.registry.resolve("moving@eu").version == "1.0.0"
    new = pusher.put("production", pusher.manifest({"a": b"new"}))
    assert (new.status, code(new)) == (404, "MANIFEST_UNKNOWN")
    assert "push it to a version of moving first" in new.body.decode()
    first = Pusher(served, "nothing").put("production", raw)
    assert (first.status, code(first)) == (404, "MANIFEST_UNKNOWN")


def test_the_gate_refuses_a_promotion(served: Served) -> None:
    pusher = Pusher(served, "gated")
    pusher.push("1.0.0", {"a": b"a"})
    served.registry.set_policy("gated", Policy(required_metrics=("auc",)))
    refused = pusher.put("production", pusher.manifest({"a": b"a"}))

    assert (refused.status, code(refused)) == (409, "DENIED")
    assert "auc" in refused.body.decode()
    assert served.registry.status("gated").live is None


def test_aliases_are_deleted_and_versions_are_not(served: Served) -> None:
    pusher = Pusher(served, "deleting")
    pusher.push("1.0.0", {"a": b"a"})
    raw = pusher.manifest({"a": b"a"})
    pusher.put("eu", raw)

    assert pusher.ask("DELETE", "/manifests/eu").status == 202
    assert pusher.ask("GET", "/manifests/eu").status == 404
    for reference in ("1.0.0", digest(raw), "latest"):
        refused = pusher.ask("DELETE", f"/manifests/{reference}")
        assert (refused.status, code(refused)) == (405, "UNSUPPORTED")
        assert "archive it" in refused.body.decode()
    assert pusher.ask("DELETE", "/manifests/9.9.9").status == 404
    assert pusher.ask("DELETE", f"/blobs/{digest(b'a')}").status == 405


def test_a_version_that_was_pulled_here_keeps_what_was_known_of_it(
    served: Served, tmp_path: Path
) -> None:
    (tmp_path / "model.txt").write_text("facts")
    ref = served.registry.register(
        "source", tmp_path / "model.txt", metrics={"auc": 0.9}, description="a model"
    ).ref
    source, copied = Pusher(served, "source"), Pusher(served, "copied")
    raw = source.ask("GET", "/manifests/1.0.0").body
    document = json.loads(raw)
    for descriptor in [document["config"], *document["layers"]]:
        data = source.ask("GET", f"/blobs/{descriptor['digest']}").body
        assert copied.blob(data).status == 201

    assert copied.put("3.0.0", raw).status == 201
    there, here = manifest(served, ref), manifest(served, "copied@3.0.0")
    assert (here.metrics, here.description) == (there.metrics, there.description)
    assert here.artifacts["model"] == there.artifacts["model"]
    assert copied.ask("GET", "/manifests/3.0.0").body == raw
    titles = [layer["annotations"][TITLE] for layer in document["layers"]]
    assert titles == ["manifest.json", "model.txt"]


def test_anothers_manifest_json_is_a_file_like_any_other(served: Served) -> None:
    pusher = Pusher(served, "own")
    for name, text in (("1.0.0", b"not json"), ("2.0.0", b'{"a": 1}')):
        assert pusher.push(name, {"manifest.json": text, "w.txt": b"w"}).status == 201
    paths = [file.path for file in manifest(served, "own@2.0.0").artifacts["model"].files]

    assert paths == ["model/manifest.json", "model/w.txt"]


def test_facts_of_other_bytes_are_not_believed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("true")
    served.registry.register("honest", tmp_path / "model.txt", metrics={"auc": 0.99})
    source, pusher = Pusher(served, "honest"), Pusher(served, "liar")
    facts = json.loads(source.ask("GET", "/manifests/1.0.0").body)["layers"][0]["digest"]
    stated = source.ask("GET", f"/blobs/{facts}").body
    assert pusher.push("1.0.0", {"manifest.json": stated, "model.txt": b"false"}).status == 201

    assert manifest(served, "liar@1.0.0").metrics == {}


def test_sixteen_pushers_at_once_lose_nothing(served: Served) -> None:
    pusher = Pusher(served, "crowd")
    statuses: list[int] = []

    def push(number: int) -> None:
        data = {"shared.txt": b"shared", "own.txt": b"%d" % number}
        statuses.append(pusher.push(f"1.{number}.0", data).status)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [201] * 16
    tags = pusher.ask("GET", "/tags/list").json["tags"]
    assert tags == sorted([*(f"1.{number}.0" for number in range(16)), "latest"])
    assert served.registry.verify().damages == ()


def test_rivals_for_one_version_have_one_winner(served: Served) -> None:
    pusher = Pusher(served, "rivals")
    statuses: list[int] = []

    def push(number: int) -> None:
        statuses.append(pusher.push("1.0.0", {"own.txt": b"rival %d" % number}).status)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [201] + [409] * 7


def test_a_manifest_that_is_too_long_is_refused(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("PUT", "/v2/long/manifests/1.0.0")
        connection.putheader("Content-Length", str(5 << 20))
        connection.endheaders()

        assert connection.getresponse().status == 413


def test_of_versions_with_equal_bytes_the_last_is_promoted(served: Served) -> None:
    pusher = Pusher(served, "equal")
    assert [pusher.push(tag, {"a": b"a"}).status for tag in ("1.0.0", "1.1.0")] == [201, 201]
    assert pusher.put("production", pusher.manifest({"a": b"a"})).status == 201

    assert served.registry.resolve("equal@production").version == "1.1.0"


def test_a_short_manifest_does_not_make_much_work(served: Served) -> None:
    pusher = Pusher(served, "work")
    pusher.blob(b"{}")
    data = b"x" * (1 << 20)
    pusher.blob(data)
    again = pusher.put("1.0.0", pusher.manifest({f"{number}.txt": data for number in range(300)}))
    many = pusher.put(
        "1.0.0", pusher.manifest({f"{number}.txt": b"{}" for number in range(10_001)})
    )

    assert (again.status, many.status) == (400, 400)
    assert "that it names already" in again.body.decode()
    assert "pack them into fewer" in many.body.decode()
