"""Signing in and out in a browser."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.web.facing import Caller, Reply, Served, register, running
from tests.web.teams import Team

import holdfast
from holdfast.web import csrf, sign_in
from holdfast.web.sign_in import OneTimeLink

LINK = "a-link-that-is-good-once"
FORM = {"content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with running(tmp_path / "store") as served:
        served.app.desk.link = OneTimeLink(LINK)
        yield served


def send(caller: Caller, path: str, fields: dict[str, str], **headers: str) -> Reply:
    stranger = Caller(caller.port, None)
    return stranger.ask("POST", path, urlencode(fields).encode(), **FORM, **headers)


def cookie_of(answer: Reply) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def signed_in(served: Served) -> str:
    answer = send(served, "/login/link", {"link": LINK})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    return cookie_of(answer)


def front(caller: Caller, cookie: str) -> str:
    """Say whom the front page takes a browser for."""
    page = Caller(caller.port, None).ask("GET", "/", cookie=cookie)
    name = re.search(r'<div class="who"><a[^>]*>(\w+)', page.body.decode())
    assert (page.status == 401) == (name is None)
    return f"signed in as {name[1]}" if name else "not signed in"


def test_only_a_button_signs_in_and_only_once(served: Served) -> None:
    for _ in range(3):  # a scanner, a chat, a browser that fetches ahead
        page = Caller(served.port, None).ask("GET", f"/login/{LINK}")
        assert page.status == 200
        assert "set-cookie" not in page.headers
        assert page.headers["referrer-policy"] == "no-referrer"
    cookie = signed_in(served)

    assert "signed in as ana" in front(served, cookie)
    again = send(served, "/login/link", {"link": LINK})
    assert (again.status, again.code) == (401, "unauthenticated")


def test_a_link_is_good_for_ten_minutes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 601)

    assert send(served, "/login/link", {"link": LINK}).status == 401


def test_another_link_does_not_use_it_up(served: Served) -> None:
    assert send(served, "/login/link", {"link": "another"}).status == 401
    assert send(served, "/login/link", {}).status == 401
    assert signed_in(served)


def test_what_is_on_a_link_is_text(served: Served) -> None:
    page = Caller(served.port, None).ask("GET", "/login/%22%3E%3Cscript%3E")

    assert b"<script>" not in page.body
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_cookie_is_the_stores_own_and_for_this_server_alone(served: Served) -> None:
    answer = send(served, "/login/link", {"link": LINK})
    name, _, rest = answer.headers["set-cookie"].partition("=")

    assert name == f"hf_{served.registry.identity[:8]}"
    assert rest.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"


def test_by_https_the_cookie_is_for_https_alone(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with running(tmp_path / "store", secure=True) as served:
        served.app.desk.link = OneTimeLink(LINK)
        answer = send(served, "/login/link", {"link": LINK})
        cookie = answer.headers["set-cookie"]

        assert cookie.startswith(f"__Host-hf_{served.registry.identity[:8]}=")
        assert "; Secure" in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_two_servers_of_one_host_do_not_sign_each_other_out(tmp_path: Path) -> None:
    cookies = []
    with contextlib.ExitStack() as stack:
        for name in ("one", "two"):
            register(holdfast.open(tmp_path / name), tmp_path)
            served = stack.enter_context(running(tmp_path / name))
            served.app.desk.link = OneTimeLink(LINK)
            cookies.append((served, signed_in(served)))
        together = "; ".join(cookie for _, cookie in cookies)
        for served, _ in cookies:
            assert "signed in as ana" in front(served, together)


def test_the_api_reads_no_cookie(served: Served) -> None:
    cookie = signed_in(served)
    stranger = Caller(served.port, None)

    assert stranger.get("/whoami", cookie=cookie).status == 401
    crossed = stranger.post("/models/iris:promote", {"version": "1.0.0"}, cookie=cookie)
    assert crossed.status == 401


def test_signing_out_takes_a_form_of_the_session(served: Served) -> None:
    cookie = signed_in(served)
    secret = cookie.partition("=")[2]

    for word in ("", "x", csrf.token("another session"), "%", "é"):
        refused = send(served, "/logout", {"csrf": word}, cookie=cookie)
        assert (refused.status, refused.code) == (403, "csrf")
    assert send(served, "/logout", {"csrf": csrf.token(secret)}).code == "csrf"
    assert Caller(served.port, None).ask("GET", "/logout", cookie=cookie).status == 404
    done = send(served, "/logout", {"csrf": csrf.token(secret)}, cookie=cookie)
    assert done.status == 303
    assert "Max-Age=0" in done.headers["set-cookie"]
    assert "not signed in" in front(served, cookie)


def test_each_page_has_another_word_of_the_same_session() -> None:
    words = {csrf.token("secret") for _ in range(5)}

    assert len(words) == 5
    assert all(csrf.valid("secret", word) for word in words)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_page_of_another_site_can_send_no_form(served: Served, headers: dict[str, str]) -> None:
    cookie = signed_in(served)
    fields = {"csrf": csrf.token(cookie.partition("=")[2])}

    assert send(served, "/logout", fields, cookie=cookie, **headers).status == 403
    assert "signed in as ana" in front(served, cookie)


def test_a_link_of_another_site_leads_here(served: Served) -> None:
    cookie = signed_in(served)
    stranger = Caller(served.port, None)
    headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "cookie": cookie}

    assert stranger.ask("GET", "/", **headers).status == 200
    assert stranger.ask("GET", "/", sec_fetch_site="cross-site").status == 403
    posted = send(served, "/logout", {"csrf": csrf.token(cookie.partition("=")[2])}, **headers)
    assert posted.status == 403


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"link=x", "application/json", 415),
        (b"link=x", "multipart/form-data", 415),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"a&" * 200, "application/x-www-form-urlencoded", 400),
        (b"a" * 100_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_not_a_form_is_refused(
    served: Served, body: bytes, media: str, status: int
) -> None:
    answer = Caller(served.port, None).ask("POST", "/login/link", body, content_type=media)

    assert answer.status == status


def test_a_token_signs_in_and_its_end_signs_out(tmp_path: Path) -> None:
    team = Team(tmp_path)
    secret = team.member("bob", "viewer")
    with team.served() as served:
        answer = send(served, "/login/token", {"token": secret})
        assert answer.status == 303
        cookie = cookie_of(answer)
        assert "signed in as bob" in front(served, cookie)
        assert secret not in str(answer.headers)
        (token,) = [one for one in served.get("/tokens").json["items"] if one["name"] == "bob"]
        served.ask("DELETE", f"/api/v1/tokens/{token['id']}")
        assert "not signed in" in front(served, cookie)
        (item,) = served.get("/access/log").json["items"]
        assert (item["what"], item["by"]) == ("signed_in", "bob")


def test_another_server_over_the_store_knows_the_session(tmp_path: Path) -> None:
    team = Team(tmp_path)
    with team.served() as one, team.served() as two:
        cookie = cookie_of(send(one, "/login/token", {"token": team.ana}))

        assert "signed in as ana" in front(two, cookie)


@pytest.mark.parametrize("token", ["", "x", "hft_p_x", "é", "a b"])
def test_what_is_not_a_token_signs_nobody_in(tmp_path: Path, token: str) -> None:
    team = Team(tmp_path)
    with team.served() as served:
        answer = send(served, "/login/token", {"token": token})

        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert send(served, "/login/link", {"link": LINK}).status == 404


def test_a_session_that_nobody_began_is_nobodys(served: Served) -> None:
    name = sign_in.cookie_name(served.app.desk)

    assert "not signed in" in front(served, f"{name}=made-up")
    assert "not signed in" in front(served, "other=1; x")
