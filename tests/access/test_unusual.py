"""What of people and rights is unusual."""

from datetime import timedelta

import pytest
from tests.access.conftest import Server

from holdfast.access import changes
from holdfast.access.unusual import good_tokens, unusual
from holdfast.core.entry import format_time


@pytest.fixture
def two(server: Server) -> Server:
    """Two administrators, who both approve."""
    server.add("ben", "admin")
    return server


def found(server: Server, days: float = 0.0, uses: dict[str, str] | None = None) -> list[str]:
    return list(unusual(server.state, uses or {}, server.now + timedelta(days=days)))


def test_two_administrators_with_new_tokens_are_nothing_unusual(two: Server) -> None:
    assert found(two) == []


def test_the_only_administrator_and_the_only_approver_are_told(server: Server) -> None:
    only, second = found(server)
    assert only.startswith("ana is the only administrator")
    assert second.startswith("no second approver: ana may approve")


def test_nobody_who_may_approve_is_told(two: Server) -> None:
    ben = f"user:{changes.find_user(two.state, 'ben').id}"
    (grant,) = [known.id for known in two.state.grants.values() if known.subject == ben]
    two.commit(lambda state, _stamp: changes.take_grant(state, grant))
    assert "ben has no role, and can do nothing" in found(two)


def test_tokens_that_nobody_uses_that_end_soon_or_late_are_told(two: Server) -> None:
    (token,) = good_tokens(two.state, two.now)
    name = f"token {token.issued.id} of ana"
    assert found(two, 31) == [f"{name} has never been used since it was issued 31 d ago"]
    day = (two.now + timedelta(days=30)).date().isoformat()
    assert found(two, 31, {token.issued.id: day}) == []
    assert found(two, 70, {token.issued.id: day}) == [f"{name} was last used on {day}"]
    late = found(two, 84, {token.issued.id: (two.now + timedelta(days=84)).date().isoformat()})
    assert late[0].startswith(f"{name} expires in ")
    assert good_tokens(two.state, two.now + timedelta(days=91)) == []
    long = two.token("ben", expires_at=format_time(two.now + timedelta(days=300)))
    assert found(two) == [f"token {long.id} of ben is good for 300 d more"]


def test_a_service_account_rests_with_its_owner_and_a_disabled_user_is_no_news(two: Server) -> None:
    two.service("nightly", "ben")
    two.grant("nightly", "registrar")
    two.add("cleo", "approver")
    assert found(two) == []
    two.commit(lambda state, _stamp: changes.disable_user(state, "ben"))
    assert "service account nightly rests, because its owner is disabled" in found(two)


def test_what_everyone_has_and_what_no_member_has_is_told(two: Server) -> None:
    two.grant("everyone", "viewer")
    two.commit(lambda state, _stamp: changes.set_group(state, "risk", ["ben"]))
    two.grant("group:risk", "promoter", "risk/*")
    two.commit(lambda state, _stamp: changes.set_group(state, "risk", []))
    assert found(two) == [
        "everyone has the role viewer for all models",
        "group risk has the role promoter for risk/*, and no members",
    ]
