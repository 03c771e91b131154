"""The verbs that move names and add facts, promotion and rollback aside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

from holdfast import Policy, Registry, Retention
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)


def status_of(registry: Registry) -> dict[str, str]:
    return {info.version: info.status for info in registry.versions("iris")}


def test_staging_moves_and_the_one_before_is_registered_again(
    registry: Registry, grow: Grow
) -> None:
    grow(2)
    registry.stage("iris@1.0.0")

    moved = registry.stage("iris@1.1.0", reason="newer")

    assert (moved.version, moved.was, moved.changed) == ("1.1.0", "1.0.0", True)
    assert status_of(registry) == {"1.0.0": "registered", "1.1.0": "staging"}
    assert registry.history("iris")[-1].reason == "newer"


def test_staging_the_staged_version_changes_nothing_and_says_so(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(1)
    registry.stage("iris@1.0.0")
    before = disk.truth(store)

    moved = registry.stage("iris@1.0.0")

    assert not moved.changed
    assert "staged already" in moved.note
    assert disk.truth(store) == before


def test_promotion_takes_a_version_off_staging(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.stage("iris@1.0.0")

    registry.promote("iris@staging")

    with pytest.raises(NotFoundError):
        registry.resolve("iris@staging")
    assert registry.status("iris").staging is None


@pytest.mark.parametrize("verb", ["stage", "archive"])
def test_the_live_version_is_neither_staged_nor_archived(
    registry: Registry, grow: Grow, verb: str
) -> None:
    grow(1)
    registry.promote("iris@1.0.0")

    with pytest.raises(ConflictError, match="is live"):
        getattr(registry, verb)("iris@production")

    assert status_of(registry) == {"1.0.0": "production"}


def test_archiving_takes_a_version_off_staging(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.stage("iris@1.0.0")

    registry.archive("iris@1.0.0", reason="too slow")

    assert status_of(registry) == {"1.0.0": "archived"}
    assert registry.status("iris").staging is None
    assert not registry.archive("iris@1.0.0").changed


def test_an_archived_version_can_be_promoted(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.archive("iris@1.0.0")

    registry.promote("iris@1.0.0")

    assert status_of(registry) == {"1.0.0": "production"}


def test_an_alias_moves_and_tells_where_from(registry: Registry, grow: Grow) -> None:
    grow(2)
    registry.alias("iris@1.0.0", "champion")

    moved = registry.alias("iris@1.1.0", "champion")

    assert (moved.version, moved.was) == ("1.1.0", "1.0.0")
    assert registry.resolve("iris@champion").version == "1.1.0"
    assert registry.resolve("iris@1.1.0").aliases == ("champion",)
    assert registry.resolve("iris@1.0.0").aliases == ()
    assert not registry.alias("iris@1.1.0", "champion").changed


def test_an_alias_that_is_removed_names_nothing(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.alias("iris@1.0.0", "eu")

    registry.remove_alias("iris", "eu", reason="closed")

    with pytest.raises(NotFoundError):
        registry.resolve("iris@eu")
    with pytest.raises(NotFoundError, match="alias eu of iris"):
        registry.remove_alias("iris", "eu")


@pytest.mark.parametrize(
    "alias",
    ["production", "staging", "latest", "previous", "v3", "1.0.0", "Eu", "a b", "", "../x", "x"],
)
def test_an_alias_that_means_something_else_is_refused(
    registry: Registry, grow: Grow, alias: str
) -> None:
    grow(1)

    with pytest.raises(InvalidInputError):
        registry.alias("iris@1.0.0", alias)

    assert registry.resolve("iris@1.0.0").aliases == ()


def test_a_protected_alias_needs_a_second_person(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    grow(1)
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))
    registry.approve("iris@1.0.0")

    with pytest.raises(RefusedError, match="no second person approved"):
        registry.alias("iris@1.0.0", "eu")
    opened(by="bob").approve("iris@1.0.0")
    registry.alias("iris@1.0.0", "eu")

    assert registry.resolve("iris@eu").version == "1.0.0"


def test_a_protected_alias_is_removed_by_force_alone(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.alias("iris@1.0.0", "eu")
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))

    with pytest.raises(RefusedError):
        registry.remove_alias("iris", "eu")
    registry.remove_alias("iris", "eu", force=True, reason="closing the region")

    assert registry.history("iris")[-1].reason == "closing the region"
    assert registry.resolve("iris@1.0.0").aliases == ()


def test_force_on_an_alias_needs_a_reason_and_is_recorded(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))

    with pytest.raises(InvalidInputError, match="reason"):
        registry.alias("iris@1.0.0", "eu", force=True)
    registry.alias("iris@1.0.0", "eu", force=True, reason="nobody else is here")

    last = registry.history("iris")[-1]
    assert (last.what, last.reason) == (
        "alias eu → 1.0.0 past its protection",
        "nobody else is here",
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
    held = registry.resolve("iris@1.0.0").held
    again = registry.hold("iris@1.0.0", reason="another")
    registry.release("iris@1.0.0")

    assert held == "audit"
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


@pytest.mark.parametrize(
    ("verb", "arguments", "options"),
    [
        ("promote", ["iris@v1"], {}),
        ("stage", ["iris@v1"], {}),
        ("archive", ["iris@v1"], {}),
        ("alias", ["iris@v1", "eu"], {}),
        ("approve", ["iris@v1"], {}),
        ("hold", ["iris@v1"], {"reason": "audit"}),
        ("load", ["iris@v1"], {}),
        ("paths", ["iris@v1"], {}),
    ],
)
def test_a_purged_version_is_moved_nowhere(
    registry: Registry,
    store: Path,
    grow: Grow,
    verb: str,
    arguments: list[str],
    options: dict[str, Any],
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)
    before = disk.truth(store)

    with pytest.raises(ConflictError, match="was purged, its bytes are gone"):
        getattr(registry, verb)(*arguments, **options)

    assert disk.truth(store) == before


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
    "key a number": lambda registry: registry.promote("iris@1.0.0", key=5),
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


def test_every_move_is_seen_in_the_files_derived_from_the_journal(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(3)
    seen = []
    for verb, ref in (("stage", "v3"), ("promote", "v1"), ("archive", "v2"), ("promote", "v3")):
        getattr(registry, verb)(f"iris@{ref}")
        folder = store / "models" / "iris"
        statuses = [
            json.loads((folder / "versions" / f"1.{minor}.0" / "manifest.json").read_bytes())
            for minor in range(3)
        ]
        pointer = json.loads((folder / "active_version.json").read_bytes())
        seen.append(
            (pointer["current"], pointer["previous"], [told["status"] for told in statuses])
        )

    assert seen == [
        (None, None, ["registered", "registered", "staging"]),
        ("1.0.0", None, ["production", "registered", "staging"]),
        ("1.0.0", None, ["production", "archived", "staging"]),
        ("1.2.0", "1.0.0", ["archived", "archived", "production"]),
    ]
