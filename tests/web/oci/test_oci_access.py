"""Who may pull and push: tokens by way of name and password, and the rights they give."""

import base64
from collections.abc import Iterator

import pytest
from tests.web.facing import Caller, Reply, Served
from tests.web.oci.docker_api import Pusher, code, digest
from tests.web.teams import Team, as_


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    team = Team(tmp_path_factory.mktemp("oci-team"))
    for name in ("open/iris", "secret/iris"):
        (team.folder / "model.txt").write_text(name)
        team.registry.register(name, team.folder / "model.txt", metrics={"auc": 0.9})
    return team


@pytest.fixture(scope="module")
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


@pytest.fixture(scope="module")
def tokens(team: Team) -> dict[str, str]:
    return {
        "viewer": team.member("vi", "viewer", "open/*"),
        "registrar": team.member("rae", "registrar", "open/*"),
        "promoter": team.member("pro", "promoter", "open/*"),
    }


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def token(served: Caller, authorization: str | None) -> Reply:
    named = {} if authorization is None else {"authorization": authorization}
    query = "?service=holdfast&scope=repository:open/iris:pull"
    return as_(served, None).ask("GET", f"/v2/_token{query}", **named)


def test_whoever_has_no_token_is_told_where_tokens_are_given(served: Served) -> None:
    nobody = as_(served, None)
    root = nobody.ask("GET", "/v2/")
    pull = nobody.ask("GET", "/v2/open/iris/manifests/1.0.0")
    realm = f'Bearer realm="http://127.0.0.1:{served.port}/v2/_token",service="holdfast"'

    assert (root.status, root.headers["www-authenticate"]) == (401, realm)
    scope = ',scope="repository:open/iris:pull,push"'
    assert (pull.status, pull.headers["www-authenticate"]) == (401, realm + scope)
    assert code(pull) == "UNAUTHORIZED"


def test_a_name_and_password_give_a_token(served: Served, tokens: dict[str, str]) -> None:
    given = token(served, basic("whoever", tokens["viewer"]))

    assert given.status == 200
    caller = as_(served, given.json["token"])
    assert caller.ask("GET", "/v2/").status == 200
    assert caller.ask("GET", "/v2/open/iris/manifests/1.0.0").status == 200


def test_a_token_is_given_for_several_scopes_and_for_the_token_itself(
    served: Served, tokens: dict[str, str]
) -> None:
    """Clients ask for pull and push at once, or once more with the token that they have."""
    scopes = "scope=repository:open/iris:pull&scope=repository:open/iris:pull,push"
    nobody = as_(served, None)
    for authorization in (basic("whoever", tokens["viewer"]), f"Bearer {tokens['viewer']}"):
        path = f"/v2/_token?service=holdfast&{scopes}"
        given = nobody.ask("GET", path, authorization=authorization)
        assert (given.status, given.json["token"]) == (200, tokens["viewer"])
    posted = nobody.ask("POST", "/v2/_token", b"grant_type=password")
    assert posted.status in (401, 404, 405)  # from which clients go on to GET


@pytest.mark.parametrize(
    "authorization",
    [
        None, basic("", ""), basic("ana", "wrong"), "Basic !", "Basic /w==", "Digest x",
        "Bearer wrong", "Bearer anonymous", f"Bearer hft_{'a' * 43}",
    ],
)  # fmt: skip
def test_a_wrong_token_is_refused(served: Served, authorization: str | None) -> None:
    asked = token(served, authorization)
    named = {} if authorization is None else {"authorization": authorization}
    pulled = as_(served, None).ask("GET", "/v2/open/iris/manifests/1.0.0", **named)

    for answer in (asked, pulled):
        if answer.status == 429:  # this address has failed too often by now
            assert code(answer) == "TOOMANYREQUESTS"
            continue
        assert (answer.status, code(answer)) == (401, "UNAUTHORIZED")
    if asked.status == 401:
        assert asked.headers["www-authenticate"].startswith("Basic realm=")


def test_no_refusal_repeats_a_token(served: Served) -> None:
    refused = token(served, basic("ana", "a-secret-of-somebodys"))

    assert "a-secret-of-somebodys" not in refused.body.decode() + str(refused.headers)


