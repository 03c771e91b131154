"""The one function that decides: roles as sets, patterns, narrowing, and whom to ask."""

import itertools

import pytest
from tests.access.conftest import Server

from holdfast.access import changes
from holdfast.access.access_state import AccessState, User
from holdfast.access.permissions import (
    ANONYMOUS,
    GRANTABLE,
    ROLES,
    VERBS,
    Identity,
    Narrowing,
    check_pattern,
    local,
    matches,
    may,
    require,
    roles_for,
    who_could,
)
from holdfast.errors import ForbiddenError, InvalidInputError

LADDER = ["viewer", "registrar", "promoter", "admin"]


def allowed(server: Server, name: str, verb: str, model: str | None = "risk/iris") -> bool:
    user = server.state.named(name)
    assert user is not None
    return may(server.state, Identity(user, "token:x"), verb, model).allowed


@pytest.mark.parametrize(
    ("role", "can", "cannot"),
    [
        ("viewer", "read compare verify load watch", "register approve rollback promote policy"),
        ("registrar", "upload register tag note evaluate stage archive", "approve promote alias"),
        ("approver", "read approve", "register promote rollback"),
        ("oncall", "rollback rollout-pause rollout-abort", "promote rollout-start register"),
        (
            "promoter",
            "register rollback promote rollout-advance alias protected-alias hold release approve",
            "policy purge delete repair force access predictions",
        ),
        ("admin", "policy purge delete repair force access promote", "predictions"),
        ("force", "force", "read promote"),
        ("predictions", "predictions", "read"),
        ("server", "read load watch report", "register promote rollback upload"),
    ],
)
def test_a_role_is_a_set_of_verbs(server: Server, role: str, can: str, cannot: str) -> None:
    server.add("bo", role)

    assert [verb for verb in can.split() if not allowed(server, "bo", verb)] == []
    assert [verb for verb in cannot.split() if allowed(server, "bo", verb)] == []


def test_who_may_roll_back_may_not_promote_for_that() -> None:
    assert "rollback" in ROLES["oncall"]
    assert "promote" not in ROLES["oncall"]
    assert "rollback" not in ROLES["registrar"]


def test_each_verb_is_somebody_s() -> None:
    assert {verb for verb in VERBS if not roles_for(verb)} == set()
    assert roles_for("promote") == ("promoter", "admin")
    assert roles_for("force") == ("force", "admin")
    assert roles_for("predictions") == ("predictions",)
    assert roles_for("report") == ("server",)
    for low, high in itertools.pairwise(LADDER):
        assert GRANTABLE[low] < GRANTABLE[high]


def test_a_verb_that_does_not_exist_is_refused_rather_than_allowed(server: Server) -> None:
    with pytest.raises(InvalidInputError, match="verb 'fly' is unknown"):
        allowed(server, "ana", "fly")
    with pytest.raises(InvalidInputError, match="unknown"):
        who_could(server.state, "fly", None)


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("*", "a/b", True),
        ("risk/*", "risk/iris", True),
        ("risk/*", "risk/eu/iris", True),
        ("risk/*", "risk", False),
        ("risk/*", "risky/iris", False),
        ("risk/iris", "risk/iris", True),
        ("risk/iris", "risk/iris2", False),
        ("*/iris", "risk/iris", True),
        ("r.sk/*", "risk/iris", False),
        ("Risk/*", "risk/iris", False),
        ("a*", "a\nb", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*a*b*", "xxaxxbxx", True),
        ("*b*a*", "xxaxxbxx", False),
        ("a*b*c", "abbc", True),
        ("a*bc*c", "abc", False),
        ("**", "", True),
        ("", "a", False),
    ],
)
def test_a_pattern_names_models(pattern: str, model: str, *, fits: bool) -> None:
    assert matches(pattern, model) is fits


def test_a_pattern_made_to_keep_the_server_busy_is_decided_at_once() -> None:
    assert not matches("*a" * 124, "a" * 123 + "b" * 127)
    assert matches("*a" * 124, "a" * 250)


@pytest.mark.parametrize(
    "pattern", ["", " ", "a b ", "a@b", "a:b", "a\\b", "[ab]", "a?", "x" * 251]
)
def test_a_pattern_that_could_name_no_model_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a model's name or a pattern"):
        check_pattern(pattern)


def test_a_grant_reaches_its_models_alone(server: Server) -> None:
    server.add("bo", "promoter", "risk/*")

    assert allowed(server, "bo", "promote", "risk/iris")
    assert not allowed(server, "bo", "promote", "fraud")
    assert allowed(server, "bo", "upload", None)
    assert not allowed(server, "bo", "access", None)


