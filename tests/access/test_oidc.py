"""Sign-in by a provider: a real one in a thread, driven as a browser drives it."""

import base64
import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from msgspec.structs import replace
from tests.access.conftest import NOON, Server
from tests.access.issuer import Issuer
from werkzeug.serving import make_server
from werkzeug.wrappers import Request

from holdfast.access import changes, oidc
from holdfast.access.access_events import ProviderSet
from holdfast.access.authentication import session_identity
from holdfast.access.jwks import KeySets
from holdfast.access.oidc import SignInState
from holdfast.errors import BusyError, UnauthenticatedError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the test provider's own
KNOWN = KeySets()
REDIRECT = "http://127.0.0.1:1/login/callback"


@dataclass
class Provider:
    """The test provider, and what was posted to its token endpoint."""

    url: str = ""
    client_id: str = ""
    secret: str = ""
    posted: list[dict[str, str]] = field(default_factory=list)
    logins: list[tuple[str | None, str | None]] = field(default_factory=list)

    @property
    def settings(self) -> ProviderSet:
        return ProviderSet(
            provider="corp",
            issuer=self.url,
            client_id=self.client_id,
            groups_claim="groups",
            groups={"corp-risk": "risk", "corp-none": "gone"},
        )

    def code(self, url: str, subject: str = "7") -> dict[str, str]:
        """Sign in there as *subject*, and return what the browser is sent back with."""
        answer = httpx2.post(url, data={"sub": subject}, follow_redirects=False)
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


@pytest.fixture(scope="module")
def started() -> Iterator[Provider]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it uses itself
        import oidc_provider_mock
    provider = Provider()
    users = [oidc_provider_mock.User(sub="7", claims={"groups": ["corp-risk", "x"], "name": "Bo"})]
    app = oidc_provider_mock.app(
        require_client_registration=True, require_nonce=True, user_claims=users
    )

    def recorded(environ: Any, start: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = Request({**environ, "wsgi.input": BytesIO(body)})
        if request.path == "/oauth2/token":
            provider.posted.append(dict(request.form))
            login = request.authorization
            provider.logins.append((login.username, login.password) if login else (None, None))
        return app({**environ, "wsgi.input": BytesIO(body)}, start)

    server = make_server("127.0.0.1", 0, recorded, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    made = httpx2.post(f"{provider.url}/oauth2/clients", json={"redirect_uris": [REDIRECT]}).json()
    provider.client_id, provider.secret = made["client_id"], made["client_secret"]
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider(started: Provider) -> Provider:
    started.posted.clear()
    started.logins.clear()
    return started


def now() -> datetime:
    return datetime.now(UTC)


def begun(provider: Provider, **more: Any) -> tuple[str, SignInState]:
    return oidc.begin(provider.settings, REDIRECT, KNOWN, now(), **more)


def finished(
    provider: Provider, state: SignInState, query: dict[str, str], at: datetime | None = None
) -> oidc.ProviderClaims:
    settings, secret = provider.settings, provider.secret
    return oidc.finish(settings, state, query, KNOWN, at or now(), secret)


def test_a_person_signs_in_by_code_with_pkce_state_and_nonce(provider: Provider) -> None:
    url, state = begun(provider)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(state.verifier.encode()).digest())

    claims = finished(provider, state, provider.code(url))

    assert asked["code_challenge"] == challenge.decode().rstrip("=")
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert (asked["state"], asked["nonce"]) == (state.state, state.nonce)
    assert provider.posted[0]["code_verifier"] == state.verifier
    assert provider.posted[0]["redirect_uri"] == REDIRECT
    assert provider.logins == [(provider.client_id, provider.secret)]
    assert (claims.issuer, claims.subject, claims.name) == (provider.url, "7", "Bo")
    assert claims.groups == ("corp-risk", "x")


@pytest.mark.parametrize(
    ("again", "max_age", "prompt"), [(False, "43200", None), (True, "0", "login")]
)
def test_the_provider_is_asked_when_they_signed_in_and_to_ask_again(
    provider: Provider, *, again: bool, max_age: str, prompt: str | None
) -> None:
    asked = parse_qs(urlsplit(begun(provider, again=again)[0]).query)
    assert asked["max_age"] == [max_age]
    assert asked.get("prompt", [None]) == [prompt]


@pytest.mark.parametrize(
    ("claim", "seen"),
    [(1_700_000_000, 1_700_000_000), ("1", None), (True, None), (-1, None), (1.5, None)],
)
def test_when_they_signed_in_there_is_a_number_of_seconds(
    provider: Provider, claim: object, seen: int | None
) -> None:
    httpx2.put(f"{provider.url}/users/8", json={"auth_time": claim})
    url, state = begun(provider)
    assert finished(provider, state, provider.code(url, "8")).auth_time == seen


def test_each_sign_in_has_secrets_of_its_own(provider: Provider) -> None:
    states = [begun(provider)[1] for _ in range(2)]

    for name in ("state", "nonce", "verifier"):
        assert len({getattr(state, name) for state in states}) == 2
        assert len(getattr(states[0], name)) == 43


def test_a_code_that_was_taken_before_is_refused(provider: Provider) -> None:
    url, state = begun(provider)
    query = provider.code(url)
    finished(provider, state, query)

    with pytest.raises(UnauthenticatedError, match="refused by the provider: invalid_grant"):
        finished(provider, state, query)


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (401, b'{"error": "invalid_client"}', "credentials: invalid_client; check --client-id"),
        (400, b'{"error": "unauthorized_client"}', "does not take this server's credentials"),
        (400, b"<html>no</html>", "answered 400"),
        (500, b'{"error": "invalid_client"}', "answered 500"),
        (400, b"x" * 100_000, "answered more than 65536 bytes"),
    ],
)
def test_a_provider_that_does_not_know_this_server_is_told_so(
    issuer: Issuer, status: int, answer: bytes, message: str
) -> None:
    settings = ProviderSet(provider="corp", issuer=issuer.url, client_id="us")
    issuer.discover(authorization_endpoint=f"{issuer.url}/a", token_endpoint=f"{issuer.url}/token")
    issuer.answers["/token"] = (status, {}, answer)
    _, state = oidc.begin(settings, REDIRECT, KeySets(), NOON)

    with pytest.raises(BusyError, match=message):
        oidc.finish(settings, state, {"state": state.state, "code": "c"}, KeySets(), NOON, "wrong")


