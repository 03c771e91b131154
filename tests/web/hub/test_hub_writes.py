"""What the Hub's clients write, as requests: commits, names, and what each role may do."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Caller, Reply, Served, register, running
from tests.web.teams import Team, as_

import holdfast
from holdfast.core.policy import Policy

MODEL = "team/tiny"
COMMIT = f"/api/models/{MODEL}/commit/main"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path / "store") as served:
        yield served


def inline(path: str, data: bytes) -> dict[str, Any]:
    content = base64.b64encode(data).decode()
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}


def large(path: str, data: bytes) -> dict[str, Any]:
    oid = hashlib.sha256(data).hexdigest()
    return {
        "key": "lfsFile",
        "value": {"path": path, "algo": "sha256", "oid": oid, "size": len(data)},
    }


def commit(
    caller: Caller, *lines: dict[str, Any], path: str = COMMIT, parent: str | None = None
) -> Reply:
    header = {"summary": "change", "description": ""} | ({"parentCommit": parent} if parent else {})
    body = "\n".join(json.dumps(line) for line in ({"key": "header", "value": header}, *lines))
    return caller.ask("POST", path, body.encode(), content_type="application/x-ndjson")


def send(caller: Caller, data: bytes, model: str = MODEL) -> Reply:
    """Send a file as Git LFS does; return the last answer."""
    oid = hashlib.sha256(data).hexdigest()
    asked = {"operation": "upload", "objects": [{"oid": oid, "size": len(data)}]}
    told = caller.ask("POST", f"/{model}.git/info/lfs/objects/batch", asked)
    assert told.status == 200, told.body
    actions = told.json["objects"][0].get("actions")
    if actions is None:
        return told
    address = actions["upload"]["href"].partition(f":{caller.port}")[2]
    return Caller(caller.port, None).ask("PUT", address, data)


def versions(served: Served, model: str = MODEL) -> list[str]:
    return [version.version for version in served.registry.versions(model)]


def test_a_commit_is_a_version_and_its_summary_the_reason(served: Served) -> None:
    answer = commit(served, inline("config.json", b"{}"), inline("a/b.bin", b"123"))

    manifest = served.registry.manifest(f"{MODEL}@1.0.0")
    assert answer.json["commitOid"] == served.registry.resolve(f"{MODEL}@1.0.0").digest[7:47]
    assert [file.path for file in manifest.files] == ["model/a/b.bin", "model/config.json"]
    assert served.registry.history(MODEL)[0].reason == "change"
    assert served.ask("GET", f"/{MODEL}/resolve/main/a/b.bin").body == b"123"


def test_a_lone_file_is_the_model_and_keeps_its_format(served: Served, tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    import numpy as np

    numpy.save_file({"w": np.ones(3, "float32")}, tmp_path / "w.safetensors")

    commit(
        served,
        inline("w.safetensors", (tmp_path / "w.safetensors").read_bytes()),
        inline("README.md", b"# W"),
    )

    manifest = served.registry.manifest(f"{MODEL}@1.0.0")
    assert manifest.artifacts["model"].format == "safetensors"
    assert manifest.artifacts["readme"].path == "README.md"
    assert served.registry.load(f"{MODEL}@1.0.0").model["w"].tolist() == [1, 1, 1]


def test_what_a_version_had_keeps_its_role_and_its_facts(served: Served, tmp_path: Path) -> None:
    register(served.registry, tmp_path, MODEL)

    commit(served, inline("README.md", b"# card"))

    manifest = served.registry.manifest(f"{MODEL}@latest")
    assert manifest.version == "1.1.0"
    assert manifest.artifacts.keys() == {"model", "readme"}
    assert manifest.metrics == {"recall": 0.9}
    assert served.ask("GET", f"/{MODEL}/resolve/main/README.md").body == b"# card"


def test_metrics_of_other_bytes_are_not_kept(served: Served, tmp_path: Path) -> None:
    register(served.registry, tmp_path, MODEL)

    commit(served, inline("model.txt", b"other bytes"))

    assert served.registry.manifest(f"{MODEL}@1.1.0").metrics == {}


def test_a_file_is_copied_without_its_length(served: Served) -> None:
    """So the Hub's clients name what a commit copies within a repository."""
    commit(served, inline("a.bin", b"123"))
    copied, unsent = large("deep/b.bin", b"123"), large("c.bin", b"never sent")
    del copied["value"]["size"], unsent["value"]["size"]

    assert commit(served, copied).status == 200
    assert served.ask("GET", f"/{MODEL}/resolve/main/deep/b.bin").body == b"123"
    assert commit(served, unsent).status == 422
    assert versions(served) == ["1.0.0", "1.1.0"]


