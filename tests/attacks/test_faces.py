"""Insiders at the faces of other registries: addresses that outlive their owner's rights, and small
requests that would keep a server busy, fill its disk or lead secrets elsewhere."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.attacks.test_hub_attacks import address
from tests.web.facing import Caller, Reply, Served, register, running
from tests.web.hub.test_hub_writes import commit, large, send
from tests.web.hub.xet_parts import Made, Part, shard
from tests.web.oci.docker_api import MANIFEST, Pusher, code, digest
from tests.web.teams import Team, as_

from holdfast.access import changes
from holdfast.access.access_events import RuleSet
from holdfast.access.sessions import SessionRecord
from holdfast.core.entry import format_time
from holdfast.errors import InvalidInputError
from holdfast.gateways.hf.hub_answers import path_entries
from holdfast.gateways.hf.hub_tree import TreeFile
from holdfast.gateways.hf.xet_format import files_of_shard
from holdfast.gateways.mlflow import filter_language
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem
from holdfast.store.local import LocalStore
from holdfast.web.mlflow_rest.mlflow_calls import CALLS

MLFLOW = "/api/2.0/mlflow"
UPLOADS = "/api/2.0/mlflow-artifacts/artifacts/uploads"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("faces") / "store") as served:
        yield served


# Addresses that need no token


def test_an_address_ends_with_its_token_and_with_the_right_to_send(tmp_path: Path) -> None:
    team = Team(tmp_path)
    rae, tom = team.member("rae", "registrar", "team/*"), team.member("tom", "registrar", "team/*")
    with team.served() as served:
        nobody = Caller(served.port, None)
        kept, of_rae = (address(as_(served, rae), data) for data in (b"kept", b"bytes"))
        of_tom = address(as_(served, tom), b"bytes")
        assert nobody.ask("PUT", kept, b"kept").status == 201

        token_id = hashlib.sha256(rae.encode()).hexdigest()[:12]
        team.access.commit(lambda state, _stamp: changes.revoke_token(state, token_id))
        grant = [*team.access.state.grants][-1]
        team.access.commit(lambda state, _stamp: changes.take_grant(state, grant))

        assert [nobody.ask("PUT", href, b"bytes").status for href in (of_rae, of_tom)] == [403, 403]


def test_a_job_sends_by_an_address_as_long_as_its_rule_is_there(tmp_path: Path) -> None:
    team = Team(tmp_path)
    rule = RuleSet(
        rule="",
        name="retrain",
        issuer="https://ci.example",
        audience="https://us.example",
        claims={"ref": "main"},
        role="registrar",
        models=("team/*",),
    )
    team.access.commit(lambda state, stamp: changes.set_rule(state, stamp, rule))
    (rule_id,) = team.access.state.rules
    now = datetime.now(UTC)
    until = format_time(now + timedelta(minutes=15))
    record = SessionRecord(rule_id, "ci:https://ci.example/1", format_time(now), until, "ci")
    with team.served() as served:
        job = as_(served, served.app.desk.sessions.create(record))
        first, second = (address(job, data) for data in (b"first", b"second"))

        assert Caller(served.port, None).ask("PUT", first, b"first").status == 201
        team.access.commit(lambda state, _stamp: changes.remove_rule(state, rule_id))
        assert Caller(served.port, None).ask("PUT", second, b"second").status == 403


def test_an_address_is_good_at_each_server_with_the_same_key(tmp_path: Path) -> None:
    team = Team(tmp_path)
    with team.served() as served, team.served() as other:
        href = address(served, b"bytes")

        assert Caller(other.port, None).ask("PUT", href, b"bytes").status == 201


def test_tokens_are_asked_for_by_https_where_a_proxy_speaks_it(tmp_path: Path) -> None:
    with running(tmp_path / "store", secure=True) as served:
        asked = Caller(served.port, None).ask("GET", "/v2/").headers["www-authenticate"]

        assert f'realm="https://127.0.0.1:{served.port}/v2/_token"' in asked


# Requests that say little and ask for much


class Counted(dict[str, TreeFile]):
    """Counts how often all of it is gone through."""

    count = 0

    def __iter__(self) -> Iterator[str]:
        self.count += 1
        return super().__iter__()


def test_paths_are_described_in_one_walk_however_many(served: Served) -> None:
    files = Counted({path: TreeFile(path, "a" * 64, 1) for path in ("a/b/c", "a/d", "e")})
    paths = [*map(str, range(500)), "a", "/a/b/", "a/d", "a/b/c", "d", ""]

    told = path_entries(files, paths, None)

    assert [entry["path"] for entry in told] == ["a", "a/b", "a/d", "a/b/c"]
    assert files.count == 1
    wanted = {"files": [{"path": str(number)} for number in range(1001)]}
    assert served.ask("POST", "/api/models/team/tiny/preupload/main", wanted).status == 422


@pytest.mark.parametrize(
    "text", ["name LIKE '%{}%'", "name ILIKE 'a%{}%b'", "name LIKE '%{}%' AND tags.a LIKE '%x%'"]
)
def test_a_pattern_that_is_sought_everywhere_is_short(text: str) -> None:
    assert filter_language.clauses(text.format("_" * 499), filter_language.MODELS)
    assert filter_language.clauses(f"name LIKE '{'_' * 9000}%'", filter_language.MODELS)
    with pytest.raises(MlflowProblem, match="500 characters"):
        filter_language.clauses(text.format("_" * 501), filter_language.MODELS)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Made("0" * 64, [Part(1)] * 200_001, flags=0), "200,000 terms"),
        (Made("0" * 64, [Part(1, 0, 1 << 14)] * 257, flags=0), "4,194,304 chunks"),
    ],
)
def test_a_shard_names_no_more_than_can_be_held_and_made(made: Made, told: str) -> None:
    raw: Any = BytesIO(shard(made)[: 48 + 48 + 48 * 300])  # no more of it is read

    with pytest.raises(InvalidInputError, match=told):
        list(files_of_shard(BufferedReader(raw)))


def test_a_blob_that_is_nowhere_is_not_looked_for_in_each_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    right = LocalStore.open

    def told(store: LocalStore, key: str, *rest: Any) -> Any:
        opened.append(key)
        return right(store, key, *rest)

    with running(tmp_path / "store") as served:
        for text in "abcdef":
            register(served.registry, tmp_path, text=text)
        served.ask("HEAD", f"/v2/iris/blobs/{digest(b'warm')}")
        monkeypatch.setattr(LocalStore, "open", told)

        assert served.ask("HEAD", f"/v2/iris/blobs/{digest(b'nowhere')}").status == 404
        assert [key for key in opened if "/images/" in key] == []


def test_nothing_of_what_comes_without_a_token_is_held(served: Served) -> None:
    nobody = Caller(served.port, None)
    pieces = (b"x" * (1 << 16) for _ in range(60))  # no JSON, and nobody looks at it

    assert nobody.ask("POST", "/api/validate-yaml", pieces).json == {"errors": [], "warnings": []}


# Disks


def full(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=free))


def test_one_file_is_not_read_again_and_again_for_each_of_its_paths(served: Served) -> None:
    data = b"x" * (3 << 20)
    assert send(served, data).status in (200, 201)
    paths = [large(f"deep/{number}.bin", data) for number in range(100)]

    refused = commit(served, *paths)

    assert (refused.status, "names already" in refused.json["error"]) == (422, True)


def test_a_body_that_says_no_length_is_taken_as_far_as_there_is_room(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher = Pusher(served, "team/parts")
    place = pusher.ask("POST", "/blobs/uploads/").headers["location"]

    first = served.ask("PATCH", place, iter([b"a" * 1000, b"b" * 1000]))
    full(monkeypatch, 100 << 20)
    more = served.ask("PATCH", place, iter([b"c" * 1000]))

    assert (first.status, first.headers["range"]) == (202, "0-1999")
    assert more.status == 507
    assert served.ask("GET", place).headers["range"] == "0-1999"


def test_one_file_under_many_paths_is_not_copied_beyond_the_room(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "many"})
    for path in ("MLmodel", *map(str, range(4))):
        assert served.ask("PUT", f"{UPLOADS}/m/{path}", b"x" * (1 << 20)).status == 200
    full(monkeypatch, 66 << 20)
    asked = {"name": "many", "source": "mlflow-artifacts:/uploads/m"}

    answer = served.ask("POST", f"{MLFLOW}/model-versions/create", asked)

    assert (answer.status, "has room for" in answer.json["message"]) == (507, True)


# What a client says of its bytes


def test_a_digest_names_its_algorithm(served: Served) -> None:
    pusher = Pusher(served, "team/digests")
    for data in (b"{}", b"weights"):
        assert pusher.blob(data).status == 201
    manifest = json.loads(pusher.manifest({"w.txt": b"weights"}))
    for bare in ("{}", "sha512:{}{}", "SHA256:{}", "sha256:sha256:{}", "sha256:{} "):
        sha256 = digest(b"weights").removeprefix("sha256:")
        manifest["layers"][0]["digest"] = bare.format(sha256, sha256)

        answer = pusher.put("1.0.0", json.dumps(manifest).encode(), MANIFEST)
        assert (answer.status, code(answer)) == (400, "DIGEST_INVALID"), bare


@pytest.mark.parametrize("told", ["0-999", "0-3", "0-5", "1-5", "5-0", "x", "0-"])
def test_a_part_is_as_long_as_its_range(served: Served, told: str) -> None:
    place = Pusher(served, "team/ranges").ask("POST", "/blobs/uploads/").headers["location"]

    assert served.ask("PATCH", place, b"12345", content_range=told).status == 416
    assert served.ask("PATCH", place, b"12345", content_range="0-4").status == 202


# What one may not see


def _asked_of(model: str, sha256: str) -> Iterator[tuple[str, str, Any]]:
    """Go through everything that can be asked about one model, at every face."""
    oci, hub, repo = f"/v2/{model}", f"/api/models/{model}", f"/{model}"
    name = model.replace("/", "\u2215")
    fields = {"name": name, "version": "1", "key": "k", "value": "v", "alias": "eu"}
    for reference in ("1.0.0", "production", f"sha256:{sha256}", "Image-1.0.0"):
        yield "GET", f"{oci}/manifests/{reference}", None
        yield "PUT", f"{oci}/manifests/{reference}", {}
        yield "DELETE", f"{oci}/manifests/{reference}", None
    for path in (f"blobs/sha256:{sha256}", f"referrers/sha256:{sha256}", "tags/list"):
        yield "GET", f"{oci}/{path}", None
    yield "POST", f"{oci}/blobs/uploads/", None
    yield "POST", f"/v2/open/rose/blobs/uploads/?mount=sha256:{sha256}&from={model}", None
    for path in ("", "/revision/main", "/tree/main", "/refs", "/commits/main", "/treesize/main"):
        yield "GET", f"{hub}{path}", None
    yield "GET", f"{hub}/xet-write-token/main", None
    for path in ("paths-info/main", "preupload/main", "commit/main", "tag/main", "branch/eu"):
        yield "POST", f"{hub}/{path}", {"paths": [], "files": [], "tag": "2.0.0"}
    yield "DELETE", f"{hub}/tag/1.0.0", None
    yield "DELETE", f"{hub}/branch/eu", None
    yield "GET", f"{repo}/resolve/main/README.md", None
    for verb in ("upload", "download"):
        asked = {"operation": verb, "objects": [{"oid": sha256, "size": 10}]}
        yield "POST", f"{repo}.git/info/lfs/objects/batch", asked
    yield "POST", f"{repo}.git/info/lfs/objects/verify", {"oid": sha256, "size": 10}
    for call in ("create", "delete"):
        yield ("POST" if call == "create" else "DELETE"), f"/api/repos/{call}", {"name": model}
    for path, methods in CALLS.items():
        for method in methods:
            if method == "GET":
                query = urlencode({"name": name, "version": "1", "alias": "eu"})
                yield method, f"{MLFLOW}/{path}?{query}", None
            elif path != "registered-models/create":  # by name alone, whether it is there or not
                more = {"stage": "Production", "new_name": "open\u2215x", "source": "s3://b/c"}
                yield method, f"{MLFLOW}/{path}", fields | more
    place = model.replace("/", "~2f")
    yield "GET", f"/api/2.0/mlflow-artifacts/artifacts/models/{place}/1.0.0/model.txt", None
    yield "GET", f"/api/2.0/mlflow-artifacts/artifacts?path=models/{place}/1.0.0", None
    query = urlencode({"name": name, "version": "1", "path": "model.txt"})
    yield "GET", f"/model-versions/get-artifact?{query}", None
    source = f"mlflow-artifacts:/models/{place}/1.0.0"
    for wanted in (source, f"models:/{name}/1"):
        asked = {"name": "open\u2215rose", "source": wanted}
        yield "POST", f"{MLFLOW}/model-versions/create", asked


def test_a_model_that_one_may_not_see_answers_as_one_that_is_not_there(tmp_path: Path) -> None:
    team = Team(tmp_path)
    for name in ("open/rose", "secret/iris"):
        register(team.registry, tmp_path, name, text=name)
    team.registry.promote("secret/iris@1.0.0")
    team.registry.alias("secret/iris@1.0.0", "eu")
    sha256 = team.registry.manifest("secret/iris@1.0.0").files[0].sha256
    rae = team.member("rae", "promoter", "open/*")
    with team.served() as served:
        caller = as_(served, rae)
        pairs = zip(_asked_of("secret/iris", sha256), _asked_of("secret/none", sha256), strict=True)
        count = 0
        for there, absent in pairs:
            answers = [_shown(caller.ask(*asked)) for asked in (there, absent)]
            assert answers[0] == answers[1], there
            assert answers[0][0] != 200 or "secret" not in answers[0][1], there
            count += 1

        assert count > 60
        assert team.registry.history("secret/iris")[-1].op == "alias_set"
        stranger = Caller(served.port, None)
        for method, path, body in _asked_of("secret/iris", sha256):
            assert stranger.ask(method, path, body).status == 401, path


def _shown(reply: Reply) -> tuple[int, str]:
    """Return what an answer tells, without what differs between any two."""
    document = reply.json if reply.body and reply.body[:1] == b"{" else {"": reply.body.decode()}
    document.pop("request_id", None)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    text = text.replace("secret/none", "secret/iris").replace("secret~2fnone", "secret~2firis")
    return reply.status, text.replace("secret\u2215none", "secret\u2215iris")
