"""A server for a team: who may do what, and what becomes of that while it runs."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until
from tests.web.facing import Served, register
from tests.web.teams import Team, as_

import holdfast
from holdfast.access import tokens
from holdfast.access.access_events import UserAdded
from holdfast.access.access_journal import MODEL
from holdfast.access.authentication import authenticate
from holdfast.access.sessions import begun
from holdfast.core import entry as entries
from holdfast.core.entry import Slot, Stamp
from holdfast.errors import DamagedError, ForbiddenError, InvalidInputError
from holdfast.web import team as teams
from holdfast.web.access_desk import AccessDesk
from holdfast.web.exchange import Request
from holdfast.web.guard import TeamGuard
from holdfast.web.rights import Rights
from holdfast.web.web_settings import WebSettings


@pytest.fixture
def team(tmp_path: Path) -> Team:
    made = Team(tmp_path)
    for model in ("risk/iris", "risk/wine", "sales/iris"):
        register(made.registry, tmp_path, model, model)
        register(made.registry, tmp_path, model, f"{model} again")
    return made


@pytest.fixture
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


def models(caller: Any) -> list[str]:
    return [item["model"] for item in caller.get("/models").json["items"]]


def test_everybody_sees_what_is_theirs(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "viewer", "risk/*"))

    assert models(served) == ["risk/iris", "risk/wine", "sales/iris"]
    assert models(bob) == ["risk/iris", "risk/wine"]
    for path in ("/overview", "/heads", "/journals"):
        names = {item["model"] for item in bob.get(path).json["items"]}
        assert names == {"risk/iris", "risk/wine"}, path


def test_a_search_finds_only_what_is_theirs(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "viewer", "risk/*"))

    found = {info["model"] for info in bob.get("/search").json["versions"]}
    assert found == {"risk/iris", "risk/wine"}
    assert bob.get("/search?model=sales/iris").code == "not_found"
    assert served.get("/search").json["total"] == 6


PATHS = (
    "", ":journal", ":status", ":versions", ":history", ":events", ":policy", ":verify",
    ":compare?a=1&b=2", ":gate?version=1.0.0", f":blobs/{'a' * 64}", "@1.0.0", "@1.0.0:card",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_theirs_is_not_there(team: Team, served: Served, path: str) -> None:
    bob = as_(served, team.member("bob", "viewer", "risk/*"))
    hidden = bob.get(f"/models/sales/iris{path}")
    absent = bob.get(f"/models/sales/nothing{path}")

    assert (hidden.status, hidden.code) == (404, "not_found")
    varying = ("request_id", "detail", "subject")
    assert {n: v for n, v in hidden.json.items() if n not in varying} == {
        n: v for n, v in absent.json.items() if n not in varying
    }
    assert hidden.json["detail"].replace("iris", "nothing") == absent.json["detail"]


def test_no_name_that_is_hidden_is_told_as_the_nearest(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "viewer", "*"))
    assert "sales/iris" in bob.get("/models/sales/irs").json["nearest"]
    eve = as_(served, team.member("eve", "viewer", "sales/i*s"))
    team.access.add("zoe")
    team.access.grant("zoe", "viewer", "sales/irs")
    zoe = as_(served, team.access.token("zoe").secret)

    assert eve.get("/models/sales/iris").status == 200
    assert "sales/iris" not in zoe.get("/models/sales/irs").body.decode()


def test_a_verb_takes_the_role_that_has_it(team: Team, served: Served) -> None:
    oncall = as_(served, team.member("olga", "oncall"))
    promoter = as_(served, team.member("paul", "promoter"))
    body = {"version": "1.0.0"}
    refused = oncall.post("/models/risk/iris:promote", body)

    assert (refused.status, refused.code) == (403, "forbidden")
    assert refused.json["roles"] == ["promoter", "admin"]
    assert "ask ana" in refused.json["detail"]
    assert promoter.post("/models/risk/iris:promote", body).status == 200
    assert promoter.post("/models/risk/iris:promote", {"version": "1.1.0"}).status == 200
    assert oncall.post("/models/risk/iris:rollback", {"reason": "falling"}).status == 200


def test_force_and_a_protected_alias_take_a_right_of_their_own(team: Team, served: Served) -> None:
    paul = as_(served, team.member("paul", "promoter"))
    rita = as_(served, team.member("rita", "registrar"))
    forced = {"version": "1.0.0", "force": True, "reason": "now"}

    assert paul.post("/models/risk/iris:promote", forced).code == "forbidden"
    team.access.grant("paul", "force")
    assert paul.post("/models/risk/iris:promote", forced).status == 200
    alias = {"version": "1.0.0", "alias": "eu"}
    assert rita.post("/models/risk/iris:alias", alias).code == "forbidden"


def test_the_author_is_who_is_signed_in(team: Team, served: Served) -> None:
    secret = team.member("paul", "promoter")
    as_(served, secret).post("/models/risk/iris:promote", {"version": "1.0.0", "by": "ana"})
    entry = team.registry.entries("risk/iris")[-1]

    assert entry.by == "paul"
    assert entry.auth is not None
    assert (entry.auth.claimed, entry.auth.via) == ("ana", "holdfast")
    assert entry.auth.how.startswith("token:")
    assert secret not in str(entry.auth)


def test_a_key_is_its_users_own(team: Team, served: Served) -> None:
    paul = as_(served, team.member("paul", "promoter"))
    body = {"version": "1.0.0"}
    assert served.post("/models/risk/iris:promote", body, idempotency_key="k").status == 200
    burnt = paul.post("/models/risk/iris:promote", {"version": "1.1.0"}, idempotency_key="k")

    assert burnt.status == 200
    assert burnt.json["result"]["version"] == "1.1.0"


def test_a_token_that_was_revoked_does_nothing_more(team: Team, served: Served) -> None:
    secret = team.member("paul", "promoter")
    paul = as_(served, secret)
    assert paul.get("/whoami").json["user"]["name"] == "paul"
    (token,) = [one for one in served.get("/tokens").json["items"] if one["name"] == "paul"]
    assert served.ask("DELETE", f"/api/v1/tokens/{token['id']}").status == 204

    refused = paul.post("/models/risk/iris:promote", {"version": "1.0.0"})
    assert (refused.status, refused.code) == (401, "unauthenticated")
    assert "was revoked" in refused.json["detail"]
    assert paul.get("/whoami").status == 401


def test_two_servers_over_one_folder_know_of_a_revocation(team: Team) -> None:
    secret = team.member("paul", "promoter")
    with team.served() as one, team.served() as two:
        assert as_(one, secret).get("/whoami").status == 200
        assert as_(two, secret).get("/whoami").status == 200
        (token,) = [t for t in one.get("/tokens").json["items"] if t["name"] == "paul"]
        one.ask("DELETE", f"/api/v1/tokens/{token['id']}")

        body = {"version": "1.0.0"}
        assert as_(two, secret).post("/models/risk/iris:promote", body).status == 401
        until(lambda: as_(two, secret).get("/whoami").status == 401)


def test_who_is_disabled_can_do_nothing_and_their_watching_ends(team: Team) -> None:
    secret = team.member("paul", "promoter")
    with team.served() as served:
        paul = as_(served, secret)
        assert paul.get("/whoami").status == 200
        done = served.post("/users/paul", {"disabled": True})
        assert done.json["disabled"] is True
        assert paul.post("/models/risk/iris:promote", {"version": "1.0.0"}).status == 401


def test_failed_sign_ins_are_slowed_down_and_kept(team: Team, served: Served) -> None:
    wrong = f"{team.ana[:-1]}{'0' if team.ana[-1] != '0' else '1'}"
    stranger = as_(served, wrong)
    answers = [stranger.get("/whoami") for _ in range(12)]

    assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert served.get("/whoami").status == 200
    served.app.desk.guard.flush()
    items = served.get("/access/log").json["items"]
    assert [item["what"] for item in items] == ["sign_in_failed"] * 12
    assert wrong not in str(items)


def test_what_is_over_is_cleared_away_by_the_server_itself(team: Team, served: Served) -> None:
    guard = served.app.desk.guard
    assert isinstance(guard, TeamGuard)
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    guard.sessions.create(begun("u_x", "session", long_ago))
    guard.sessions.use_once("an old token", "2026-01-01T00:00:00.000000Z")
    folder = Path(team.registry.location) / "access"
    assert [len(list((folder / name).iterdir())) for name in ("sessions", "used")] == [1, 1]

    guard.flush()

    assert [len(list((folder / name).iterdir())) for name in ("sessions", "used")] == [0, 0]


def test_the_day_of_a_token_s_last_use_is_kept(team: Team, served: Served) -> None:
    days = [datetime.now(UTC).date().isoformat()]
    served.get("/whoami")
    days.append(datetime.now(UTC).date().isoformat())
    served.app.desk.guard.flush()

    uses = team.registry.token_uses()
    assert list(uses) == [tokens.digest_of_secret(team.ana)[:12]]
    assert set(uses.values()) <= set(days)


def test_what_was_refused_is_kept_and_never_in_the_models_journal(
    team: Team, served: Served
) -> None:
    bob = as_(served, team.member("bob", "viewer"))
    before = len(team.registry.entries("risk/iris"))
    request_id = bob.post("/models/risk/iris:promote", {"version": "1.0.0"}).headers["x-request-id"]
    (item,) = served.get("/access/log").json["items"]

    assert (item["what"], item["by"], item["verb"]) == ("refused", "bob", "promote")
    assert (item["model"], item["request"]) == ("risk/iris", request_id)
    assert len(team.registry.entries("risk/iris")) == before
    assert bob.get("/access/log").code == "forbidden"
    assert served.get("/access/log?day=soon").code == "invalid_input"


def forge(team: Team) -> Path:
    """Write the next entry of the access journal by a key that nobody believes."""
    from tests.keys import BOB

    folder = team.folder / "store" / "access" / "journal"
    tail = max(folder.glob("0*.json"))
    seq, prev = int(tail.stem) + 1, entries.digest(tail.read_bytes())
    stamp = Stamp(team.access.now, "eve", "e" * 32, pen=BOB)
    event = UserAdded(user="u_eve", name="eve", kind="person")
    slot = Slot(MODEL, seq, prev, "2031-01-01T00:00:00.000000Z")
    path = folder / f"{seq:010}.json"
    path.write_bytes(entries.encode(slot, stamp, "user_added", event))
    return path


def test_an_entry_by_another_key_starts_no_server_and_stops_writes_of_one_that_runs(
    team: Team, served: Served
) -> None:
    assert served.get("/whoami").status == 200
    forged = forge(team)

    refused = served.post("/models/risk/iris:promote", {"version": "1.0.0"})
    assert (refused.status, refused.code) == (503, "store")
    assert served.get("/whoami").status == 200
    with pytest.raises(DamagedError, match="not told to believe"), team.served():
        pass
    forged.unlink()
    assert served.post("/models/risk/iris:promote", {"version": "1.0.0"}).status == 200


def test_a_cut_tail_is_no_way_back_for_what_was_revoked(team: Team, served: Served) -> None:
    paul = as_(served, team.member("paul", "promoter"))
    served.post("/users/paul", {"disabled": True})
    folder = team.folder / "store" / "access" / "journal"
    max(folder.glob("0*.json")).unlink()

    assert paul.post("/models/risk/iris:promote", {"version": "1.0.0"}).status in (401, 503)
    assert served.post("/models/risk/iris:promote", {"version": "1.0.0"}).code == "store"
    with pytest.raises(DamagedError), team.served():
        pass


def test_a_server_that_is_told_no_key_to_believe_does_not_start(team: Team) -> None:
    settings = WebSettings(lambda: holdfast.open(team.folder / "store"))
    with pytest.raises(InvalidInputError, match="is told no key to believe"):
        teams.team_guard(settings, team.registry, None)


def test_everybody_reads_where_that_is_wanted_and_nobody_writes(team: Team) -> None:
    with team.served(anonymous_read=True) as served:
        stranger = as_(served, None)

        assert models(stranger) == ["risk/iris", "risk/wine", "sales/iris"]
        assert stranger.get("/whoami").json["how"] == "anonymous"
        assert stranger.post("/models/risk/iris:promote", {"version": "1.0.0"}).status == 401
        assert stranger.get("/users").code == "forbidden"
    with team.served() as served:
        assert as_(served, None).get("/models").status == 401


def test_people_are_added_and_given_roles(served: Served) -> None:
    added = served.post("/users", {"name": "bob"})
    assert added.status == 201
    assert served.post("/users", {"name": "bob"}).code == "conflict"
    service = served.post("/services", {"name": "deploy"}).json
    assert service["kind"] == "service"
    grouped = served.ask("PUT", "/api/v1/groups/risk-team", {"members": ["bob"]})
    assert grouped.json["members"] == [added.json["id"]]
    body = {"subject": "group:risk-team", "role": "promoter", "pattern": "risk/*"}
    (grant,) = served.post("/grants", body).json["items"]
    assert served.post("/grants", body).json["items"] == []
    token = served.post("/tokens", {"user": "bob", "label": "laptop", "days": 1}).json
    bob = as_(served, token["secret"])
    assert models(bob) == ["risk/iris", "risk/wine"]
    assert bob.post("/models/risk/iris:promote", {"version": "1.0.0"}).status == 200
    assert served.ask("DELETE", f"/api/v1/grants/{grant['id']}").status == 204
    assert bob.post("/models/risk/iris:promote", {"version": "1.1.0"}).status == 404
    assert served.ask("DELETE", "/api/v1/groups/risk-team").status == 204
    assert served.post("/users/bob", {"name": "robert"}).json["name"] == "robert"
    assert served.post("/users/nobody", {}).code == "not_found"
    assert served.post("/users/robert", {"disabled": True}).json["disabled"] is True
    assert served.post("/users/robert", {"disabled": False}).json["disabled"] is False
    names = [user["name"] for user in served.get("/users").json["items"]]
    assert names == ["ana", "deploy", "robert"]
    assert served.get("/groups").json["items"] == []
    assert served.get("/grants").status == 200


def test_only_who_may_change_access_does(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "promoter"))

    assert bob.post("/users", {"name": "eve"}).code == "forbidden"
    body = {"subject": "bob", "role": "admin"}
    assert bob.post("/grants", body).code == "forbidden"
    assert bob.post("/tokens", {"user": "ana"}).code == "forbidden"
    assert bob.ask("DELETE", f"/api/v1/tokens/{team.access.token('ana').id}").status == 404
    assert [one["name"] for one in bob.get("/tokens").json["items"]] == ["bob"]
    mine = bob.post("/tokens", {"label": "another"})
    assert mine.status == 201
    assert bob.ask("DELETE", f"/api/v1/tokens/{mine.json['id']}").status == 204


def test_a_narrowed_token_makes_none_that_can_do_more(team: Team, served: Served) -> None:
    team.member("bob", "promoter")
    narrow = team.access.token("bob", roles=("viewer",), models=("risk/iris",)).secret
    bob = as_(served, narrow)

    assert models(bob) == ["risk/iris"]
    assert bob.post("/models/risk/iris:promote", {"version": "1.0.0"}).code == "forbidden"
    assert bob.post("/tokens", {}).code == "forbidden"
    first, second = [one["id"] for one in bob.get("/tokens").json["items"]]
    assert bob.ask("DELETE", f"/api/v1/tokens/{first}").code == "forbidden"
    assert bob.ask("DELETE", f"/api/v1/tokens/{second}").status == 204
    assert bob.get("/whoami").status == 401


def test_rules_for_jobs_are_kept(served: Served) -> None:
    rule = {
        "name": "deploy",
        "issuer": "https://ci.example",
        "audience": "https://models.example",
        "claims": {"repository_id": "42"},
        "role": "promoter",
        "models": ["risk/*"],
    }
    assert served.post("/rules", rule).status == 201
    (kept,) = served.get("/rules").json["items"]
    assert kept["claims"] == {"repository_id": "42"}
    assert served.ask("DELETE", "/api/v1/rules/deploy").status == 204
    assert served.post("/rules", rule | {"claims": {}}).code == "invalid_input"


def test_bytes_of_another_model_are_not_registered_by_their_digest(
    team: Team, served: Served
) -> None:
    (file,) = team.registry.manifest("sales/iris@1.0.0").files
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    artifact = {
        "path": "model.txt",
        "format": "file",
        "files": [{"path": "model.txt", "sha256": file.sha256, "size_bytes": file.size_bytes}],
    }
    body = {"draft": {"artifacts": {"model": artifact}}}
    refused = rita.post("/models/risk/stolen:register", body)

    assert (refused.status, refused.code) == (422, "invalid_input")
    assert "was not sent by you" in refused.json["detail"]
    data = team.registry.fetch("sales/iris@1.0.0").paths["model"].read_bytes()
    assert rita.ask("PUT", f"/api/v1/blobs/{file.sha256}", data).status == 200
    assert rita.post("/models/risk/stolen:register", body).status == 200


def test_bytes_of_a_model_that_one_may_read_need_not_be_sent(team: Team, served: Served) -> None:
    (file,) = team.registry.manifest("sales/iris@1.0.0").files
    artifact = {
        "path": "model.txt",
        "format": "file",
        "files": [{"path": "model.txt", "sha256": file.sha256, "size_bytes": file.size_bytes}],
    }
    body = {"draft": {"artifacts": {"model": artifact}}, "shares": ["sales/iris"]}
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    hidden = rita.post("/models/risk/copy:register", body)
    absent = rita.post("/models/risk/copy:register", body | {"shares": ["sales/none"]})
    odd = rita.post("/models/risk/copy:register", body | {"shares": ["../x"]})
    team.access.grant("rita", "viewer", "sales/*")

    assert (hidden.status, hidden.code) == (absent.status, absent.code) == (404, "not_found")
    assert (odd.status, odd.code) == (422, "invalid_input")
    assert rita.post("/models/risk/copy:register", body).status == 200
    (copied,) = team.registry.manifest("risk/copy@1.0.0").files
    assert copied.sha256 == file.sha256


def test_a_team_tells_whether_one_may_do_what_takes_several_steps(
    team: Team, served: Served
) -> None:
    rita = as_(served, team.member("rita", "registrar", "risk/*"))

    assert rita.get("/whoami?verbs=register,alias").status == 403
    assert rita.get("/whoami?verbs=register,stage&model=risk/new").status == 200
    refused = rita.get("/whoami?verbs=register,delete&model=risk/iris")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "may not delete risk/iris" in refused.json["detail"]
    assert rita.get("/whoami?verbs=register&model=sales/iris").status == 404
    assert rita.get("/whoami?verbs=fly&model=risk/iris").status == 422
    assert rita.get("/whoami?verbs=register&model=../x").status == 422


def test_bytes_of_another_model_are_no_losses_by_their_digest(team: Team, served: Served) -> None:
    (file,) = team.registry.manifest("sales/iris@1.0.0").files
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    measured = {
        "name": "june", "data": "a" * 64, "label": "price", "rows": 2, "task": "regression",
        "tool": "scikit-learn 1.9", "figures": [{"name": "mae", "value": 2.0}],
    }  # fmt: skip
    for field in ("kept", "champion_kept"):
        body = {"version": "1.0.0", "measured": measured, field: {"mae": file.sha256}}
        refused = rita.post("/models/risk/iris:evaluate", body)

        assert (refused.status, refused.code) == (422, "invalid_input")
        assert "was not sent by you" in refused.json["detail"]


def test_a_note_of_sent_bytes_goes_when_the_bytes_may_have_gone(team: Team, served: Served) -> None:
    rita = as_(served, team.member("rita", "registrar", "risk/*"))
    assert rita.ask("PUT", f"/api/v1/blobs/{hashlib.sha256(b'x').hexdigest()}", b"x").status == 201
    receipts = served.app.desk.receipts

    assert receipts.prune(time.time() + 6 * 86_400) == 0
    assert receipts.prune(time.time() + 8 * 86_400) == 1
    served.app.desk.upkeep()


def test_a_server_for_one_user_has_no_people(tmp_path: Path) -> None:
    from tests.web.facing import running

    register(holdfast.open(tmp_path / "store"), tmp_path)
    with running(tmp_path / "store") as served:
        assert served.get("/users").code == "unsupported"
        assert served.post("/users", {"name": "bob"}).code == "unsupported"


def test_a_token_that_is_revoked_while_it_changes_access_changes_nothing(
    team: Team, served: Served
) -> None:
    """The request looked at the rights, and then the token was revoked, before it wrote."""
    second = team.access.token("ana")
    desk = served.app.desk
    assert isinstance(desk.guard, TeamGuard)
    state = desk.guard.state(writes=True)
    identity = authenticate(state, second.secret, datetime.now(UTC), desk.sessions)
    scope = {"type": "http", "method": "POST", "path": "/api/v1/users", "headers": []}
    request = Request(scope, _nothing, "r1")
    request.rights = Rights(state, identity)
    assert served.ask("DELETE", f"/api/v1/tokens/{second.id}").status == 204

    with pytest.raises(ForbiddenError, match="revoked just now"):
        AccessDesk(desk, request).add_user("late")
    assert all(user["name"] != "late" for user in served.get("/users").json["items"])


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


def test_more_tokens_than_anybody_needs_are_refused_in_words(team: Team, served: Served) -> None:
    bob = as_(served, team.member("bob", "viewer"))
    made = [bob.post("/tokens", {"label": str(number)}).status for number in range(101)]

    assert made == [201] * 99 + [409] * 2
    refused = bob.post("/tokens", {})
    assert "100 were made within a day" in refused.json["detail"]
    wide = served.post("/tokens", {"models": [f"m{number}" for number in range(101)]})
    assert wide.status == 422
    assert "at most 100 patterns" in wide.json["detail"]
