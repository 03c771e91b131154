"""Which version answers a request."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.serving.facing import rollout, routing_table, sums

from holdfast.rows.refusal import Refusal
from holdfast.serving.answering.routing import RoutingDecision, RoutingRequest, choose, share, token
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.server_limits import ServerLimits

ACTIVE, CANDIDATE, KEPT = sums("1.0.0"), sums("1.1.0"), sums("0.9.0")


def canary(weight: float = 0.5, **facts: Any) -> RoutingTable:
    running = rollout(weight=weight, **facts)
    return routing_table(ACTIVE, rollout=running, candidate=CANDIDATE, kept={"0.9.0": KEPT})


def chosen(
    routing_table: RoutingTable, limits: ServerLimits | None = None, **headers: str
) -> RoutingDecision:
    header_fields = {
        name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()
    }
    return choose(routing_table, RoutingRequest(header_fields), limits or ServerLimits())


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_key_keeps_its_side_as_the_weight_grows(key: str, weight: float, other: float) -> None:
    position = share("iris", 7, key)
    low, high = sorted((weight, other))

    assert 0 <= position < 1
    assert position >= low or position < high


def test_the_share_of_keys_is_the_weight_and_another_one_in_the_next_rollout() -> None:
    keys = [f"user-{at}" for at in range(4000)]
    first = {key for key in keys if share("iris", 7, key) < 0.25}
    second = {key for key in keys if share("iris", 8, key) < 0.25}

    assert 900 < len(first) < 1100
    assert 180 < len(first & second) < 320


def test_a_sticky_key_is_routed_alike_every_time_and_known_by_its_hash() -> None:
    routing_table = canary(sticky="header:X-User-Id")
    sides = {
        user: {chosen(routing_table, x_user_id=user).role for _ in range(5)}
        for user in map(str, range(50))
    }
    choice = chosen(routing_table, x_user_id="ada")

    assert all(len(roles) == 1 for roles in sides.values())
    assert {role for roles in sides.values() for role in roles} == {"active", "canary"}
    assert choice.counted
    assert choice.key == chosen(canary(number=8, sticky="header:X-User-Id"), x_user_id="ada").key
    assert chosen(routing_table).key is None


@pytest.mark.parametrize(
    "fields",
    [
        {"user": 7, "instances": [[1, 2]]},
        {"parameters": {"user": "7"}},
        {"instances": [{"user": "7"}, {"user": "8"}]},
        {"inputs": {"user": ["7", "8"]}},
        {"dataframe_records": [{"user": 7}]},
    ],
)
def test_a_sticky_field_stands_beside_the_rows_among_the_parameters_or_in_the_first_row(
    fields: dict[str, object],
) -> None:
    routing_table = canary(sticky="field:user")
    choice = choose(routing_table, RoutingRequest({}, fields), ServerLimits())

    assert choice.key == chosen(canary(sticky="header:user"), user="7").key


@pytest.mark.parametrize("fields", [None, {"instances": [[1]]}, {"user": []}, {"user": {}}])
def test_a_request_without_the_sticky_field_is_routed_by_chance(fields: dict[str, object]) -> None:
    routing_table = canary(sticky="field:user")
    choices = [choose(routing_table, RoutingRequest({}, fields), ServerLimits()) for _ in range(60)]

    assert {choice.role for choice in choices} == {"active", "canary"}
    assert all(choice.key is None and choice.counted for choice in choices)


def test_without_a_key_the_weight_is_a_chance() -> None:
    roles = [chosen(canary(0.25)).role for _ in range(2000)]

    assert 400 < roles.count("canary") < 600


def test_nothing_is_counted_without_a_rollout_or_while_its_candidate_gets_nothing() -> None:
    alone = chosen(routing_table(ACTIVE))
    unready = chosen(routing_table(ACTIVE, rollout=rollout()))
    preparing = chosen(routing_table(ACTIVE, rollout=rollout(step=-1), candidate=CANDIDATE))

    assert [choice.counted for choice in (alone, unready, preparing)] == [False] * 3
    assert {choice.loaded.version for choice in (alone, unready, preparing)} == {"1.0.0"}


def test_at_full_weight_the_candidate_answers_everything() -> None:
    assert {chosen(canary(1.0)).role for _ in range(50)} == {"canary"}


def test_a_shadow_answers_nothing_and_gets_its_share_mirrored() -> None:
    choices = [chosen(canary(0.5, strategy="shadow")) for _ in range(200)]
    mirrored = [choice for choice in choices if choice.mirror is not None]

    assert {choice.loaded.version for choice in choices} == {"1.0.0"}
    assert all(choice.counted for choice in choices)
    assert {choice.mirror.version for choice in mirrored if choice.mirror} == {"1.1.0"}
    assert 50 < len(mirrored) < 150


@pytest.mark.parametrize(("role", "version"), [("canary", "1.1.0"), ("active", "1.0.0")])
def test_a_tester_forces_a_side_and_is_not_counted(role: str, version: str) -> None:
    choice = chosen(canary(), x_holdfast_role=role)

    assert (choice.role, choice.loaded.version, choice.counted) == (role, version, False)


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0", "1.1.0"])
def test_a_version_in_memory_can_be_pinned_and_is_not_counted(version: str) -> None:
    choice = chosen(canary(), x_model_version=version)
    by_path = choose(canary(), RoutingRequest({}, version=version), ServerLimits())

    assert (choice.role, choice.loaded.version, choice.counted) == ("pinned", version, False)
    assert by_path == choice


def test_a_token_of_an_earlier_answer_keeps_to_its_side_uncounted() -> None:
    routing_table = canary(0.5)
    for role in ("canary", "active"):
        route = (token(7, role) or b"").decode()
        choices = [chosen(routing_table, x_holdfast_route=route) for _ in range(20)]

        assert {(choice.role, choice.counted) for choice in choices} == {(role, False)}


def test_a_token_of_another_rollout_means_nothing() -> None:
    choices = [chosen(canary(0.5, number=8), x_holdfast_route="7:canary") for _ in range(60)]

    assert {choice.role for choice in choices} == {"active", "canary"}
    assert all(choice.counted for choice in choices)
    assert token(None, "active") is None
    assert token(7, "pinned") is None


@pytest.mark.parametrize(
    ("routing_table", "headers", "status", "message"),
    [
        (routing_table(None), {}, 503, "no version of iris is ready"),
        (routing_table(ACTIVE), {"x_holdfast_role": "canary"}, 404, "no canary here"),
        (routing_table(ACTIVE), {"x_holdfast_role": "best"}, 400, "must be 'canary' or 'active'"),
        (canary(), {"x_model_version": "2.0.0"}, 404, "these are: 0.9.0, 1.0.0, 1.1.0"),
        (routing_table(None), {"x_model_version": "2.0.0"}, 404, "these are: none"),
    ],
)
def test_what_is_not_here_is_refused(
    routing_table: RoutingTable, headers: dict[str, str], status: int, message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        chosen(routing_table, None, **headers)

    assert caught.value.status == status
    assert message in caught.value.message


def test_pinning_can_be_forbidden() -> None:
    with pytest.raises(Refusal) as caught:
        chosen(canary(), ServerLimits(pinning=False), x_model_version="1.0.0")

    assert caught.value.status == 403
