"""What a secret opens: tokens and sessions, and everything that makes them die."""

from datetime import timedelta

import pytest
from tests.access.conftest import KEYS, NOON, Server

from holdfast.access import changes
from holdfast.access.access_events import ProviderSet, RuleSet
from holdfast.access.authentication import authenticate, known_before, session_identity
from holdfast.access.permissions import Narrowing, may
from holdfast.access.sessions import SessionRecord, Sessions, begun
from holdfast.access.tokens import mint
from holdfast.core.auth import Auth
from holdfast.core.entry import format_time
from holdfast.errors import UnauthenticatedError

ISSUER = "https://id.example"
RULE = RuleSet(
    rule="",
    name="ci iris",
    issuer="https://ci.example",
    audience="https://models.example",
    claims={"repository_id": "77", "ref": "refs/heads/main"},
    role="registrar",
    models=("risk/*",),
)


def refusal(server: Server, secret: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        authenticate(server.state, secret, server.now)
    assert secret not in str(refused.value) or not secret
    return str(refused.value)


def test_a_token_is_its_owner(server: Server) -> None:
    bo = server.add("bo", "promoter")
    new = server.token("bo")

    identity = authenticate(server.state, new.secret, server.now)

    assert (identity.user, identity.how, identity.narrowing) == (bo, f"token:{new.id}", None)
    assert identity.auth("eve", "here") == Auth(bo.id, f"token:{new.id}", "person", "eve", "here")


def test_a_token_can_be_narrowed_to_roles_and_models(server: Server) -> None:
    new = server.token("ana", roles=("viewer",), models=("risk/*",))

    identity = authenticate(server.state, new.secret, server.now)

    assert identity.narrowing == Narrowing(("viewer",), ("risk/*",))
    assert may(server.state, identity, "read", "risk/iris").allowed
    assert not may(server.state, identity, "read", "fraud").allowed


def test_a_service_account_s_token_is_not_a_person(server: Server) -> None:
    server.service("robot")
    new = server.token("robot")

    identity = authenticate(server.state, new.secret, server.now)

    assert new.secret.startswith("hft_s_")
    assert identity.auth().kind == "service"


@pytest.mark.parametrize("secret", ["", "hft_p_short", "Bearer x", "hft_p_" + "A" * 49])
def test_what_is_not_a_token_is_told_without_a_look_up(server: Server, secret: str) -> None:
    assert "malformed" in refusal(server, secret)


def test_an_unknown_token_opens_nothing(server: Server) -> None:
    other = server.token("ana")
    emptied = server.state
    server.commit(lambda state, _stamp: changes.revoke_token(state, other.id))

    assert "was revoked" in refusal(server, other.secret)
    assert emptied.seq < server.state.seq
    assert "is unknown here" in refusal(server, mint("p", b"\5" * 32).secret)


def test_a_token_expires(server: Server) -> None:
    new = server.token("ana", expires_at=changes.expiry(NOON, 1))
    server.now = NOON + timedelta(days=1)

    assert f"token {new.id} has expired" in refusal(server, new.secret)


def test_a_disabled_user_s_tokens_are_dead_for_good(server: Server) -> None:
    server.add("bo")
    new = server.token("bo")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))
    assert "was revoked" in refusal(server, new.secret)
    server.commit(lambda state, _stamp: changes.enable_user(state, "bo"))

    assert "was revoked" in refusal(server, new.secret)


def test_a_service_account_rests_while_its_owner_is_disabled(server: Server) -> None:
    server.add("bo")
    server.service("robot", "bo")
    new = server.token("robot")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))

    assert "has a disabled owner, bo" in refusal(server, new.secret)


def test_somebody_of_the_same_name_who_comes_later_is_another(server: Server) -> None:
    first = server.add("bo", "promoter")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))
    second = server.add("bo")

    new = server.token("bo")
    identity = authenticate(server.state, new.secret, NOON)

    assert first.id != second.id == identity.user.id
    assert not may(server.state, identity, "read", "x").allowed


# sessions


def signed_in(server: Server, sessions: Sessions, **by: object) -> SessionRecord:
    ana = server.state.named("ana")
    assert ana is not None
    record = sessions.read(sessions.create(begun(ana.id, "session", server.now, **by)), server.now)
    assert record is not None
    return record


def test_a_session_dies_with_the_token_that_made_it(server: Server) -> None:
    sessions = Sessions(server.store, KEYS)
    new = server.token("ana", models=("risk/*",))
    record = signed_in(server, sessions, token=new.id)
    identity = session_identity(server.state, record, server.now)
    assert (identity.how, identity.narrowing) == ("session", Narrowing(None, ("risk/*",)))
    server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))

    with pytest.raises(UnauthenticatedError, match="was revoked"):
        session_identity(server.state, record, server.now)