def test_a_code_of_another_sign_in_brings_another_nonce(provider: Provider) -> None:
    (_, victim), (url, _) = begun(provider), begun(provider)
    query = provider.code(url) | {"state": victim.state}

    with pytest.raises(UnauthenticatedError, match="a token of another sign-in"):
        finished(provider, victim, query)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state": "x"}, "was not begun in this browser"),
        ({"state": ...}, "was not begun in this browser"),
        ({"state": "é"}, "was not begun in this browser"),
        ({"code": ...}, "brought no code"),
        ({"code": ""}, "brought no code"),
        ({"iss": "https://evil.example"}, "came back from another provider"),
        ({"error": "access_denied\n"}, "was refused by the provider: access_denied;"),
    ],
)
def test_a_redirect_that_is_not_ours_asks_the_provider_nothing(
    provider: Provider, change: dict[str, Any], problem: str
) -> None:
    _, state = begun(provider)
    query = {"state": state.state, "code": "c"} | change

    with pytest.raises(UnauthenticatedError, match=problem):
        finished(provider, state, {k: v for k, v in query.items() if v is not ...})
    assert provider.posted == []


def test_ten_minutes_are_enough(provider: Provider) -> None:
    _, state = begun(provider)
    query = {"state": state.state, "code": "c"}

    for at in (now() + timedelta(minutes=11), now() - timedelta(minutes=11)):
        with pytest.raises(UnauthenticatedError, match="more than 10 minutes"):
            finished(provider, state, query, at)
    other = replace(state, provider="other")
    with pytest.raises(UnauthenticatedError, match="with another provider"):
        finished(provider, other, query)
    assert provider.posted == []


def test_a_token_for_another_client_is_refused(issuer: Issuer, provider: Provider) -> None:
    settings = replace(provider.settings, issuer=issuer.url, client_id="us")
    issuer.discover(authorization_endpoint=f"{issuer.url}/a", token_endpoint=f"{issuer.url}/token")
    _, state = oidc.begin(settings, REDIRECT, KeySets(), NOON)
    query = {"state": state.state, "code": "c"}
    seconds = NOON.timestamp()

    def answer(**more: Any) -> None:
        usual = {"iss": issuer.url, "sub": "7", "aud": "us", "exp": seconds + 60}
        token = issuer.sign(usual | {"nonce": state.nonce, "groups": "text"} | more)
        issuer.answers["/token"] = (200, {}, json.dumps({"id_token": token}).encode())

    answer()
    claims = oidc.finish(settings, state, query, KeySets(), NOON)
    assert (claims.subject, claims.groups, claims.name) == ("7", ("text",), "")
    for more in ({"aud": "them"}, {"azp": "them"}, {"nonce": "x"}, {"nonce": 5}, {"exp": 1}):
        answer(**more)
        with pytest.raises(UnauthenticatedError):
            oidc.finish(settings, state, query, KeySets(), NOON)
    issuer.answers["/token"] = (200, {}, b"{}")
    with pytest.raises(UnauthenticatedError, match="brought no identity token"):
        oidc.finish(settings, state, query, KeySets(), NOON)


