"""Commands for facts learnt later and for a model's rules."""

import json
from pathlib import Path
from typing import Any

import pytest


def test_tags_notes_and_evaluations_are_told_by_show(churn: Any) -> None:
    statuses = [
        churn("tag", "churn@1.2.0", "team=risk", "tier=1").status,
        churn("tag", "churn@1.2.0", "tier", "--remove").status,
        churn("note", "churn@1.2.0", "looks odd on Mondays").status,
        churn("evaluate", "churn@1.2.0", "recall=0.5", "--dataset", "june").status,
    ]
    shown = churn("show", "churn@1.2.0", "--json").data

    assert statuses == [0, 0, 0, 0]
    assert shown["tags"] == {"team": "risk"}
    assert shown["notes"] == ["looks odd on Mondays"]
    assert shown["metrics"] == {"recall": 0.5, "roc_auc": 0.7}


def test_a_second_person_approves(churn: Any) -> None:
    churn("policy", "set", "churn", "--approvals", "1", "--max-regression", "off", "--reason", "x")
    alone = churn("promote", "churn@1.2.0")
    churn("approve", "churn@1.2.0")
    own = churn("promote", "churn@1.2.0")
    churn("approve", "churn@1.2.0", "--by", "bob")
    both = churn("promote", "churn@1.2.0")

    assert "approvals: 0 of 1 (so far nobody" in alone.err
    assert own.status == 4
    assert both.status == 0, both.err


def test_a_hold_keeps_a_version_until_it_is_released(churn: Any) -> None:
    churn("archive", "churn@1.2.0")
    churn("hold", "churn@1.2.0", "--reason", "audit")
    plan_with_hold = churn("purge", "churn", "--keep", "0", "--dry-run").out
    churn("release", "churn@1.2.0")
    free = churn("purge", "churn", "--keep", "0", "--dry-run").out

    assert "held: audit" in plan_with_hold
    assert "archived, beyond the 0 newest" in free


def test_hold_wants_a_reason(churn: Any) -> None:
    assert churn("hold", "churn@1.2.0").status == 2


def test_policy_show_and_set_go_by_option(churn: Any) -> None:
    churn(
        *("policy", "set", "churn", "--max-regression", "1%"),
        *("--metric", "cost:lower,max=9", "--metric", "roc_auc:min=0.5,max_regression=2%"),
        *("--require-metric", "recall", "--require-field", "description"),
        *("--schema", "compatible", "--no-clean-scan", "--approvals", "2"),
        *("--allow", "mylib.Model", "--protect", "eu", "--keep", "3", "--max-age-days", "90"),
        *("--reason", "rules of the house"),
    )
    shown = churn("policy", "show", "churn", "--json").data
    text = churn("policy", "show", "churn").out

    assert shown["max_regression"] == 0.01
    assert shown["metrics"]["cost"]["direction"] == "lower"
    assert shown["metrics"]["cost"]["maximum"] == 9
    assert shown["metrics"]["roc_auc"]["minimum"] == 0.5
    assert shown["metrics"]["roc_auc"]["max_regression"] == 0.02
    assert (shown["required_metrics"], shown["required_fields"]) == (["recall"], ["description"])
    assert (shown["schema"], shown["clean_scan"], shown["approvals"]) == ("compatible", False, 2)
    assert (shown["allowed_globals"], shown["protected_aliases"]) == (["mylib.Model"], ["eu"])
    assert shown["retention"] == {"keep": 3, "max_age_days": 90.0}
    assert "max_regression" in text
    assert "set policy" in churn("history", "churn").out


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("--max-regression", "5"), "would allow a loss of 500%; write 5%, or off"),
        (("--max-regression", "500%"), "would allow a loss of 500%; write at most 100%, or off"),
        (("--metric", "roc_auc:max_regression=2"), "would allow a loss of 200%; write 2%, or off"),
        (("--max-regression", "five"), "is not a number"),
    ],
)
def test_a_share_beyond_one_is_refused(churn: Any, words: tuple[str, str], advice: str) -> None:
    done = churn("policy", "set", "churn", *words)

    assert done.status == 2
    assert advice in done.err
    assert churn("policy", "show", "churn", "--json").data["max_regression"] == 0.05


