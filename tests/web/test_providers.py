"""Sign-in by a real provider, and tokens for jobs, through a real server."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.access.conftest import issuer, running
from tests.access.issuer import Issuer
from tests.access.test_oidc import Provider, provider, started
from tests.web.facing import Caller, Served, register
from tests.web.teams import Team

from holdfast.access import changes
from holdfast.access.access_events import ProviderSet
from holdfast.access.jwks import KeySets
from holdfast.errors import BusyError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the test provider's own
__all__ = ["issuer", "provider", "running", "started"]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    made = Team(tmp_path)
    register(made.registry, tmp_path, "risk/iris")
    return made


@pytest.fixture
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


def settings(provider: Provider, client: dict[str, Any]) -> ProviderSet:
    return ProviderSet(
        provider="corp",
        issuer=provider.url,
        client_id=client["client_id"],
        groups_claim="groups",
        groups={"corp-risk": "risk"},
    )


class Browser:
    """Keeps cookies and follows nothing by itself."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://localhost:{port}"
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> httpx2.Response:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = httpx2.get(f"{self.origin}{path}", headers={"cookie": jar})
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer


@pytest.fixture
def known(team: Team, served: Served, provider: Provider) -> Served:
    """A server whose Bo signs in by the provider."""
    callback = f"http://localhost:{served.port}/login/callback"
    made = httpx2.post(f"{provider.url}/oauth2/clients", json={"redirect_uris": [callback]}).json()
    secrets: dict[str, str] = served.app.desk.settings.provider_secrets  # type: ignore[assignment]
    secrets["corp"] = made["client_secret"]
    team.access.add("bo")
    team.access.commit(lambda state, _s: changes.set_group(state, "risk", []))
    team.access.grant("group:risk", "viewer", "risk/*")
    listed = settings(provider, made)
    team.access.commit(lambda state, _s: changes.set_provider(state, listed))
    team.access.commit(lambda state, _s: changes.link_identity(state, "bo", provider.url, "7"))
    assert served.get("/groups").status == 200  # and the server has read on
    served.post("/users", {"name": "zoe"})
    return served


def test_a_person_signs_in_by_the_provider(known: Served, provider: Provider) -> None:
    browser = Browser(known.port)
    away = browser.get("/login/by/corp?return_to=/")
    assert away.status_code == 303
    back = provider.code(away.headers["location"])
    came = browser.get(f"/login/callback?{httpx2.QueryParams(back)}")

    assert (came.status_code, came.headers["location"]) == (303, "/")
    assert ">bo</a> <span" in browser.get("/").text
    assert provider.posted[-1]["code_verifier"]


def signed_in(known: Served, provider: Provider) -> Browser:
    browser = Browser(known.port)
    back = provider.code(browser.get("/login/by/corp").headers["location"])
    browser.get(f"/login/callback?{httpx2.QueryParams(back)}")
    return browser


def signed_out(browser: Browser) -> httpx2.Response:
    """Press the button of the page."""
    (word,) = set(re.findall(r'action="/logout"><input[^>]+value="([^"]+)"', browser.get("/").text))
    jar = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return httpx2.post(f"{browser.origin}/logout", data={"csrf": word}, headers={"cookie": jar})


def test_who_signs_out_is_led_to_where_the_provider_s_session_ends(
    known: Served, provider: Provider
) -> None:
    browser = signed_in(known, provider)
    left = signed_out(browser)
    assert (left.status_code, left.headers["location"]) == (303, "/login/out/corp")
    assert browser.get("/").status_code == 401  # here it is over, whatever they do there
    page = browser.get("/login/out/corp")
    link = re.search(r'href="(http[^"]+)" rel="noreferrer">Sign out of corp', page.text)
    assert link is not None
    asked = httpx2.URL(link[1].replace("&amp;", "&"))
    assert str(asked).startswith(f"{provider.url}/oauth2/end_session?")
    assert dict(asked.params) == {
        "client_id": known.app.desk.guard.state(writes=False).providers["corp"].client_id,  # type: ignore[attr-defined]
        "post_logout_redirect_uri": f"http://localhost:{known.port}/",
    }
    there = httpx2.get(asked)
    assert there.status_code == 200  # and it asks whether to
    known.app.desk.guard.flush()
    reports = [one for one in known.get("/access/log").json["items"] if one.get("by") == "bo"]
    assert reports[-1]["what"] == "signed_out"


def test_who_signed_in_by_a_token_is_led_to_no_provider(known: Served, team: Team) -> None:
    from tests.web.browser import Browser as Plain

    browser = Plain(known.port)
    browser.send("/login/token", {"token": team.ana})
    left = browser.send("/logout", browser.form(browser.get("/rollouts")))
    assert (left.status, left.headers["location"]) == (303, "/")


def test_a_provider_that_does_not_answer_hinders_no_signing_out(
    known: Served, provider: Provider
) -> None:
    browser = signed_in(known, provider)
    known.app.desk.key_sets = KeySets(get=_silent)
    assert signed_out(browser).headers["location"] == "/login/out/corp"
    page = browser.get("/login/out/corp")
    assert page.status_code == 200
    assert "it does not say where to sign out" in page.text
    assert browser.get("/login/out/nobody").status_code == 404


def _silent(url: str) -> bytes:
    raise BusyError(f"provider {url}", "failed to answer", "try again")


