"""A policy that counts the approvals of people whom a server authenticated, and no others."""

from datetime import datetime
from pathlib import Path

import pytest
from tests.registry.conftest import Text

from holdfast import Policy, Registry
from holdfast.core import entry as entries
from holdfast.core.auth import Auth
from holdfast.core.entry import Stamp
from holdfast.core.events import Approved
from holdfast.errors import InvalidInputError, RefusedError

ANA = Auth("u_ana", "session", "person")
BO = Auth("u_bo", "session", "person")
CY = Auth("u_cy", "token:1a2b", "person")
ROBOT = Auth("s_ci", "ci:https://ci.example/77", "service")


@pytest.fixture
def asked(registry: Registry, text: Text) -> Registry:
    """Return a registry whose iris 1.0.0, registered by Ana, needs one authenticated approval."""
    policy = Policy(approvals=1, approval="authenticated", protected_aliases=("best",))
    registry.acting_as("cy", CY).set_policy("iris", policy)
    registry.acting_as("ana", ANA).register("iris", text("one"))
    return registry


def why(registry: Registry) -> str:
    with pytest.raises(RefusedError) as refused:
        registry.promote("iris@1.0.0")
    return str(refused.value)


def test_another_person_s_approval_counts(asked: Registry) -> None:
    asked.acting_as("bo", BO).approve("iris@1.0.0")

    assert asked.acting_as("ana", ANA).promote("iris@1.0.0").changed


def test_a_service_account_may_promote_what_a_person_approved(asked: Registry) -> None:
    asked.acting_as("bo", BO).approve("iris@1.0.0")

    assert asked.acting_as("ci", ROBOT).promote("iris@1.0.0").changed


@pytest.mark.parametrize(
    ("by", "auth", "promoter", "reason"),
    [
        ("bo", None, ("cy", CY), "bo is not a person whom a server authenticated"),
        ("bo", ROBOT, ("cy", CY), "bo is not a person whom a server authenticated"),
        ("ana", ANA, ("cy", CY), "ana registered it"),
        ("ana again", ANA, ("cy", CY), "ana again registered it"),
        ("bo", BO, ("bo", BO), "0 of 1"),
        ("bo", BO, ("bo 2", Auth("u_bo", "token:9f", "person")), "0 of 1"),
        ("bo", BO, ("root", None), "bo may be the one who promotes, whom no server authenticated"),
    ],
)
def test_what_does_not_count_is_explained(
    asked: Registry, by: str, auth: Auth | None, promoter: tuple[str, Auth | None], reason: str
) -> None:
    asked.acting_as(by, auth).approve("iris@1.0.0")

    assert reason in why(asked.acting_as(*promoter))


def test_two_tokens_of_one_user_are_one_person(asked: Registry) -> None:
    policy = asked.policy("iris")
    asked.acting_as("cy", CY).set_policy(
        "iris", Policy(approvals=2, approval=policy.approval), reason="two of them"
    )
    asked.acting_as("bo", BO).approve("iris@1.0.0")
    asked.acting_as("bo", Auth("u_bo", "token:77aa", "person")).approve("iris@1.0.0")
    asked.acting_as("bob", Auth("u_bo", "token:77aa", "person")).approve("iris@1.0.0")

    assert "approvals: 1 of 2" in why(asked.acting_as("cy", CY))


def test_two_people_of_one_name_are_two(asked: Registry) -> None:
    asked.acting_as("cy", CY).set_policy(
        "iris", Policy(approvals=2, approval="authenticated"), reason="two of them"
    )
    asked.acting_as("bo", BO).approve("iris@1.0.0")
    asked.acting_as("bo", Auth("u_bo2", "session", "person")).approve("iris@1.0.0")

    assert asked.acting_as("cy", CY).promote("iris@1.0.0").changed


def test_a_claim_made_earlier_can_be_made_good(asked: Registry) -> None:
    asked.acting_as("bo", None).approve("iris@1.0.0")
    done = asked.acting_as("bo", BO).approve("iris@1.0.0")

    assert done.changed
    assert asked.acting_as("cy", CY).promote("iris@1.0.0").changed


def test_approving_twice_writes_once(asked: Registry) -> None:
    asked.acting_as("bo", BO).approve("iris@1.0.0")

    assert not asked.acting_as("bo", BO).approve("iris@1.0.0").changed


def test_a_version_registered_without_a_server_can_be_approved_by_another_name(
    asked: Registry, text: Text
) -> None:
    asked.acting_as("bo", None).register("iris", text("two"))
    asked.acting_as("bo", BO).approve("iris@1.1.0")
    own = "bo has the name of whoever registered it, whom no server authenticated"

    with pytest.raises(RefusedError, match=own):
        asked.acting_as("cy", CY).promote("iris@1.1.0")
    asked.acting_as("ana", ANA).approve("iris@1.1.0")
    assert asked.acting_as("cy", CY).promote("iris@1.1.0").changed


def test_a_protected_alias_asks_for_the_same(asked: Registry) -> None:
    with pytest.raises(RefusedError, match=r"approved 1\.0\.0 through a server"):
        asked.acting_as("ana", ANA).alias("iris@1.0.0", "best")
    asked.acting_as("bo", BO).approve("iris@1.0.0")

    assert asked.acting_as("ana", ANA).alias("iris@1.0.0", "best").changed


def test_history_says_who_approved_and_how_they_were_known(asked: Registry) -> None:
    asked.acting_as("bo", BO).approve("iris@1.0.0")
    asked.acting_as("di", None).approve("iris@1.0.0")

    last = asked.history("iris", last=2)
    assert [(past.what, past.auth) for past in last] == [
        ("approve 1.0.0", BO),
        ("approve 1.0.0 (claimed)", None),
    ]
    assert asked.resolve("iris@1.0.0").claimed == ("di",)


def test_giving_the_rule_up_lowers_the_gate_and_needs_a_reason(asked: Registry) -> None:
    with pytest.raises(InvalidInputError, match="authenticated → claimed"):
        asked.set_policy("iris", Policy(approvals=1, protected_aliases=("best",)))


def test_whoever_writes_the_folder_can_forge_it_which_the_documents_say(
    asked: Registry, store: Path
) -> None:
    """The right to write to the store is the wall: SECURITY.md says to give it to the server."""
    tail = max((store / "models/iris/journal").glob("0*.json"))
    seq = int(tail.stem) + 1
    at = entries.parse_time("2030-01-01T00:00Z")
    stamp = Stamp(datetime.fromisoformat(at), "bo", "e" * 32, auth=BO)
    raw, _ = entries.write(
        "iris", seq, entries.digest(tail.read_bytes()), at, stamp, Approved(version="1.0.0")
    )
    (tail.parent / f"{seq:010}.json").write_bytes(raw)

    assert asked.acting_as("cy", CY).promote("iris@1.0.0").changed