def test_history_says_what_a_policy_changed_and_a_lower_gate_needs_a_reason(churn: Any) -> None:
    refused = churn("policy", "set", "churn", "--max-regression", "20%")
    done = churn("policy", "set", "churn", "--max-regression", "20%", "--reason", "noisy data")
    entry = churn("history", "churn", "--json").data[0]

    assert refused.status == 2
    assert "policy lowers the gate (max_regression 0.05 → 0.2); give a" in refused.err
    assert done.status == 0
    assert (entry["what"], entry["reason"]) == (
        "set policy: max_regression 0.05 → 0.2",
        "noisy data",
    )
    assert "set policy: max_regression" in churn("status", "churn").out


def test_what_is_required_can_be_taken_back_with_a_reason(churn: Any) -> None:
    required = ("--require-evaluation", "junee", "--require-metric", "auc", "--reason", "x")
    assert churn("policy", "set", "churn", *required).status == 0
    taking = ("policy", "set", "churn", "--drop-required", "junee", "--require-evaluation", "june")
    refused = churn("policy", "set", "churn", "--drop-required", "junee")
    done = churn(*taking, "--reason", "a typo")
    unknown = churn("policy", "set", "churn", "--drop-required", "jun", "--reason", "x")

    assert refused.status == 2
    assert "give a" in refused.err
    assert done.status == 0
    policy = churn("policy", "show", "churn", "--json").data
    assert (policy["required_evaluations"], policy["required_metrics"]) == (["june"], ["auc"])
    assert (unknown.status, "required jun" in unknown.err) == (3, True)
    assert "june" in unknown.err


def test_a_policy_is_taken_from_a_file_as_it_is_printed(churn: Any, tmp_path: Path) -> None:
    printed = churn("policy", "show", "churn", "--json").out.replace("0.05", "0.2")
    (tmp_path / "policy.json").write_text(printed)
    done = churn("policy", "set", "churn", "--file", "policy.json", "--reason", "noisy")

    assert done.status == 0, done.err
    assert churn("policy", "show", "churn", "--json").data["max_regression"] == 0.2


def test_a_policy_may_come_before_the_first_version(holdfast: Any) -> None:
    done = holdfast("policy", "set", "fraud", "--approvals", "1")

    assert done.status == 0
    assert holdfast("policy", "show", "fraud", "--json").data["approvals"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-regression", "much"), "is not a number"),
        (("--max-regression", "-1"), "must be 0 or more, not -1"),
        (("--metric", "auc"), "is not NAME:RULE"),
        (("--metric", "auc:best"), "which is not a rule"),
        (("--metric", "auc:min=2,max=1"), "above its maximum"),
        (("--require-field", "colour"), "is unknown; name one of"),
        (("--file", "absent.json"), "cannot be read"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    churn: Any, words: tuple[str, ...], message: str
) -> None:
    done = churn("policy", "set", "churn", *words)

    assert done.status == 2
    assert message in done.err


def test_a_file_that_is_no_policy_is_refused(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({"colour": "red"}))
    done = churn("policy", "set", "churn", "--file", "policy.json", "--reason", "noisy")

    assert done.status == 2
    assert "is not a policy" in done.err


def test_a_protected_alias_moves_by_approval_or_by_force(churn: Any) -> None:
    churn("policy", "set", "churn", "--protect", "eu")
    refused = churn("alias", "churn@1.0.0", "eu")
    forced = churn("alias", "churn@1.0.0", "eu", "--force", "--reason", "asked by legal")
    churn("approve", "churn@1.1.0", "--by", "bob")
    approved = churn("alias", "churn@1.1.0", "eu")

    assert refused.status == 4
    assert (forced.status, approved.status) == (0, 0)
    assert "overriding its protection" in churn("history", "churn").out


def test_a_name_alone_is_shown_as_claimed(churn: Any) -> None:
    done = churn("approve", "churn@1.1.0", "--by", "bob")

    assert done.out == "approve 1.1.0 (claimed)\n"
    assert churn("show", "churn@1.1.0", "--json").data["claimed"] == ["bob"]
    assert "approvals              bob (claimed)" in churn("show", "churn@1.1.0").out
    assert "approved bob (claimed)" in churn("status", "churn").out
    assert "approve 1.1.0 (claimed)" in churn("history", "churn").out
    assert "bob (claimed)" in churn("card", "churn@1.1.0", "--format", "markdown").out


def test_signed_approvals_are_demanded_by_option(churn: Any) -> None:
    churn("key", "new", "bob")
    done = churn("policy", "set", "churn", "--approval", "signed", "--signer", "bob=bob.pub")
    back = churn("policy", "set", "churn", "--approval", "claimed")

    assert "approval claimed → signed" in done.out
    assert churn("policy", "show", "churn", "--json").data["approval"] == "signed"
    assert "lowers the gate (approval signed → claimed)" in back.err