def test_a_provider_without_a_page_is_not_one_to_sign_in_by(issuer: Issuer) -> None:
    settings = ProviderSet(provider="ci", issuer=issuer.url, client_id="x")

    with pytest.raises(BusyError, match="has no page to sign in"):
        oidc.begin(settings, REDIRECT, KeySets(), NOON)
    assert oidc.sign_out_url(settings, KeySets(), "https://us.example/") is None


def test_the_provider_s_session_can_be_ended_too(provider: Provider) -> None:
    url = oidc.sign_out_url(provider.settings, KNOWN, "https://us.example/")

    assert url is not None
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "client_id": provider.client_id,
        "post_logout_redirect_uri": "https://us.example/",
    }


@pytest.mark.parametrize(
    ("endpoint", "led"),
    [
        ("https://id.example/out?p=policy", True),
        ("http://id.example/out", False),
        ("javascript:alert(1)", False),
        ("https://id.example/out#x", False),
        ("https://ana:secret@id.example/out", False),
        ("https://id.example/out\r\nset-cookie: x", False),
    ],
)
def test_nobody_is_led_to_sign_out_where_no_safe_page_is(endpoint: str, *, led: bool) -> None:
    document = {
        "issuer": "https://id.example",
        "jwks_uri": "https://id.example/keys",
        "end_session_endpoint": endpoint,
    }
    answers = {
        "https://id.example/.well-known/openid-configuration": json.dumps(document).encode(),
        "https://id.example/keys": b'{"keys": []}',
    }
    known = KeySets(get=answers.__getitem__)
    settings = ProviderSet(provider="corp", issuer="https://id.example", client_id="x")
    url = oidc.sign_out_url(settings, known, "https://us.example/")

    assert (url is not None) is led
    assert url is None or "p=policy&client_id=x" in url


# who that is here


def test_a_subject_is_whoever_it_is_linked_to_with_the_groups_that_are_mapped(
    server: Server, provider: Provider
) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.set_group(state, "risk", []))
    server.commit(lambda state, _s: changes.link_identity(state, "bo", provider.url, "7"))
    plain = replace(provider.settings, groups={"corp-risk": "risk"})
    server.commit(lambda state, _stamp: changes.set_provider(state, plain))
    claims = oidc.ProviderClaims(provider.url, "7", "Somebody Else", ("corp-risk", "x"))

    record = oidc.sign_in(server.state, plain, claims, NOON)

    user = session_identity(server.state, record, NOON).user
    assert (user.name, user.groups) == ("bo", ("risk",))


@pytest.mark.parametrize(
    ("auth_time", "at"),
    [
        (int(NOON.timestamp()) - 3600, "2026-03-01T11:00:00.000000Z"),
        (int(NOON.timestamp()) + 3600, "2026-03-01T12:00:00.000000Z"),
        (1 << 62, "2026-03-01T12:00:00.000000Z"),
        (None, ""),
    ],
)
def test_who_was_known_there_for_long_did_not_sign_in_now(
    server: Server, auth_time: int | None, at: str
) -> None:
    server.add("bo")
    issuer = "https://id.example"
    server.commit(lambda state, _s: changes.link_identity(state, "bo", issuer, "7"))
    settings = ProviderSet(provider="corp", issuer=issuer, client_id="x")
    claims = oidc.ProviderClaims(issuer, "7", auth_time=auth_time)
    record = oidc.sign_in(server.state, settings, claims, NOON)
    assert record.authenticated_at == at
    assert record.touched_at == record.created_at == "2026-03-01T12:00:00.000000Z"


def test_nobody_becomes_a_user_by_signing_in_nor_by_a_name(server: Server) -> None:
    claims = oidc.ProviderClaims("https://id.example", "9", name="ana")
    settings = ProviderSet(provider="corp", issuer="https://id.example", client_id="x")

    with pytest.raises(UnauthenticatedError, match=r"subject 9 of .* is not a user here"):
        oidc.sign_in(server.state, settings, claims, NOON)


# the browser's part


def test_the_state_survives_a_cookie(provider: Provider) -> None:
    _, state = begun(provider, return_to="/models/iris")
    cookie = oidc.packed(state)

    assert oidc.unpacked(cookie) == state
    assert not set(cookie) & set(' ";,\\=')


@pytest.mark.parametrize("cookie", ["", "x", "!!!", "e30", "é", "A" * 5000])
def test_a_cookie_of_others_begins_nothing(cookie: str) -> None:
    with pytest.raises(UnauthenticatedError, match="not begun in this browser"):
        oidc.unpacked(cookie)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/models/iris?at=1", "/models/iris?at=1"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("models", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("/é", "/"),
    ],
)
def test_afterwards_one_is_on_this_server(text: str, path: str) -> None:
    assert oidc.local_path(text) == path
