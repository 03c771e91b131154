"""The commands about who may do what."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast

import holdfast as library
from holdfast.access.refusals import Refusals

KEY = ("--server-key", "keys/server.key")


@pytest.fixture
def begun(holdfast: Holdfast) -> Holdfast:
    """Return a command line over a store whose administrator is Ana."""
    assert holdfast("access", "init", "--admin", "ana", *KEY).status == 0

    def call(*words: str) -> object:
        return holdfast("access", *words, *KEY)

    return call  # type: ignore[return-value]


def test_init_makes_the_key_the_store_and_a_token_shown_once(
    holdfast: Holdfast, tmp_path: Path
) -> None:
    said = holdfast("access", "init", "--admin", "ana", *KEY, "--json")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*.json"))

    assert re.fullmatch(r"hft_p_[0-9A-Za-z]{49}", said.data["token"])
    assert said.data["token"].encode() not in stored
    assert (tmp_path / "keys/server.key").stat().st_mode & 0o777 == 0o600
    assert holdfast("verify").status == 0
    assert holdfast("access", "token", "--json").data[0]["token"]["issued"]["id"] == said.data["id"]


def test_init_prints_the_token_for_people(holdfast: Holdfast) -> None:
    said = holdfast("access", "init", "--admin", "ana", *KEY, "--expires", "30d")

    assert said.out.startswith("ana is an administrator\n  token    hft_p_")
    assert "it is not shown again" in said.out
    until = (datetime.now(UTC) + timedelta(days=30)).date()
    assert f"expires  {until}" in said.out


def test_a_lost_administrator_is_made_again_and_that_is_recorded(
    begun: Holdfast, holdfast: Holdfast
) -> None:
    again = holdfast("access", "init", "--admin", "ana", *KEY, "--reason", "token lost")

    lines = begun("log", "--json").data
    assert again.status == 0
    assert [(line["op"], line["reason"]) for line in lines] == [
        ("admin_made", "token lost"),
        ("admin_made", None),
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "needs a server's key"),
        (("--server-key", "store/server.key"), "must not be in the store"),
        (("--server-key", "server.pem"), "must end in .key to be made"),
        ((*KEY, "--expires", "400d"), "at most 366 days"),
        ((*KEY, "--expires", "soon"), "is not a span of time"),
    ],
)
def test_init_refuses(holdfast: Holdfast, words: tuple[str, ...], problem: str) -> None:
    said = holdfast("access", "init", "--admin", "ana", *words)

    assert said.status == 2
    assert problem in said.err


def test_the_environment_names_the_key(
    holdfast: Holdfast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOLDFAST_SERVER_KEY", str(tmp_path / "server.key"))

    assert holdfast("access", "init", "--admin", "ana").status == 0
    assert holdfast("access", "user", "bo", "--add").out == "add user bo\n"


def test_whoever_is_only_named_is_shown_and_nothing_changes(begun: Holdfast) -> None:
    begun("user", "bo", "--add")
    begun("group", "risk", "--member", "bo")

    assert [user["name"] for user in begun("user", "bo", "--json").data] == ["bo"]
    assert begun("user", "bob").status == 3
    assert "user bob not found; nearest: bo" in begun("user", "bob").err
    assert list(begun("group", "risk", "--json").data) == ["risk"]
    assert "bo" in begun("group", "risk").out
    assert begun("group", "rosk").status == 3


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("user", "--disable"), "--disable needs a user; name them before it"),
        (("service", "--owner", "ana"), "--owner needs a service account"),
        (("group", "--member", "ana"), "the group is not named"),
        (("group", "--remove"), "the group is not named"),
    ],
)
def test_a_change_of_nobody_is_refused(
    begun: Holdfast, words: tuple[str, ...], problem: str
) -> None:
    refused = begun(*words)

    assert refused.status == 2
    assert problem in refused.err


def test_another_server_s_key_changes_nothing(begun: Holdfast, holdfast: Holdfast) -> None:
    assert begun("user").status == 0
    library.signing.create("other", Path("keys"))

    said = holdfast("access", "user", "eve", "--add", "--server-key", "keys/other.key")

    assert said.status == 6
    assert "which this server is not told to believe" in said.err
    assert holdfast("access", "user", "eve", "--add").status == 2


def test_a_new_key_takes_over_where_the_old_one_is_still_believed(
    begun: Holdfast, holdfast: Holdfast
) -> None:
    assert begun("user").status == 0
    library.signing.create("new", Path("keys"))
    new = ("--server-key", "keys/new.key", "--believe-key", "keys/server.pub")

    assert holdfast("access", "user", "bo", "--add", *new).out == "add user bo\n"
    assert holdfast("access", "log", *new).status == 0
    assert begun("user").status == 6
    assert holdfast("access", "user", "--believe-key", "keys/server.pub").status == 6
    assert holdfast("access", "user", "--believe-key", "keys/none.pub").status == 2


def test_every_change_is_a_sentence_and_a_line_of_the_log(begun: Holdfast) -> None:
    rule = ("--issuer", "https://ci.example", "--audience", "https://us.example", "--claim", "a=b")
    said = [
        begun(*words).out.strip()
        for words in (
            ("user", "bo", "--add"),
            ("user", "bo", "--rename", "bob"),
            ("user", "bob", "--link", "https://id.example", "7"),
            ("user", "bob", "--unlink", "https://id.example", "7"),
            ("service", "nightly", "--owner", "bob"),
            ("group", "risk", "--member", "bob", "--member", "ana"),
            ("grant", "group:risk", "promoter", "risk/*"),
            ("grant", "nightly", "registrar"),
            ("rule", "ci", *rule, "--role", "registrar", "--models", "risk/*"),
            ("provider", "corp", "--issuer", "https://id.example", "--client-id", "x"),
            ("provider", "corp", "--remove"),
            ("rule", "ci", "--remove"),
            ("group", "risk", "--remove"),
            ("user", "bob", "--disable"),
            ("user", "bob", "--enable"),
            ("user", "bob", "--rename", "bob"),
        )
    ]

    assert said == [
        "add user bo",
        "rename bo to bob",
        "link bob to 7 of https://id.example",
        "unlink bob from 7 of https://id.example",
        "add service account nightly, owned by bob",
        "set group risk: ana, bob" if "ana, bob" in said[5] else "set group risk: bob, ana",
        "grant group:risk promoter for risk/*",
        "grant nightly registrar for *",
        "set rule ci: https://ci.example, a=b",
        "set provider corp: https://id.example",
        "remove provider corp",
        "remove rule ci",
        "remove group risk",
        "disable bob and revoke their tokens",
        "enable bob",
        "nothing to do: it is so already",
    ]
    assert [line["what"] for line in begun("log", "--json").data][::-1][1:] == said[:-1]
    assert len(begun("log", "--limit", "3", "--json").data) == 3
    assert "disable bob and revoke their tokens" in begun("log").out


def test_lists_show_what_there_is(begun: Holdfast) -> None:
    begun("user", "bo", "--add")
    begun("service", "nightly", "--owner", "bo")
    begun("group", "risk", "--member", "bo")
    begun("grant", "bo", "viewer", "risk/*")
    begun("grant", "everyone", "viewer", "demo/*")
    rule = ("--issuer", "https://ci.example", "--audience", "https://us.example", "--claim", "a=b")
    begun("rule", "ci", *rule, "--role", "registrar", "--models", "risk/*")
    begun("provider", "corp", "--issuer", "https://id.example", "--client-id", "x")
    begun("user", "ana", "--rename", "anna")

    assert [user["name"] for user in begun("user", "--json").data] == ["anna", "bo"]
    assert "risk" in begun("user").out
    assert [user["name"] for user in begun("service", "--json").data] == ["nightly"]
    assert "nightly" in begun("service").out
    assert list(begun("group", "--json").data) == ["risk"]
    assert "bo" in begun("group").out
    assert [one["role"] for one in begun("grant", "--json").data] == ["admin", "viewer", "viewer"]
    assert "everyone" in begun("grant").out
    assert begun("rule", "--json").data[0]["claims"] == {"a": "b"}
    assert "https://ci.example" in begun("rule").out
    assert begun("provider", "--json").data[0]["issuer"] == "https://id.example"
    assert "https://id.example" in begun("provider").out


def test_a_token_is_made_narrowed_listed_and_revoked(begun: Holdfast) -> None:
    begun("service", "nightly", "--owner", "ana")
    narrow = ("--role", "viewer", "--models", "risk/*", "--label", "a b")
    made = begun("token", "nightly", *narrow, "--expires", "1d", "--json").data

    assert made["token"].startswith("hft_s_")
    assert "viewer, risk/*" in begun("token").out
    assert begun("token", "--revoke", made["id"]).out == f"revoke token {made['id']}\n"
    assert "revoked 20" in begun("token").out
    assert made["token"] not in begun("token", "--json").out + begun("log", "--json").out


def test_a_grant_is_taken_by_its_id(begun: Holdfast) -> None:
    begun("user", "bo", "--add")
    begun("grant", "bo", "promoter", "risk/*")
    grant = begun("grant", "--json").data[1]["id"]

    assert begun("grant", "--take", grant).out == "take promoter for risk/* from bo\n"
    assert len(begun("grant", "--json").data) == 1


def test_who_could_promote_on_that_day(begun: Holdfast) -> None:
    begun("user", "bo", "--add")
    begun("grant", "bo", "promoter", "risk/*")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    begun("user", "bo", "--disable")

    def names(*words: str) -> list[str]:
        return [one["user"]["name"] for one in begun("who-could", *words, "--json").data]

    assert names("promote", "risk/iris") == ["ana"]
    assert names("promote", "risk/iris", "--at", tomorrow) == ["ana"]
    assert names("promote", "risk/iris", "--at", yesterday) == []
    before = begun("log", "--json").data[1]["at"]
    assert names("promote", "risk/iris", "--at", before) == ["ana", "bo"]
    assert names("promote", "fraud", "--at", before) == ["ana"]
    assert "ana" in begun("who-could", "access").out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("user", "bo", "--add", "--disable"), "takes one change at a time"),
        (("service", "nightly"), "needs an owner"),
        (("grant", "ana"), "needs a role"),
        (("grant", "ana", "king"), "role 'king' is unknown"),
        (("who-could", "fly"), "verb 'fly' is unknown"),
        (("rule", "ci", "--claim", "a"), "is not NAME=VALUE"),
        (("rule", "ci", "--claim", "a=b"), "must be https://"),
        (("provider", "corp"), "must be https://"),
        (("log", "--refusals", "yesterday"), "is not a date"),
    ],
)
def test_what_makes_no_sense_is_refused(
    begun: Holdfast, words: tuple[str, ...], problem: str
) -> None:
    said = begun(*words)

    assert said.status == 2
    assert problem in said.err


def test_without_a_journal_there_is_nobody_and_nothing_to_change(holdfast: Holdfast) -> None:
    holdfast("init", "store")
    library.signing.create("server", Path("keys"))

    assert holdfast("access", "user", "--json").data == []
    said = holdfast("access", "user", "bo", "--add", *KEY)
    assert (said.status, "begin it with `holdfast access init`" in said.err) == (5, True)


def test_refusals_are_shown(begun: Holdfast, tmp_path: Path) -> None:
    store = library.open(tmp_path / "store")._session.open_store.store
    now = datetime(2026, 3, 3, 12, tzinfo=UTC)
    refusals = Refusals(store, "web-1", lambda: now)
    refusals.record("refused", "bo may not promote iris", by="bo", verb="promote", model="iris")
    refusals.flush()

    assert "bo may not promote iris" in begun("log", "--refusals", "2026-03-03").out
    assert begun("log", "--refusals", "2026-03-03", "--json").data[0]["verb"] == "promote"
    assert begun("log", "--refusals", "2026-03-04", "--json").data == []


def test_a_token_s_last_use_is_a_day(begun: Holdfast, tmp_path: Path) -> None:
    token_id = begun("token", "--json").data[0]["token"]["issued"]["id"]
    store = library.open(tmp_path / "store")._session.open_store.store
    refusals = Refusals(store, "web-1", lambda: datetime(2026, 3, 3, 12, tzinfo=UTC))
    assert begun("token", "--json").data[0]["last_used"] is None
    refusals.used(token_id)
    refusals.flush()

    assert begun("token", "--json").data[0]["last_used"] == "2026-03-03"
    assert "2026-03-03" in begun("token").out


def test_a_policy_that_too_few_people_can_fulfil_is_refused(
    begun: Holdfast, holdfast: Holdfast
) -> None:
    rule = ("policy", "set", "iris", "--approvals", "1", "--approval", "authenticated")
    refused = holdfast(*rule)
    begun("user", "bo", "--add")
    begun("grant", "bo", "approver")

    assert refused.status == 4
    assert "approvals: 1 are asked for, but at most 0 can count (ana may approve" in refused.err
    assert holdfast(*rule).status == 0
