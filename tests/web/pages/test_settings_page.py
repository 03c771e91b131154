"""Everybody sets their theme and their own tokens; administrators see how the server is set up."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.web.browser import Browser
from tests.web.facing import Reply, Served, running
from tests.web.teams import Team, as_

import holdfast
from holdfast.access.sessions import begun
from holdfast.access.tokens import digest_of_secret
from holdfast.web.sign_in import OneTimeLink, cookie_name


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def served(team: Team) -> Iterator[Served]:
    with team.served(log="postgresql://ben:secret@db/logs") as served:
        yield served


@pytest.fixture
def ben(team: Team, served: Served) -> Browser:
    return signed_in(served, team.member("ben", "viewer"))


def signed_in(served: Served, token: str) -> Browser:
    browser = Browser(served.port)
    assert browser.send("/login/token", {"token": token}).status == 303
    return browser


def press(browser: Browser, **fields: str) -> Reply:
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/settings").body.decode())
    assert token is not None
    return browser.send("/settings", {"csrf": token[1], **fields})


def test_everybody_sees_themselves_and_administrators_the_rest(
    ben: Browser, served: Served, team: Team
) -> None:
    page = ben.get("/settings").body.decode()
    assert "it takes the role admin" in page
    assert "MLFLOW_TRACKING_TOKEN" in page
    assert str(team.folder) not in page
    admin = signed_in(served, team.ana).get("/settings").body.decode()
    assert str(team.folder) in admin
    assert "reachable" in admin
    assert "366 at most" in admin
    assert "postgresql://db/logs" in admin
    assert "secret" not in admin


def test_one_makes_and_revokes_tokens_of_ones_own(ben: Browser, served: Served) -> None:
    made = press(ben, do="issue", label="laptop", days="10", user="ana")
    (secret,) = re.findall(r"<code>(hft_p_\w+)</code>", made.body.decode())
    assert as_(served, secret).get("/whoami").json["user"]["name"] == "ben"
    token = digest_of_secret(secret)[:12]
    assert f'<span class="mono">{token}</span>' in made.body.decode()  # among the others, at once
    page = ben.get("/settings").body.decode()
    assert "laptop" in page
    assert secret not in page
    assert f"Revoke token {token}?" in ben.get(f"/settings?revoke={token}").body.decode()
    done = press(ben, do="revoke", name=token)
    assert done.status == 303
    after = ben.get(done.headers["location"]).body.decode()
    assert f"Done: token {token} opens nothing any more." in after
    assert as_(served, secret).get("/whoami").status == 401


def test_tokens_of_others_are_neither_shown_nor_revoked(
    ben: Browser, served: Served, team: Team
) -> None:
    token = digest_of_secret(team.ana)[:12]
    assert token not in ben.get("/settings").body.decode()
    assert "Revoke token" not in ben.get(f"/settings?revoke={token}").body.decode()
    assert "Done" not in ben.get(f"/settings?revoked={token}").body.decode()
    refused = press(ben, do="revoke", name=token)
    assert refused.status == 409
    by_admin = press(signed_in(served, team.ana), do="revoke", name=digest_of_secret("x")[:12])
    assert by_admin.status == 409
    assert as_(served, team.ana).get("/whoami").status == 200


def test_one_signs_out_in_other_browsers_and_nobody_else_s(
    ben: Browser, served: Served, team: Team
) -> None:
    here = digest_of_secret(ben.cookies[cookie_name(served.app.desk)])
    other = signed_in(served, team.access.token("ben").secret)
    there = digest_of_secret(other.cookies[cookie_name(served.app.desk)])
    ana = signed_in(served, team.ana)
    page = ben.get("/settings").body.decode()
    assert here[:12] in page
    assert there[:12] in page
    assert page.count("this one") == 1
    assert f'name="name" value="{there}"' in page
    assert f'name="name" value="{here}"' not in page
    assert there[:12] not in ana.get("/settings").body.decode()
    assert press(ana, do="end", name=there).status == 409
    assert other.get("/").status == 200
    assert press(ben, do="end", name=there).status == 303
    assert other.get("/").status == 401
    assert there[:12] not in ben.get("/settings").body.decode()
    assert press(ben, do="end", name=here).status == 303
    assert ben.get("/").status == 401


def test_an_unknown_button_and_a_narrowed_session_change_nothing(
    ben: Browser, served: Served, team: Team
) -> None:
    assert press(ben, do="explode").status == 409
    narrowed = signed_in(served, team.access.token("ben", roles=("viewer",)).secret)
    refused = press(narrowed, do="issue", label="wide")
    assert refused.status == 403
    assert b"which was narrowed" in refused.body


def test_an_old_sign_in_makes_no_token(served: Served, team: Team) -> None:
    user = served.get("/whoami").json["user"]
    old = datetime.now(UTC) - timedelta(minutes=16)
    token = digest_of_secret(team.ana)[:12]
    browser = Browser(served.port)
    desk = served.app.desk
    browser.cookies[cookie_name(desk)] = desk.sessions.create(
        begun(user["id"], "session", old, token=token)
    )
    assert b"sign in again" in browser.get("/settings").body
    refused = press(browser, do="issue", label="late")
    assert refused.status == 403
    assert b"hft_p_" not in refused.body


def test_the_theme_that_is_kept_is_marked(ben: Browser) -> None:
    ben.get("/theme?to=dark&back=/settings")
    assert b'aria-current="true">dark' in ben.get("/settings").body


def test_a_server_for_one_user_says_how_programs_get_in(tmp_path: Path) -> None:
    holdfast.open(tmp_path / "one").init()
    with running(tmp_path / "one") as served:
        served.app.desk.link = OneTimeLink("once")
        browser = Browser(served.port)
        browser.send("/login/link", {"link": "once"})
        page = browser.get("/settings").body.decode()
        assert "you alone" in page
        assert "no log was named" in page
        assert press(browser, do="issue").status == 200  # there are no tokens to make
        assert b"hft_" not in press(browser, do="issue").body


def test_a_server_that_only_reads_makes_no_token(team: Team) -> None:
    with team.served(read_only=True) as served:
        ana = signed_in(served, team.ana)
        assert press(ana, do="issue").status == 403
        assert b"Make token" not in ana.get("/settings").body


def test_everybody_who_reads_without_signing_in_has_no_tokens(team: Team) -> None:
    with team.served(anonymous_read=True) as served:
        page = Browser(served.port).get("/settings")
        assert page.status == 200
        assert b"Your tokens" not in page.body


def test_a_store_that_is_not_the_one_that_was_opened_is_told(look: Any, store: Path) -> None:
    config = store / "holdfast.json"
    config.unlink()
    _, page = look("/settings")
    assert "not usable now" in page
