"""Promotion: the gate, its reasons, force, and what a repetition does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text

from holdfast import MetricRule, Policy, Registry
from holdfast.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)

METRICS = {"auc": 0.9, "latency_ms": 20.0, "rows": 100}
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}
TEXTS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.fixture
def champion(registry: Registry, text: Text) -> Registry:
    """Return a registry in which `iris@1.0.0` is live, with metrics and a schema."""
    registry.register(
        "iris",
        text("champion"),
        metrics={"auc": 0.9, "latency_ms": 20.0, "rows": 100},
        input_schema=NUMBERS,
    )
    registry.promote("iris@1.0.0", reason="first release")
    return registry


def challenge(registry: Registry, text: Text, **facts: Any) -> str:
    arguments: dict[str, Any] = {"metrics": METRICS, "input_schema": NUMBERS} | facts
    return registry.register("iris", text("challenger"), **arguments).ref


def test_a_promotion_archives_the_version_that_was_live(champion: Registry, text: Text) -> None:
    moved = champion.promote(challenge(champion, text), reason="better")

    assert (moved.version, moved.was, moved.changed) == ("1.1.0", "1.0.0", True)
    statuses = {info.version: (info.status, info.served) for info in champion.versions("iris")}
    assert statuses == {"1.0.0": ("archived", True), "1.1.0": ("production", True)}
    assert champion.resolve("iris@previous").version == "1.0.0"


def test_a_promotion_is_one_entry_with_its_reason(
    champion: Registry, store: Path, text: Text
) -> None:
    ref = challenge(champion, text)
    before = disk.journals(store)

    champion.promote(ref, reason="better")

    last = champion.history("iris")[-1]
    assert len(disk.journals(store)) == len(before) + 1
    assert (last.what, last.reason, last.by) == ("promote 1.0.0 → 1.1.0", "better", "ann")


def test_promoting_the_live_version_changes_nothing_and_says_so(
    champion: Registry, store: Path
) -> None:
    before = disk.truth(store)

    moved = champion.promote("iris@1.0.0", reason="again")

    assert (moved.changed, moved.version, moved.was) == (False, "1.0.0", "1.0.0")
    assert "1.0.0 is already live" in moved.note
    assert disk.truth(store) == before


def test_a_regression_beyond_5_percent_is_refused_with_both_numbers(
    champion: Registry, store: Path, text: Text
) -> None:
    ref = challenge(champion, text, metrics={"auc": 0.85, "latency_ms": 20.0, "rows": 100})
    before = disk.truth(store)

    with pytest.raises(RefusedError) as caught:
        champion.promote(ref)

    (reason,) = caught.value.reasons
    assert "auc" in reason
    assert {"0.85", "0.9", "5.56%"} <= set(reason.replace(",", "").split())
    assert disk.truth(store) == before


def test_a_regression_within_5_percent_passes_and_is_remarked(
    champion: Registry, text: Text
) -> None:
    ref = challenge(champion, text, metrics={"auc": 0.86, "latency_ms": 20.0, "rows": 100})

    moved = champion.promote(ref)

    assert moved.changed
    assert any("auc" in remark and "0.86" in remark and "0.9" in remark for remark in moved.remarks)


def test_less_is_better_for_a_latency(champion: Registry, text: Text) -> None:
    slower = challenge(champion, text, metrics={"auc": 0.9, "latency_ms": 30.0, "rows": 100})
    faster = champion.register(
        "iris",
        text("faster"),
        metrics={"auc": 0.9, "latency_ms": 10.0, "rows": 100},
        input_schema=NUMBERS,
    )

    with pytest.raises(RefusedError, match=r"latency_ms: 30 is 50\.00% worse"):
        champion.promote(slower)
    assert champion.promote(faster).changed


def test_a_refusal_lists_every_reason(champion: Registry, tmp_path: Path) -> None:
    champion.set_policy(
        "iris",
        Policy(
            metrics={"latency_ms": MetricRule(maximum=25.0), "auc": MetricRule(minimum=0.8)},
            required_metrics=("recall",),
            required_fields=("description", "lineage.data_window"),
            schema="compatible",
            approvals=2,
        ),
    )
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cmypackage\nmake_model\n(tR.")
    ref = champion.register(
        "iris",
        path,
        metrics={"auc": 0.5, "latency_ms": 30.0},
        input_schema=TEXTS,
        trust="reviewed",
    )

    with pytest.raises(RefusedError) as caught:
        champion.promote(ref)

    listed = "\n".join(caught.value.reasons)
    for part in (
        "auc: 0.5 is below the minimum 0.8",
        "auc: 0.5 is 44.44% worse than the champion's 0.9",
        "latency_ms: 30 is above the maximum 25",
        "latency_ms: 30 is 50.00% worse than the champion's 20",
        "rows: missing, but the champion has 100",
        "recall: missing",
        "description: empty",
        "lineage.data_window: empty",
        "schema: ",
        "scan: model names mypackage.make_model",
        "approvals: 0 of 2",
    ):
        assert part in listed
    assert len(caught.value.reasons) == 11
    assert all(reason in str(caught.value) for reason in caught.value.reasons)


def test_the_gate_can_be_asked_without_moving_anything(
    champion: Registry, store: Path, text: Text
) -> None:
    good = challenge(champion, text)
    bad = champion.register("iris", text("bad"), metrics={"auc": 0.1}, input_schema=NUMBERS)
    before = disk.truth(store)

    verdicts = champion.judge(good).passed, champion.judge(bad).passed

    assert verdicts == (True, False)
    assert disk.truth(store) == before


def test_force_needs_a_reason(champion: Registry, text: Text) -> None:
    ref = challenge(champion, text, metrics={"auc": 0.1})

    for reason in (None, "", "  "):
        with pytest.raises(InvalidInputError, match="needs a reason"):
            champion.promote(ref, force=True, reason=reason)

    assert champion.status("iris").live == champion.resolve("iris@1.0.0")


def test_force_passes_the_gate_and_is_recorded_with_what_it_passed(
    champion: Registry, text: Text
) -> None:
    ref = challenge(champion, text, metrics={"auc": 0.1, "latency_ms": 20.0, "rows": 100})

    moved = champion.promote(ref, force=True, reason="the old one leaks")

    assert any(reason.startswith("auc: 0.1") for reason in moved.refused)
    last = champion.history("iris")[-1]
    assert (last.what, last.reason) == (
        "promote 1.0.0 → 1.1.0 by force",
        "the old one leaks",
    )
    assert champion.status("iris").forced
    assert champion.served("iris")[-1].forced


def test_force_that_was_not_needed_is_not_called_force(champion: Registry, text: Text) -> None:
    champion.promote(challenge(champion, text), force=True, reason="to be sure")

    assert not champion.status("iris").forced
    assert "by force" not in champion.history("iris")[-1].what


def test_a_breaking_schema_passes_under_a_new_major_version_alone(
    champion: Registry, text: Text
) -> None:
    breaking = champion.register(
        "iris",
        text("breaking"),
        input_schema=TEXTS,
        metrics=dict(champion.manifest("iris@v1").metrics),
    )

    assert breaking.version.version == "2.0.0"
    assert champion.judge(breaking).passed
    champion.set_policy("iris", Policy(schema="compatible"))
    assert not champion.judge(breaking).passed


def test_whoever_promotes_does_not_count_as_the_second_person(
    champion: Registry, opened: Callable[..., Registry], text: Text
) -> None:
    champion.set_policy("iris", Policy(approvals=1))
    ref = challenge(champion, text)
    champion.approve(ref)

    with pytest.raises(RefusedError, match="approvals: 0 of 1"):
        champion.promote(ref)
    assert opened(by="bob").promote(ref).changed


def test_a_trusted_file_goes_live_once_a_second_person_approved_it(
    registry: Registry, opened: Callable[..., Registry], tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cmypackage\nmake_model\n(tR.")
    ref = registry.register("iris", path, trust="reviewed")

    with pytest.raises(RefusedError, match="a second person must approve"):
        registry.promote(ref)
    opened(by="bob").approve(ref)

    assert registry.promote(ref).changed


def test_an_evaluation_counts_for_the_gate(champion: Registry, text: Text) -> None:
    ref = challenge(champion, text)
    champion.evaluate(ref, {"auc": 0.5}, dataset="March")

    with pytest.raises(RefusedError, match=r"auc: 0\.5"):
        champion.promote(ref)


def test_the_gate_measures_against_what_is_live_and_not_what_was_last(
    champion: Registry, text: Text
) -> None:
    better = challenge(champion, text, metrics={"auc": 0.99, "latency_ms": 20.0, "rows": 100})
    champion.promote(better)
    champion.rollback("iris")

    ref = champion.register(
        "iris",
        text("third"),
        metrics={"auc": 0.9, "latency_ms": 20.0, "rows": 100},
        input_schema=NUMBERS,
    )

    assert champion.promote(ref).was == "1.0.0"


def test_the_policy_is_a_fact_of_the_journal(
    champion: Registry, opened: Callable[..., Registry], text: Text
) -> None:
    champion.set_policy("iris", Policy(max_regression=None), reason="first months")

    elsewhere = opened(by="bob")

    assert elsewhere.policy("iris").max_regression is None
    assert elsewhere.promote(challenge(champion, text, metrics={"auc": 0.1})).changed


def test_promotion_goes_on_only_if_the_expected_version_is_live(
    champion: Registry, store: Path, text: Text
) -> None:
    ref = challenge(champion, text)
    before = disk.truth(store)

    with pytest.raises(ConflictError, match=r"has 1\.0\.0 live, not 2\.0\.0"):
        champion.promote(ref, expect="2.0.0")
    assert disk.truth(store) == before
    assert champion.promote(ref, expect="1.0.0").changed


def test_expecting_a_version_where_nothing_is_live_is_a_conflict(
    registry: Registry, grow: Grow
) -> None:
    grow(1)

    with pytest.raises(ConflictError, match="has no version live"):
        registry.promote("iris@1.0.0", expect="1.0.0")


def test_what_does_not_exist_cannot_be_promoted(registry: Registry, grow: Grow) -> None:
    grow(1)

    with pytest.raises(NotFoundError):
        registry.promote("iris@3.0.0")
    with pytest.raises(NotFoundError):
        registry.promote("rose@1.0.0")


def test_a_policys_own_constructors_are_allowed(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cmypackage\nmake_model\n(tR.")
    registry.set_policy("iris", Policy(allowed_globals=("mypackage.make_model",)), reason="ours")

    ref = registry.register("iris", path)

    assert registry.manifest(ref).scan["model"].unknown == ()
    assert registry.promote(ref).changed


@pytest.mark.parametrize("seen", [0, 1, 2])
@pytest.mark.parametrize("content", [None, b"", b"chellenger"])
def test_bytes_that_changed_do_not_go_live_however_often_they_were_looked_at(
    champion: Registry, store: Path, text: Text, content: bytes | None, seen: int
) -> None:
    ref = challenge(champion, text)
    for _ in range(seen):
        assert champion.judge(ref).passed
    blob = disk.blob_holding(store, b"challenger")
    blob.unlink()
    if content is not None:
        blob.write_bytes(content)

    with pytest.raises(DamagedError, match=r"model\.txt"):
        champion.promote(ref)
    assert champion.resolve("iris@production").version == "1.0.0"


def test_a_promotion_after_a_registration_scans_nothing_again(
    champion: Registry, text: Text
) -> None:
    """What was found in small files is remembered, of bytes that were hashed when it was found."""
    verdicts = Path.home() / ".cache" / "holdfast-checked" / "verdicts"
    ref = challenge(champion, text)
    known = {path.name: path.stat().st_ino for path in verdicts.iterdir()}

    champion.promote(ref)

    assert known
    assert {path.name: path.stat().st_ino for path in verdicts.iterdir()} == known
