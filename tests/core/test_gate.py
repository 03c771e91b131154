"""The gate: each rule passes and refuses, and a refusal names every reason."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.gate import Candidate, Verdict, demanded, judge, schema_changes
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Manifest, Scan, clean_metrics
from holdfast.core.metrics import MetricChange
from holdfast.core.policy import OPEN, MetricRule, Policy

Make = Callable[..., Manifest]

ONE = {"type": "object", "properties": {"age": {"type": "number"}}, "required": ["age"]}
WIDER = ONE | {"properties": {"age": {"type": "number"}, "height": {"type": "number"}}}
BROKEN = {"type": "object", "properties": {"weight": {"type": "string"}}, "required": ["weight"]}
RISKY = {"model": Scan("pickle", executes_code=True, unknown=("os.system",), trusted="reviewed")}


@pytest.fixture
def side(make_manifest: Make) -> Callable[..., Candidate]:
    """Return a factory of one side of the gate: metrics, approvals, facts of the manifest."""

    def candidate(
        metrics: dict[str, float] | None = None,
        approvals: tuple[str, ...] = (),
        version: str = "1.1.0",
        **facts: Any,
    ) -> Candidate:
        manifest = make_manifest(version, metrics=metrics or {}, **facts)
        return Candidate(manifest, manifest.metrics, frozenset(approvals))

    return candidate


Side = Callable[..., Candidate]


def against(
    policy: Policy, before: dict[str, float], after: dict[str, float], make: Side
) -> Verdict:
    return judge(policy, make(after), make(before, version="1.0.0"))


def test_a_first_version_passes_the_gate_of_a_new_model(side: Side) -> None:
    verdict = judge(Policy(), side({"auc": 0.9}), None)

    assert verdict == Verdict((), (MetricChange("auc", "higher", None, 0.9),), ())
    assert verdict.passed


def test_an_equal_version_passes_without_a_word(side: Side) -> None:
    verdict = against(Policy(), {"auc": 0.9}, {"auc": 0.9}, side)

    assert (verdict.reasons, verdict.remarks) == ((), ())


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("auc", 0.9, 0.95), ("auc", 0.9, 0.89), ("latency_ms", 100.0, 90.0), ("mae", 1.0, 1.04)],
)
def test_a_gain_or_a_small_loss_passes(side: Side, name: str, before: float, after: float) -> None:
    assert against(Policy(), {name: before}, {name: after}, side).passed


@pytest.mark.parametrize(
    ("name", "before", "after", "reason"),
    [
        (
            "auc",
            0.8,
            0.72,
            "auc: 0.72 is 10.00% worse than the champion's 0.8, more than the 5.00% allowed",
        ),
        (
            "latency_ms",
            100.0,
            120.0,
            "latency_ms: 120 is 20.00% worse than the champion's 100, more than the 5.00% allowed",
        ),
        (
            "error",
            0.0,
            0.1,
            "error: 0.1 is inf% worse than the champion's 0, more than the 5.00% allowed",
        ),
    ],
)
def test_a_regression_beyond_the_bound_is_refused_with_both_numbers(
    side: Side, name: str, before: float, after: float, reason: str
) -> None:
    assert against(Policy(), {name: before}, {name: after}, side).reasons == (reason,)


def test_a_small_loss_is_remarked(side: Side) -> None:
    assert against(Policy(), {"auc": 0.8}, {"auc": 0.78}, side).remarks == (
        "auc: 0.78 is 2.50% worse than the champion's 0.8, within 5.00%",
    )


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("auc", 1.0, 0.95),
        ("auc", 0.8, 0.76),
        ("auc", 0.9, 0.855),
        ("auc", 0.6, 0.57),
        ("auc", 100.0, 95.0),
        ("latency_ms", 100.0, 105.0),
        ("loss", 0.2, 0.21),
        ("loss", 0.3, 0.315),
    ],
)
def test_a_loss_of_just_the_bound_passes(
    side: Side, name: str, before: float, after: float
) -> None:
    assert against(Policy(), {name: before}, {name: after}, side).passed


@given(st.decimals(min_value="0.01", max_value=1000, places=3))
def test_a_loss_of_just_the_bound_passes_whatever_the_figure(before: Decimal) -> None:
    manifest = Manifest(
        name="iris", version="1.0.0", number=1, registered_at="", registered_by="", artifacts={}
    )
    champion = Candidate(manifest, {"auc": float(before)}, frozenset())
    candidate = Candidate(manifest, {"auc": float(before * Decimal("0.95"))}, frozenset())

    assert judge(Policy(), candidate, champion).passed


def test_a_loss_a_little_beyond_the_bound_is_refused(side: Side) -> None:
    assert not against(Policy(), {"auc": 0.8}, {"auc": 0.7599}, side).passed


def test_a_direction_of_the_policy_goes_before_the_name(side: Side) -> None:
    policy = Policy(metrics={"loss": MetricRule(direction="higher")})

    assert against(policy, {"loss": 1.0}, {"loss": 2.0}, side).passed
    assert not against(policy, {"loss": 2.0}, {"loss": 1.0}, side).passed


def test_a_metric_without_direction_is_remarked_and_not_judged(side: Side) -> None:
    verdict = against(Policy(), {"ratio": 1.0}, {"ratio": 9.0}, side)

    assert verdict.reasons == ()
    assert verdict.remarks == (
        "ratio: 1 → 9, not judged, as the policy does not say which way is better",
    )


def test_a_metric_that_the_champion_has_must_be_there(side: Side) -> None:
    verdict = against(Policy(), {"auc": 0.8, "ratio": 1.0}, {}, side)

    assert verdict.reasons == (
        "auc: missing, but the champion has 0.8",
        "ratio: missing, but the champion has 1",
    )


def test_a_metric_that_the_champion_lacks_is_welcome(side: Side) -> None:
    assert against(Policy(), {}, {"auc": 0.1}, side).passed


def test_without_a_bound_no_metrics_are_compared(side: Side) -> None:
    verdict = against(Policy(max_regression=None), {"auc": 0.9, "f1": 0.5}, {"auc": 0.1}, side)

    assert (verdict.reasons, verdict.remarks) == ((), ())


@pytest.mark.parametrize(("limit", "passes"), [(0.2, True), (0.05, False), (0.0, False)])
def test_a_metric_can_have_a_bound_of_its_own(side: Side, limit: float, *, passes: bool) -> None:
    policy = Policy(metrics={"auc": MetricRule(max_regression=limit)})

    assert against(policy, {"auc": 0.8}, {"auc": 0.7}, side).passed is passes


def test_a_bound_of_its_own_holds_where_the_policy_compares_no_other_metric(side: Side) -> None:
    policy = Policy(max_regression=None, metrics={"auc": MetricRule(max_regression=0.01)})
    verdict = against(policy, {"auc": 0.8, "f1": 0.8}, {"auc": 0.7, "f1": 0.1}, side)

    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["auc"]


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        (MetricRule(minimum=0.8), 0.79, "auc: 0.79 is below the minimum 0.8"),
        (MetricRule(maximum=0.8), 0.81, "auc: 0.81 is above the maximum 0.8"),
        (MetricRule(minimum=0.8), 0.7999999, "auc: 0.7999999 is below the minimum 0.8"),
        (MetricRule(maximum=0.8), 0.8000001, "auc: 0.8000001 is above the maximum 0.8"),
    ],
)
def test_a_value_beyond_its_bounds_is_refused_even_without_a_champion(
    side: Side, rule: MetricRule, value: float, reason: str
) -> None:
    policy = Policy(metrics={"auc": rule})

    assert judge(policy, side({"auc": value}), None).reasons == (reason,)


@pytest.mark.parametrize("rule", [MetricRule(minimum=0.8), MetricRule(maximum=0.8), MetricRule()])
@pytest.mark.parametrize("value", [0.8, 0.8 * (1 - 1e-15), 0.8 * (1 + 1e-15), np.float32(0.8)])
def test_a_value_on_its_bound_passes_whatever_the_noise_of_floats(
    side: Side, rule: MetricRule, value: float
) -> None:
    metrics = clean_metrics({"auc": value})

    assert judge(Policy(metrics={"auc": rule}), side(metrics), None).passed


def test_a_regression_just_beyond_the_limit_is_shown_with_the_digits_that_tell(side: Side) -> None:
    after = {"auc": 0.8 * (1 - 0.05001)}
    verdict = against(Policy(max_regression=0.05), {"auc": 0.8}, after, side)

    assert verdict.reasons == (
        "auc: 0.759992 is 5.001% worse than the champion's 0.8, more than the 5.000% allowed",
    )


@pytest.mark.parametrize("rule", [MetricRule(minimum=0.8), MetricRule(maximum=0.8)])
def test_a_metric_with_a_bound_must_be_there(side: Side, rule: MetricRule) -> None:
    assert not judge(Policy(metrics={"auc": rule}), side({"f1": 0.9}), None).passed


def test_a_required_metric_must_be_there(side: Side) -> None:
    policy = Policy(required_metrics=("auc", "f1"))

    assert judge(policy, side({"auc": 0.9}), None).reasons == (
        "f1: missing, but the policy requires it",
    )
    assert judge(policy, side({"auc": 0.9, "f1": 0.0}), None).passed


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("description", {"description": "x"}),
        ("limitations", {"limitations": ("x",)}),
        ("training_data", {"training_data": {"source": "x"}}),
        ("training_data.samples", {"training_data": {"samples": 0}}),
        ("lineage.data_window", {"lineage": Lineage(data_window="x")}),
        ("lineage.git_dirty", {"lineage": Lineage(git_dirty=False)}),
        ("metadata.owner.mail", {"metadata": {"owner": {"mail": "x"}}}),
        ("input_example", {"input_example": [[1]]}),
    ],
)
def test_a_required_field_must_be_filled(side: Side, field: str, facts: dict[str, Any]) -> None:
    policy = Policy(required_fields=(field,))

    assert judge(policy, side(**facts), None).passed
    assert judge(policy, side(), None).reasons == (f"{field}: empty, but the policy requires it",)


@pytest.mark.parametrize(
    "facts", [{"description": ""}, {"description": None}, {"limitations": ()}, {"metadata": {}}]
)
def test_an_empty_field_is_not_filled(side: Side, facts: dict[str, Any]) -> None:
    field = next(iter(facts))

    assert not judge(Policy(required_fields=(field,)), side(**facts), None).passed


@pytest.mark.parametrize(
    ("rule", "version", "after", "passes"),
    [
        ("declared", "1.1.0", WIDER, True),
        ("declared", "1.1.0", BROKEN, False),
        ("declared", "2.0.0", BROKEN, True),
        ("declared", "2.0.0-rc.1", BROKEN, True),
        ("declared", "0.9.0", BROKEN, False),
        ("compatible", "1.1.0", WIDER, True),
        ("compatible", "1.1.0", BROKEN, False),
        ("compatible", "2.0.0", BROKEN, False),
        ("any", "1.1.0", BROKEN, True),
    ],
)
def test_a_breaking_schema_passes_only_as_the_policy_says(
    side: Side, rule: Any, version: str, after: dict[str, Any], *, passes: bool
) -> None:
    champion = side(version="1.0.0", input_schema=ONE)
    verdict = judge(Policy(schema=rule), side(version=version, input_schema=after), champion)

    assert verdict.passed is passes


def test_before_one_a_raised_minor_part_declares_a_breaking_schema(side: Side) -> None:
    champion = side(version="0.2.3", input_schema=ONE)

    assert judge(Policy(), side(version="0.3.0", input_schema=BROKEN), champion).passed
    assert not judge(Policy(), side(version="0.2.4", input_schema=BROKEN), champion).passed


def test_each_breaking_change_of_the_schema_is_a_reason(side: Side) -> None:
    champion = side(version="1.0.0", input_schema=ONE, output_schema={"type": "integer"})
    candidate = side(input_schema=BROKEN, output_schema={"type": "string"})
    reasons = judge(Policy(), candidate, champion).reasons

    assert all(reason.startswith("schema: ") for reason in reasons)
    assert [any(word in reason for reason in reasons) for word in ("age", "weight", "output")] == [
        True,
        True,
        True,
    ]


def test_the_first_version_needs_no_compatible_schema(side: Side) -> None:
    assert judge(Policy(schema="compatible"), side(input_schema=BROKEN), None).passed


def test_equal_schemas_have_no_changes(make_manifest: Make) -> None:
    manifest = make_manifest(input_schema=ONE, output_schema={"type": "integer"})

    assert schema_changes(manifest, manifest) == ()


def test_code_outside_the_allow_list_needs_a_second_person(side: Side) -> None:
    verdict = judge(Policy(), side(scan=RISKY), None)

    (reason,) = verdict.reasons
    assert reason == (
        "scan: model names os.system outside the allow-list (trusted: reviewed); "
        "a second person must approve it"
    )
    assert judge(Policy(), side(scan=RISKY, approvals=("eve",)), None).passed


def test_every_role_with_unknown_code_is_a_reason(side: Side) -> None:
    scan = {"model": RISKY["model"], "preprocessor": RISKY["model"], "tokenizer": Scan("json")}

    assert len(judge(Policy(), side(scan=scan), None).reasons) == 2


def test_known_code_needs_nobody(side: Side) -> None:
    scan = {"model": Scan("pickle", executes_code=True, globals=("numpy.array",))}

    assert judge(Policy(), side(scan=scan), None).passed


def test_a_policy_may_not_mind_unknown_code(side: Side) -> None:
    assert judge(Policy(clean_scan=False), side(scan=RISKY), None).passed


@pytest.mark.parametrize(
    ("approvals", "reason"),
    [
        ((), "approvals: 0 of 2 (so far nobody; the promoter does not count)"),
        (("eve",), "approvals: 1 of 2 (so far eve; the promoter does not count)"),
    ],
)
def test_too_few_approvals_are_told(side: Side, approvals: tuple[str, ...], reason: str) -> None:
    assert judge(Policy(approvals=2), side(approvals=approvals), None).reasons == (reason,)


def test_enough_approvals_pass(side: Side) -> None:
    assert judge(Policy(approvals=2), side(approvals=("bob", "eve")), None).passed


def test_every_reason_is_listed_and_not_the_first(side: Side) -> None:
    policy = Policy(
        metrics={"acc": MetricRule(minimum=0.9)},
        required_metrics=("f1",),
        required_fields=("description",),
        approvals=1,
    )
    champion = side({"auc": 0.9, "acc": 0.5, "mae": 1.0}, version="1.0.0", input_schema=ONE)
    candidate = side({"auc": 0.1, "acc": 0.6}, input_schema=BROKEN, scan=RISKY)
    heads = [reason.partition(":")[0] for reason in judge(policy, candidate, champion).reasons]

    assert list(dict.fromkeys(heads)) == [
        "acc",
        "auc",
        "mae",
        "f1",
        "description",
        "schema",
        "scan",
        "approvals",
    ]


def test_the_open_policy_lets_everything_pass(side: Side) -> None:
    champion = side({"auc": 0.9}, version="1.0.0", input_schema=ONE)

    assert judge(OPEN, side({}, input_schema=BROKEN, scan=RISKY), champion).passed


def test_later_evaluations_count(make_manifest: Make) -> None:
    manifest = make_manifest(metrics={"auc": 0.9})
    champion = Candidate(manifest, {"auc": 0.9}, frozenset())

    assert not judge(Policy(), Candidate(manifest, {"auc": 0.5}, frozenset()), champion).passed


@pytest.mark.parametrize(
    ("rule", "champion", "value"),
    [
        (MetricRule(direction="higher"), 0.8, 0.76),
        (MetricRule(direction="lower"), 10.0, 10.5),
        (MetricRule(direction="higher", minimum=0.9), 0.8, 0.9),
        (MetricRule(direction="lower", maximum=9.0), 10.0, 9.0),
        (MetricRule(direction="higher", minimum=0.5), None, 0.5),
        (MetricRule(direction="higher"), None, None),
        (MetricRule(), 1.0, None),
    ],
)
def test_the_value_that_a_gate_demands_is_told(
    rule: MetricRule, champion: float | None, value: float | None
) -> None:
    policy = Policy(max_regression=0.05, metrics={"x1": rule})
    assert demanded(policy, "x1", champion) == pytest.approx(value)
