"""Pages over HTTP, for a browser that is signed in, and for everybody else."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.test_figure_content import DRAWN
from tests.web.browser import Browser
from tests.web.facing import Caller, Served, register, running
from tests.web.teams import Team

import holdfast
from holdfast.web.sign_in import OneTimeLink


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for text in ("1", "2"):
        register(registry, tmp_path, "risk/iris", text)
    registry.promote("risk/iris@1.0.0", reason="first")
    with running(tmp_path / "store") as served:
        served.app.desk.link = OneTimeLink("once")
        yield served


@pytest.fixture
def browser(served: Served) -> Browser:
    browser = Browser(served.port)
    assert browser.send("/login/link", {"link": "once"}).status == 303
    return browser


@pytest.mark.parametrize("path", ["/", "/models/risk/iris", "/history", "/rollouts"])
def test_nobody_sees_a_page_before_they_sign_in(served: Served, path: str) -> None:
    page = Browser(served.port).get(path)
    assert page.status == 401
    assert b"Sign in" in page.body
    assert b"iris" not in page.body.replace(path.encode(), b"")  # only what was asked for
    assert Caller(served.port).ask("GET", path).status == 401  # a token is for the API


def test_signing_in_leads_to_the_page_that_was_asked_for(served: Served) -> None:
    browser = Browser(served.port)
    form = browser.form(browser.get("/models/risk/iris@1.1.0"), token=str(served.token))
    answer = browser.send("/login/token", form)
    assert (answer.status, answer.headers["location"]) == (303, "/models/risk/iris@1.1.0")


@pytest.mark.parametrize(
    "path",
    ["/", "/models/risk/iris", "/models/risk%2Firis", "/models/risk/iris@1.1.0:approve",
     "/models/risk/iris:history?q=first", "/rollouts"],
)  # fmt: skip
def test_a_page_is_shown_with_headers_that_let_nothing_else_in(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    for address in re.findall(r'(?:src|href)="([^"#][^"]*)"', page.body.decode()):
        assert address.startswith("/"), address


def test_a_figure_is_sent_so_that_nothing_in_it_can_run(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "roc.svg").write_bytes(DRAWN)
    registry = holdfast.open(tmp_path / "store", by="ana")
    (tmp_path / "drawn.txt").write_text("weights")
    registry.register("drawn", tmp_path / "drawn.txt", artifacts={"figures": figures})
    path = "/models/drawn@1.0.0:figure?name=roc"
    answer = browser.get(path)
    policy = answer.headers["content-security-policy"]

    assert (answer.status, answer.body) == (200, DRAWN)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert policy.startswith("default-src 'none'")
    assert "sandbox;" in policy
    assert "script-src" not in policy
    assert Browser(served.port).get(path).status == 401


def test_what_pages_need_comes_from_here(served: Served) -> None:
    for name, media in (
        ("app.css", "text/css"),
        ("app.js", "text/javascript"),
        ("icon.svg", "image/svg"),
    ):
        file = Browser(served.port).get(f"/static/{name}")
        assert file.status == 200
        assert file.headers["content-type"].startswith(media)
        assert 0 < len(file.body) <= 25_000
    assert Browser(served.port).get("/static/../page.py").status in (400, 404)
    assert Browser(served.port).get("/static/nothing.css").status == 404


def test_a_version_goes_live_and_back_by_forms(browser: Browser, served: Served) -> None:
    page = browser.get("/models/risk/iris:promote?version=1.1.0")
    done = browser.send("/models/risk/iris:promote", browser.form(page, reason="better"))
    assert done.status == 303
    after = browser.get(done.headers["location"])
    assert b"Done: promote 1.0.0" in after.body
    line = served.registry.history("risk/iris")[-1]
    assert (line.by, line.reason) == ("ana", "better")
    page = browser.get("/models/risk/iris:rollback")
    assert browser.send("/models/risk/iris:rollback", browser.form(page, reason="no")).status == 303
    assert served.registry.resolve("risk/iris@production").version == "1.0.0"


@pytest.mark.parametrize("csrf", [None, "", "AAAA", "x" * 88])
def test_a_form_that_no_page_of_the_session_made_does_nothing(
    browser: Browser, served: Served, csrf: str | None
) -> None:
    fields = {"version": "1.1.0", "reason": "forged", "expect": "1.0.0"}
    fields |= {} if csrf is None else {"csrf": csrf}
    answer = browser.send("/models/risk/iris:promote", fields)
    assert answer.status == 403
    assert served.registry.resolve("risk/iris@production").version == "1.0.0"


def test_a_form_of_another_site_does_nothing(browser: Browser, served: Served) -> None:
    page = browser.get("/models/risk/iris:promote?version=1.1.0")
    form = browser.form(page, reason="forged")
    for headers in ({"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}):
        assert browser.send("/models/risk/iris:promote", form, **headers).status == 403
    assert served.registry.resolve("risk/iris@production").version == "1.0.0"


def test_looking_never_writes(browser: Browser, served: Served) -> None:
    entries = len(served.registry.entries("risk/iris"))
    query = "version=1.1.0&reason=x&force=yes&csrf=x&do=abort&to=1.0.0"
    for path in ("risk/iris:promote", "risk/iris:rollback", "risk/iris:rollout"):
        browser.get(f"/models/{path}?{query}")
    browser.get(f"/models/risk/iris@1.1.0:approve?{query}")
    assert len(served.registry.entries("risk/iris")) == entries


def test_other_methods_and_bodies_are_refused(browser: Browser) -> None:
    refused = browser.get("/models/risk/iris", "DELETE")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    head = browser.get("/models/risk/iris", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert browser.send("/models/risk/iris:promote", {}, content_type="text/plain").status == 415


def test_a_theme_is_kept_and_leads_back_to_pages_alone(browser: Browser) -> None:
    answer = browser.get("/theme?to=dark&back=/models/risk/iris")
    assert (answer.status, answer.headers["location"]) == (303, "/models/risk/iris")
    assert b'data-theme="dark"' in browser.get("/").body
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "%0d%0ax:y"):
        assert browser.get(f"/theme?to=light&back={back}").headers["location"] == "/"
    browser.get("/theme?to=system&back=/")
    assert b"data-theme" not in browser.get("/").body


def test_a_page_is_told_what_happens_to_its_model(browser: Browser, served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    headers = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    connection.request("GET", "/models/risk/iris:events", headers=headers)
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.readline() == b"retry: 2000\n"
    served.registry.promote("risk/iris@1.1.0", reason="now")
    seen = b""
    while b"event: promoted" not in seen:
        seen += answer.readline()
    connection.close()
    assert Browser(served.port).get("/models/risk/iris:events").status == 401
    assert browser.get("/models/nothing:events").status == 404


def test_a_signed_out_browser_sees_nothing(browser: Browser) -> None:
    page = browser.get("/")
    token = re.search(r'name="csrf" value="([^"]+)"', page.body.decode())
    assert token is not None
    assert browser.send("/logout", {"csrf": token[1]}).status == 303
    assert browser.get("/").status == 401


def test_a_member_sees_and_does_what_was_granted(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "risk/iris", "1")
    register(team.registry, tmp_path, "risk/iris", "2")
    register(team.registry, tmp_path, "other", "1")
    team.registry.promote("risk/iris@1.0.0", reason="first")
    viewer, promoter = team.member("ben", "viewer", "risk/*"), team.member("cleo", "promoter")
    with team.served() as served:
        ben, cleo = Browser(served.port), Browser(served.port)
        assert ben.send("/login/token", {"token": viewer}).status == 303
        assert cleo.send("/login/token", {"token": promoter}).status == 303
        front = ben.get("/").body.decode()
        assert "risk/iris" in front
        assert "other" not in front
        assert ben.get("/models/other").status == 404
        page = ben.get("/models/risk/iris")
        assert b"Promote\xe2\x80\xa6" not in page.body
        refused = ben.get("/models/risk/iris:promote?version=1.1.0")
        assert refused.status == 403
        assert b"promoter" in refused.body
        token = ben.form(ben.get("/"))["csrf"]
        fields = {"csrf": token, "version": "1.1.0", "reason": "sneaky"}
        assert ben.send("/models/risk/iris:promote", fields).status == 403
        page = cleo.get("/models/risk/iris:promote?version=1.1.0")
        form = cleo.form(page, reason="better")
        assert cleo.send("/models/risk/iris:promote", form).status == 303
        entry = served.registry.entries("risk/iris")[-1]
        assert entry.by == "cleo"
        assert entry.auth is not None
        assert entry.auth.how == "session"


def test_everybody_reads_where_that_is_allowed_and_nobody_writes(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "iris", "1")
    with team.served(anonymous_read=True) as served:
        stranger = Browser(served.port)
        page = stranger.get("/models/iris")
        assert page.status == 200
        assert b"Sign out" not in page.body
        assert b"Promote\xe2\x80\xa6" not in page.body
        fields = {"version": "1.0.0", "reason": "x", "csrf": ""}
        assert stranger.send("/models/iris:promote", fields).status == 401


def test_a_server_that_only_reads_has_no_buttons(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path, "iris", "1")
    with running(tmp_path / "store", read_only=True) as served:
        served.app.desk.link = OneTimeLink("once")
        browser = Browser(served.port)
        browser.send("/login/link", {"link": "once"})
        page = browser.get("/models/iris")
        assert b"only reads" in page.body
        assert b"Promote\xe2\x80\xa6" not in page.body
        token = browser.form(page)["csrf"]
        fields = {"csrf": token, "version": "1.0.0", "reason": "x"}
        assert browser.send("/models/iris:promote", fields).status == 403


def test_a_browser_gets_a_page_where_a_program_gets_a_problem(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path, "iris", "1")
    with running(tmp_path / "store") as served:
        for path in ("/nothing", "/favicon.ico"):
            program, page = served.ask("GET", path), served.ask("GET", path, accept="text/html,*/*")
            assert page.status == program.status
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert page.headers["x-request-id"] in page.body.decode()
        assert served.ask("GET", "/nothing").code == "not_found"
        assert served.ask("GET", "/api/v1/nothing", accept="text/html").code == "not_found"
        evil = served.ask("GET", "/<script>alert(1)</script>", accept="text/html").body.decode()
        assert "<script>" not in evil
