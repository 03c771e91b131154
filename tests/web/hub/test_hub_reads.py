"""What the Hub's clients read, as requests: heads, ranges, codes of refusals, and who may read."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.web.facing import Served, register, running
from tests.web.teams import Team, as_

import holdfast

WEIGHTS = bytes(range(256)) * 20_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hub")
    registry = holdfast.open(folder / "store")
    for text in ("one", "two"):
        register(registry, folder, text=text)
    registry.promote("iris@1.0.0")
    registry.alias("iris@1.1.0", "eu")
    model = folder / "tiny"
    (model / "deep" / "er").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "weights.bin").write_bytes(WEIGHTS)
    (model / "deep" / "er" / "x.txt").write_text("x")
    registry.register("team/tiny", model, metadata={"license": "mit"})
    register(registry, folder, "a/b/c")
    with running(folder / "store") as served:
        yield served


def commit(served: Served, ref: str) -> str:
    return served.registry.resolve(ref).digest.removeprefix("sha256:")[:40]


@pytest.mark.parametrize(
    ("revision", "version"),
    [
        ("main", "1.1.0"), ("1.0.0", "1.0.0"), ("v1.0.0", "1.0.0"), ("production", "1.0.0"),
        ("eu", "1.1.0"), ("%5E1.0", "1.1.0"), ("~1.0", "1.0.0"), ("latest", "1.1.0"),
        ("refs%2Ftags%2F1.0.0", "1.0.0"), ("refs%2Fheads%2Fmain", "1.1.0"), ("HEAD", "1.1.0"),
    ],
)  # fmt: skip
def test_a_revision_is_whatever_a_ref_can_be(served: Served, revision: str, version: str) -> None:
    answer = served.ask("GET", f"/api/models/iris/revision/{revision}")

    assert answer.json["sha"] == commit(served, f"iris@{version}")


@pytest.mark.parametrize("length", [40, 12, 7])
def test_a_commit_may_be_shortened(served: Served, length: int) -> None:
    oid = commit(served, "iris@1.0.0")

    answer = served.ask("GET", f"/api/models/registry/iris/revision/{oid[:length]}")

    assert answer.json["sha"] == oid


def test_a_file_has_its_digest_as_its_tag_and_the_commit_beside_it(served: Served) -> None:
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()

    head = served.ask("HEAD", "/team/tiny/resolve/main/weights.bin")
    whole = served.ask("GET", "/team/tiny/resolve/%5E1/weights.bin")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"] == f'"{sha256}"'
    assert head.headers["x-repo-commit"] == commit(served, "team/tiny@1.0.0")
    assert head.headers["content-length"] == str(len(WEIGHTS))
    assert head.headers["accept-ranges"] == "bytes"
    assert whole.body == WEIGHTS


def test_a_range_of_a_file_is_sent(served: Served) -> None:
    path = "/team/tiny/resolve/main/weights.bin"

    part = served.ask("GET", path, range="bytes=1000-1999")
    rest = served.ask("GET", path, range=f"bytes={len(WEIGHTS) - 5}-")
    behind = served.ask("GET", path, range=f"bytes={len(WEIGHTS)}-")

    assert (part.status, part.body) == (206, WEIGHTS[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(WEIGHTS)}"
    assert rest.body == WEIGHTS[-5:]
    assert behind.status == 416


def test_a_known_tag_spares_the_bytes(served: Served) -> None:
    tag = f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'

    for known in (tag, f"W/{tag}", f'"other", W/{tag}'):  # a proxy that compresses weakens tags
        asked = served.ask("GET", "/team/tiny/resolve/main/weights.bin", if_none_match=known)
        assert asked.status == 304
    other = served.ask("GET", "/team/tiny/resolve/main/weights.bin", if_none_match=f"W{tag}, x")
    assert other.status == 200


def test_the_card_is_written_where_a_version_has_none_and_stays_the_same(served: Served) -> None:
    first = served.ask("GET", "/team/tiny/resolve/main/README.md")
    served.registry.note("team/tiny@1.0.0", "looked at")
    second = served.ask("GET", "/team/tiny/resolve/main/README.md")

    assert b"license: " in first.body
    assert first.body == second.body
    assert first.headers["etag"] == f'"{hashlib.sha256(first.body).hexdigest()}"'


def test_a_tree_lists_one_folder_or_all_below(served: Served) -> None:
    top = served.ask("GET", "/api/models/team/tiny/tree/main").json
    below = served.ask("GET", "/api/models/team/tiny/tree/main/deep%2Fer?recursive=true").json
    folders = served.ask("GET", "/api/models/team/tiny/tree/main?recursive=1&expand=1").json

    assert {entry["path"]: entry["type"] for entry in top} == {
        "README.md": "file", "config.json": "file", "weights.bin": "file", "deep": "directory",
    }  # fmt: skip
    assert [entry["path"] for entry in below] == ["deep/er/x.txt"]
    assert [entry["path"] for entry in folders if entry["type"] == "directory"] == [
        "deep", "deep/er",
    ]  # fmt: skip
    assert folders[0]["lastCommit"]["id"] == commit(served, "team/tiny@1.0.0")
    entry = next(entry for entry in top if entry["path"] == "weights.bin")
    assert entry["lfs"]["oid"] == hashlib.sha256(WEIGHTS).hexdigest()


def test_files_are_described_by_form_and_by_json(served: Served) -> None:
    path = "/api/models/team/tiny/paths-info/main"
    form = b"paths=deep&paths=absent&paths=config.json&expand=False"

    named = served.ask("POST", path, form, content_type="application/x-www-form-urlencoded")
    document = served.ask("POST", path, {"paths": ["config.json"], "expand": True})
    broken = served.ask("POST", path, b"{", content_type="application/json")

    assert [entry["path"] for entry in named.json] == ["deep", "config.json"]
    assert document.json[0]["lastCommit"]["title"] == "team/tiny 1.0.0"
    assert broken.status == 400


def test_models_are_listed_in_pages(served: Served) -> None:
    first = served.ask("GET", "/api/models?limit=1&full=true")
    following = first.headers["link"].partition(">")[0].removeprefix("<")
    second = served.ask("GET", following.partition(f":{served.port}")[2])

    assert [model["id"] for model in first.json] == ["iris"]
    assert {"rfilename": "model.txt"} in first.json[0]["siblings"]
    assert [model["id"] for model in second.json] == ["team/tiny"]  # no client can name a/b/c
    assert "link" not in second.headers


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=TIN", ["team/tiny"]), ("author=team", ["team/tiny"]),
        ("author=registry", ["iris"]),
        ("search=absent", []), ("limit=5&sort=downloads", ["iris", "team/tiny"]),
    ],
)  # fmt: skip
def test_models_are_searched(served: Served, query: str, found: list[str]) -> None:
    assert [model["id"] for model in served.ask("GET", f"/api/models?{query}").json] == found


@pytest.mark.parametrize("limit", ["0", "x", "-1", "%ff"])
def test_a_limit_is_a_number(served: Served, limit: str) -> None:
    assert served.ask("GET", f"/api/models?limit={limit}").status in (400, 422)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/models/team/absent", "RepoNotFound"),
        ("/api/models/absent/tree/main", "RepoNotFound"),
        ("/absent/resolve/main/x", "RepoNotFound"),
        ("/api/models/iris/revision/9.9.9", "RevisionNotFound"),
        ("/api/models/iris/revision/refs%2Fpr%2F1", "RevisionNotFound"),
        ("/api/models/iris/revision/12", "RevisionNotFound"),
        ("/api/models/iris/revision/0000000", "RevisionNotFound"),
        ("/iris/resolve/main/absent", "EntryNotFound"),
        ("/api/models/iris/tree/main/absent", "EntryNotFound"),
    ],
)
def test_what_is_not_there_says_which(served: Served, path: str, code: str) -> None:
    answer = served.ask("GET", path)

    assert (answer.status, answer.headers["x-error-code"]) == (404, code)
    assert answer.json["error"]
    if code == "EntryNotFound":
        assert answer.headers["x-repo-commit"] == commit(served, "iris@1.1.0")


def test_names_are_branches_and_versions_tags(served: Served) -> None:
    refs = served.ask("GET", "/api/models/iris/refs?include_prs=1").json

    assert [ref["name"] for ref in refs["branches"]] == ["main", "production", "eu"]
    assert [ref["ref"] for ref in refs["tags"]] == ["refs/tags/1.1.0", "refs/tags/1.0.0"]
    assert refs["pullRequests"] == refs["converts"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/datasets/x", 404), ("GET", "/api/models/a/b/c", 404),
        ("GET", "/api/models/iris/discussions", 403), ("PUT", "/api/models/iris/settings", 403),
        ("POST", "/api/repos/move", 403), ("PATCH", "/api/models/iris", 405),
        ("GET", "/api/repos/other", 404), ("GET", "/api/hub/other", 404),
        ("GET", "/api/agent-harnesses", 200),
    ],
)  # fmt: skip
def test_other_calls_are_refused(served: Served, method: str, path: str, status: int) -> None:
    assert served.ask(method, path).status == status


def test_pages_and_the_api_keep_their_paths(served: Served) -> None:
    assert served.get("/models/iris").status == 200
    assert served.ask("GET", "/models/iris").headers["content-type"].startswith("text/html")
    assert served.ask("GET", "/static/resolve/x/y").status == 404


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    made = Team(tmp_path_factory.mktemp("team"))
    register(made.registry, made.folder, "open/iris")
    register(made.registry, made.folder, "risk/fraud")
    return made


def asked(caller: Any, path: str) -> tuple[int, str | None]:
    answer = caller.ask("GET", path)
    return answer.status, answer.headers.get("x-error-code")


def test_each_sees_the_models_that_are_theirs(team: Team) -> None:
    viewer = team.member("vera", "viewer", "open/*")
    with team.served() as served:
        vera, nobody = as_(served, viewer), as_(served, None)
        listed = [model["id"] for model in vera.ask("GET", "/api/models").json]

        assert listed == ["open/iris"]
        assert asked(vera, "/open/iris/resolve/main/model.txt") == (200, None)
        assert asked(vera, "/risk/fraud/resolve/main/model.txt") == (404, "RepoNotFound")
        assert asked(nobody, "/open/iris/resolve/main/model.txt") == (401, "RepoNotFound")
        assert asked(as_(served, "hft_wrong"), "/api/models/open/iris") == (401, "RepoNotFound")
        assert asked(nobody, "/api/whoami-v2")[0] == 401
        assert vera.ask("GET", "/api/whoami-v2").json["name"] == "vera"
        assert nobody.ask("PUT", "/api/models/open/iris").status == 401


def test_everybody_may_read_where_that_is_said(team: Team) -> None:
    with team.served(anonymous_read=True) as served:
        nobody = as_(served, None)

        assert asked(nobody, "/open/iris/resolve/main/model.txt") == (200, None)
        assert nobody.ask("POST", "/api/models/open/iris/commit/main", b"").status == 401


def test_problems_keep_their_own_form_elsewhere(served: Served) -> None:
    answer = served.get("/models/absent")

    assert json.loads(answer.body)["code"] == "not_found"
    assert "x-error-code" not in answer.headers
