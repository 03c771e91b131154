"""Predictions are looked up by whoever was granted it, and that they did is kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.web.browser import Browser
from tests.web.facing import register
from tests.web.teams import Team, as_

import holdfast
from holdfast.predictions import Label, Prediction, open_log
from holdfast.predictions.ids import Mint


def row_of(registry: holdfast.Registry, ref: str, at: str, **facts: Any) -> Prediction:
    """Return an answer of a version at a time."""
    info, at_us = registry.resolve(ref), int(datetime.fromisoformat(at).timestamp() * 1_000_000)
    values = {"input": {"instances": [["4711"]]}, "output": [1], **facts}
    return Prediction(
        Mint("host-1", lambda: at_us // 1000)(), at_us, info.model, info.version,
        info.digest.removeprefix("sha256:"), values.pop("role", "active"), 200, 1500, "host-1",
        **values,
    )  # fmt: skip


Logged = Callable[..., str]


@pytest.fixture
def logged(tmp_path: Path, person: Any) -> Logged:
    """Return what logs an answer of `risk/fraud`, and returns its id."""
    person.log = str(tmp_path / "predictions")

    def log(at: str, **facts: Any) -> str:
        row = row_of(person.registry, facts.pop("ref", "risk/fraud@1.0.0"), at, **facts)
        opened = open_log(person.log)
        opened.write([row])
        opened.feedback.add([Label(row.prediction_id, 0, row.at_us + 1, "desk")])
        opened.close()
        return row.prediction_id

    return log


def test_an_id_leads_to_the_version_and_to_whoever_put_it_live(
    look: Any, logged: Logged, person: Any
) -> None:
    first = person.registry.served("risk/fraud")[0]
    wanted = logged(first.since)
    answer, page = look("/predictions", id=f" {wanted.upper()} ")
    assert answer.status == 200
    assert 'href="/models/risk/fraud@1.0.0"' in page
    assert "promoted by ana" in page
    assert "“nightly”" in page
    assert "4711" not in page
    assert "desk" not in page
    assert person.notes == [("looked_up", f"prediction {wanted}", "risk/fraud")]


def test_input_and_output_are_shown_to_those_who_press_for_them(
    look: Any, logged: Logged, person: Any
) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z", error="<b>boom</b>")
    _, page = look("/predictions", {"id": wanted})
    assert "4711" in page
    assert "&lt;b&gt;boom" in page
    assert "0, told by desk at" in page
    assert person.notes == [("saw_contents", f"prediction {wanted}", "risk/fraud")]


def test_what_was_not_kept_is_said_to_be_so(look: Any, logged: Logged) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z", input=None, output=None)
    _, page = look("/predictions", {"id": wanted})
    assert page.count("not kept") == 2


def test_a_long_input_is_cut(look: Any, logged: Logged) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z", input="x" * 100_000)
    _, page = look("/predictions", {"id": wanted})
    assert "(100,002 characters)" in page
    assert len(page) < 80_000


def test_the_rollout_that_routed_it_is_named(look: Any, logged: Logged, person: Any) -> None:
    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary it")
    facts = {"ref": "risk/fraud@1.4.0", "role": "canary", "rollout": 1, "weight": 0.05}
    _, page = look("/predictions", id=logged("2026-04-05T00:00:00.000000Z", **facts))
    assert "rollout 1 at 5 %" in page
    assert "canary it" in page


def test_another_version_of_the_same_number_is_told(look: Any, person: Any, tmp_path: Path) -> None:
    person.log = str(tmp_path / "predictions")
    row = row_of(person.registry, "risk/fraud@1.0.0", "2026-02-05T00:00:00.000000Z")
    log = open_log(person.log)
    fields = {name: getattr(row, name) for name in row.__struct_fields__} | {"digest": "0" * 64}
    log.write([Prediction(**fields)])
    log.close()
    _, page = look("/predictions", id=row.prediction_id)
    assert "is another one in this store" in page


def test_an_answer_of_a_model_that_is_gone_is_shown_without_its_past(
    look: Any, logged: Logged, person: Any, tmp_path: Path
) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z")
    elsewhere = replace(person, registry=holdfast.open(tmp_path / "other", by="ana"))
    answer, page = look("/predictions", visitor=elsewhere, id=wanted)
    assert answer.status == 200
    assert "the store knows of nothing live at that time" in page


@pytest.mark.parametrize("shows", [False, True])
def test_a_model_that_one_may_not_see_answers_as_an_unknown_id(
    look: Any, logged: Logged, person: Any, *, shows: bool
) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z")
    other = f"{wanted[:-1]}{'0' if wanted[-1] != '0' else '1'}"
    blind = replace(person, hidden=frozenset({"risk/fraud"}))

    def ask(name: str) -> tuple[int, str]:
        form = {"id": name} if shows else None
        query = {} if shows else {"id": name}
        answer, page = look("/predictions", form, visitor=blind, **query)
        return answer.status, page.replace(name, "ID")

    assert ask(wanted) == ask(other)
    assert ask(wanted)[0] == 404
    assert person.notes[0] == ("looked_up", f"prediction {wanted}, not found", None)


def test_what_is_no_id_is_told_and_not_recorded(look: Any, logged: Logged, person: Any) -> None:
    logged("2026-02-05T00:00:00.000000Z")
    answer, page = look("/predictions", id="<x>")
    assert answer.status == 422
    assert "X-Prediction-Id" in page
    assert person.notes == []


def test_without_a_log_the_option_is_taught(look: Any) -> None:
    answer, page = look("/predictions", id="anything")
    assert answer.status == 200
    assert "holdfast web --log" in page


def test_a_log_that_cannot_be_read_is_told_without_its_place(
    look: Any, logged: Logged, person: Any
) -> None:
    wanted = logged("2026-02-05T00:00:00.000000Z")
    (file,) = [path for path in Path(person.log).rglob("*.sqlite") if "feedback" not in path.name]
    file.write_bytes(b"\0" * 8192)
    answer, page = look("/predictions", id=wanted)
    assert answer.status == 503
    assert person.log not in page


def test_without_the_grant_there_is_no_page_and_no_link(look: Any, person: Any) -> None:
    weaker = replace(person, verbs=person.verbs - {"predictions"})
    answer, page = look("/predictions", visitor=weaker)
    assert answer.status == 403
    assert "may predictions" in page
    assert 'href="/predictions"' not in page
    answer, _ = look("/predictions", {"id": "x"}, visitor=weaker)
    assert answer.status == 403


def test_look_ups_are_kept_with_who_and_which_before_they_are_shown(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "risk/iris")
    team.registry.promote("risk/iris@1.0.0", reason="first")
    row = row_of(team.registry, "risk/iris@1.0.0", "2026-02-05T00:00:00.000000Z")
    log = open_log(tmp_path / "predictions")
    log.write([row])
    log.close()
    secret = team.member("ben", "viewer")
    team.access.grant("ben", "predictions", "risk/*")
    with team.served(log=str(tmp_path / "predictions")) as served:
        ben, ana = Browser(served.port), Browser(served.port)
        assert ben.send("/login/token", {"token": secret}).status == 303
        assert ana.send("/login/token", {"token": team.ana}).status == 303
        page = ben.get(f"/predictions?id={row.prediction_id}")
        assert page.status == 200
        assert b"4711" not in page.body
        shown = ben.send("/predictions", ben.form(page))
        assert b"4711" in shown.body
        assert ana.get("/predictions").status == 403  # an administrator is not granted it
        assert b'href="/predictions"' not in ana.get("/").body
        items = as_(served, team.ana).get("/access/log").json["items"]
        kept = [(item["what"], item["by"], item.get("model")) for item in items][-3:]
        assert kept == [
            ("looked_up", "ben", "risk/iris"),
            ("saw_contents", "ben", "risk/iris"),
            ("refused", "ana", None),
        ]
        assert row.prediction_id in items[-3]["why"]
        forged = ben.send("/predictions", {"id": row.prediction_id, "csrf": "x"})
        assert forged.status == 403


def test_nothing_is_shown_that_cannot_be_recorded(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "iris")
    row = row_of(team.registry, "iris@1.0.0", "2026-02-05T00:00:00.000000Z")
    log = open_log(tmp_path / "predictions")
    log.write([row])
    log.close()
    secret = team.member("ben", "viewer")
    team.access.grant("ben", "predictions", "*")
    with team.served(log=str(tmp_path / "predictions")) as served:
        ben = Browser(served.port)
        assert ben.send("/login/token", {"token": secret}).status == 303
        served.app.desk.guard.flush()
        refusals = tmp_path / "store" / "access" / "refusals"
        for file in sorted(refusals.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        refusals.rmdir()
        refusals.write_text("no folder")
        page = ben.get(f"/predictions?id={row.prediction_id}")
        assert page.status == 503
        assert b"cannot be recorded" in page.body
        assert b"1.0.0" not in page.body
        other = "1" if row.prediction_id.endswith("0") else "0"
        missing = ben.get(f"/predictions?id={row.prediction_id[:-1]}{other}")
        assert missing.status == 404
        refusals.unlink()


def test_a_server_that_only_reads_looks_nothing_up(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "iris")
    secret = team.member("ben", "viewer")
    team.access.grant("ben", "predictions", "*")
    with team.served(read_only=True, log=str(tmp_path / "predictions")) as served:
        ben = Browser(served.port)
        assert ben.send("/login/token", {"token": secret}).status == 303
        page = ben.get("/predictions")
        assert page.status == 403
        assert b"only reads" in page.body
