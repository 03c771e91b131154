"""Comparison: two versions side by side, and conditions on what changed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from holdfast.core.compare import (
    Comparison,
    Condition,
    Difference,
    FileRow,
    MetricRow,
    Side,
    compare,
    curve_rows,
    parse_condition,
)
from holdfast.core.lineage_record import DataUse, Lineage
from holdfast.core.manifest import Artifact, Environment, File, Manifest
from holdfast.errors import InvalidInputError

Make = Callable[..., Manifest]
Compared = Callable[..., Comparison]

ONE = {"type": "object", "properties": {"age": {"type": "number"}}, "required": ["age"]}
WIDER = ONE | {"properties": {"age": {"type": "number"}, "height": {"type": "number"}}}


def file(name: str, digit: str, size_bytes: int) -> Artifact:
    return Artifact(name, "file", (File(name, digit * 64, size_bytes),))


@pytest.fixture
def of(make_manifest: Make) -> Compared:
    """Return a function that compares 1.0.0 with 1.1.0, facts of each given."""

    def compared(a: dict[str, Any], b: dict[str, Any]) -> Comparison:
        same = {"artifacts": {"model": file("model.bin", "a", 10)}}
        first, other = make_manifest("1.0.0", **(same | a)), make_manifest("1.1.0", **(same | b))
        return compare(Side(first, first.metrics), Side(other, other.metrics), {})

    return compared


@pytest.fixture
def metrics(of: Compared) -> Callable[..., Comparison]:
    """Return a function that compares two versions by their metrics alone."""
    return lambda a, b: of({"metrics": a}, {"metrics": b})


def only(rows: tuple[Any, ...]) -> Any:
    assert len(rows) == 1
    return rows[0]


def test_equal_versions_differ_in_nothing(of: Compared) -> None:
    assert of({"metrics": {"auc": 0.9}}, {"metrics": {"auc": 0.9}}) == Comparison(
        model="iris",
        a="1.0.0",
        b="1.1.0",
        metrics=(MetricRow("auc", "higher", 0.9, 0.9, 0.0, 0.0, "equal"),),
        parameters=(),
        schema=(),
        files=(FileRow("model", "same", "a" * 64, "a" * 64, 10, 10),),
        facts=(),
        environment=(),
    )


@pytest.mark.parametrize(
    ("a", "b", "row"),
    [
        ({"auc": 0.5}, {"auc": 0.75}, MetricRow("auc", "higher", 0.5, 0.75, 0.25, 0.5, "better")),
        ({"mae": 0.5}, {"mae": 0.75}, MetricRow("mae", "lower", 0.5, 0.75, 0.25, 0.5, "worse")),
        ({"ratio": 2.0}, {"ratio": 1.0}, MetricRow("ratio", None, 2.0, 1.0, -1.0, -0.5, "changed")),
        ({"mae": 0.0}, {"mae": 0.5}, MetricRow("mae", "lower", 0.0, 0.5, 0.5, None, "worse")),
        ({"auc": 0.0}, {"auc": -0.5}, MetricRow("auc", "higher", 0.0, -0.5, -0.5, None, "worse")),
        ({"auc": 0.5}, {}, MetricRow("auc", "higher", 0.5, None, None, None, "missing")),
        ({}, {"auc": 0.5}, MetricRow("auc", "higher", None, 0.5, None, None, "added")),
        ({"auc": 0.5}, {"auc": 0.0}, MetricRow("auc", "higher", 0.5, 0.0, -0.5, -1.0, "worse")),
    ],
)
def test_a_metric_is_shown_on_both_sides_and_missing_is_not_zero(
    metrics: Compared, a: dict[str, float], b: dict[str, float], row: MetricRow
) -> None:
    assert metrics(a, b).metrics == (row,)


def test_a_delta_is_free_of_the_noise_of_floats(metrics: Compared) -> None:
    assert only(metrics({"auc": 0.8}, {"auc": 0.7}).metrics).delta == -0.1


def test_a_given_direction_goes_before_the_name(make_manifest: Make) -> None:
    manifest = make_manifest()
    comparison = compare(
        Side(manifest, {"loss": 1}), Side(manifest, {"loss": 2}), {"loss": "higher"}
    )

    assert comparison.metrics[0].verdict == "better"


def test_later_evaluations_are_what_is_compared(make_manifest: Make) -> None:
    manifest = make_manifest(metrics={"auc": 0.5})
    comparison = compare(Side(manifest, {"auc": 0.5}), Side(manifest, {"auc": 0.6}), {})

    assert comparison.metrics[0].b == 0.6


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        ({"C": 1.0}, {"C": 2.0}, Difference("C", "changed", 1.0, 2.0)),
        ({"C": 1.0}, {}, Difference("C", "removed", 1.0, None)),
        ({}, {"C": 1.0}, Difference("C", "added", None, 1.0)),
        ({"C": None}, {}, Difference("C", "removed", None, None)),
        ({"C": 0}, {"C": None}, Difference("C", "changed", 0, None)),
        (
            {"model": {"tree": {"depth": 3, "leaves": 8}}},
            {"model": {"tree": {"depth": 4, "leaves": 8}}},
            Difference("model.tree.depth", "changed", 3, 4),
        ),
        ({"model": {}}, {"model": {"depth": 3}}, Difference("model", "removed", {}, None)),
        ({"layers": [1, 2]}, {"layers": [1, 3]}, Difference("layers", "changed", [1, 2], [1, 3])),
    ],
)
def test_a_parameter_is_shown_by_its_path(
    of: Compared, a: dict[str, Any], b: dict[str, Any], difference: Difference
) -> None:
    assert of({"hyperparameters": a}, {"hyperparameters": b}).parameters[0] == difference


def test_equal_parameters_are_not_shown(of: Compared) -> None:
    same = {"hyperparameters": {"a": {"b": 1}, "c": [1]}}

    assert of(same, same).parameters == ()


def test_what_changed_in_a_schema_is_shown(of: Compared) -> None:
    change = only(of({"input_schema": ONE}, {"input_schema": WIDER}).schema)

    assert (change.side, change.column, change.level) == ("input_schema", "height", "minor")


@pytest.mark.parametrize(
    ("a", "b", "row"),
    [
        (
            {"model": file("m", "a", 10)},
            {"model": file("m", "b", 12)},
            FileRow("model", "changed", "a" * 64, "b" * 64, 10, 12),
        ),
        ({"model": file("m", "a", 10)}, {}, FileRow("model", "removed", "a" * 64, None, 10, None)),
        ({}, {"model": file("m", "a", 10)}, FileRow("model", "added", None, "a" * 64, None, 10)),
    ],
)
def test_the_bytes_of_a_role_are_shown_as_digests(
    of: Compared, a: dict[str, Artifact], b: dict[str, Artifact], row: FileRow
) -> None:
    assert of({"artifacts": a}, {"artifacts": b}).files == (row,)


def test_roles_are_shown_in_order(of: Compared) -> None:
    both = {"artifacts": {"tokenizer": file("t", "a", 1), "model": file("m", "b", 1)}}

    assert [row.role for row in of(both, both).files] == ["model", "tokenizer"]


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        (
            {"framework": "sklearn"},
            {"framework": "xgboost"},
            Difference("framework", "changed", "sklearn", "xgboost"),
        ),
        ({}, {"description": "x"}, Difference("description", "added", None, "x")),
        ({"author": "Ada"}, {}, Difference("author", "removed", "Ada", None)),
        ({}, {"limitations": ("x",)}, Difference("limitations", "added", None, ["x"])),
        (
            {"lineage": Lineage("a" * 40)},
            {"lineage": Lineage("b" * 40)},
            Difference("lineage.git_commit", "changed", "a" * 40, "b" * 40),
        ),
        (
            {"lineage": Lineage(data={"train": DataUse("sha256:1", ref="sales@v1")})},
            {"lineage": Lineage(data={"train": DataUse("sha256:2", ref="sales@v1")})},
            Difference("lineage.data.train.digest", "changed", "sha256:1", "sha256:2"),
        ),
        (
            {"lineage": Lineage(seed=0)},
            {"lineage": Lineage(seed=1)},
            Difference("lineage.seed", "changed", 0, 1),
        ),
        (
            {"training_data": {"samples": 1, "source": "x"}},
            {"training_data": {"samples": 2, "source": "x"}},
            Difference("training_data.samples", "changed", 1, 2),
        ),
        (
            {"metadata": {"team": {"name": "a"}}},
            {"metadata": {"team": {"name": "b"}}},
            Difference("metadata.team.name", "changed", "a", "b"),
        ),
    ],
)
def test_a_fact_that_differs_is_shown(
    of: Compared, a: dict[str, Any], b: dict[str, Any], difference: Difference
) -> None:
    assert of(a, b).facts == (difference,)


def test_empty_facts_are_as_good_as_none(of: Compared) -> None:
    empty = {"training_data": {}, "metadata": {}, "limitations": (), "lineage": Lineage()}

    assert of(empty, {}).facts == ()


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        (
            Environment("3.11"),
            Environment("3.12"),
            Difference("python", "changed", "3.11", "3.12"),
        ),
        (
            Environment(packages={"numpy": "1"}),
            Environment(packages={"numpy": "2"}),
            Difference("numpy", "changed", "1", "2"),
        ),
        (Environment(), Environment("3.12"), Difference("python", "added", None, "3.12")),
        (Environment(packages={"x": "1"}), Environment(), Difference("x", "removed", "1", None)),
    ],
)
def test_an_environment_that_differs_is_shown(
    of: Compared, a: Environment, b: Environment, difference: Difference
) -> None:
    assert of({"environment": a}, {"environment": b}).environment == (difference,)


def test_a_comparison_survives_the_wire(of: Compared) -> None:
    comparison = of({"metrics": {"mae": 0.0}, "input_schema": ONE}, {"metrics": {"mae": 0.5}})

    assert msgspec.json.decode(msgspec.json.encode(comparison), type=Comparison) == comparison


def test_a_notebook_shows_the_metrics_side_by_side(metrics: Compared) -> None:
    html = metrics({"auc": 0.5, "f1": 0.25}, {"auc": 0.75})._repr_html_()

    assert '<td>auc</td><td class="n">0.5</td><td class="n">0.75</td><td>+0.25</td>' in html
    assert '<span class="g">better</span>' in html
    assert 'aria-label="auc 0.5 to 0.75 (+50 %), better"' in html
    assert '<td class="n">0.25</td><td class="n">–</td><td>–</td>' in html
    assert '<span class="m">missing</span>' in html


def test_a_notebook_shows_what_else_differs_and_only_that(of: Compared) -> None:
    many = {f"p{index}": index for index in range(9)}
    html = of({"hyperparameters": many, "author": "ana"}, {"hyperparameters": {"p0": 0.25}})
    shown = html._repr_html_()

    assert "neither has metrics" in shown
    assert "p0 0 → 0.25, p1 1 → –" in shown
    assert "and 1 more" in shown
    assert "<th>schema</th><td>unchanged</td>" in shown
    assert "<th>files</th><td>the same bytes</td>" in shown
    assert "<th>environment</th>" not in shown


def test_the_names_of_metrics_are_inert_in_a_notebook(metrics: Compared) -> None:
    html = metrics({"<script>alert(1)</script>": 0.5}, {})._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("text", "metric", "measure", "op", "limit"),
    [
        ("roc_auc < -0.5%", "roc_auc", "share", "<", -0.005),
        ("log_loss > 0.6", "log_loss", "value", ">", 0.6),
        ("  mae  >=  2  ", "mae", "value", ">=", 2.0),
        ("Δmae <= +1e-3", "mae", "delta", "<=", 0.001),
        ("Δ mae <= 1e-3", "mae", "delta", "<=", 0.001),
        ("Δroc_auc<-0.005", "roc_auc", "delta", "<", -0.005),
        ("delta(roc_auc) < -0.005", "roc_auc", "delta", "<", -0.005),
        ("Δroc_auc < -1%", "roc_auc", "share", "<", -0.01),
        ("value( neg_mse ) < -4", "neg_mse", "value", "<", -4.0),
        ("p@10 > .5 %", "p@10", "share", ">", 0.005),
        ("top 5 acc < 0", "top 5 acc", "value", "<", 0.0),
    ],
)
def test_a_condition_bounds_a_value_a_change_or_a_share_of_it(
    text: str, metric: str, measure: Any, op: Any, limit: float
) -> None:
    assert parse_condition(text) == Condition(text, metric, measure, op, limit)


@pytest.mark.parametrize("text", ["roc_auc < -0.005", "log_loss > +0.01"])
def test_a_signed_number_that_could_mean_both_is_refused_with_both_spellings(text: str) -> None:
    with pytest.raises(InvalidInputError, match="could mean the value or the change") as refusal:
        parse_condition(text)

    metric = text.split(maxsplit=1)[0]
    assert f"Δ{metric}" in str(refusal.value)
    assert f"value({metric})" in str(refusal.value)


def test_a_value_has_no_percentage() -> None:
    with pytest.raises(InvalidInputError, match="bounds a value by a percentage"):
        parse_condition("value(roc_auc) < 5%")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "roc_auc",
        "roc_auc <",
        "< 5",
        " < 5",
        "roc_auc = 0",
        "roc_auc == 0",
        "roc_auc << 0",
        "roc_auc < x",
        "roc_auc < nan",
        "roc_auc < inf",
        "roc_auc < 1.2.3",
        "roc_auc < .",
        "roc_auc < 5%%",
        "roc_auc < --5",
        "0 < auc < 1",
    ],
)
def test_a_malformed_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"write 'log_loss > 0\.6', 'Δlog_loss > 0\.01'"):
        parse_condition(text)


def test_a_value_needs_the_second_version_alone(metrics: Compared) -> None:
    condition = parse_condition("auc > 0.7")

    assert condition.holds(metrics({}, {"auc": 0.9})) == "auc of 1.1.0 is 0.9: auc > 0.7"
    assert condition.holds(metrics({}, {"auc": 0.70000001})) == (
        "auc of 1.1.0 is 0.70000001: auc > 0.7"
    )
    assert condition.holds(metrics({"auc": 0.9}, {})) == (
        "auc is missing in 1.1.0, so 'auc > 0.7' cannot be evaluated"
    )
    assert condition.holds(metrics({"f1": 0.9}, {"f1": 0.9})) == (
        "auc is missing in 1.1.0, so 'auc > 0.7' cannot be evaluated"
    )


def told(metrics: Compared, text: str, a: float, b: float) -> str | None:
    return parse_condition(text).holds(metrics({"auc": a}, {"auc": b}))


@pytest.mark.parametrize(
    ("text", "a", "b", "holds"),
    [
        ("Δauc < -0.005", 0.9, 0.894, True),
        ("Δauc < -0.005", 0.9, 0.896, False),
        ("auc < 0.8", 0.9, 0.79, True),
        ("auc < 0.8", 0.7, 0.81, False),
        ("auc <= 0.8", 0.9, 0.8, True),
        ("value(auc) < -1", 0.9, -1.5, True),
        ("auc < -0.5%", 0.9, 0.8954, True),
        ("auc < -0.5%", 0.9, 0.8956, False),
        ("Δauc > 0", 0.9, 0.95, True),
        ("Δauc > 0", 0.9, 0.9, False),
        ("Δauc >= 0", 0.9, 0.9, True),
        ("Δauc <= 0", 0.9, 0.9, True),
        ("Δauc <= 0", 0.9, 0.91, False),
        ("auc >= 10%", 0.5, 0.55, True),
        ("auc >= 10%", 0.5, 0.54, False),
        ("Δauc < -0.1", 0.8, 0.7, False),
        ("Δauc <= -0.1", 0.8, 0.7, True),
        ("auc < -5%", 0.8, 0.76, False),
        ("auc <= -5%", 0.8, 0.76, True),
        ("auc > 5%", 0.3, 0.315, False),
        ("auc > 5%", 0.0, 0.1, True),
        ("auc < -5%", 0.0, -0.1, True),
        ("auc < 5%", 0.0, 0.0, True),
    ],
)
def test_a_condition_holds_for_what_lies_beyond_its_bound(
    metrics: Compared, text: str, a: float, b: float, *, holds: bool
) -> None:
    assert (told(metrics, text, a, b) is not None) is holds


def test_a_condition_that_holds_says_by_how_much(metrics: Compared) -> None:
    assert told(metrics, "auc < -1%", 0.8, 0.6) == "auc changed by -25.00%: auc < -1%"
    assert told(metrics, "Δauc > 0.1", 0.5, 0.75) == "auc changed by +0.25: Δauc > 0.1"
    assert told(metrics, "auc > 0.7", 0.5, 0.75) == "auc of 1.1.0 is 0.75: auc > 0.7"


@pytest.mark.parametrize(
    ("a", "b", "lacking"),
    [
        ({}, {"auc": 0.9}, "1.0.0"),
        ({"auc": 0.9}, {}, "1.1.0"),
        ({}, {}, "1.0.0 and 1.1.0"),
        ({"f1": 0.9}, {"f1": 0.9}, "1.0.0 and 1.1.0"),
    ],
)
def test_a_metric_that_is_missing_counts_as_holding(
    metrics: Compared, a: dict[str, float], b: dict[str, float], lacking: str
) -> None:
    reason = parse_condition("auc < -1%").holds(metrics(a, b))

    assert reason == f"auc is missing in {lacking}, so 'auc < -1%' cannot be evaluated"


def test_last_values_of_curves_of_one_name_stand_beside_each_other(of: Compared) -> None:
    a = {"train/loss": 0.5, "auc": 0.75, "own": 1.0}
    b: dict[str, float | None] = {"train/loss": None, "auc": 0.875, "other": 1.0}
    rows = curve_rows(a, b, {"auc": "lower"})
    html = msgspec.structs.replace(of({}, {}), curves=rows)._repr_html_()

    assert rows == (
        MetricRow("auc", "lower", 0.75, 0.875, 0.125, 0.125 / 0.75, "worse"),
        MetricRow("train/loss", "lower", 0.5, None, None, None, "missing"),
    )
    assert "curve, last value" in html
    assert "curve, last value" not in of({}, {})._repr_html_()
