"""Which version answers a request."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.serving.facing import lineup, rollout, sums

from holdfast.serving.answering.routing import Asked, Choice, choose, share, token
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup
from holdfast.serving.refusal import Refusal

ACTIVE, CANDIDATE, KEPT = sums("1.0.0"), sums("1.1.0"), sums("0.9.0")


def canary(weight: float = 0.5, **facts: Any) -> Lineup:
    running = rollout(weight=weight, **facts)
    return lineup(ACTIVE, rollout=running, candidate=CANDIDATE, kept={"0.9.0": KEPT})


def chosen(one: Lineup, limits: Limits | None = None, **headers: str) -> Choice:
    named = {
        name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()
    }
    return choose(one, Asked(named), limits or Limits())


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_key_keeps_its_side_as_the_weight_grows(key: str, one: float, other: float) -> None:
    place = share("iris", 7, key)
    low, high = sorted((one, other))

    assert 0 <= place < 1
    assert place >= low or place < high


def test_the_share_of_keys_is_the_weight_and_another_one_in_the_next_rollout() -> None:
    keys = [f"user-{at}" for at in range(4000)]
    first = {key for key in keys if share("iris", 7, key) < 0.25}
    second = {key for key in keys if share("iris", 8, key) < 0.25}

    assert 900 < len(first) < 1100
    assert 180 < len(first & second) < 320


def test_a_sticky_key_is_routed_alike_every_time_and_known_by_its_hash() -> None:
    one = canary(sticky="header:X-User-Id")
    sides = {
        user: {chosen(one, x_user_id=user).role for _ in range(5)} for user in map(str, range(50))
    }
    found = chosen(one, x_user_id="ada")

    assert all(len(roles) == 1 for roles in sides.values())
    assert {role for roles in sides.values() for role in roles} == {"active", "canary"}
    assert found.counted
    assert found.key == chosen(canary(number=8, sticky="header:X-User-Id"), x_user_id="ada").key
    assert chosen(one).key is None


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
    one = canary(sticky="field:user")
    found = choose(one, Asked({}, fields), Limits())

    assert found.key == chosen(canary(sticky="header:user"), user="7").key


@pytest.mark.parametrize("fields", [None, {"instances": [[1]]}, {"user": []}, {"user": {}}])
def test_a_request_without_the_sticky_field_is_routed_by_chance(fields: dict[str, object]) -> None:
    one = canary(sticky="field:user")
    found = [choose(one, Asked({}, fields), Limits()) for _ in range(60)]

    assert {choice.role for choice in found} == {"active", "canary"}
    assert all(choice.key is None and choice.counted for choice in found)


def test_without_a_key_the_weight_is_a_chance() -> None:
    roles = [chosen(canary(0.25)).role for _ in range(2000)]

    assert 400 < roles.count("canary") < 600


def test_nothing_is_counted_without_a_rollout_or_while_its_candidate_gets_nothing() -> None:
    alone = chosen(lineup(ACTIVE))
    unready = chosen(lineup(ACTIVE, rollout=rollout()))
    preparing = chosen(lineup(ACTIVE, rollout=rollout(step=-1), candidate=CANDIDATE))

    assert [one.counted for one in (alone, unready, preparing)] == [False] * 3
    assert {one.loaded.version for one in (alone, unready, preparing)} == {"1.0.0"}


def test_at_full_weight_the_candidate_answers_everything() -> None:
    assert {chosen(canary(1.0)).role for _ in range(50)} == {"canary"}


def test_a_shadow_answers_nothing_and_gets_its_share_mirrored() -> None:
    found = [chosen(canary(0.5, strategy="shadow")) for _ in range(200)]
    mirrored = [one for one in found if one.mirror is not None]

    assert {one.loaded.version for one in found} == {"1.0.0"}
    assert all(one.counted for one in found)
    assert {one.mirror.version for one in mirrored if one.mirror} == {"1.1.0"}
    assert 50 < len(mirrored) < 150


@pytest.mark.parametrize(("role", "version"), [("canary", "1.1.0"), ("active", "1.0.0")])
def test_a_tester_forces_a_side_and_is_not_counted(role: str, version: str) -> None:
    found = chosen(canary(), x_holdfast_role=role)

    assert (found.role, found.loaded.version, found.counted) == (role, version, False)


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0", "1.1.0"])
def test_a_version_in_memory_can_be_pinned_and_is_not_counted(version: str) -> None:
    found = chosen(canary(), x_model_version=version)
    by_path = choose(canary(), Asked({}, version=version), Limits())

    assert (found.role, found.loaded.version, found.counted) == ("pinned", version, False)
    assert by_path == found


def test_a_token_of_an_earlier_answer_keeps_to_its_side_uncounted() -> None:
    one = canary(0.5)
    for role in ("canary", "active"):
        route = (token(7, role) or b"").decode()
        found = [chosen(one, x_holdfast_route=route) for _ in range(20)]

        assert {(choice.role, choice.counted) for choice in found} == {(role, False)}


def test_a_token_of_another_rollout_means_nothing() -> None:
    found = [chosen(canary(0.5, number=8), x_holdfast_route="7:canary") for _ in range(60)]

    assert {choice.role for choice in found} == {"active", "canary"}
    assert all(choice.counted for choice in found)
    assert token(None, "active") is None
    assert token(7, "pinned") is None


@pytest.mark.parametrize(
    ("one", "headers", "status", "told"),
    [
        (lineup(None), {}, 503, "no version of iris is ready"),
        (lineup(ACTIVE), {"x_holdfast_role": "canary"}, 404, "no canary here"),
        (lineup(ACTIVE), {"x_holdfast_role": "best"}, 400, "neither 'canary' nor 'active'"),
        (canary(), {"x_model_version": "2.0.0"}, 404, "these are: 0.9.0, 1.0.0, 1.1.0"),
        (lineup(None), {"x_model_version": "2.0.0"}, 404, "these are: none"),
    ],
)
def test_what_is_not_here_is_refused(
    one: Lineup, headers: dict[str, str], status: int, told: str
) -> None:
    with pytest.raises(Refusal) as caught:
        chosen(one, None, **headers)

    assert caught.value.status == status
    assert told in caught.value.message


def test_pinning_can_be_forbidden() -> None:
    with pytest.raises(Refusal) as caught:
        chosen(canary(), Limits(pinning=False), x_model_version="1.0.0")

    assert caught.value.status == 403
