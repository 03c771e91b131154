"""What a new policy changes, and which changes lower the gate."""

from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core.policy import MetricRule, Policy, Retention
from holdfast.core.policy_changes import changes, check_reason, lowered
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError

STRICT = Policy(
    max_regression=0.05,
    metrics={"auc": MetricRule(direction="higher", max_regression=0.02, minimum=0.8, maximum=1.0)},
    required_metrics=("auc", "recall"),
    required_fields=("description",),
    schema="compatible",
    approvals=2,
    protected_aliases=("eu",),
    code="signed",
    signers={"ana": Signer(ed25519="AAAA")},
    require_signature=True,
)


def rule(**fields: Any) -> dict[str, Any]:
    return {"metrics": {"auc": replace(STRICT.metrics["auc"], **fields)}}


LOWER = {
    "max_regression": {"max_regression": 0.1},
    "no max_regression": {"max_regression": None},
    "metrics.auc minimum": rule(minimum=0.7),
    "metrics.auc no minimum": rule(minimum=None),
    "metrics.auc maximum": rule(maximum=2.0),
    "metrics.auc no maximum": rule(maximum=None),
    "metrics.auc max_regression": rule(max_regression=0.03),
    "metrics.auc as the policy": rule(max_regression=None),
    "metrics.auc direction": rule(direction="lower"),
    "metrics without auc": {"metrics": {}},
    "required_metrics": {"required_metrics": ("auc",)},
    "required_fields": {"required_fields": ()},
    "schema": {"schema": "declared"},
    "clean_scan": {"clean_scan": False},
    "approvals": {"approvals": 1},
    "allowed_globals": {"allowed_globals": ("mylib.*",)},
    "protected_aliases": {"protected_aliases": ()},
    "code": {"code": "scanned"},
    "another signer": {"signers": {"ana": Signer(ed25519="AAAA"), "bob": Signer(ed25519="BBBB")}},
    "another key": {"signers": {"ana": Signer(ed25519="CCCC")}},
    "require_signature": {"require_signature": False},
    "inconclusive": {"inconclusive": "remark"},
}


@pytest.mark.parametrize("fields", LOWER.values(), ids=LOWER)
def test_what_lowers_the_gate_needs_a_reason(fields: dict[str, Any]) -> None:
    after = replace(STRICT, **fields)

    assert len(lowered(STRICT, after)) == 1
    with pytest.raises(InvalidInputError, match=r"lowers the gate \(.+ → .+\); give a --reason"):
        check_reason(STRICT, after, None)
    check_reason(STRICT, after, "agreed")


@pytest.mark.parametrize("fields", LOWER.values(), ids=LOWER)
def test_what_raises_the_gate_needs_none(fields: dict[str, Any]) -> None:
    before = replace(STRICT, **fields)
    if lowered(before, STRICT):  # a changed direction or key lets other versions pass either way
        assert fields.keys() <= {"metrics", "signers"}
    else:
        check_reason(before, STRICT, None)


def test_a_signer_is_free_to_come_where_no_signature_is_demanded() -> None:
    assert lowered(Policy(), Policy(signers={"bob": Signer(ed25519="BBBB")})) == ()


def test_what_is_no_part_of_the_gate_needs_no_reason() -> None:
    check_reason(STRICT, replace(STRICT, retention=Retention(keep=1)), None)


def test_changes_are_told_from_and_to() -> None:
    after = replace(STRICT, max_regression=None, required_metrics=("auc",), clean_scan=False)

    assert changes(STRICT, after) == (
        "clean_scan true → false",
        "max_regression 0.05 → none",
        "required_metrics [auc, recall] → [auc]",
    )
    assert changes(STRICT, replace(STRICT, signers={"ana": Signer(ed25519="CCCC")})) == (
        "signers.ana.ed25519 key 709e80c88487 → key 167fde551ceb",
    )
    assert changes(STRICT, STRICT) == ()
    assert changes(STRICT, replace(STRICT, **rule(minimum=0.7))) == (
        "metrics.auc.minimum 0.8 → 0.7",
    )
