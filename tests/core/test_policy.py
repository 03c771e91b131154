"""Policies: figures without sense are refused before they are written."""

import math

import msgspec
import pytest

from holdfast.core.policy import OPEN, MetricRule, Policy, Retention, check
from holdfast.errors import InvalidInputError


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        OPEN,
        Policy(max_regression=0.0),
        Policy(metrics={"auc": MetricRule("higher", 0.1, 0.5, 0.5)}),
        Policy(metrics={"auc": MetricRule(minimum=-1.0)}),
        Policy(required_fields=("lineage.data_window", "description"), approvals=2),
        Policy(retention=Retention(0, 0.0)),
    ],
)
def test_a_policy_with_sense_is_returned(policy: Policy) -> None:
    assert check(policy) == policy


def test_a_policy_is_returned_as_the_journal_will_tell_it() -> None:
    loose = Policy(
        max_regression=0,
        required_metrics=["auc"],  # type: ignore[arg-type]
        metrics={"auc": {"minimum": 0.5}},  # type: ignore[dict-item]
    )

    checked = check(loose)

    assert checked == Policy(
        max_regression=0.0, required_metrics=("auc",), metrics={"auc": MetricRule(minimum=0.5)}
    )
    assert msgspec.json.decode(msgspec.json.encode(checked), type=Policy) == checked


@pytest.mark.parametrize(
    "policy",
    [
        "strict",
        None,
        object(),
        Policy(max_regression="5%"),  # type: ignore[arg-type]
        Policy(schema="strict"),  # type: ignore[arg-type]
        Policy(approvals=1.5),  # type: ignore[arg-type]
        Policy(required_metrics="auc"),  # type: ignore[arg-type]
        Policy(metrics={"auc": {"least": 0.5}}),  # type: ignore[dict-item]
        Policy(retention=object()),  # type: ignore[arg-type]
    ],
)
def test_a_policy_of_other_types_is_refused(policy: Policy) -> None:
    with pytest.raises(InvalidInputError, match="has a field of the wrong type"):
        check(policy)


@pytest.mark.parametrize(
    ("policy", "subject"),
    [
        (Policy(max_regression=-0.1), "policy max_regression"),
        (Policy(max_regression=math.nan), "policy max_regression"),
        (Policy(max_regression=math.inf), "policy max_regression"),
        (Policy(max_regression=5), "policy max_regression"),
        (Policy(metrics={"auc": MetricRule(max_regression=1.5)}), "policy metrics.auc"),
        (Policy(metrics={"auc": MetricRule(max_regression=-1)}), "policy metrics.auc"),
        (Policy(metrics={"auc": MetricRule(minimum=0.9, maximum=0.1)}), "policy metrics.auc"),
        (Policy(metrics={"auc": MetricRule(minimum=math.nan)}), "policy metrics.auc"),
        (Policy(metrics={"auc": MetricRule(maximum=math.inf)}), "policy metrics.auc"),
        (Policy(approvals=-1), "policy approvals"),
        (Policy(retention=Retention(keep=-1)), "policy retention.keep"),
        (Policy(retention=Retention(max_age_days=-1.0)), "policy retention.max_age_days"),
        (Policy(retention=Retention(max_age_days=math.inf)), "policy retention.max_age_days"),
        (Policy(required_fields=("descripton",)), "policy required_fields 'descripton'"),
        (Policy(required_fields=("",)), "policy required_fields ''"),
        (Policy(required_fields=("lineage.data_windwo",)), "policy required_fields"),
    ],
)
def test_a_policy_without_sense_is_refused_by_field(policy: Policy, subject: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check(policy)

    assert refusal.value.subject.startswith(subject)