def test_the_page_to_sign_in_with_leads_to_the_provider_and_back(
    known: Served, provider: Provider
) -> None:
    browser = Browser(known.port)
    page = browser.get("/models/risk/iris").text
    link = re.search(r'href="(/login/by/corp\?return_to=[^"]+)"', page)
    assert link is not None
    before: dict[str, str] = {}
    for _ in range(2):  # whoever signs in again gets another session, and the one before ends
        before = dict(browser.cookies)
        back = provider.code(browser.get(link[1]).headers["location"])
        came = browser.get(f"/login/callback?{httpx2.QueryParams(back)}")
        assert came.headers["location"] == "/models/risk/iris"
    old = Browser(known.port)
    old.cookies = before
    assert old.get("/").status_code == 401
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(("age_s", "may_change"), [(0, True), (3600, False), (None, False)])
def test_who_was_known_to_the_provider_for_long_changes_nothing(
    known: Served, team: Team, provider: Provider, age_s: int | None, *, may_change: bool
) -> None:
    team.access.grant("bo", "admin")
    known.post("/users", {"name": "yan"})  # and the server has read on
    at = "unknown" if age_s is None else int(datetime.now(UTC).timestamp()) - age_s
    httpx2.put(f"{provider.url}/users/7", json={"groups": [], "auth_time": at})
    browser = Browser(known.port)
    back = provider.code(browser.get("/login/by/corp").headers["location"])
    browser.get(f"/login/callback?{httpx2.QueryParams(back)}")
    page = browser.get("/access").text
    assert ("Add person" in page) == may_change
    if not may_change:
        link = re.search(r'href="(/login/by/corp\?[^"]+)"', page)
        assert link is not None
        away = browser.get(link[1].replace("&amp;", "&")).headers["location"]
        assert httpx2.URL(away).params["prompt"] == "login"


def test_another_browser_cannot_end_the_sign_in(known: Served, provider: Provider) -> None:
    away = Browser(known.port).get("/login/by/corp")
    back = provider.code(away.headers["location"])
    came = Browser(known.port).get(f"/login/callback?{httpx2.QueryParams(back)}")

    assert came.status_code == 401
    assert came.json()["code"] == "unauthenticated"


def test_two_tabs_sign_in_beside_one_another(known: Served, provider: Provider) -> None:
    browser = Browser(known.port)
    away = [browser.get(f"/login/by/corp?return_to=/models/{name}") for name in ("a", "b")]
    back: dict[str, str] = {}
    for tab, name in zip(away, ("a", "b"), strict=True):
        back = provider.code(tab.headers["location"])
        came = browser.get(f"/login/callback?{httpx2.QueryParams(back)}")
        assert (came.status_code, came.headers["location"]) == (303, f"/models/{name}")
    again = browser.get(f"/login/callback?{httpx2.QueryParams(back)}")  # a tab that is reloaded
    assert (again.status_code, again.headers["location"]) == (303, "/")
    assert Browser(known.port).get("/login/callback?state=x&code=y").status_code == 401

    for _ in range(20):  # and nobody's cookies grow without end
        browser.get("/login/by/corp")
        browser.cookies = {name: text for name, text in browser.cookies.items() if text}
    assert len(browser.cookies) <= 7


def test_who_is_no_user_here_is_told_what_to_ask_for(known: Served, provider: Provider) -> None:
    browser = Browser(known.port)
    away = browser.get("/login/by/corp")
    back = provider.code(away.headers["location"], "99")
    came = browser.get(f"/login/callback?{httpx2.QueryParams(back)}")

    assert came.status_code == 401
    assert "is not a user here" in came.json()["detail"]
    items = known.get("/access/log").json["items"]
    assert items[-1]["what"] == "sign_in_failed"


def test_a_provider_that_nobody_set_is_not_there(known: Served) -> None:
    answer = Browser(known.port).get("/login/by/other")

    assert answer.status_code == 404
    assert answer.json()["nearest"] == ["corp"]


def test_a_job_is_given_a_token_for_its_identity(
    team: Team, served: Served, issuer: Issuer
) -> None:
    rule = {
        "name": "deploy",
        "issuer": issuer.url,
        "audience": "https://models.example",
        "claims": {"repository_id": "42"},
        "role": "promoter",
        "models": ["risk/*"],
    }
    assert served.post("/rules", rule).status == 201
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": issuer.url,
        "aud": "https://models.example",
        "sub": "job",
        "exp": now + 300,
        "iat": now,
        "jti": "one",
        "run_id": "9001",
        "repository_id": "42",
    }
    stranger = Caller(served.port, None)
    wrong = issuer.sign(claims | {"repository_id": "43", "jti": "two"}, kid="1")
    refused = stranger.post("/token-exchange", {"token": wrong})
    assert (refused.status, refused.code) == (401, "unauthenticated")
    assert "repository_id" in refused.json["detail"]

    token = issuer.sign(claims, kid="1")
    given = stranger.post("/token-exchange", {"token": token})
    assert given.status == 201, given.body
    job = Caller(served.port, given.json["token"])
    assert job.post("/models/risk/iris:promote", {"version": "1.0.0"}).status == 200
    entry = team.registry.entries("risk/iris")[-1]
    assert entry.by == "deploy"
    assert entry.auth is not None
    assert entry.auth.how == f"ci:{issuer.url}/9001"
    assert job.post("/tokens", {}).code == "forbidden"
    assert stranger.post("/token-exchange", {"token": token}).status == 401
