"""Attacks on a team's server by those who have little: a viewer, a registrar, a stranger."""

import base64
import contextlib
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.web.browser import Browser
from tests.web.facing import Caller, Served, register
from tests.web.teams import Team, as_

from holdfast.errors import DamagedError, NotFoundError
from holdfast.web.guard import KeptFailures

KEY = "a2V5" * 10 + "a2U="


@pytest.fixture
def team(tmp_path: Path) -> Team:
    made = Team(tmp_path)
    for text in ("1", "2"):
        register(made.registry, tmp_path, "risk/iris", text)
    register(made.registry, tmp_path, "sales/iris", "hidden")
    return made


@pytest.fixture
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


def signed_in(served: Served, token: str) -> Browser:
    browser = Browser(served.port)
    assert browser.send("/login/token", {"token": token}).status == 303
    return browser


@pytest.mark.parametrize(
    "path",
    [
        "/models/x:%22%7D%201%0Afake_total%7B",
        "/models/x@1:fake_total",
        "/models/@fake_total",
        "/models/:fake_total",
    ],
)
def test_a_path_that_a_stranger_makes_up_is_not_among_the_figures(
    served: Served, path: str
) -> None:
    stranger = Caller(served.port, None)
    assert stranger.ask("GET", path).status in (401, 404)
    assert stranger.ask("GET", f"{path}:events").status in (401, 404)
    figures = stranger.ask("GET", "/metrics").body.decode()
    assert "fake_total" not in figures
    assert 'route="",status="401"' in figures


def test_a_form_uses_no_key_of_another_user(team: Team, served: Served) -> None:
    ana = served.get("/whoami").json["user"]["id"]
    paul = signed_in(served, team.member("paul", "promoter", "risk/*"))
    page = paul.get("/models/risk/iris:promote?version=1.0.0")
    form = paul.form(page, reason="mine", idempotency_key=f"{ana}:nightly")
    assert paul.send("/models/risk/iris:promote", form).status == 303
    form = paul.form(paul.get("/models/risk/iris:promote?version=1.1.0"), reason="mine")
    assert paul.send("/models/risk/iris:promote", form).status == 303

    done = served.post("/models/risk/iris:promote", {"version": "1.0.0"}, idempotency_key="nightly")

    assert done.json["entry"] is not None
    assert served.get("/models/risk/iris").json["production"] == "1.0.0"


def test_a_signature_of_bytes_that_others_sent_is_not_prepared(team: Team, served: Served) -> None:
    (hidden,) = team.registry.manifest("sales/iris@1.0.0").files
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    for sha256 in (hidden.sha256, "0" * 64):
        arguments = {"version": "1.0.0", "signature": sha256, "key": "x"}
        body = {"verb": "sign-attach", "arguments": arguments, "key": KEY}
        refused = rita.post("/models/risk/iris:prepare", body)

        assert (refused.status, refused.code) == (422, "invalid_input")
        assert "was not sent by you" in refused.json["detail"]


@pytest.mark.parametrize(
    "cursor",
    [{"after": "9" * 5000}, {"after": "3", "head": -1}, {"after": "3", "head": 10**30}, {"x": 1}],
)
def test_a_cursor_that_no_page_gave_is_the_callers_fault(
    team: Team, served: Served, cursor: dict[str, Any]
) -> None:
    vera = as_(served, team.member("vera", "viewer", "risk/*"))
    text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    for name in ("entries", "history", "versions"):
        answer = vera.get(f"/models/risk/iris:{name}?cursor={text}")
        assert answer.status in (200, 422)
        assert answer.status == 422 or cursor.get("head")


def test_a_page_below_a_number_without_end_is_a_page(team: Team, served: Served) -> None:
    vera = signed_in(served, team.member("vera", "viewer", "risk/*"))
    assert vera.get(f"/models/risk/iris:history?below={'9' * 5000}").status == 200