def test_what_concerns_the_whole_store_takes_all_of_it(server: Server) -> None:
    assert allowed(server, "ana", "gc", None)
    assert allowed(server, "ana", "access", None)


def test_groups_and_everyone_give_what_they_were_granted(server: Server) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.set_group(state, "risk", ["bo"]))
    server.grant("group:risk", "registrar", "risk/*")
    server.grant("everyone", "viewer")

    assert allowed(server, "bo", "register")
    assert allowed(server, "bo", "read", "fraud")
    assert may(server.state, ANONYMOUS, "read", "fraud").allowed
    assert not may(server.state, ANONYMOUS, "register", "risk/iris").allowed


def test_a_disabled_user_may_nothing_whatever_an_old_identity_says(server: Server) -> None:
    bo = server.add("bo", "promoter")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))

    assert not may(server.state, Identity(bo, "session"), "promote", "iris").allowed


@pytest.mark.parametrize(
    ("narrowing", "verb", "model", "left"),
    [
        (Narrowing(), "promote", "risk/iris", True),
        (Narrowing(roles=("viewer",)), "read", "risk/iris", True),
        (Narrowing(roles=("viewer",)), "promote", "risk/iris", False),
        (Narrowing(roles=("viewer", "promoter")), "promote", "risk/iris", True),
        (Narrowing(roles=()), "read", "risk/iris", False),
        (Narrowing(models=("risk/*",)), "promote", "risk/iris", True),
        (Narrowing(models=("risk/*",)), "promote", "fraud", False),
        (Narrowing(models=("risk/*",)), "access", None, False),
        (Narrowing(models=("risk/*",)), "upload", None, True),
        (Narrowing(roles=("unheard-of",)), "read", "risk/iris", False),
        (Narrowing(roles=("predictions",)), "predictions", "risk/iris", False),
    ],
)
def test_a_token_leaves_at_most_what_its_owner_may(
    server: Server, narrowing: Narrowing, verb: str, model: str | None, *, left: bool
) -> None:
    ana = server.state.named("ana")
    assert ana is not None

    decision = may(server.state, Identity(ana, "token:x", narrowing), verb, model)

    assert decision.allowed is left
    assert ("narrowed" in decision.reason) is (not left and verb != "predictions")


def test_a_refusal_names_the_roles_and_who_can_give_one(server: Server) -> None:
    bo = server.add("bo", "viewer")

    with pytest.raises(ForbiddenError) as refused:
        require(server.state, Identity(bo, "token:x"), "promote", "risk/iris")

    assert str(refused.value) == (
        "bo may not promote risk/iris: it takes the role promoter or admin; ask ana"
    )
    assert refused.value.roles == ("promoter", "admin")
    require(server.state, Identity(bo, "token:x"), "read", "risk/iris")


def test_on_one_s_own_machine_everything_is_allowed() -> None:
    state, identity = local("ana")

    assert [verb for verb in VERBS if not may(state, identity, verb, "iris").allowed] == []
    assert identity.auth() == identity.auth(claimed="ana")
    assert identity.auth("bo", "here").claimed == "bo"


def test_who_could_names_each_with_the_grant_that_says_so(server: Server) -> None:
    server.add("bo", "promoter", "risk/*")
    server.add("cy", "viewer")

    able = who_could(server.state, "promote", "risk/iris")

    assert [(user.name, grant.role) for user, grant in able] == [
        ("ana", "admin"),
        ("bo", "promoter"),
    ]


@pytest.mark.parametrize(
    ("verb", "model", "words"),
    [
        ("promote", "risk/iris", "may not promote risk/iris: it takes the role promoter"),
        ("rollback", "iris", "may not roll back iris: it takes the role oncall, promoter or admin"),
        ("rollout-advance", "iris", "may not advance a rollout of iris: it takes the role promo"),
        ("access", None, "may not see or change access: it takes the role admin"),
        ("predictions", None, "may not look up predictions: it takes the role predictions"),
        (
            "predictions",
            "iris",
            "may not look up predictions of iris: it takes the role predictions",
        ),
    ],
)
def test_a_refusal_is_a_sentence(verb: str, model: str | None, words: str) -> None:
    nobody = Identity(User("u_1", "zoe", "person"), "session")
    decision = may(AccessState(users={"u_1": nobody.user}), nobody, verb, model)
    assert decision.reason.startswith(words)
