"""Losses of versions: kept with them, paired by the gate, carried, verified and given up."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from tests.registry import disk
from tests.registry.conftest import Text

import holdfast
from holdfast import Policy, Registry
from holdfast.errors import DamagedError, InvalidInputError, RefusedError
from holdfast.registry import losses

SET = "sha256:" + "6" * 64
Floats = NDArray[np.float64]
CHAMPION: Floats = np.random.default_rng(1).gamma(2.0, size=2_000)


def shifted(by: float, rows: int = 2_000) -> Floats:
    """Return losses that are *by* greater for every row, give or take."""
    noise = np.random.default_rng(2).normal(0, 0.2, rows)
    return np.asarray(CHAMPION[:rows] * (1 + by) + noise - noise.mean())


@pytest.fixture
def champion(registry: Registry, text: Text) -> Registry:
    """Return a registry in which `iris@1.0.0` is live and was measured row by row."""
    registry.register("iris", text("one"), losses={"mae": CHAMPION}, evaluation_set=SET)
    registry.promote("iris@1.0.0", reason="first")
    return registry


def challenge(registry: Registry, text: Text, rows: Floats, **facts: Any) -> str:
    arguments = {"losses": {"mae": rows}, "evaluation_set": SET} | facts
    return registry.register("iris", text("two"), **arguments).ref


def test_losses_are_kept_and_their_mean_is_a_metric(champion: Registry, store: Path) -> None:
    raw = CHAMPION.astype("<f8").tobytes()

    assert champion.resolve("iris@1.0.0").metrics["mae"] == pytest.approx(CHAMPION.mean())
    assert disk.blob_holding(store, raw).exists()


def test_a_registration_tells_the_metrics_that_its_losses_give(
    registry: Registry, text: Text
) -> None:
    done = registry.register("iris", text("one"), losses={"mae": [1.0, 3.0]}, evaluation_set=SET)

    assert done.version.metrics == {"mae": 2.0}
    assert [past.op for past in registry.history("iris")] == ["registered", "evaluated"]
    assert registry.history("iris")[-1].what == "evaluate 1.0.0: mae 2, mae of 2 rows"


def test_a_repeated_registration_measures_nothing_twice(registry: Registry, text: Text) -> None:
    for _ in range(2):
        registry.register(
            "iris", text("one"), version="1.0.0", losses={"mae": [1.0]}, evaluation_set=SET
        )

    assert len(registry.history("iris")) == 2


def test_an_established_regression_is_refused_with_its_interval(
    champion: Registry, text: Text
) -> None:
    ref = challenge(champion, text, shifted(0.08))

    with pytest.raises(RefusedError) as refused:
        champion.promote(ref)

    (reason,) = refused.value.reasons
    assert "8.00% worse" in reason
    assert "95% interval of the worsening 7." in reason
    assert "n = 2000" in reason
    assert reason.endswith("more than the 5.00% allowed")


def test_a_regression_within_the_limit_passes_and_history_keeps_the_interval(
    champion: Registry, text: Text
) -> None:
    done = champion.promote(challenge(champion, text, shifted(0.03)), reason="cheaper")

    (line,) = champion.history("iris")[-1].gate
    assert line == done.remarks[0]
    assert "3.00% worse" in line
    assert "n = 2000), within 5.00%" in line


def test_too_few_rows_are_inconclusive_and_refused_unless_the_policy_remarks_it(
    registry: Registry, text: Text
) -> None:
    few: dict[str, Any] = {"losses": {"mae": CHAMPION[:40]}, "evaluation_set": SET}
    registry.register("iris", text("one"), **few)
    registry.promote("iris@1.0.0")
    ref = challenge(registry, text, shifted(0.05, 40))

    with pytest.raises(RefusedError, match="inconclusive, n is too small"):
        registry.promote(ref)
    registry.set_policy("iris", Policy(inconclusive="remark"), reason="few rows")
    done = registry.promote(ref)

    assert done.changed
    assert "inconclusive, n is too small" in done.remarks[0]


def test_force_passes_over_what_is_inconclusive_and_history_says_so(
    champion: Registry, text: Text
) -> None:
    champion.promote(challenge(champion, text, shifted(0.08)), force=True, reason="must")

    assert champion.history("iris")[-1].gate[0].startswith("overridden: mae: ")


def test_losses_on_another_set_are_not_paired_and_the_gate_says_so(
    champion: Registry, text: Text
) -> None:
    ref = challenge(champion, text, CHAMPION, evaluation_set="sha256:" + "7" * 64)

    verdict = champion.judge(ref)

    assert verdict.paired == ()
    assert verdict.remarks == (
        "mae: its losses are not paired, the two were not measured on the same set",
    )


def test_a_comparison_has_the_interval(champion: Registry, text: Text) -> None:
    ref = challenge(champion, text, shifted(0.08))

    (pair,) = champion.compare("iris@1.0.0", ref).paired

    assert (pair.name, pair.rows, pair.direction) == ("mae", 2_000, "lower")
    assert pair.low < 0.08 < pair.high


def test_a_version_is_measured_later_on_a_set_named_by_its_file(
    champion: Registry, text: Text, tmp_path: Path
) -> None:
    set_ = tmp_path / "june.csv"
    set_.write_text("a\n1\n2\n")
    moved = champion.evaluate("iris@1.0.0", losses={"hits": [1, 0]}, evaluation_set=set_)
    ref = challenge(
        champion,
        text,
        np.array([1.0, 1.0]),
        losses={"hits": [1.0, 1.0]},
        evaluation_set="sha256:" + hashlib.sha256(b"a\n1\n2\n").hexdigest(),
    )

    assert moved.changed
    assert [pair.name for pair in champion.judge(ref).paired] == ["hits"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"losses": {"mae": [1.0]}}, "need their evaluation set"),
        ({"evaluation_set": SET}, "is given without losses"),
        ({"losses": {"mae": [1.0]}, "evaluation_set": "sha256:june"}, "is not a digest"),
        ({"losses": {"mae": [1.0]}, "evaluation_set": "none.csv"}, "cannot be read"),
        ({"losses": {"mae": [1.0], "mse": [1.0, 2.0]}, "evaluation_set": SET}, "lengths"),
        ({"losses": [1.0]}, "must be a mapping"),
    ],
)
def test_losses_that_tell_nothing_are_refused_before_a_byte_is_moved(
    registry: Registry, text: Text, facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        registry.register("iris", text("one"), **facts)

    assert registry.models() == []


def test_a_metric_of_single_precision_may_be_the_mean_of_its_losses(
    champion: Registry, text: Text
) -> None:
    mean = CHAMPION.mean()
    ref = challenge(champion, text, CHAMPION, metrics={"mae": np.float32(mean)})

    assert champion.resolve(ref).metrics["mae"] == pytest.approx(mean, rel=1e-12)


def test_a_metric_that_is_not_the_mean_of_its_losses_is_refused(champion: Registry) -> None:
    arguments: dict[str, Any] = {"losses": {"mae": [1.0, 3.0]}, "evaluation_set": SET}

    with pytest.raises(InvalidInputError, match="the mean of its losses is 2"):
        champion.evaluate("iris@1.0.0", {"mae": 2.5}, **arguments)
    champion.evaluate("iris@1.0.0", {"mae": 2.0000000001}, **arguments)

    assert champion.resolve("iris@1.0.0").metrics["mae"] == 2.0


def test_a_collector_keeps_losses_until_their_version_is_purged(
    champion: Registry, text: Text, store: Path
) -> None:
    blob = disk.blob_holding(store, CHAMPION.astype("<f8").tobytes())
    champion.gc(grace_s=0)
    before = blob.exists()
    for content in ("two", "three"):
        ref = champion.register("iris", text(content)).ref
        champion.promote(ref, force=True, reason="has no losses")
    champion.purge("iris", versions=["1.0.0"], grace_s=0)

    assert before
    assert not blob.exists()
    assert champion.verify().whole


def test_changed_losses_are_damage_that_verify_names_and_the_gate_refuses(
    champion: Registry, text: Text, store: Path
) -> None:
    ref = challenge(champion, text, shifted(0.01))
    blob = disk.blob_holding(store, CHAMPION.astype("<f8").tobytes())
    blob.chmod(0o644)
    blob.write_bytes(b"\0" * 16_000)

    (damage,) = champion.verify().damages
    with pytest.raises(DamagedError, match="has changed"):
        champion.promote(ref)

    assert damage.subject.startswith("losses mae (blobs/sha256/")


def test_a_copy_carries_losses(champion: Registry, tmp_path: Path, text: Text) -> None:
    other = holdfast.open(tmp_path / "copy", by="bob")
    champion.copy(other)

    assert other.verify().whole
    assert [pair.name for pair in other.judge(challenge(other, text, shifted(0.01))).paired] == [
        "mae"
    ]


def test_a_bundle_of_a_model_carries_losses_and_one_of_a_version_leaves_them(
    champion: Registry, tmp_path: Path, text: Text
) -> None:
    champion.export("iris", tmp_path / "model.tar")
    champion.export("iris@1.0.0", tmp_path / "version.tar")
    whole = holdfast.open(tmp_path / "whole", by="bob")
    alone = holdfast.open(tmp_path / "alone", by="bob")
    whole.import_(tmp_path / "model.tar")
    alone.import_(tmp_path / "version.tar")

    assert whole.verify().whole
    assert alone.verify().whole
    assert len(whole.judge(challenge(whole, text, shifted(0.01))).paired) == 1


def test_losses_that_are_not_what_their_entry_says_are_not_taken_in(
    champion: Registry,
) -> None:
    session = champion._session
    record = session.find("iris@1.0.0")[1]
    lying = tuple(replace(measurement, rows=measurement.rows - 1) for measurement in record.losses)

    with pytest.raises(DamagedError, match="do not match the entry"):
        losses.require(session, replace(record, losses=lying))