def test_an_address_tells_how_long_it_holds(served: Served) -> None:
    asked = {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 3}]}

    told = served.ask("POST", f"/{MODEL}.git/info/lfs/objects/batch", asked)

    assert told.json["objects"][0]["actions"]["upload"]["expires_in"] == 12 * 3600


def test_the_same_files_are_the_same_commit(served: Served) -> None:
    first = commit(served, inline("a.bin", b"1"))
    again = commit(served, inline("a.bin", b"1"))

    assert first.json["commitOid"] == again.json["commitOid"]
    assert versions(served) == ["1.0.0"]


def test_a_parent_that_is_not_the_last_commit_is_refused(served: Served) -> None:
    first = commit(served, inline("a.bin", b"1")).json["commitOid"]
    second = commit(served, inline("a.bin", b"2"), parent=first)
    late = commit(served, inline("a.bin", b"3"), parent=first)
    none = commit(served, inline("a.bin", b"3"), path="/api/models/x/y/commit/main", parent=first)

    assert (second.status, late.status, none.status) == (200, 412, 412)
    assert versions(served) == ["1.0.0", "1.1.0"]


def test_files_and_folders_are_deleted(served: Served) -> None:
    commit(served, *(inline(path, b"x") for path in ("a/1", "a/2", "b", "c")))

    commit(
        served,
        {"key": "deletedFolder", "value": {"path": "a/"}},
        {"key": "deletedFile", "value": {"path": "b"}},
    )
    absent = commit(served, {"key": "deletedFile", "value": {"path": "b"}})
    nothing = commit(served, {"key": "deletedFile", "value": {"path": "c"}})

    files = [entry["path"] for entry in served.ask("GET", f"/api/models/{MODEL}/tree/main").json]
    assert sorted(files) == ["README.md", "c"]
    assert (absent.status, nothing.status) == (409, 422)


def test_a_file_that_was_not_sent_is_refused(served: Served) -> None:
    answer = commit(served, large("a.bin", b"not sent"))

    assert (answer.status, "was not sent" in answer.json["error"]) == (422, True)
    assert served.ask("GET", f"/api/models/{MODEL}").status == 404


def test_a_file_of_another_length_is_refused(served: Served) -> None:
    send(served, b"12345")
    line = large("a.bin", b"12345")
    line["value"]["size"] = 4

    assert commit(served, line).status == 422


