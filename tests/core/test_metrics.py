"""Metrics: which way is better, how far two values are apart, and what that means."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import get_scorer_names

from holdfast.core.metrics import Direction, MetricChange, changes, direction_of

finite = st.floats(allow_nan=False, allow_infinity=False)
directions: st.SearchStrategy[Direction | None] = st.sampled_from(("higher", "lower", None))


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "val_accuracy",
        "roc_auc",
        "ROC-AUC",
        "test/roc_auc",
        "f1",
        "f1_macro",
        "F1Score",
        "precision@10",
        "recall_at_5",
        "top5_accuracy",
        "r2",
        "R2",
        "average_precision",
        "ndcg@10",
        "mAP",
        "throughput",
        "neg_log_loss",
        "neg_mean_squared_error",
        "balanced_accuracy_score",
    ],
)
def test_more_is_better_of_a_score(name: str) -> None:
    assert direction_of(name) == "higher"


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "val_loss",
        "log_loss",
        "mae",
        "rmse",
        "mean_absolute_error",
        "error_rate",
        "max_error",
        "latency",
        "latency_ms",
        "latency_p95",
        "p99_latency",
        "training_time",
        "cv_roc_auc_std",
        "accuracy_drop",
        "brier_score_loss",
        "ece",
        "perplexity",
        "size_bytes",
        "fpr",
    ],
)
def test_less_is_better_of_a_loss_or_a_cost(name: str) -> None:
    assert direction_of(name) == "lower"


@pytest.mark.parametrize("name", ["", "42", "samples", "n_features", "ratio", "élan", "false_rate"])
def test_a_name_that_does_not_say_has_no_direction(name: str) -> None:
    assert direction_of(name) is None


def test_no_score_of_scikit_learn_is_taken_for_a_loss() -> None:
    scores = set(get_scorer_names()) - {"max_error"}

    assert {name for name in scores if direction_of(name) == "lower"} == set()


@pytest.mark.parametrize("prefix", ["test_", "train_", "mean_test_", "cv_"])
def test_a_negated_loss_is_better_higher_whatever_stands_before_it(prefix: str) -> None:
    # `cross_validate` and `GridSearchCV` name their results so
    assert direction_of(f"{prefix}neg_log_loss") == "higher"


def test_the_negative_log_likelihood_is_a_loss() -> None:
    assert direction_of("negative_log_likelihood") == "lower"


@pytest.mark.parametrize("name", ["tpr_at_fpr_01", "recall_at_fpr_1", "precision_at_fpr"])
def test_a_score_at_a_fixed_rate_is_a_score(name: str) -> None:
    assert direction_of(name) == "higher"


def test_a_delta_is_after_less_before() -> None:
    assert MetricChange("auc", "higher", 0.5, 0.75).delta == 0.25


@pytest.mark.parametrize(("before", "after"), [(None, 0.5), (0.5, None), (None, None)])
def test_a_missing_side_leaves_nothing_to_subtract(
    before: float | None, after: float | None
) -> None:
    change = MetricChange("auc", "higher", before, after)

    assert (change.delta, change.relative, change.loss) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        (0.5, 0.75, 0.5),
        (0.5, 0.25, -0.5),
        (-2.0, -3.0, -0.5),
        (-2.0, -1.0, 0.5),
        (0.0, 0.0, 0.0),
        (0.0, 0.1, math.inf),
        (0.0, -0.1, -math.inf),
    ],
)
def test_a_relative_change_is_a_share_of_the_magnitude_before(
    before: float, after: float, share: float
) -> None:
    assert MetricChange("auc", "higher", before, after).relative == share


@pytest.mark.parametrize(
    ("direction", "before", "after", "verdict"),
    [
        ("higher", 0.5, 0.6, "better"),
        ("higher", 0.6, 0.5, "worse"),
        ("lower", 0.5, 0.6, "worse"),
        ("lower", 0.6, 0.5, "better"),
        ("higher", 0.5, 0.5, "equal"),
        (None, 0.5, 0.5, "equal"),
        (None, 0.5, 0.6, "changed"),
        ("higher", None, 0.5, "added"),
        ("higher", 0.5, None, "missing"),
        (None, 0.5, None, "missing"),
    ],
)
def test_a_verdict_says_what_a_change_means(
    direction: Direction | None, before: float | None, after: float | None, verdict: str
) -> None:
    assert MetricChange("m", direction, before, after).verdict == verdict


@pytest.mark.parametrize(
    ("direction", "before", "after", "loss"),
    [
        ("higher", 0.5, 0.25, 0.5),
        ("higher", 0.5, 0.75, 0.0),
        ("lower", 100.0, 150.0, 0.5),
        ("lower", 100.0, 50.0, 0.0),
        ("higher", -2.0, -3.0, 0.5),
        ("lower", 0.0, 0.1, math.inf),
        (None, 0.5, 0.25, 0.0),
    ],
)
def test_a_loss_is_the_relative_change_for_the_worse(
    direction: Direction | None, before: float, after: float, loss: float
) -> None:
    assert MetricChange("m", direction, before, after).loss == loss


@given(directions, finite, finite)
def test_a_loss_is_never_negative_and_only_what_is_worse_has_one(
    direction: Direction | None, before: float, after: float
) -> None:
    change = MetricChange("m", direction, before, after)

    assert change.loss >= 0
    assert change.loss == 0 or change.verdict == "worse"


@given(finite, finite)
def test_what_is_better_higher_is_worse_lower(before: float, after: float) -> None:
    mirror = {"better": "worse", "worse": "better", "equal": "equal"}
    higher = MetricChange("m", "higher", before, after).verdict

    assert MetricChange("m", "lower", before, after).verdict == mirror[higher]


def test_metrics_of_both_sides_are_paired_by_name() -> None:
    pairs = changes({"auc": 0.5, "mae": 1.0}, {"auc": 0.6, "f1": 0.7}, {})

    assert pairs == (
        MetricChange("auc", "higher", 0.5, 0.6),
        MetricChange("f1", "higher", None, 0.7),
        MetricChange("mae", "lower", 1.0, None),
    )


def test_a_given_direction_overrides_the_name() -> None:
    assert changes({}, {"loss": 1.0}, {"loss": "higher"})[0].direction == "higher"
