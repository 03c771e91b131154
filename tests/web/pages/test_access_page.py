"""People and rights are shown and changed by administrators whose sign-in is young."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.web.browser import Browser
from tests.web.facing import Reply, Served, running
from tests.web.teams import Team, as_

import holdfast
from holdfast.access import changes
from holdfast.access.sessions import begun
from holdfast.access.tokens import digest_of_secret
from holdfast.web.sign_in import OneTimeLink, cookie_name

VIEWS = ("", "tokens", "grants", "rules", "log", "changes")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    team = Team(tmp_path_factory.mktemp("access"))
    team.access.service("nightly")
    team.access.grant("nightly", "registrar")
    return team


@pytest.fixture(scope="module")
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


def signed_in(served: Served, token: str) -> Browser:
    browser = Browser(served.port)
    assert browser.send("/login/token", {"token": token}).status == 303
    return browser


@pytest.fixture
def ana(served: Served, team: Team) -> Browser:
    return signed_in(served, team.ana)


def press(browser: Browser, **fields: str) -> Reply:
    """Send a form of the page, as its button does."""
    page = browser.get("/access").body.decode()
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    return browser.send("/access", {"csrf": token[1], **fields})


def users(served: Served) -> dict[str, dict[str, object]]:
    return {item["name"]: item for item in served.get("/users").json["items"]}


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_sound_html(ana: Browser, view: str) -> None:
    from tests.web.pages.test_page_routes import Balanced

    page = ana.get(f"/access?show={view}")
    assert page.status == 200
    parser = Balanced()
    parser.feed(page.body.decode())
    assert (parser.open, parser.inline, parser.headings) == ([], [], 1)
    assert b"None" not in page.body.replace(b"None yet", b"")


def test_people_their_roles_and_what_is_unusual_are_shown(ana: Browser) -> None:
    page = ana.get("/access").body.decode()
    assert "only administrator" in page
    assert "nightly" in page
    assert "registrar" in page
    assert 'href="/access" aria-current="page"' in page


def test_a_person_is_added_given_a_role_and_disabled(ana: Browser, served: Served) -> None:
    done = press(ana, do="add-user", name="frida")
    assert done.status == 303
    assert "Done: add " in ana.get(done.headers["location"]).body.decode()
    given = press(ana, do="give", subject="frida", role="viewer", pattern="risk/*")
    assert given.status == 303
    page = ana.get(given.headers["location"]).body.decode()
    (grant,) = re.findall(
        r"ask=take&amp;name=(\w+)\" aria-label=\"take viewer for risk/\* from frida", page
    )
    asked = ana.get(f"/access?show=grants&ask=take&name={grant}")
    assert b"Take the role viewer for risk/* from frida?" in asked.body
    assert press(ana, do="take", name=grant).status == 303
    frida = users(served)["frida"]
    asked = ana.get(f"/access?ask=disable&name={frida['id']}")
    assert b"Disable frida?" in asked.body
    assert not users(served)["frida"]["disabled"]
    assert press(ana, do="disable", name=str(frida["id"])).status == 303
    assert users(served)["frida"]["disabled"]
    assert b"disabled" in ana.get("/access").body
    assert press(ana, do="enable", name=str(frida["id"])).status == 303
    assert not users(served)["frida"]["disabled"]
    lines = ana.get("/access?show=changes").body.decode()
    assert "session" in lines


def test_a_token_is_shown_once_works_and_is_revoked(ana: Browser, served: Served) -> None:
    press(ana, do="add-service", name="robot")
    made = press(
        ana, do="issue", user="robot", label="ci", days="10", roles="viewer", models="a b/*"
    )
    assert made.status == 200
    (secret,) = re.findall(r"<code>(hft_s_\w+)</code>", made.body.decode())
    who = as_(served, secret).get("/whoami")
    assert who.status == 200
    page = ana.get("/access?show=tokens").body.decode()
    token = digest_of_secret(secret)[:12]
    assert f'<span class="mono">{token}</span>' in made.body.decode()
    assert token in page
    assert secret not in page
    assert "b/*" in page
    asked = ana.get(f"/access?show=tokens&ask=revoke&name={token}").body.decode()
    assert f"Revoke token {token} (ci) of robot?" in asked
    assert press(ana, do="revoke", name=token).status == 303
    assert token not in ana.get("/access?show=tokens").body.decode()
    assert as_(served, secret).get("/whoami").status == 401


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"do": "add-user", "name": "ana"}, 409, "exists already"),
        ({"do": "add-user", "name": ""}, 409, "must be 1 to 100"),
        ({"do": "give", "subject": "nobody", "role": "viewer", "pattern": "*"}, 409, "nobody"),
        ({"do": "give", "subject": "ana", "role": "<b>", "pattern": "*"}, 409, "&lt;b&gt;"),
        ({"do": "issue", "user": "ana", "days": "soon"}, 409, "days must be a number"),
        ({"do": "issue", "user": "ana", "days": "nan"}, 409, "expiry must be"),
        ({"do": "issue", "user": "ana", "days": "900"}, 409, "at most 366"),
        ({"do": "take", "name": "g_0"}, 409, "g_0"),
        ({"do": "explode"}, 409, "button"),
        ({}, 409, "button"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(
    ana: Browser, served: Served, fields: dict[str, str], status: int, text: str
) -> None:
    before = served.app.desk.guard.journal.state(max_age_s=0).seq  # type: ignore[attr-defined]
    refused = press(ana, **fields)
    assert refused.status == status
    assert "Nothing was changed" in refused.body.decode()
    assert text in refused.body.decode()
    assert served.app.desk.guard.journal.state(max_age_s=0).seq == before  # type: ignore[attr-defined]


def test_the_last_administrator_stays(ana: Browser, served: Served) -> None:
    refused = press(ana, do="disable", name=str(users(served)["ana"]["id"]))
    assert refused.status == 409
    assert b"nobody could change access any more" in refused.body


def test_a_sign_in_that_is_old_changes_nothing_and_can_be_repeated(
    served: Served, team: Team
) -> None:
    desk = served.app.desk
    user = served.get("/whoami").json["user"]
    token = digest_of_secret(team.ana)[:12]
    old = datetime.now(UTC) - timedelta(minutes=16)
    secret = desk.sessions.create(begun(user["id"], "session", old, token=token))
    browser = Browser(served.port)
    browser.cookies[cookie_name(desk)] = secret
    page = browser.get("/access").body.decode()
    assert "sign in again" in page
    assert "Add person" not in page
    refused = press(browser, do="add-user", name="late")
    assert refused.status == 403
    assert b"older than 15 minutes" in refused.body
    assert "late" not in users(served)
    again = browser.send("/login/token", {"token": team.ana, "back": "/access"})
    assert (again.status, again.headers["location"]) == (303, "/access")
    assert b"Add person" in browser.get("/access").body
    assert desk.sessions.read(secret, datetime.now(UTC)) is None  # replaced


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/login/x", "/access\r\nx: y"]
)
def test_signing_in_leads_to_pages_of_this_server_alone(
    served: Served, team: Team, back: str
) -> None:
    answer = Browser(served.port).send("/login/token", {"token": team.ana, "back": back})
    assert answer.headers["location"] == "/"


def test_who_is_no_administrator_has_no_page_no_link_and_no_form(
    served: Served, team: Team
) -> None:
    ben = signed_in(served, team.member("ben", "promoter"))
    assert b'href="/access"' not in ben.get("/").body
    page = ben.get("/access")
    assert page.status == 403
    assert b"it takes the role admin" in page.body
    token = ben.form(ben.get("/"))["csrf"]
    fields = {"csrf": token, "do": "give", "subject": "ben", "role": "admin", "pattern": "*"}
    assert ben.send("/access", fields).status == 403
    assert all(
        item["role"] != "admin" or item["by"] != "ben"
        for item in served.get("/grants").json["items"]
    )


def test_a_form_of_no_page_of_the_session_changes_nothing(ana: Browser, served: Served) -> None:
    assert ana.send("/access", {"do": "add-user", "name": "forged", "csrf": "x"}).status == 403
    assert "forged" not in users(served)


def test_looking_changes_nothing(ana: Browser, served: Served) -> None:
    before = len(users(served))
    ana.get("/access?do=add-user&name=forged")
    ana.get("/access?ask=disable&name=ana&do=disable")
    assert len(users(served)) == before


def test_a_narrowed_session_makes_no_token(served: Served, team: Team) -> None:
    narrowed = team.access.token("ana", roles=("admin",)).secret
    browser = signed_in(served, narrowed)
    refused = press(browser, do="issue", user="ana", days="366")
    assert refused.status == 403
    assert b"which was narrowed" in refused.body


def test_text_of_users_is_text_in_every_view(tmp_path: Path) -> None:
    from tests.web.pages.test_page_routes import EVIL, Balanced

    team = Team(tmp_path)
    team.access.add(EVIL, "viewer", "<b>*")
    team.access.token(EVIL, label=EVIL, roles=("viewer",), models=("<b>*",))
    team.access.service("<i>", EVIL)
    team.access.commit(lambda state, _stamp: changes.set_group(state, "<u>", [EVIL]))
    with team.served() as served:
        ana = signed_in(served, team.ana)
        Browser(served.port).send("/login/token", {"token": EVIL})
        evil = users(served)[EVIL]["id"]
        for path in (
            *(f"/access?show={view}" for view in VIEWS),
            f"/access?ask=disable&name={evil}",
        ):
            page = ana.get(path).body.decode()
            parser = Balanced()
            parser.feed(page)
            assert (parser.open, parser.inline) == ([], [])
            assert not any(raw in page for raw in ("<script>alert", "<img", "<b>*", "<i>", "<u>"))


def test_refusals_are_shown_by_day_and_as_a_file(ana: Browser, served: Served, team: Team) -> None:
    ben = signed_in(served, team.member("bella", "viewer"))
    assert ben.get("/access").status == 403
    page = ana.get("/access?show=log").body.decode()
    assert "bella" in page
    file = ana.get("/access?show=log&form=csv")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.body.startswith(b"at,what,by,")
    assert b"Nothing was refused" in ana.get("/access?show=log&day=2020-01-01").body
    bad = ana.get("/access?show=log&day=../../x")
    assert bad.status == 409
    assert b"day must be a date" in bad.body


def test_a_server_that_only_reads_shows_access_without_forms(tmp_path: Path) -> None:
    team = Team(tmp_path)
    with team.served(read_only=True) as served:
        ana = signed_in(served, team.ana)
        page = ana.get("/access")
        assert page.status == 200
        assert b"Add person" not in page.body
        assert b"Disable" not in page.body
        refused = press(ana, do="add-user", name="frida")
        assert refused.status == 403
        assert "frida" not in users(served)


def test_a_server_for_one_user_teaches_how_to_get_people(tmp_path: Path) -> None:
    holdfast.open(tmp_path / "store").init()
    with running(tmp_path / "store") as served:
        served.app.desk.link = OneTimeLink("once")
        browser = Browser(served.port)
        browser.send("/login/link", {"link": "once"})
        page = browser.get("/access")
        assert page.status == 200
        assert b"holdfast access init --admin ana" in page.body


def view(browser: Browser, path: str) -> str:
    """Return a view, which is sound HTML."""
    from tests.web.pages.test_page_routes import Balanced

    page = browser.get(path)
    assert page.status == 200
    parser = Balanced()
    parser.feed(page.body.decode())
    assert (parser.open, parser.inline) == ([], [])
    return page.body.decode()


def groups(served: Served) -> dict[str, list[str]]:
    return {item["name"]: item["members"] for item in served.get("/groups").json["items"]}


def test_a_group_is_made_filled_emptied_and_removed(ana: Browser, served: Served) -> None:
    press(ana, do="add-user", name="gil")
    gil = str(users(served)["gil"]["id"])
    assert press(ana, do="add-group", name="night & day").status == 303
    assert press(ana, do="join", name="night & day", user=gil).status == 303
    assert groups(served)["night & day"] == [gil]
    again = press(ana, do="join", name="night & day", user=gil)
    assert b"Nothing to change" in again.body
    press(ana, do="give", subject="group:night & day", role="oncall", pattern="risk/*")
    page = view(ana, "/access")
    (link,) = re.findall(r'href="([^"]+)" aria-label="take gil out of night &amp; day"', page)
    asked = view(ana, link.replace("&amp;", "&"))
    assert "Take gil out of group night &amp; day? It gives oncall for risk/*." in asked
    assert press(ana, do="leave", name="night & day", user=gil).status == 303
    assert groups(served)["night & day"] == []
    asked = view(ana, "/access?ask=remove-group&name=night+%26+day")
    assert "Remove group night &amp; day of 0 members? It gives oncall for risk/*." in asked
    assert "A later group of that name would have that again" in asked
    assert press(ana, do="remove-group", name="night & day").status == 303
    assert "night & day" not in groups(served)


def test_a_member_who_was_disabled_hinders_no_change_of_a_group(
    ana: Browser, served: Served
) -> None:
    for name in ("hal", "ida"):
        press(ana, do="add-user", name=name)
    hal, ida = (str(users(served)[name]["id"]) for name in ("hal", "ida"))
    press(ana, do="add-group", name="mixed")
    press(ana, do="join", name="mixed", user=hal)
    press(ana, do="disable", name=hal)
    assert press(ana, do="join", name="mixed", user=ida).status == 303
    assert groups(served)["mixed"] == sorted((hal, ida))
    assert "hal (disabled)" in view(ana, "/access")
    assert press(ana, do="leave", name="mixed", user=hal).status == 303
    assert groups(served)["mixed"] == [ida]


def test_who_join_a_group_at_once_are_all_in_it(ana: Browser, served: Served, team: Team) -> None:
    names = [f"at-once-{number}" for number in range(6)]
    for name in names:
        press(ana, do="add-user", name=name)
    press(ana, do="add-group", name="crowd")
    browsers = [signed_in(served, team.ana) for _ in names]
    with ThreadPoolExecutor(len(names)) as threads:
        pairs = list(zip(browsers, names, strict=True))
        done = list(threads.map(lambda p: press(p[0], do="join", name="crowd", user=p[1]), pairs))
    assert [answer.status for answer in done] == [303] * 6
    known = users(served)
    assert groups(served)["crowd"] == sorted(str(known[name]["id"]) for name in names)


RULE = {
    "do": "put-rule",
    "name": "retrain",
    "issuer": "https://ci.example",
    "audience": "https://models.example",
    "claims": "repository_id=77\r\n\r\nref = refs/heads/main=x",
    "role": "registrar",
    "models": "risk/* eta",
}
PROVIDER = {
    "do": "put-provider",
    "name": "corp",
    "issuer": "https://id.example",
    "client": "holdfast",
    "claim": "groups",
    "groups": "ml-risk=sec",
}


def test_a_rule_for_jobs_is_set_changed_and_ended(ana: Browser, served: Served) -> None:
    assert press(ana, **RULE).status == 303
    (rule,) = served.get("/rules").json["items"]
    assert rule["claims"] == {"repository_id": "77", "ref": "refs/heads/main=x"}
    assert rule["models"] == ["risk/*", "eta"]
    taken = press(ana, **RULE | {"role": "viewer"})
    assert taken.status == 409
    assert b"exists already" in taken.body
    assert b"refs/heads/main=x</textarea>" in taken.body  # what was typed stays
    page = view(ana, "/access?show=rules&edit=rule:retrain")
    assert 'name="replaces" value="retrain"' in page
    assert 'value="risk/* eta"' in page
    assert press(ana, **RULE | {"role": "viewer", "replaces": "retrain"}).status == 303
    (changed,) = served.get("/rules").json["items"]
    assert (changed["role"], changed["rule"]) == ("viewer", rule["rule"])
    assert "End rule retrain?" in view(ana, "/access?show=rules&ask=end-rule&name=retrain")
    assert press(ana, do="end-rule", name="retrain").status == 303
    assert served.get("/rules").json["items"] == []
    gone = press(ana, **RULE | {"replaces": "retrain"})
    assert gone.status == 409
    assert b"was removed" in gone.body


def test_a_provider_is_set_changed_and_removed(ana: Browser, served: Served) -> None:
    press(ana, do="add-group", name="sec")
    assert press(ana, **PROVIDER).status == 303
    (known,) = served.get("/providers").json["items"]
    assert (known["groups"], known["groups_claim"]) == ({"ml-risk": "sec"}, "groups")
    assert "corp" in view(ana, "/access")
    led = view(ana, "/access?ask=remove-group&name=sec")
    assert "Groups of corp lead to it" in led
    page = view(ana, "/access?show=rules&edit=provider:corp")
    assert "ml-risk=sec</textarea>" in page
    assert press(ana, **PROVIDER).status == 409
    assert press(ana, **PROVIDER | {"replaces": "corp", "groups": ""}).status == 303
    (changed,) = served.get("/providers").json["items"]
    assert changed["groups"] == {}
    asked = view(ana, "/access?show=rules&ask=remove-provider&name=corp")
    assert "Remove provider corp? 0 people who sign in by it then need a token" in asked
    assert press(ana, do="remove-provider", name="corp").status == 303
    assert served.get("/providers").json["items"] == []


def test_providers_are_set_and_removed_over_the_api(served: Served) -> None:
    body = {"issuer": "https://id.example", "client_id": "holdfast"}
    assert served.ask("PUT", "/api/v1/providers/api", body).json["issuer"] == body["issuer"]
    assert served.ask("DELETE", "/api/v1/providers/api").status == 204
    assert served.ask("DELETE", "/api/v1/providers/api").status == 404


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"do": "add-group", "name": "a:b"}, "without"),
        ({"do": "join", "name": "gone", "user": "ana"}, "group gone"),
        ({"do": "leave", "name": "gone", "user": "ana"}, "group gone"),
        ({"do": "remove-group", "name": "gone"}, "group gone"),
        (RULE | {"claims": "repository_id"}, "must be NAME=VALUE"),
        (RULE | {"claims": "a=1\na=2"}, "twice"),
        (RULE | {"claims": ""}, "needs an audience and 1 to 20 claims"),
        (RULE | {"role": "admin"}, "cannot be a job"),
        (RULE | {"issuer": "http://ci.example"}, "must be https"),
        (RULE | {"models": " "}, "needs models"),
        ({"do": "end-rule", "name": "gone"}, "rule gone"),
        (PROVIDER | {"groups": "x=nobody"}, "group nobody"),
        (PROVIDER | {"client": ""}, "needs a client id"),
        (PROVIDER | {"issuer": "file:///etc"}, "must be https"),
        (PROVIDER | {"replaces": "corp"}, "was removed"),
        ({"do": "remove-provider", "name": "gone"}, "provider gone"),
    ],
)
def test_what_no_group_rule_or_provider_can_be_is_told(
    ana: Browser, served: Served, fields: dict[str, str], text: str
) -> None:
    before = served.app.desk.guard.journal.state(max_age_s=0).seq  # type: ignore[attr-defined]
    refused = press(ana, **fields)
    assert refused.status == 409
    assert "Nothing was changed" in refused.body.decode()
    assert text in refused.body.decode()
    assert served.app.desk.guard.journal.state(max_age_s=0).seq == before  # type: ignore[attr-defined]


def test_the_last_administrator_is_not_taken_out_of_their_group(tmp_path: Path) -> None:
    team = Team(tmp_path)
    team.access.commit(lambda state, _stamp: changes.set_group(state, "admins", ["ana"]))
    team.access.grant("group:admins", "admin")
    with team.served() as served:
        ana = signed_in(served, team.ana)
        (own,) = (
            item["id"]
            for item in served.get("/grants").json["items"]
            if item["subject"] != "group:admins"
        )
        assert press(ana, do="take", name=own).status == 303
        refused = press(ana, do="leave", name="admins", user=str(users(served)["ana"]["id"]))
        assert refused.status == 409
        assert b"nobody could change access any more" in refused.body
        assert press(ana, do="remove-group", name="admins").status == 409