@pytest.mark.parametrize(
    "line",
    [
        b"{", b'{"key": "file"}', b'{"key": "other", "value": {}}',
        b'{"key": "file", "value": {"path": "a", "content": "?", "encoding": "base64"}}',
        b'{"key": "lfsFile", "value": {"path": "a", "oid": "x", "size": 1}}',
        b'{"key": "lfsFile", "value": {"path": "a", "oid": "x"}}',
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_refused(served: Served, line: bytes) -> None:
    assert served.ask("POST", COMMIT, line).status == 422
    assert served.registry.models() == []


def test_pull_requests_are_refused(served: Served) -> None:
    assert commit(served, inline("a", b"1"), path=f"{COMMIT}?create_pr=1").status == 403


def test_small_files_come_with_the_commit_and_known_ones_not_at_all(served: Served) -> None:
    commit(served, inline("small.txt", b"hello"))
    oid = hashlib.sha1(b"blob 5\0hello").hexdigest()
    asked = {"files": [{"path": "small.txt", "size": 5}, {"path": "big.bin", "size": 1 << 20}]}

    told = served.ask("POST", f"/api/models/{MODEL}/preupload/main", asked).json["files"]

    assert told == [
        {"path": "small.txt", "uploadMode": "regular", "shouldIgnore": False, "oid": oid},
        {"path": "big.bin", "uploadMode": "lfs", "shouldIgnore": False},
    ]


def test_files_are_sent_by_lfs_once(served: Served) -> None:
    data = b"weights" * 9999

    assert send(served, data).status == 201
    assert "actions" not in send(served, data).json["objects"][0]
    assert commit(served, large("w.bin", data)).status == 200

    oid = hashlib.sha256(data).hexdigest()
    batch = f"/{MODEL}.git/info/lfs/objects"
    objects = [{"oid": oid, "size": len(data)}, {"oid": "0" * 64, "size": 1}]
    told = served.ask("POST", f"{batch}/batch", {"operation": "download", "objects": objects}).json
    href = told["objects"][0]["actions"]["download"]["href"].partition(f":{served.port}")[2]
    assert served.ask("GET", href).body == data
    assert told["objects"][1]["error"]["code"] == 404
    assert served.ask("POST", f"{batch}/verify", objects[0]).status == 200
    assert served.ask("POST", f"{batch}/verify", objects[1]).status == 404


def test_a_word_as_a_tag_is_an_alias_that_stays(served: Served) -> None:
    commit(served, inline("a", b"1"))

    path = f"/api/models/{MODEL}/tag"
    assert served.ask("POST", f"{path}/main", {"tag": "gold", "message": "best"}).status == 200
    assert served.ask("POST", f"{path}/main", {"tag": "gold"}).status == 409
    assert served.registry.resolve(f"{MODEL}@gold").version == "1.0.0"
    assert served.ask("DELETE", f"{path}/gold").status == 200
    assert served.ask("DELETE", f"{path}/gold").status == 404
    assert served.ask("DELETE", f"{path}/3.0.0").status == 404
    assert served.ask("DELETE", f"{path}/1.0.0").status == 409


def test_a_version_as_a_tag_releases_the_same_bytes_under_it(served: Served) -> None:
    commit(served, inline("a", b"1"))

    answer = served.ask("POST", f"/api/models/{MODEL}/tag/1.0.0", {"tag": "v2.0.0"})

    assert answer.status == 200
    assert versions(served) == ["1.0.0", "2.0.0"]
    first, second = (served.registry.manifest(f"{MODEL}@{text}") for text in versions(served))
    assert first.artifacts == second.artifacts


@pytest.mark.parametrize("name", ["main", "previous", "latest", "production", "staging"])
def test_names_that_the_registry_moves_are_not_deleted(served: Served, name: str) -> None:
    commit(served, inline("a", b"1"))

    assert served.ask("DELETE", f"/api/models/{MODEL}/branch/{name}").status == 409


@pytest.mark.parametrize("name", ["main", "1.0.0", "3.0.0", "v2"])
def test_other_names_do_not_become_branches(served: Served, name: str) -> None:
    commit(served, inline("a", b"1"))
    commit(served, inline("a", b"2"))

    answer = served.ask("POST", f"/api/models/{MODEL}/branch/{name}", {"startingPoint": "1.0.0"})

    assert answer.status in (409, 422)


def test_moving_production_asks_the_gate(served: Served) -> None:
    commit(served, inline("a", b"1"))
    commit(served, inline("a", b"2"))
    path = f"/api/models/{MODEL}/branch/production"
    assert served.ask("POST", path, {"startingPoint": "1.0.0"}).status == 200
    served.registry.set_policy(MODEL, Policy(required_metrics=("recall",)))

    refused = served.ask("POST", path, {"startingPoint": "1.1.0"})
    same = served.ask("POST", path, {"startingPoint": "1.0.0"})

    assert refused.status == 409
    assert "recall" in refused.json["error"]
    assert same.status == 409
    assert served.registry.resolve(f"{MODEL}@production").version == "1.0.0"


def test_staging_and_aliases_move(served: Served) -> None:
    commit(served, inline("a", b"1"))
    commit(served, inline("a", b"2"))
    path = f"/api/models/{MODEL}/branch"

    for name in ("staging", "eu"):
        for version in ("1.0.0", "1.1.0"):
            assert served.ask("POST", f"{path}/{name}", {"startingPoint": version}).status == 200
        assert served.registry.resolve(f"{MODEL}@{name}").version == "1.1.0"
    assert served.ask("POST", f"{path}/eu").status == 409  # main is where it is
    assert served.ask("DELETE", f"{path}/eu").status == 200


def test_a_repository_is_announced_and_shown_empty(served: Served) -> None:
    path = "/api/repos/create"
    made = served.ask("POST", path, {"name": "tiny", "organization": "team", "type": "model"})
    alone = served.ask("POST", path, {"name": "iris"})

    assert made.json["url"].endswith(f":{served.port}/{MODEL}")
    assert alone.json["url"].endswith("/registry/iris")
    assert served.ask("GET", f"/api/models/{MODEL}").json["siblings"] == []
    assert served.ask("GET", f"/api/models/{MODEL}/tree/main").json == []
    assert served.ask("GET", f"/api/models/{MODEL}/refs").json["branches"] == []
    assert served.ask("GET", f"/api/models/{MODEL}/revision/1.0.0").status == 200
    assert served.ask("GET", f"/api/models/{MODEL}/tree/1.0.0").status == 404
    assert served.ask("GET", f"/api/models/{MODEL}/commits/main").json == []
    assert served.ask("POST", f"/api/models/{MODEL}/paths-info/main", b"paths=a").json == []
    card = served.ask("GET", f"/{MODEL}/resolve/main/README.md")
    assert (card.status, card.headers["x-error-code"]) == (404, "EntryNotFound")
    commit(served, inline("a", b"1"))
    taken = served.ask("POST", path, {"name": "tiny", "organization": "team"})
    assert (taken.status, taken.json["url"]) == (409, made.json["url"])


@pytest.mark.parametrize(
    "asked",
    [{"name": "x", "type": "dataset"}, {"name": "../x"}, {"name": "a/b/c"}, {"name": "tree"}, {}],
)
def test_other_repositories_are_not_announced(served: Served, asked: dict[str, str]) -> None:
    assert served.ask("POST", "/api/repos/create", asked).status == 422


def test_a_repository_is_deleted_as_a_model_is(served: Served) -> None:
    commit(served, inline("a", b"1"))

    answer = served.ask("DELETE", "/api/repos/delete", {"name": "tiny", "organization": "team"})

    assert answer.status == 200
    assert served.ask("GET", f"/api/models/{MODEL}").status == 404
    assert commit(served, inline("a", b"2")).status == 200


def test_pickles_that_run_code_are_refused(served: Served) -> None:
    answer = commit(served, inline("model.pkl", b"cos\nsystem\n(S'true'\ntR."))

    assert answer.status == 422
    assert "os.system" in answer.json["error"] or "posix.system" in answer.json["error"]
    assert served.registry.models() == []


def test_who_commits_at_once_loses_no_file(served: Served) -> None:
    """Each adds a file of its own; all are there in the end."""
    statuses = []

    def push(number: int) -> None:
        statuses.append(commit(served, inline(f"{number}.bin", b"%d" % number)).status)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    files = [entry["path"] for entry in served.ask("GET", f"/api/models/{MODEL}/tree/main").json]
    assert statuses == [200] * 16
    assert set(files) == {"README.md", *(f"{number}.bin" for number in range(16))}
    assert len(versions(served)) == 16


def test_a_server_that_only_reads_takes_nothing(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path, MODEL)
    with running(tmp_path / "store", read_only=True) as served:
        asked = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}]}

        assert commit(served, inline("a", b"1")).status == 403
        assert served.ask("POST", f"/api/models/{MODEL}/branch/production").status == 403
        assert served.ask("POST", f"/{MODEL}.git/info/lfs/objects/batch", asked).status == 403
        assert served.ask("GET", f"/{MODEL}/resolve/main/model.txt").status == 200


