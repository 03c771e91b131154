"""A policy that asks for more approvals than people can give is refused with their number."""

import pytest
from tests.access.conftest import Server

from holdfast import Policy
from holdfast.access import changes
from holdfast.access.access_state import NO_ACCESS
from holdfast.access.approvers import check_approvals, most_approvals, possible_approvers
from holdfast.errors import RefusedError

FOUR_EYES = Policy(approvals=1, approval="authenticated")


def test_who_registers_and_promotes_alone_has_no_second_person(server: Server) -> None:
    assert [user.name for user in possible_approvers(server.state, "iris")] == ["ana"]
    assert most_approvals(server.state, "iris") == 0
    with pytest.raises(RefusedError) as refused:
        check_approvals(FOUR_EYES, server.state, "iris")

    assert str(refused.value) == (
        "access refused the policy of iris: approvals: 1 are asked for, but at most 0 can count "
        "(ana may approve; who registers or promotes does not count) (give others the role)"
    )


def test_a_second_person_is_enough_for_one_approval(server: Server) -> None:
    server.add("bo", "approver")

    check_approvals(FOUR_EYES, server.state, "iris")
    with pytest.raises(RefusedError, match="at most 1 can count"):
        check_approvals(Policy(approvals=2, approval="authenticated"), server.state, "iris")


def test_a_service_account_that_registers_and_promotes_leaves_all_people(server: Server) -> None:
    server.service("robot")
    server.grant("robot", "promoter")

    assert most_approvals(server.state, "iris") == 1
    check_approvals(FOUR_EYES, server.state, "iris")


def test_two_who_can_do_one_each_both_drop_out(server: Server) -> None:
    server.add("bo", "promoter", "iris")
    for name in ("cy", "di"):
        server.add(name, "approver", "iris")
    assert most_approvals(server.state, "iris") == 3
    server.commit(lambda state, _stamp: changes.disable_user(state, "di"))

    assert most_approvals(server.state, "iris") == 2


def test_service_accounts_and_other_models_roles_never_count(server: Server) -> None:
    server.service("robot")
    server.grant("robot", "approver")
    server.add("bo", "approver", "risk/*")

    assert most_approvals(server.state, "iris") == 0
    assert most_approvals(server.state, "risk/iris") == 1


@pytest.mark.parametrize(
    "policy",
    [
        Policy(approvals=5),
        Policy(approvals=5, approval="claimed"),
        Policy(approval="authenticated"),
    ],
)
def test_other_policies_are_not_asked_about(server: Server, policy: Policy) -> None:
    check_approvals(policy, server.state, "iris")


def test_code_that_a_second_person_must_approve_asks_for_one(server: Server) -> None:
    policy = Policy(code="approved", approval="authenticated")

    with pytest.raises(RefusedError, match="1 are asked for"):
        check_approvals(policy, server.state, "iris")


def test_with_nobody_there_at_all_everybody_is_left(server: Server) -> None:
    assert server.state.exists
    assert most_approvals(NO_ACCESS, "iris") == 0