def test_a_session_of_a_token_that_never_was_opens_nothing(server: Server) -> None:
    record = signed_in(server, Sessions(None), token="0" * 12)

    with pytest.raises(UnauthenticatedError, match="lost the token"):
        session_identity(server.state, record, server.now)


def test_a_session_of_a_provider_dies_with_the_identity_or_the_provider(server: Server) -> None:
    provider = ProviderSet(provider="corp", issuer=ISSUER, client_id="holdfast")
    server.commit(lambda state, _stamp: changes.set_provider(state, provider))
    server.commit(lambda state, _stamp: changes.link_identity(state, "ana", ISSUER, "7"))
    record = signed_in(server, Sessions(None), issuer=ISSUER, subject="7")
    assert session_identity(server.state, record, server.now).how == "session"
    server.commit(lambda state, _stamp: changes.unlink_identity(state, "ana", ISSUER, "7"))

    with pytest.raises(UnauthenticatedError, match="lost the identity"):
        session_identity(server.state, record, server.now)
    server.commit(lambda state, _stamp: changes.link_identity(state, "ana", ISSUER, "7"))
    server.commit(lambda state, _stamp: changes.remove_provider(state, "corp"))
    with pytest.raises(UnauthenticatedError, match="lost the identity"):
        session_identity(server.state, record, server.now)


def test_groups_of_a_provider_count_if_they_exist_here(server: Server) -> None:
    server.commit(lambda state, _stamp: changes.set_group(state, "risk", []))
    record = signed_in(server, Sessions(None), groups=("risk", "invented"))

    assert session_identity(server.state, record, server.now).user.groups == ("risk",)


def test_a_session_dies_with_its_user(server: Server) -> None:
    bo = server.add("bo")
    record = begun(bo.id, "session", server.now)
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))

    with pytest.raises(UnauthenticatedError, match="is disabled"):
        session_identity(server.state, record, server.now)


# jobs


def test_a_job_acts_in_the_role_of_its_rule_and_dies_with_it(server: Server) -> None:
    sessions = Sessions(server.store, KEYS)
    server.commit(lambda state, stamp: changes.set_rule(state, stamp, RULE))
    rule = next(iter(server.state.rules))
    until = format_time(NOON + timedelta(minutes=15))
    job = SessionRecord(rule, "ci:https://ci.example/9", format_time(NOON), until, "ci")
    secret = sessions.create(job)

    identity = authenticate(server.state, secret, NOON, sessions)

    assert (identity.user.name, identity.user.kind) == ("ci iris", "service")
    assert identity.how == "ci:https://ci.example/9"
    assert may(server.state, identity, "register", "risk/iris").allowed
    assert not may(server.state, identity, "register", "fraud").allowed
    assert not may(server.state, identity, "promote", "risk/iris").allowed
    with pytest.raises(UnauthenticatedError, match="unknown or expired"):
        authenticate(server.state, secret, NOON + timedelta(minutes=15), sessions)


def test_a_rule_that_is_gone_takes_its_tokens_with_it(server: Server) -> None:
    sessions = Sessions(None)
    server.commit(lambda state, stamp: changes.set_rule(state, stamp, RULE))
    rule = next(iter(server.state.rules))
    until = format_time(NOON + timedelta(minutes=15))
    secret = sessions.create(SessionRecord(rule, "ci:x/9", format_time(NOON), until, "ci"))
    server.commit(lambda state, _stamp: changes.remove_rule(state, "ci iris"))

    with pytest.raises(UnauthenticatedError, match="lost the rule"):
        authenticate(server.state, secret, NOON, sessions)


def test_a_session_s_cookie_is_not_a_token_and_the_other_way_round(server: Server) -> None:
    sessions = Sessions(None)
    cookie = sessions.create(begun("u", "session", NOON))
    with pytest.raises(UnauthenticatedError, match="malformed"):
        authenticate(server.state, cookie, NOON, sessions)
    with pytest.raises(UnauthenticatedError, match="unknown or expired"):
        authenticate(server.state, mint("c", b"\1" * 32).secret, NOON, sessions)
    with pytest.raises(UnauthenticatedError, match="unknown or expired"):
        authenticate(server.state, mint("c", b"\1" * 32).secret, NOON)


def test_who_was_known_by_no_token_is_not_known_again(server: Server) -> None:
    server.init()
    user = changes.find_user(server.state, "ana")

    for how in ("session", "local", "token:0123456789ab"):
        with pytest.raises(UnauthenticatedError, match="is unknown here"):
            known_before(server.state, user.id, how, NOON)