def test_each_role_does_what_it_may(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, MODEL)
    viewer, registrar = team.member("vera", "viewer"), team.member("rolf", "registrar", "team/*")
    with team.served() as served:
        vera, rolf, nobody = as_(served, viewer), as_(served, registrar), as_(served, None)
        branch = f"/api/models/{MODEL}/branch/production"
        create = {"name": "new", "organization": "team"}

        assert commit(vera, inline("a", b"1")).status == 403
        assert commit(nobody, inline("a", b"1")).status == 401
        assert vera.ask("POST", f"/api/models/{MODEL}/tag/main", {"tag": "3.0.0"}).status == 403
        assert vera.ask("POST", branch).status == rolf.ask("POST", branch).status == 403
        assert vera.ask("POST", "/api/repos/create", create).status == 403
        assert rolf.ask("POST", "/api/repos/create", create).status == 200
        assert rolf.ask("POST", "/api/repos/create", {"name": "x"}).status == 404
        assert rolf.ask("DELETE", "/api/repos/delete", create).status == 403
        assert vera.ask("GET", f"/api/models/{MODEL}/xet-write-token/main").status == 403
        assert commit(rolf, inline("model.txt", b"2")).status == 200
        assert team.registry.history(MODEL)[-1].by == "rolf"
        assert served.ask("POST", branch).status == 200
        assert team.registry.history(MODEL)[-1].by == "ana"


def test_a_narrowed_token_commits_what_it_sent(tmp_path: Path) -> None:
    team = Team(tmp_path)
    narrow = team.access.token("ana", models=("team/*",)).secret
    data = b"weights" * 9999
    with team.served() as served:
        ana = as_(served, narrow)

        assert send(ana, data).status == 201
        assert commit(ana, large("w.bin", data)).status == 200
        assert commit(ana, inline("a", b"1"), path="/api/models/risk/x/commit/main").status == 404


def test_addresses_are_those_that_callers_use(tmp_path: Path) -> None:
    with running(tmp_path / "store", secure=True) as served:
        told = served.ask("POST", "/api/repos/create", {"name": "x"})

        assert told.json["url"] == f"https://127.0.0.1:{served.port}/registry/x"


def test_a_digest_alone_gives_nobody_the_bytes_of_others(tmp_path: Path) -> None:
    team = Team(tmp_path)
    secret = b"weights of somebody else" * 1000
    register(team.registry, tmp_path, "risk/fraud", secret.decode())
    registrar = team.member("rolf", "registrar", "team/*")
    with team.served() as served:
        rolf = as_(served, registrar)

        stolen = commit(rolf, large("w.bin", secret))
        asked = {"operation": "upload", "objects": [large("w.bin", secret)["value"]]}
        told = rolf.ask("POST", f"/{MODEL}.git/info/lfs/objects/batch", asked)

        assert stolen.status == 422
        assert "upload" in told.json["objects"][0]["actions"]
        assert send(rolf, secret).status == 200
        assert commit(rolf, large("w.bin", secret)).status == 200
