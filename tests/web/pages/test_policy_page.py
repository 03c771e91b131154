"""A model's policy: every rule in words, and how it came to be."""

from typing import Any

import pytest

from holdfast.core.policy import MetricRule, Policy
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.rollout.rollout_state import Terms
from holdfast.web.pages.policy_page import _rules


def rules(**fields: Any) -> dict[str, str]:
    return dict(_rules(Policy(**fields)))


def test_the_policy_and_its_changes_are_shown(look: Any, person: Any) -> None:
    person.registry.set_policy("risk/fraud", Policy(approvals=2), reason="two people from now on")
    _, page = look("/models/risk/fraud:policy")
    assert "2, under any name that is given" in page
    assert "two people from now on" in page
    assert "approvals 0 → 2" in page


def test_metrics_have_their_own_bounds() -> None:
    told = rules(
        max_regression=None,
        metrics={
            "recall": MetricRule("higher", 0.02, 0.6, 0.99),
            "auc": MetricRule(),
        },
        required_metrics=("recall",),
        required_fields=("description",),
    )
    assert told["metrics"] == "not compared"
    recall = "at least 0.6, at most 0.99, at most 2 % worse, higher is better"
    assert told["recall"] == recall
    assert told["auc"] == "as all metrics"
    assert told["required metrics"] == "recall"
    assert told["required fields"] == "description"


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({}, "metrics", "at most 5 % worse than live"),
        ({"schema": "compatible"}, "schema", "no breaking change passes"),
        ({"clean_scan": False}, "files", "not asked"),
        ({}, "approvals", "none asked"),
        ({"approvals": 1, "approval": "signed"}, "approvals",
         "1, each with the approver's own signature"),
        ({"approvals": 1, "approval": "authenticated"}, "approvals",
         "1, by people whom a server knew"),
        ({"code": "approved"}, "code that loading runs",
         "a second person must have approved the version"),
        ({"allowed_globals": ("lib.*",)}, "code that is allowed too", "lib.*"),
        ({"require_signature": True}, "signatures", "demanded"),
        ({"protected_aliases": ("prod-eu",)}, "protected aliases", "prod-eu"),
        ({"inconclusive": "remark"}, "inconclusive losses", "let it pass, with a remark"),
        ({"rollout": Terms(sticky="header:X-User-Id")}, "rollouts",
         "canary 5 % → 25 % → 50 % → 100 %, by header:X-User-Id"),
        ({"required_evaluations": ("june",)}, "evaluations", "measured beside live: june"),
        ({"retraining": RetrainingTerms(entry="jobs:train", every_s=604_800.0)}, "retraining",
         "every 7 d, jobs:train, what passes is staged"),
        ({"retraining": RetrainingTerms(cron="0 2 * * 0", then="rollout")}, "retraining",
         "at 0 2 * * 0 (UTC), a rollout of what passes"),
        ({}, "retention", "the newest 10, others for 365 days"),
    ],
)  # fmt: skip
def test_each_rule_is_said_in_words(fields: dict[str, Any], name: str, text: str) -> None:
    assert rules(**fields)[name] == text


def test_without_a_schedule_or_an_entry_retraining_is_not_told() -> None:
    assert "retraining" not in rules()
    assert "evaluations" not in rules()


def test_signers_are_named(look: Any, person: Any, tmp_path: Any) -> None:
    from holdfast import signing

    signing.create("ben", tmp_path)
    key = signing.public(tmp_path / "ben.pub")
    person.registry.set_policy("risk/fraud", Policy(signers={"ben": key}), reason="keys")
    _, page = look("/models/risk/fraud:policy")
    assert "<dt>signers</dt><dd>ben</dd>" in page
