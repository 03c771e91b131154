"""The gate's rules on signatures and on versions that run code."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.keys import ANA, BOB

from holdfast.core.gate import Candidate, judge
from holdfast.core.manifest import Manifest, Scan
from holdfast.core.policy import Policy, check
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError

Make = Callable[..., Manifest]

SIGNERS = {"ana": ANA.signer, "bob": BOB.signer}
PICKLE = {"model": Scan("pickle", executes_code=True, globals=("collections.OrderedDict",))}


@pytest.fixture
def side(make_manifest: Make) -> Callable[..., Candidate]:
    """Return a factory of candidates: what the scan found, who approved, who signed."""

    def candidate(
        scan: dict[str, Scan], approvals: tuple[str, ...] = (), signed_by: tuple[str, ...] = ()
    ) -> Candidate:
        manifest = make_manifest("1.1.0", scan=scan)
        return Candidate(manifest, {}, frozenset(approvals), frozenset(signed_by))

    return candidate


Side = Callable[..., Candidate]


def test_the_usual_policy_asks_for_no_signature(side: Side) -> None:
    assert judge(Policy(), side(PICKLE), None).passed


def test_a_policy_that_requires_signatures_refuses_an_unsigned_version(side: Side) -> None:
    policy = Policy(signers=SIGNERS, require_signature=True)

    assert judge(policy, side({}), None).reasons == (
        "signature: no listed signer (ana, bob) signed this version",
    )
    assert judge(policy, side({}, signed_by=("bob",)), None).passed


@pytest.mark.parametrize(
    ("policy", "facts", "reason"),
    [
        (
            Policy(code="approved"),
            {"approvals": ("bob",)},
            "code: its files run code on loading; a second person must approve it",
        ),
        (
            Policy(code="signed", signers=SIGNERS),
            {"signed_by": ("ana",)},
            "code: its files run code on loading; a listed signer (ana, bob) must sign it",
        ),
    ],
    ids=["approved", "signed"],
)
def test_code_needs_what_the_policy_says_and_data_does_not(
    side: Side, policy: Policy, facts: dict[str, Any], reason: str
) -> None:
    assert judge(policy, side(PICKLE), None).reasons == (reason,)
    assert judge(policy, side(PICKLE, **facts), None).passed
    assert judge(policy, side({"model": Scan("onnx")}), None).passed


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        (Policy(require_signature=True), "require_signature"),
        (Policy(require_signature=True, signers={"ana": Signer(ec=ANA.signer.ec)}), "ed25519"),
        (Policy(require_signature=True, signers={"ana": Signer(ed25519=ANA.key)}), "ec key"),
        (Policy(code="signed"), "code signed"),
        (Policy(code="signed", signers={"ana": Signer(ed25519=ANA.key)}), "code signed"),
        (Policy(signers={"ana": Signer(ed25519="AAAA")}), "an invalid key"),
    ],
)
def test_a_demand_that_nobody_could_meet_is_refused(policy: Policy, rule: str) -> None:
    with pytest.raises(InvalidInputError, match=rule):
        check(policy)


def test_a_policy_with_signers_survives_the_wire() -> None:
    policy = Policy(signers=SIGNERS, require_signature=True, code="signed")

    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == check(policy)


def test_a_policy_of_an_earlier_release_asks_for_no_signature() -> None:
    old = msgspec.json.decode(b'{"approvals":1}', type=Policy)

    assert (old.signers, old.require_signature, old.code) == ({}, False, "scanned")