def test_where_the_store_is_is_the_servers_affair(team: Team, served: Served) -> None:
    vera = signed_in(served, team.member("vera", "viewer", "risk/*"))
    paul = signed_in(served, team.member("paul", "promoter", "risk/*"))
    place = str(team.folder)
    for path in ("/", "/models/risk/iris", "/models/risk/iris:history", "/models/no"):
        assert place not in vera.get(path).body.decode()
    assert place in signed_in(served, team.ana).get("/").body.decode()
    form = paul.form(paul.get("/models/risk/iris:promote"), reason="x", version="1.0.0")
    for entry in (team.folder / "store").glob("models/risk%2firis/journal/*2.json"):
        entry.write_bytes(b"damaged")
    answer = paul.send("/models/risk/iris:promote", form)
    assert answer.status == 409
    assert b"was seen, and is missing or another one" in answer.body
    assert place not in answer.body.decode()


def test_a_part_for_which_there_is_no_room_is_refused(
    team: Team, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    data = b"weights"
    sha256 = hashlib.sha256(data).hexdigest()
    began = rita.post("/uploads", {"sha256": sha256, "size_bytes": len(data)})
    place = began.headers["location"]
    monkeypatch.setattr("holdfast.store.incoming._SPARE_BYTES", 1 << 60)

    refused = rita.ask("PATCH", place, data, upload_offset="0", upload_complete="?1")

    assert (refused.status, refused.code) == (507, "store_full")
    monkeypatch.undo()
    taken = rita.ask("PATCH", place, data, upload_offset="0", upload_complete="?1")
    assert taken.status == 201


def test_one_watcher_takes_not_the_places_of_all(
    team: Team, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.web.followers.MOST_OF_ONE", 1)
    vera, paul = (team.member(name, "viewer", "risk/*") for name in ("vera", "paul"))
    with watching(served.port, "risk/iris", vera):
        refused = as_(served, vera).get("/models/risk/iris:events")
        assert (refused.status, refused.code) == (503, "busy")
        with watching(served.port, "risk/iris", paul):
            assert served.app.desk.followers.watchers == 2


def test_a_model_that_cannot_be_followed_takes_no_place(
    team: Team, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    vera = as_(served, team.member("vera", "viewer", "risk/*"))
    monkeypatch.setattr("holdfast.web.followers.head_of", _damaged)
    assert vera.get("/models/risk/iris:events").status == 500
    assert served.app.desk.followers.watchers == 0


def _damaged(*_: object) -> None:
    raise DamagedError("the journal", "has an entry missing", "restore it")


@contextlib.contextmanager
def watching(port: int, model: str, token: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        headers = {"authorization": f"Bearer {token}"}
        connection.request("GET", f"/api/v1/models/{model}:events", headers=headers)
        with connection.getresponse() as answer:
            assert answer.readline() == b"retry: 2000\n"
            yield answer


def test_nobody_learns_by_asking_for_tokens_who_there_is(team: Team, served: Served) -> None:
    vera = as_(served, team.member("vera", "viewer", "risk/*"))
    answers = [vera.post("/tokens", {"user": name}) for name in ("ana", "anna", "nobody")]
    assert [answer.code for answer in answers] == ["forbidden"] * 3
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert served.post("/tokens", {"user": "veras"}).json["nearest"] == ["vera"]


@pytest.mark.parametrize("at", ["x", "<script>", "2026-13-01", "99999999999", "\u0663"])
def test_a_page_as_of_no_time_is_the_callers_fault(team: Team, served: Served, at: str) -> None:
    vera = signed_in(served, team.member("vera", "viewer", "risk/*"))
    for path in ("/", "/history", "/models/risk/iris:history"):
        assert vera.get(f"{path}?at={quote(at)}").status == 409
        assert vera.get(f"{path}?at=2126-03-03").status == 200


def test_no_text_hides_or_turns_around_what_stands_beside_it(team: Team, served: Served) -> None:
    paul = as_(served, team.member("paul", "promoter", "risk/*"))
    turned = "fine \u202edetcejer\u2066 \x1b[2J \x07"
    body = {"version": "1.0.0", "reason": turned}
    assert paul.post("/models/risk/iris:promote", body).status == 200
    tags = {"version": "1.0.0", "tags": {"team": turned}}
    assert paul.post("/models/risk/iris:tag", tags).status == 200
    browser = signed_in(served, str(paul.token))
    for path in ("", ":history", "@1.0.0", ":history?form=csv", f":history?q={quote(turned)}"):
        page = browser.get(f"/models/risk/iris{path}")
        assert page.status == 200
        assert not set("\u202e\u2066\x1b\x07") & set(page.body.decode())
    assert "fine \ufffddetcejer\ufffd" in browser.get("/models/risk/iris:history").body.decode()


@pytest.mark.parametrize(
    ("count", "size", "problem"),
    [(10_001, 1, "10,001 files, more than 10,000"), (300, 1 << 20, "that it names already")],
)
def test_a_short_draft_makes_no_endless_work(
    team: Team, served: Served, count: int, size: int, problem: str
) -> None:
    data = b"x" * size
    sha256 = hashlib.sha256(data).hexdigest()
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    assert rita.ask("PUT", f"/api/v1/blobs/{sha256}", data).status == 201
    named = [
        {"path": f"model/{number}", "sha256": sha256, "size_bytes": size} for number in range(count)
    ]
    artifact = {"path": "model", "format": "tensorflow-savedmodel", "files": named}
    body = {"draft": {"artifacts": {"model": artifact}}}

    refused = rita.post("/models/risk/iris:register", body)

    assert (refused.status, refused.code) == (422, "invalid_input")
    assert problem in refused.json["detail"]


def test_whoever_has_no_token_does_not_fill_the_store(served: Served) -> None:
    stranger = as_(served, "hft_p_nothing")
    codes = {stranger.get("/whoami").status for _ in range(90)}
    assert codes == {401, 429}
    items = served.get("/access/log").json["items"]
    assert 30 <= len(items) <= 60  # at most two minutes of the clock are touched
    assert {item["what"] for item in items} == {"sign_in_failed"}


def test_not_even_from_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptFailures()
    monkeypatch.setattr("time.monotonic", lambda: 600.0)
    assert sum(kept.takes(f"2001:db8::{number:x}") for number in range(5_000)) == 1_000
    assert not kept.takes("2001:db8:1::1")
    monkeypatch.setattr("time.monotonic", lambda: 661.0)
    assert kept.takes("2001:db8:1::1")


def test_a_part_that_comes_after_the_end_finds_no_upload(served: Served) -> None:
    place = served.post("/uploads", {"sha256": "0" * 64, "size_bytes": 1}).headers["location"]
    upload = place.rpartition("/")[2]
    files = served.app.desk.incoming
    assert files is not None
    files.remove(upload)  # between the look at it and the lock of it
    with pytest.raises(NotFoundError, match=upload), files.part(upload, 0):
        pass


def test_who_only_registers_does_not_vouch_for_code(team: Team, served: Served) -> None:
    registrar = as_(served, team.member("ria", "registrar"))
    data = b"cposix\nsystem\n(S'true'\ntR."
    sha256 = hashlib.sha256(data).hexdigest()
    assert registrar.ask("PUT", f"/api/v1/blobs/{sha256}", data).status in (200, 201)
    file = {"path": "model.pkl", "sha256": sha256, "size_bytes": len(data)}
    artifact = {"path": "model.pkl", "format": "pickle", "files": [file]}
    draft = {"name": "risk/iris", "artifacts": {"model": artifact}}
    answer = registrar.post("/models/risk/iris:register", {"draft": draft, "trust": "me"})
    assert (answer.status, answer.code) == (403, "forbidden")
    assert len(served.registry.versions("risk/iris")) == 2