def test_a_viewer_pulls_and_does_not_push(served: Served, tokens: dict[str, str]) -> None:
    viewer = Pusher(as_(served, tokens["viewer"]), "open/iris")

    raw = viewer.ask("GET", "/manifests/1.0.0").body
    assert viewer.ask("GET", "/tags/list").status == 200
    for method, path in (
        ("POST", "/blobs/uploads/"),
        ("PUT", "/manifests/2.0.0"),
        ("PUT", "/manifests/production"),
        ("DELETE", "/manifests/1.0.0"),
    ):
        refused = viewer.ask(method, path, raw)
        assert (refused.status, code(refused)) in {(403, "DENIED"), (405, "UNSUPPORTED")}
    assert viewer.ask("POST", "/blobs/uploads/").status == 403


def test_a_repository_that_one_may_not_read_is_not_there(
    served: Served, tokens: dict[str, str]
) -> None:
    secret = Pusher(as_(served, tokens["registrar"]), "secret/iris")
    unknown = Pusher(as_(served, tokens["registrar"]), "open/nobody")
    raw = Pusher(as_(served, served.token), "secret/iris").ask("GET", "/manifests/1.0.0").body

    for path in ("/manifests/1.0.0", "/tags/list"):
        answer = secret.ask("GET", path)
        assert (answer.status, code(answer)) == (404, "NAME_UNKNOWN")
        assert unknown.ask("GET", path).status == 404
    assert secret.ask("POST", "/blobs/uploads/").status == 404
    assert secret.ask("GET", f"/referrers/{digest(raw)}").json["manifests"] == []


def test_a_registrar_pushes_and_does_not_promote(served: Served, tokens: dict[str, str]) -> None:
    registrar = Pusher(as_(served, tokens["registrar"]), "open/pushed")
    assert registrar.push("1.0.0", {"a.txt": b"a"}).status == 201
    raw = registrar.manifest({"a.txt": b"a"})
    refused = registrar.put("production", raw)
    promoter = Pusher(as_(served, tokens["promoter"]), "open/pushed")

    assert (refused.status, code(refused)) == (403, "DENIED")
    assert registrar.put("staging", raw).status == 201
    assert promoter.put("production", raw).status == 201
    moves = served.registry.status("open/pushed").moves
    assert [move.by for move in moves] == ["pro", "rae", "rae"]


def test_bytes_of_others_are_neither_read_mounted_nor_named(
    served: Served, tokens: dict[str, str]
) -> None:
    registrar = Pusher(as_(served, tokens["registrar"]), "open/thief")
    secret = digest(b"secret/iris")
    mounted = registrar.ask("POST", f"/blobs/uploads/?mount={secret}&from=secret/iris")
    registrar.blob(b"{}")
    named = registrar.put("1.0.0", registrar.manifest({"a.txt": b"secret/iris"}))

    assert registrar.ask("HEAD", f"/blobs/{secret}").status == 404
    assert mounted.status == 202
    assert (named.status, code(named)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert registrar.ask("GET", f"/blobs/{secret}").status == 404


def test_an_upload_of_another_is_not_there(served: Served, tokens: dict[str, str]) -> None:
    first = Pusher(as_(served, tokens["registrar"]), "open/iris")
    other = Pusher(as_(served, tokens["promoter"]), "open/iris")
    where = first.ask("POST", "/blobs/uploads/").headers["location"].removeprefix("/v2/open/iris")

    assert other.ask("PATCH", where, b"x").status == 404
    assert other.ask("DELETE", where).status == 404


def test_where_everybody_may_read_a_client_gets_a_token_without_one(
    team: Team,
) -> None:
    with team.served(anonymous_read=True) as served:
        nobody = as_(served, None)
        assert nobody.ask("GET", "/v2/").status == 401
        given = token(served, basic("", "")).json["token"]
        anybody = as_(served, given)

        assert anybody.ask("GET", "/v2/").status == 200
        assert anybody.ask("GET", "/v2/open/iris/manifests/1.0.0").status == 200
        assert anybody.ask("POST", "/v2/open/iris/blobs/uploads/").status == 401
        assert nobody.ask("GET", "/v2/open/iris/tags/list").status == 200


def test_a_server_that_only_reads_takes_nothing(team: Team) -> None:
    with team.served(read_only=True) as served:
        answer = Pusher(served, "open/iris").ask("POST", "/blobs/uploads/")

        assert (answer.status, code(answer)) == (403, "DENIED")
        assert Pusher(served, "open/iris").ask("GET", "/tags/list").status == 200
