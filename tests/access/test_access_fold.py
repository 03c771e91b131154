"""The fold of the access journal: what is known of people, and what cannot be true."""

import pytest
from tests.access.conftest import NOON, Server

from holdfast.access import access_events as events
from holdfast.access import changes
from holdfast.access.access_fold import AccessFold, applied
from holdfast.access.access_state import NO_ACCESS, AccessState, ExternalIdentity
from holdfast.core.entry import format_time

AT = format_time(NOON)


def after(state: AccessState, *happened: events.AccessEvent) -> AccessState:
    for event in happened:
        state = applied(state, event, AT, "ana")
    return state


ISSUED = events.IssuedToken("a" * 12, "a" * 64, "p", "x", AT)
BO = events.UserAdded(user="u_bo", name="bo", kind="person")


def test_nobody_is_there_before_the_first_entry() -> None:
    assert not NO_ACCESS.exists
    assert NO_ACCESS.admins() == []
    assert NO_ACCESS.named("ana") is None
    assert NO_ACCESS.token("x") is None


@pytest.mark.parametrize(
    "event",
    [
        events.UserRenamed(user="u_x", name="y"),
        events.UserDisabled(user="u_x"),
        events.UserEnabled(user="u_x"),
        events.IdentityLinked(user="u_x", issuer="i", subject="s"),
        events.GroupSet(group="g", members=("u_x",)),
        events.GroupRemoved(group="g"),
        events.GrantTaken(grant="g"),
        events.TokenIssued(user="u_x", token=ISSUED),
        events.TokenRevoked(token="t"),
        events.RuleRemoved(rule="r"),
        events.ProviderRemoved(provider="p"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_names_somebody_who_never_was_cannot_be_true(event: events.AccessEvent) -> None:
    with pytest.raises(LookupError):
        after(NO_ACCESS, event)


def test_a_person_is_found_by_name_and_by_id_while_not_disabled() -> None:
    state = after(NO_ACCESS, BO)
    disabled = after(state, events.UserDisabled(user="u_bo"))

    assert state.named("bo") == state.named("u_bo") == state.users["u_bo"]
    assert disabled.named("bo") is None
    assert disabled.named("u_bo") is None
    assert list(disabled.active()) == []


def test_disabling_revokes_and_enabling_does_not_bring_back() -> None:
    state = after(
        NO_ACCESS,
        BO,
        events.TokenIssued(user="u_bo", token=ISSUED),
        events.UserDisabled(user="u_bo"),
        events.UserEnabled(user="u_bo"),
    )

    assert [token.revoked_at for token in state.tokens.values()] == [AT]
    assert not state.users["u_bo"].disabled


def test_revoking_twice_keeps_the_first_time() -> None:
    state = after(NO_ACCESS, BO, events.TokenIssued(user="u_bo", token=ISSUED))
    once = applied(state, events.TokenRevoked(token="a" * 12), AT, "ana")
    twice = applied(once, events.TokenRevoked(token="a" * 12), "2027", "ana")

    assert twice == once


def test_identities_are_linked_once_and_unlinked() -> None:
    link = events.IdentityLinked(user="u_bo", issuer="i", subject="s")
    state = after(NO_ACCESS, BO, link, link)
    assert state.users["u_bo"].identities == (ExternalIdentity("i", "s"),)
    gone = after(state, events.IdentityUnlinked(user="u_bo", issuer="i", subject="s"))

    assert gone.users["u_bo"].identities == ()
    assert gone.linked("i", "s") is None


def test_groups_are_each_member_s(server: Server) -> None:
    server.add("bo")
    server.commit(lambda state, _stamp: changes.set_group(state, "b", ["bo"]))
    server.commit(lambda state, _stamp: changes.set_group(state, "a", ["bo", "ana"]))

    groups = {user.name: user.groups for user in server.state.active()}
    assert groups == {"ana": ("a",), "bo": ("a", "b")}


def test_a_service_account_is_never_an_administrator(server: Server) -> None:
    server.service("robot")
    server.grant("robot", "admin")

    assert [user.name for user in server.state.admins()] == ["ana"]


def test_what_was_handed_out_never_changes(server: Server) -> None:
    before = server.state
    kept = dict(before.users), dict(before.grants), dict(before.tokens)
    server.add("bo", "promoter")
    server.token("bo")
    server.commit(lambda state, _stamp: changes.disable_user(state, "bo"))

    assert (before.users, before.grants, before.tokens) == kept


def test_a_table_is_copied_once_however_many_entries_change_it() -> None:
    before = after(NO_ACCESS, BO)
    fold = AccessFold(before)
    fold.apply(events.TokenIssued(user="u_bo", token=ISSUED), AT, "ana")
    tokens = fold.now.tokens
    for number in range(30):
        token = events.IssuedToken(f"{number:012}", f"{number:064}", "p", "x", AT)
        fold.apply(events.TokenIssued(user="u_bo", token=token), AT, "ana")
        fold.apply(events.TokenRevoked(token=token.id), AT, "ana")

    assert fold.now.tokens is tokens
    assert len(tokens) == 31
    assert before.tokens == {}


def test_what_a_fold_gave_away_stays_as_it_was() -> None:
    fold = AccessFold(NO_ACCESS)
    fold.apply(BO, AT, "ana")
    given = fold.state()
    fold.apply(events.UserRenamed(user="u_bo", name="bob"), AT, "ana")

    assert given.users["u_bo"].name == "bo"
    assert fold.state().users["u_bo"].name == "bob"


def test_a_group_touches_those_alone_who_come_or_go() -> None:
    people = [events.UserAdded(user=f"u_{name}", name=name, kind="person") for name in "abc"]
    state = after(NO_ACCESS, *people, events.GroupSet(group="g", members=("u_a", "u_b")))
    later = after(state, events.GroupSet(group="g", members=("u_b", "u_c")))
    gone = after(later, events.GroupRemoved(group="g"))

    assert later.users["u_b"] is state.users["u_b"]
    assert [user.groups for user in later.users.values()] == [(), ("g",), ("g",)]
    assert [user.groups for user in gone.users.values()] == [(), (), ()]
    assert list(gone.users) == list(state.users)


def test_tokens_are_found_by_id_and_by_user_whatever_was_issued_since() -> None:
    cy = events.UserAdded(user="u_cy", name="cy", kind="person")
    other = events.IssuedToken("b" * 12, "b" * 64, "p", "x", AT)
    again = events.IssuedToken("c" * 12, ISSUED.sha256, "p", "x", AT)
    fold = AccessFold(after(NO_ACCESS, BO, cy, events.TokenIssued(user="u_bo", token=ISSUED)))
    fold.apply(events.TokenRevoked(token=ISSUED.id), AT, "ana")
    fold.apply(events.UserDisabled(user="u_cy"), AT, "ana")
    fold.apply(events.TokenIssued(user="u_cy", token=again), AT, "ana")  # under the same secret
    fold.apply(events.TokenIssued(user="u_cy", token=other), AT, "ana")
    fold.apply(events.UserDisabled(user="u_bo"), AT, "ana")
    state = fold.state()

    assert [token.revoked_at for token in state.tokens.values()] == [None, None]
    with pytest.raises(LookupError):
        fold.apply(events.TokenRevoked(token=ISSUED.id), AT, "ana")
    fold.apply(events.UserDisabled(user="u_cy"), AT, "ana")
    assert [token.revoked_at for token in fold.state().tokens.values()] == [AT, AT]


def test_an_id_issued_twice_is_revoked_where_it_still_is() -> None:
    twin = events.IssuedToken(ISSUED.id, "d" * 64, "p", "x", AT)
    later = events.IssuedToken("e" * 12, ISSUED.sha256, "p", "x", AT)
    fold = AccessFold(after(NO_ACCESS, BO))
    for token in (ISSUED, twin):
        fold.apply(events.TokenIssued(user="u_bo", token=token), AT, "ana")
    fold.apply(events.TokenRevoked(token=ISSUED.id), AT, "ana")
    fold.apply(events.TokenIssued(user="u_bo", token=later), AT, "ana")
    fold.apply(events.TokenRevoked(token=ISSUED.id), AT, "ana")
    tokens = fold.state().tokens

    assert (tokens["d" * 64].revoked_at, tokens[ISSUED.sha256].revoked_at) == (AT, None)
