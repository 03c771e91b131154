"""What each change of people and rights takes, and what it refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.access.conftest import NOON, Server

from holdfast.access import changes
from holdfast.access.access_events import AccessEvent, ProviderSet, RuleSet, SettingChanged
from holdfast.access.access_state import AccessState
from holdfast.core.entry import Stamp
from holdfast.errors import (
    ConflictError,
    HoldfastError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)

Change = Callable[[AccessState, Stamp], AccessEvent | None]
ISSUER = "https://id.example"
RULE = RuleSet(
    rule="",
    name="ci",
    issuer="https://ci.example",
    audience="https://models.example",
    claims={"repository_id": "77"},
    role="registrar",
    models=("risk/*",),
)
PROVIDER = ProviderSet(provider="corp", issuer=ISSUER, client_id="holdfast")


def rule(**fields: Any) -> Change:
    return lambda state, stamp: changes.set_rule(state, stamp, replace(RULE, **fields))


REFUSED: list[tuple[Change, type[HoldfastError], str]] = [
    (lambda s, t: changes.add_user(s, t, "", "person"), InvalidInputError, "1 to 100 printable"),
    (lambda s, t: changes.add_user(s, t, "a:b", "person"), InvalidInputError, "without ':'"),
    (lambda s, t: changes.add_user(s, t, " bo", "person"), InvalidInputError, "printable"),
    (lambda s, t: changes.add_user(s, t, "b\u202eo", "person"), InvalidInputError, "printable"),
    (lambda s, t: changes.add_user(s, t, "x" * 101, "person"), InvalidInputError, "1 to 100"),
    (lambda s, t: changes.add_user(s, t, "everyone", "person"), InvalidInputError, "be named so"),
    (lambda s, t: changes.add_user(s, t, "anonymous", "person"), InvalidInputError, "be named so"),
    (lambda s, t: changes.add_user(s, t, "ana", "person"), ConflictError, "exists already"),
    (lambda s, t: changes.add_user(s, t, "r2", "service", "robot"), InvalidInputError, "a person"),
    (lambda s, t: changes.add_user(s, t, "r2", "service", "nobody"), NotFoundError, "user nobody"),
    (lambda s, _t: changes.rename_user(s, "bo", "ana"), ConflictError, "exists already"),
    (lambda s, _t: changes.rename_user(s, "nobody", "x"), NotFoundError, "user nobody"),
    (lambda s, _t: changes.disable_user(s, "ana"), RefusedError, "nobody could change access"),
    (lambda s, _t: changes.enable_user(s, "bo"), NotFoundError, "disabled user bo"),
    (lambda s, t: changes.give_grant(s, t, "bo", "king", "*"), InvalidInputError, "role 'king'"),
    (lambda s, t: changes.give_grant(s, t, "bo", "viewer", "a@b"), InvalidInputError, "pattern"),
    (lambda s, t: changes.give_grant(s, t, "bo", "admin", "a/*"), InvalidInputError, "all models"),
    (lambda s, t: changes.give_grant(s, t, "group:x", "viewer", "*"), NotFoundError, "group x"),
    (lambda s, t: changes.give_grant(s, t, "nobody", "viewer", "*"), NotFoundError, "user nobody"),
    *(
        (
            lambda s, t, role=role: changes.give_grant(s, t, "everyone", role, "*"),
            InvalidInputError,
            "cannot be everyone's",
        )
        for role in ("admin", "predictions", "force", "promoter")
    ),
    (lambda s, _t: changes.take_grant(s, "g_x"), NotFoundError, "grant g_x"),
    (lambda s, _t: changes.take_grant(s, next(iter(s.grants))), RefusedError, "nobody could"),
    (lambda s, _t: changes.remove_group(s, "x"), NotFoundError, "group x"),
    (lambda s, _t: changes.set_group(s, "x", ["nobody"]), NotFoundError, "user nobody"),
    (lambda s, _t: changes.revoke_token(s, "0" * 12), NotFoundError, "token 000000000000"),
    (lambda s, _t: changes.link_identity(s, "robot", ISSUER, "1"), InvalidInputError, "a person"),
    (lambda s, _t: changes.unlink_identity(s, "bo", ISSUER, "1"), NotFoundError, "subject 1"),
    (rule(claims={}), InvalidInputError, "any job of the issuer"),
    (rule(claims={str(n): "x" for n in range(21)}), InvalidInputError, "1 to 20 claims"),
    (rule(audience=""), InvalidInputError, "needs an audience"),
    (rule(role="admin"), InvalidInputError, "cannot be a job's"),
    (rule(role="predictions"), InvalidInputError, "cannot be a job's"),
    (rule(models=()), InvalidInputError, "needs models"),
    (rule(models=("a@b",)), InvalidInputError, "pattern"),
    (rule(issuer="http://ci.example"), InvalidInputError, "must be https://"),
    (lambda s, _t: changes.remove_rule(s, "x"), NotFoundError, "rule x"),
    (lambda s, _t: changes.remove_provider(s, "x"), NotFoundError, "provider x"),
    (
        lambda s, _t: changes.set_provider(s, replace(PROVIDER, client_id="")),
        InvalidInputError,
        "needs a client id",
    ),
    (
        lambda s, _t: changes.set_provider(s, replace(PROVIDER, groups={"a": "x"})),
        NotFoundError,
        "group x",
    ),
]


@pytest.mark.parametrize(("change", "error", "problem"), REFUSED)
def test_what_makes_no_sense_is_refused_and_writes_nothing(
    server: Server, change: Change, error: type[HoldfastError], problem: str
) -> None:
    server.add("bo")
    server.service("robot")
    before = server.state.seq

    with pytest.raises(error, match=problem):
        server.commit(change)
    assert server.state.seq == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://id.example",
        "http://id.example",
        "https://",
        "https://a:b@id.example",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://[::1",
        "https://id.example:port",
        "http://localhost.evil.example",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_must_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="must be https://"):
        changes.check_url("issuer", url)


@pytest.mark.parametrize(
    "url",
    ["https://id.example/realms/x", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"],
)
def test_https_and_this_machine_may_be_asked(url: str) -> None:
    assert changes.check_url("issuer", url) == url


def test_a_person_keeps_its_id_under_another_name(server: Server) -> None:
    bo = server.add("bo", "viewer")
    server.commit(lambda state, _stamp: changes.rename_user(state, "bo", "bob"))

    renamed = server.state.named("bob")
    assert renamed is not None
    assert (renamed.id, server.state.named(bo.id)) == (bo.id, renamed)
    assert server.commit(lambda s, _t: changes.rename_user(s, "bob", "bob")).entry is None


def test_a_name_is_free_again_once_its_user_is_disabled(server: Server) -> None:
    first = server.add("bo")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))
    second = server.add("bo")

    assert first.id != second.id
    with pytest.raises(ConflictError, match="exists already"):
        server.commit(lambda state, _stamp: changes.enable_user(state, first.id))
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))
    server.commit(lambda state, _stamp: changes.enable_user(state, first.id))
    assert server.state.named("bo") == first


def test_groups_are_set_whole_and_go(server: Server) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.set_group(state, "risk", ["bo", "ana", "bo"]))
    again = server.commit(lambda state, _stamp: changes.set_group(state, "risk", ["ana", "bo"]))
    bo = server.state.named("bo")
    assert (again.entry, bo and bo.groups) == (None, ("risk",))
    server.commit(lambda state, _stamp: changes.remove_group(state, "risk"))

    bo = server.state.named("bo")
    assert bo is not None
    assert bo.groups == ()


def test_the_last_administrator_by_a_group_cannot_be_taken_out(server: Server) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.set_group(state, "admins", ["bo"]))
    server.grant("group:admins", "admin")
    server.commit(lambda state, _stamp: changes.disable_user(state, "ana"))

    with pytest.raises(RefusedError, match="nobody could change access"):
        server.commit(lambda state, _stamp: changes.set_group(state, "admins", []))
    with pytest.raises(RefusedError, match="nobody could change access"):
        server.commit(lambda state, _stamp: changes.remove_group(state, "admins"))


def test_a_grant_is_given_once_and_taken(server: Server) -> None:
    server.add("bo")
    change = server.grant("bo", "viewer", "risk/*")
    assert change.entry is not None
    assert server.grant("bo", "viewer", "risk/*").entry is None
    grant = next(grant for grant in server.state.grants.values() if grant.role == "viewer")
    assert grant.by == "ana"
    server.commit(lambda state, _stamp: changes.take_grant(state, grant.id))

    assert [grant.role for grant in server.state.grants.values()] == ["admin"]


@pytest.mark.parametrize("days", [0, -1, 366.1, float("nan"), float("inf")])
def test_the_longest_life_of_a_token_is_told_when_it_is_made(days: float) -> None:
    with pytest.raises(InvalidInputError, match="at most 366 days"):
        changes.expiry(NOON, days)


def test_a_token_lives_90_days_unless_something_else_is_said() -> None:
    assert changes.expiry(NOON, None) == "2026-05-30T12:00:00.000000Z"
    assert changes.expiry(NOON, 366) == "2027-03-02T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("issued", "problem"),
    [
        ({"label": "x" * 201}, "label must be at most 200"),
        ({"label": "a\nb"}, "printable"),
        ({"roles": ("king",)}, "role 'king' is unknown"),
        ({"models": ("a@b",)}, "pattern"),
    ],
)
def test_what_narrows_a_token_must_mean_something(
    server: Server, issued: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        server.token("ana", **issued)


def test_a_revoked_token_is_revoked_once(server: Server) -> None:
    new = server.token("ana")
    server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))

    again = server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))
    assert again.entry is None


def test_a_subject_is_one_user_s(server: Server) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.link_identity(state, "bo", ISSUER, "1"))
    again = server.commit(lambda state, _stamp: changes.link_identity(state, "bo", ISSUER, "1"))
    assert again.entry is None
    with pytest.raises(ConflictError, match="is already bo"):
        server.commit(lambda state, _stamp: changes.link_identity(state, "ana", ISSUER, "1"))
    server.commit(lambda state, _stamp: changes.unlink_identity(state, "bo", ISSUER, "1"))

    assert server.state.linked(ISSUER, "1") is None


def test_a_rule_keeps_its_id_when_it_changes(server: Server) -> None:
    server.commit(rule())
    first = next(iter(server.state.rules))
    assert server.commit(rule()).entry is None
    server.commit(rule(role="promoter"))

    assert [(known, r.role) for known, r in server.state.rules.items()] == [(first, "promoter")]
    server.commit(lambda state, _stamp: changes.remove_rule(state, "ci"))
    assert server.state.rules == {}


def test_a_provider_is_set_changed_and_removed(server: Server) -> None:
    server.commit(lambda state, _stamp: changes.set_provider(state, PROVIDER))
    assert server.commit(lambda s, _t: changes.set_provider(s, PROVIDER)).entry is None
    assert server.state.providers == {"corp": PROVIDER}
    server.commit(lambda state, _stamp: changes.remove_provider(state, "corp"))

    assert server.state.providers == {}


def test_a_setting_is_changed_and_goes_back_to_its_default(server: Server) -> None:
    server.commit(lambda _state, _stamp: SettingChanged(setting="banner", value="hello"))
    assert server.state.settings == {"banner": "hello"}
    server.commit(lambda _state, _stamp: SettingChanged(setting="banner", value=None))

    assert server.state.settings == {}


def test_a_lost_administrator_comes_back_by_the_same_command(server: Server) -> None:
    server.add("bo", "admin")
    ana = server.state.named("ana")
    server.commit(lambda state, _stamp: changes.disable_user(state, "ana"))
    server.init("ana")
    server.init("bo")
    back = server.state.named("ana")

    assert ana is not None
    assert back is not None
    assert back.id != ana.id
    assert {user.name for user in server.state.admins()} == {"ana", "bo"}
    assert len([entry for entry, _ in server.journal.audit()]) == server.state.seq


def test_a_service_account_is_not_made_an_administrator_so(server: Server) -> None:
    server.service("robot")

    with pytest.raises(InvalidInputError, match="must be a person"):
        server.init("robot")
