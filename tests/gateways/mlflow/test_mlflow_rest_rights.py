"""Who may ask what of a server in MLflow's words, and what is refused of everybody."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from tests.web.facing import Caller, Reply, Served, running
from tests.web.teams import Team, as_

from holdfast.core.policy import OPEN
from holdfast.registry import Registry
from holdfast.web.guard import TeamGuard

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
PATHS = "/api/2.0/mlflow-artifacts/artifacts/models/iris/1.0.0"
READS = [
    ("GET", "registered-models/get?name=iris", None),
    ("GET", "registered-models/search", None),
    ("GET", "registered-models/alias?name=iris&alias=champion", None),
    ("GET", "model-versions/get?name=iris&version=1", None),
    ("GET", "model-versions/search?filter=name%3D%27iris%27", None),
    ("GET", "model-versions/get-download-uri?name=iris&version=1", None),
    ("POST", "registered-models/get-latest-versions", {"name": "iris"}),
    ("GET", "registered-models/get-latest-versions?name=iris&stages=None", None),
]
IRIS: dict[str, Any] = {"name": "iris"}
FIRST = IRIS | {"version": "1"}
WRITES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "create-model": ("POST", "registered-models/create", {"name": "new"}),
    "create-version": ("POST", "model-versions/create", IRIS | {"source": "s3://b/1"}),
    "update-model": ("PATCH", "registered-models/update", IRIS | {"description": "x"}),
    "update-version": ("PATCH", "model-versions/update", FIRST | {"description": "x"}),
    "tag-model": ("POST", "registered-models/set-tag", IRIS | {"key": "k", "value": "v"}),
    "untag-model": ("DELETE", "registered-models/delete-tag", IRIS | {"key": "k"}),
    "tag-version": ("POST", "model-versions/set-tag", FIRST | {"key": "k", "value": "v"}),
    "untag-version": ("DELETE", "model-versions/delete-tag", FIRST | {"key": "k"}),
    "stage": ("POST", "model-versions/transition-stage", FIRST | {"stage": "Staging"}),
    "archive": ("POST", "model-versions/transition-stage", FIRST | {"stage": "archived"}),
    "alias": ("POST", "registered-models/alias", FIRST | {"alias": "other"}),
    "stage-alias": ("POST", "registered-models/alias", FIRST | {"alias": "staging"}),
    "unalias": ("DELETE", "registered-models/alias", IRIS | {"alias": "champion"}),
    "promote": ("POST", "registered-models/alias", FIRST | {"alias": "Production"}),
    "promote-stage": ("POST", "model-versions/transition-stage", FIRST | {"stage": "production"}),
    "delete-version": ("DELETE", "model-versions/delete", IRIS | {"version": "2"}),
    "rename": ("POST", "registered-models/rename", IRIS | {"new_name": "lily"}),
    "delete-model": ("DELETE", "registered-models/delete", {"name": "rose"}),
}
REGISTRAR = {
    *("create-model", "create-version", "update-model", "update-version", "tag-model"),
    *("untag-model", "tag-version", "untag-version", "stage", "archive", "stage-alias"),
}
PROMOTER = REGISTRAR | {"alias", "unalias", "promote", "promote-stage"}
MAY = {
    "viewer": set[str](),
    "approver": set[str](),
    "oncall": set[str](),
    "registrar": REGISTRAR,
    "promoter": PROMOTER,
    "admin": set(WRITES),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "logged"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function: {}\n")
    (folder / "weights.json").write_text('{"weight": 1}\n')
    return folder


def fill(registry: Registry, folder: Path) -> None:
    """Register `iris`, with a version in files and another, and `rose`."""
    for name in ("iris", "rose"):
        registry.register(name, folder, formats={"model": "folder"})
        registry.set_policy(name, OPEN, reason="tests")
    registry.register("iris", folder / "weights.json", version="1.1.0")
    registry.alias("iris@1.0.0", "champion")


@pytest.fixture
def team(tmp_path: Path, model: Path) -> Team:
    team = Team(tmp_path)
    fill(team.registry, model)
    return team


def call(caller: Caller, method: str, path: str, body: Any = None) -> Reply:
    return caller.ask(method, f"{API}/{path}", body)


def code(reply: Reply) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/json"
    assert set(reply.json) == {"error_code", "message"}
    assert reply.json["message"]
    return reply.status, reply.json["error_code"]


def noted(served: Served) -> list[tuple[str | None, str | None, str | None]]:
    """What was refused: verb, model and who asked."""
    guard = served.app.desk.guard
    assert isinstance(guard, TeamGuard)
    guard.flush()
    day = datetime.now(UTC).date().isoformat()
    return [(report.verb, report.model, report.by) for report in guard.refusals.read(day)]


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_what_it_may_everywhere(role: str, team: Team) -> None:
    token = team.member("bob", role)
    with team.served() as served:
        bob = as_(served, token)
        reads = [call(bob, *read).status for read in READS]
        replies = {name: call(bob, *write) for name, write in WRITES.items()}

    assert reads == [200] * len(READS)
    assert {name for name, reply in replies.items() if reply.status == 200} == MAY[role]
    refused = [code(reply) for name, reply in replies.items() if name not in MAY[role]]
    assert set(refused) <= {(403, "PERMISSION_DENIED")}


def test_what_is_not_theirs_does_not_exist(team: Team) -> None:
    token = team.member("bob", "promoter", "rose")
    with team.served() as served:
        bob = as_(served, token)
        found = call(bob, "GET", "registered-models/search").json["registered_models"]
        versions = call(bob, "GET", "model-versions/search").json["model_versions"]
        hidden = [call(bob, *read) for read in READS if "iris" in read[1] or read[2]]
        changed = {
            name: call(bob, *write) for name, write in WRITES.items() if write[2]["name"] == "iris"
        }
        made = call(bob, *WRITES["create-model"])
        file = bob.ask("GET", f"{PATHS}/MLmodel")
        listed = bob.ask("GET", f"{FILES}?path=models/iris/1.0.0")
        refused = noted(served)

    assert ("get-version", "iris", "bob") in refused
    assert [one["name"] for one in found] == ["rose"]
    assert {one["name"] for one in versions} == {"rose"}
    missing = [code(reply)[1] for reply in hidden if reply.status != 200]
    assert set(missing) == {"RESOURCE_DOES_NOT_EXIST"}
    assert [reply.json for reply in hidden if reply.status == 200] == [{"model_versions": []}]
    create = changed.pop("create-version")
    assert {code(reply) for reply in changed.values()} == {(404, "RESOURCE_DOES_NOT_EXIST")}
    assert code(create) == code(made) == (403, "PERMISSION_DENIED")
    assert code(file) == code(listed) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_whoever_is_not_known_learns_nothing(team: Team) -> None:
    with team.served() as served:
        nobody = as_(served, None)
        for read in READS:
            assert code(call(nobody, *read)) == (401, "UNAUTHENTICATED")
        for path in (f"{PATHS}/MLmodel", f"{FILES}?path=x", f"{API}/none", "/api/3.0/mlflow/x"):
            assert code(nobody.ask("GET", path)) == (401, "UNAUTHENTICATED")
        for token in ("hft_wrong", "x"):
            assert code(call(as_(served, token), *READS[0])) == (401, "UNAUTHENTICATED")
        basic = as_(served, None).ask("GET", f"{API}/none", authorization="Basic YTpi")

    assert code(basic) == (401, "UNAUTHENTICATED")
    assert basic.headers["www-authenticate"] == "Bearer"


def test_everybody_reads_where_that_is_allowed(team: Team) -> None:
    with team.served(anonymous_read=True) as served:
        anybody = as_(served, None)
        reads = [call(anybody, *read).status for read in READS]
        writes = {code(call(anybody, *write)) for write in WRITES.values()}
        file = anybody.ask("GET", f"{PATHS}/MLmodel")

    assert reads == [200] * len(READS)
    assert writes == {(401, "UNAUTHENTICATED")}
    assert file.body.startswith(b"flavors")


def test_a_server_that_only_reads_writes_nothing(team: Team) -> None:
    with team.served(read_only=True) as served:
        reads = [call(served, *read).status for read in READS]
        writes = {code(call(served, *write)) for write in WRITES.values()}

    assert reads == [200] * len(READS)
    assert writes == {(403, "PERMISSION_DENIED")}


def test_a_refusal_is_kept_and_an_entry_bears_its_author(team: Team) -> None:
    token = team.member("bob", "registrar")
    with team.served() as served:
        bob = as_(served, token)
        call(bob, *WRITES["promote"])
        call(bob, *WRITES["create-version"])
        refused = noted(served)
    last = team.registry.history("iris")[-1]

    assert refused == [("alias", "iris", "bob")]
    assert (last.op, last.by) == ("registered", "bob")
    assert last.auth is not None


def test_a_protected_alias_takes_the_right_to_it(team: Team) -> None:
    policy = replace(OPEN, protected_aliases=("champion",))
    team.registry.set_policy("iris", policy, reason="tests")
    tokens = {role: team.member(role, role) for role in ("registrar", "promoter")}
    with team.served() as served:
        replies = [
            call(as_(served, token), "DELETE", "registered-models/alias", WRITES["unalias"][2])
            for token in tokens.values()
        ]

    assert [code(reply) for reply in replies] == [(403, "PERMISSION_DENIED")] * 2
    assert "approv" in replies[1].json["message"] or "force" in replies[1].json["message"]


BODIES = [
    (b"", 400),
    (b"[]", 400),
    (b"{", 400),
    (b'{"name": "a", "name": "b"}', 400),
    (b'{"name": 5.5}', 400),
    (b'{"name": null}', 400),
    (b'{"name": ["a"]}', 400),
    (b'{"name": "a", "tags": "x"}', 400),
    (b'{"name": "a", "tags": [1]}', 400),
    (b'{"name": "a", "tags": [{"key": "", "value": ""}]}', 400),
    (b'{"name": "a\xff"}', 400),
    (b"[" * 100_000, 400),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_cannot_be_used_is_refused_for_good(
    body: bytes, status: int, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    with team.served() as served:
        reply = served.ask("POST", f"{API}/registered-models/create", body)

    assert code(reply) == (status, "INVALID_PARAMETER_VALUE")
    assert team.registry.models() == []


def test_a_body_that_is_too_long_is_refused_before_it_comes(team: Team) -> None:
    with team.served() as served:
        long = str(5 << 20)
        reply = served.ask("POST", f"{API}/registered-models/create", b"", content_length=long)

    assert code(reply) == (413, "INVALID_PARAMETER_VALUE")


def test_odd_requests_are_answered_in_mlflows_words(team: Team) -> None:
    with team.served() as served:

        def told(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
            return code(served.ask(method, path, body, **headers))

        assert told("GET", "/api/3.0/mlflow/server-info") == (404, "ENDPOINT_NOT_FOUND")
        assert told("GET", f"{API}/none") == (404, "ENDPOINT_NOT_FOUND")
        assert told("GET", f"{API}/registered-models/create")[0] == 405
        assert told("GET", f"{API}/model-versions/get?name=%ff&version=1")[0] == 400
        assert told("GET", f"{API}/%ff")[0] == 400
        assert told("GET", f"{API}/model-versions/get?version=1")[0] == 400
        assert told("GET", f"{API}/model-versions/search?max_results=9999999999999999999")[0] == 400
        assert (
            told("POST", f"{API}/registered-models/create", b"x", content_encoding="gzip")[0] == 415
        )
        assert told("GET", f"{API}/none", host="evil.example.org")[0] == 421
        assert told("GET", f"{API}/none", origin="https://evil.example.org")[0] == 403
        runs = served.ask("POST", f"{API}/runs/create", {})
        pages = served.ask("GET", "/ajax-api/2.0/mlflow/registered-models/get?name=iris")
        head = served.ask("HEAD", f"{API}/registered-models/get?name=iris")

    assert code(runs) == (404, "ENDPOINT_NOT_FOUND")
    assert "set_tracking_uri" in runs.json["message"]
    assert pages.json["registered_model"]["name"] == "iris"
    assert (head.status, head.body) == (200, b"")


def test_numbers_are_numbers_and_nothing_is_an_empty_text(team: Team) -> None:
    with team.served() as served:
        model = call(served, "GET", "registered-models/get?name=iris").json["registered_model"]
        version = call(served, "GET", "model-versions/get?name=iris&version=1").json[
            "model_version"
        ]

    assert isinstance(model["creation_timestamp"], int)
    assert isinstance(version["last_updated_timestamp"], int)
    assert (version["version"], version["description"], version["run_id"]) == ("1", "", "")
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    assert version["user_id"] == "eve"


TRICKS = [
    *(
        "..",
        "../..",
        "%2e%2e/%2e%2e",
        "models/iris/1.0.0/../../rose/1.0.0/MLmodel",
        "models//1.0.0",
    ),
    *(
        "models/iris/1.0.0/..%2f..%2fholdfast.json",
        "models/iris/1.0.0/%00",
        "models/iris",
        "models",
    ),
    *(
        "models/iris/1.0.0/MLmodel%00",
        "/etc/passwd",
        "models/%69ris/9.9.9/MLmodel",
        "models/iris/v1",
    ),
    *("models/iris/1.0.0/none", "models/~69ris/1.0.0/MLmodel", "models/iris/1.0.0//MLmodel", "x"),
    *(
        "models/iris/1.0.0/mlmodel",
        "blobs/sha256",
        "models/~ff/1.0.0",
    ),
    *(
        "models/iris/1.0.0/..\\..\\x",
        "models/..%2firis/1.0.0/MLmodel",
        "models/iris/latest/MLmodel",
    ),
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_beyond_the_files_of_versions(path: str, team: Team) -> None:
    with team.served() as served:
        sent = served.ask("GET", f"{FILES}/{path}")
        listed = served.ask("GET", f"{FILES}?path={quote(path, safe='%')}")
        shown = served.ask(
            "GET", f"/model-versions/get-artifact?name=iris&version=1&path={quote(path)}"
        )

    for reply in (sent, listed, shown):
        assert code(reply)[0] in (400, 404)


def test_files_are_listed_and_sent_as_they_were_registered(team: Team, model: Path) -> None:
    with team.served() as served:
        listed = served.ask("GET", f"{FILES}?path=models/iris/1.0.0")
        whole = served.ask("GET", f"{PATHS}/weights.json")
        part = served.ask("GET", f"{PATHS}/weights.json", range="bytes=0-3")
        single = served.ask("GET", f"{FILES}?path=models/iris/1.1.0")
        shown = served.ask(
            "GET", "/model-versions/get-artifact?name=iris&version=1&path=weights.json"
        )
        put = served.ask("DELETE", f"{PATHS}/weights.json")

    assert listed.json["files"] == [
        {"path": "MLmodel", "is_dir": False, "file_size": 31},
        {"path": "weights.json", "is_dir": False, "file_size": 14},
    ]
    assert whole.body == shown.body == (model / "weights.json").read_bytes()
    assert (part.status, part.body) == (206, b'{"we')
    assert shown.headers["content-disposition"].startswith("attachment")
    assert [(file["path"], file["is_dir"]) for file in single.json["files"]] == [
        ("MLmodel", False),
        ("holdfast", True),
        ("requirements.txt", False),
    ]
    assert code(put)[0] == 405


def test_a_byte_that_changed_is_not_handed_out(team: Team) -> None:
    sha256 = next(iter(team.registry.manifest("iris@1.0.0").files)).sha256
    blob = next(path for path in (team.folder / "store").rglob(sha256) if path.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b"X" * blob.stat().st_size)
    names = [file.path for file in team.registry.manifest("iris@1.0.0").files]
    with team.served() as served:
        replies = [served.ask("GET", f"{PATHS}/{name.rpartition('/')[2]}") for name in names]

    assert (409, "DATA_LOSS") in [code(reply) for reply in replies if reply.status != 200]


def test_one_user_on_their_own_machine_may_do_everything(tmp_path: Path, model: Path) -> None:
    team = Team(tmp_path)
    fill(team.registry, model)
    with running(tmp_path / "store") as served:
        replies = {name: call(served, *write).status for name, write in WRITES.items()}

    assert replies == dict.fromkeys(WRITES, 200)


def test_names_that_are_tricks_are_names(tmp_path: Path) -> None:
    names = ["a%2Fb", "größe", "x" * 300, "~", "a@b", " edges ", "💥", "%00", "models"]
    team = Team(tmp_path)
    with team.served() as served:
        for name in names:
            assert call(served, "POST", "registered-models/create", {"name": name}).status == 200
            got = call(served, "GET", f"registered-models/get?name={quote(name, safe='')}")
            assert got.json["registered_model"]["name"] == name
        bad = [
            call(served, "POST", "registered-models/create", {"name": name})
            for name in ("a/b", "a:b", "..", "  ", "../x", "..%2f")
        ]

    assert {code(reply) for reply in bad} == {(400, "INVALID_PARAMETER_VALUE")}


def put(caller: Caller, path: str, content: bytes) -> Reply:
    return caller.ask("PUT", f"{FILES}/uploads/{path}", content)


def source(caller: Caller, path: str) -> str:
    return f"http://127.0.0.1:{caller.port}{FILES}/uploads/{path}"


def create(caller: Caller, where: str, **more: Any) -> Reply:
    return call(caller, "POST", "model-versions/create", IRIS | {"source": where} | more)


def test_what_one_user_put_is_not_anothers(team: Team) -> None:
    tokens = {name: team.member(name, "registrar") for name in ("bob", "cyd")}
    viewer = team.member("dan", "viewer")
    with team.served() as served:
        bob, cyd = (as_(served, token) for token in tokens.values())
        dan = as_(served, viewer)
        assert put(bob, "m/MLmodel", b"flavors: {}\n").status == 200
        assert put(bob, "m/data.bin", b"12345").status == 200
        theirs = create(cyd, source(cyd, "m"))
        own = create(bob, source(bob, "m"))
        none = create(bob, source(bob, "n"))
        denied = put(dan, "m/MLmodel", b"x")
        seen = bob.ask("GET", f"{FILES}/uploads/m/MLmodel")
    manifest = team.registry.manifest("iris@1.2.0")

    assert own.json["model_version"]["source"].endswith("/uploads/m")
    assert {file.size_bytes for file in manifest.files} == {12, 5}
    assert code(theirs) == code(none) == (400, "INVALID_PARAMETER_VALUE")
    assert code(denied) == (403, "PERMISSION_DENIED")
    assert code(seen)[0] == 404


@pytest.mark.parametrize(
    "path",
    ["x", "../m/x", "m/../x", "m/%2e%2e/x", "m//x", "m/./x", "m/x%00", "m/x%0a", "m/%5c..", "m/"],
)
def test_nothing_is_put_where_a_path_could_lead_elsewhere(path: str, team: Team) -> None:
    with team.served() as served:
        reply = put(served, path, b"x")

    assert code(reply)[0] in (400, 404, 405)


def test_code_is_taken_in_by_whoever_may_decide_that(team: Team) -> None:
    registrar = team.member("bob", "registrar")
    with team.served() as served:
        bob = as_(served, registrar)
        for caller in (bob, served):
            put(caller, "m/MLmodel", b"flavors: {}\n")
            put(caller, "m/run.py", b"import os\n")
        tag = {"tags": [{"key": "holdfast.trust", "value": "reviewed"}]}
        plain = create(served, source(served, "m"))
        denied = create(bob, source(bob, "m"), **tag)
        trusted = create(served, source(served, "m"), **tag)

    assert code(plain) == (400, "INVALID_PARAMETER_VALUE")
    assert "run.py" in plain.json["message"]
    assert code(denied) == (403, "PERMISSION_DENIED")
    assert trusted.status == 200
    assert team.registry.manifest("iris@1.2.0").scan["model"].trusted == "reviewed"


def test_a_server_reads_no_file_of_its_own_machine(team: Team, model: Path) -> None:
    with team.served() as served:
        replies = [
            create(served, where)
            for where in (str(model), f"file://{model}", "models:/m-17", "runs:/17/m", "s3://b/k")
        ]
        uris = [
            call(
                served,
                "GET",
                f"model-versions/get-download-uri?name=iris&version={reply.json['model_version']['version']}",
            ).json["artifact_uri"]
            for reply in replies
        ]

    assert uris == [str(model), f"file://{model}", "models:/m-17", "runs:/17/m", "s3://b/k"]
    assert all(
        record.reference
        for record in list(team.registry.catalogue.require("iris").versions.values())[2:]
    )


def test_what_was_put_is_told_by_its_own_name(team: Team) -> None:
    with team.served() as served:
        put(served, "m/MLmodel", b"!!python/object/apply:os.system ['id']\n")
        odd = create(served, source(served, "m"))
        long = iter([b"x" * (1 << 20), b"x"])
        untold = served.ask("PUT", f"{FILES}/uploads/m/x", long)

    assert code(odd) == (400, "INVALID_PARAMETER_VALUE")
    assert odd.json["message"].startswith("file 'model/MLmodel' is not YAML")
    assert code(untold) == (411, "INVALID_PARAMETER_VALUE")
