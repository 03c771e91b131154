"""The verbs that add facts to a version or rules to a model; what makes no sense is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

from holdfast import Policy, Registry, Retention
from holdfast.errors import (
    InvalidInputError,
)


def test_tags_are_set_changed_and_removed(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.tag("iris@1.0.0", {"team": "fraud", "tier": "gold"})

    registry.tag("iris@1.0.0", {"team": "risk", "tier": None})

    assert registry.resolve("iris@1.0.0").tags == {"team": "risk"}
    assert not registry.tag("iris@1.0.0", {"team": "risk"}).changed


def test_notes_add_up_in_order(registry: Registry, grow: Grow) -> None:
    grow(1)

    registry.note("iris@1.0.0", "first")
    registry.note("iris@latest", "second")

    assert registry.resolve("iris@v1").notes == ("first", "second")


def test_a_later_evaluation_counts_over_the_manifests_metrics(
    registry: Registry, grow: Grow
) -> None:
    grow(1, metrics={"auc": 0.9, "f1": 0.8})

    registry.evaluate("iris@1.0.0", {"auc": 0.7, "recall": 1}, dataset="March")

    assert registry.resolve("iris@1.0.0").metrics == {"auc": 0.7, "f1": 0.8, "recall": 1}
    assert registry.manifest("iris@1.0.0").metrics == {"auc": 0.9, "f1": 0.8}
    assert registry.history("iris")[-1].what == "evaluate 1.0.0 on March: auc 0.7, recall 1"


def test_a_person_approves_once(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    grow(1)

    registry.approve("iris@1.0.0")
    again = registry.approve("iris@1.0.0")
    opened(by="bob").approve("iris@1.0.0")

    assert not again.changed
    assert registry.resolve("iris@1.0.0").approvals == ("ann", "bob")


def test_a_hold_tells_its_reason_until_it_is_released(registry: Registry, grow: Grow) -> None:
    grow(1)

    registry.hold("iris@1.0.0", reason="audit")
    reason = registry.resolve("iris@1.0.0").held
    again = registry.hold("iris@1.0.0", reason="another")
    registry.release("iris@1.0.0")

    assert reason == "audit"
    assert (again.changed, "audit" in again.note) == (False, True)
    assert registry.resolve("iris@1.0.0").held is None
    assert not registry.release("iris@1.0.0").changed


def test_a_model_may_have_a_policy_before_its_first_version(registry: Registry, grow: Grow) -> None:
    policy = Policy(max_regression=0.01, required_fields=("description",))
    registry.set_policy("iris", policy, reason="from the template")
    grow(1)

    assert registry.policy("iris") == policy
    assert registry.history("iris")[0].reason == "from the template"
    assert not registry.set_policy("iris", policy).changed


def test_the_policy_that_stood_at_a_time_is_in_the_history(registry: Registry, grow: Grow) -> None:
    grow(1)

    registry.set_policy("iris", Policy(approvals=1))
    registry.set_policy("iris", Policy(approvals=2))

    assert [past.op for past in registry.history("iris")] == [
        "registered",
        "policy_set",
        "policy_set",
    ]
    assert registry.policy("iris").approvals == 2


def test_facts_can_still_be_added_to_a_purged_version(registry: Registry, grow: Grow) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    registry.note("iris@1.0.0", "it caused the incident of March")

    assert registry.resolve("iris@1.0.0").notes == ("it caused the incident of March",)


WRONG: dict[str, Callable[[Any], object]] = {
    "reason a number": lambda registry: registry.promote("iris@1.0.0", reason=5),
    "reason a list": lambda registry: registry.stage("iris@1.0.0", reason=["a"]),
    "reason no text": lambda registry: registry.promote("iris@1.0.0", reason="\ud800"),
    "reason too long": lambda registry: registry.promote("iris@1.0.0", reason="x" * (1 << 20)),
    "key a number": lambda registry: registry.promote("iris@1.0.0", idempotency_key=5),
    "tag a number": lambda registry: registry.tag("iris@1.0.0", {"team": 5}),
    "tag of a number": lambda registry: registry.tag("iris@1.0.0", {5: "team"}),
    "tag of nothing": lambda registry: registry.tag("iris@1.0.0", {"": "team"}),
    "tag of two lines": lambda registry: registry.tag("iris@1.0.0", {"a\nb": "team"}),
    "note empty": lambda registry: registry.note("iris@1.0.0", " "),
    "note a number": lambda registry: registry.note("iris@1.0.0", 5),
    "note no text": lambda registry: registry.note("iris@1.0.0", "\ud800"),
    "evaluation empty": lambda registry: registry.evaluate("iris@1.0.0", {}),
    "metric not finite": lambda registry: registry.evaluate("iris@1.0.0", {"auc": float("nan")}),
    "metric a text": lambda registry: registry.evaluate("iris@1.0.0", {"auc": "high"}),
    "dataset a number": lambda registry: registry.evaluate("iris@1.0.0", {"f": 1}, dataset=5),
    "hold for a number": lambda registry: registry.hold("iris@1.0.0", reason=5),
    "keep less than none": lambda registry: registry.purge("iris", keep=-1),
    "purge for a number": lambda registry: registry.purge("iris", versions=["1.0.0"], reason=5),
    "grace below 0": lambda registry: registry.purge("iris", keep=0, grace_s=-1),
    "grace of gc below 0": lambda registry: registry.gc(grace_s=-1),
    "deletion for a number": lambda registry: registry.delete("iris", reason=5),
    "policy a word": lambda registry: registry.set_policy("iris", "strict"),
}
POLICIES: dict[str, Policy] = {
    "regression below 0": Policy(max_regression=-0.1),
    "regression not a number": Policy(max_regression=float("nan")),
    "regression infinite": Policy(max_regression=float("inf")),
    "regression a text": Policy(max_regression="5%"),  # type: ignore[arg-type]
    "schema unknown": Policy(schema="strict"),  # type: ignore[arg-type]
    "approvals not whole": Policy(approvals=1.5),  # type: ignore[arg-type]
    "approvals below 0": Policy(approvals=-1),
    "field unknown": Policy(required_fields=("colour",)),
    "metrics a word": Policy(required_metrics="auc"),  # type: ignore[arg-type]
    "globals a word": Policy(allowed_globals="os.system"),  # type: ignore[arg-type]
    "alias a number": Policy(protected_aliases=(5,)),  # type: ignore[arg-type]
    "scan a word": Policy(clean_scan="yes"),  # type: ignore[arg-type]
    "rule unknown": Policy(metrics={"auc": {"least": 0.5}}),  # type: ignore[dict-item]
    "keep below 0": Policy(retention=Retention(keep=-1)),
    "keep not whole": Policy(retention=Retention(keep=2.5)),  # type: ignore[arg-type]
    "age infinite": Policy(retention=Retention(max_age_days=float("inf"))),
    "age not a number": Policy(retention=Retention(max_age_days=float("nan"))),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_an_argument_of_the_wrong_kind_is_refused_and_the_journal_stays_sound(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    call: Callable[[Any], object],
) -> None:
    grow(2)
    registry.archive("iris@1.0.0")
    before = disk.journals(store)

    with pytest.raises((InvalidInputError, TypeError)):
        call(registry)

    assert disk.journals(store) == before
    assert opened().verify().whole


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_a_policy_that_makes_no_sense_is_refused_and_the_journal_stays_sound(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    policy: Policy,
) -> None:
    grow(1)
    before = disk.journals(store)

    with pytest.raises((InvalidInputError, TypeError)):
        registry.set_policy("iris", policy)

    assert disk.journals(store) == before
    assert opened().verify().whole
