"""Two versions side by side: metrics with direction, parameters, schemas, files, environment."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never, cast

import msgspec
from msgspec import Struct

from holdfast.core import metrics as measures
from holdfast.core import wording
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.metrics import Direction, MetricChange
from holdfast.core.paired import Paired
from holdfast.core.schema_change import SchemaChange
from holdfast.core.wording import number, shortened
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.drawing.change_bars import Change

Presence = Literal["added", "removed", "changed", "same"]
Measure = Literal["value", "delta", "share"]
_COLOURS: Final = {"better": "g", "worse": "b"}
_LISTED: Final = 8
_FACT: Final = 80
"""Longest value that is shown whole in a line."""
_CALL: Final = r"(value|delta)\(\s*(.*\S)\s*\)"
_CONDITION: Final = (
    r"\s*(?P<metric>[^<>=\s](?:[^<>=]*[^<>=\s])?)\s*(?P<op><=|>=|<|>)"
    r"\s*(?P<limit>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<share>%?)\s*"
)


class MetricRow(Struct, frozen=True):
    """One metric on both sides; see `core.metrics.Change` for the words of *verdict*.

    Attributes:
        relative: Delta as a share of `a`, `None` where a side is missing or `a` is 0.
    """

    name: str
    direction: Direction | None
    a: float | None
    b: float | None
    delta: float | None
    relative: float | None
    verdict: str


class Difference(Struct, frozen=True):
    """One fact on both sides; `None` where a side lacks it."""

    name: str
    change: Presence
    a: Any
    b: Any


class FileRow(Struct, frozen=True):
    """One role's bytes on both sides, as digests; `None` where a side lacks the role."""

    role: str
    change: Presence
    a: str | None
    b: str | None
    a_size_bytes: int | None
    b_size_bytes: int | None


class Comparison(Struct, frozen=True):
    """What differs between version *a* and version *b*; positive deltas mean that *b* has more.

    Attributes:
        facts: Differing facts: framework, algorithm, training data, lineage, limitations, ...
        environment: Differing Python and package versions.
        paired: Losses of both on the same rows, each with its interval.
        unpaired: Why other losses are not paired.
        measured: Of each evaluation that Holdfast made, whether both were on the same data.
        curves: Last values of learning curves that both have by one name.
    """

    model: str
    a: str
    b: str
    metrics: tuple[MetricRow, ...]
    parameters: tuple[Difference, ...]
    schema: tuple[SchemaChange, ...]
    files: tuple[FileRow, ...]
    facts: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    paired: tuple[Paired, ...] = ()
    unpaired: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    curves: tuple[MetricRow, ...] = ()

    def _repr_html_(self) -> str:
        """Show what differs in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        parts = [notebook.heading(f"{self.model} {self.b}", f"beside {self.a}"), *tables(self)]
        return notebook.view(*parts)


def changes(comparison: Comparison) -> "list[Change]":
    """Return what a picture of the metrics is drawn from."""
    from holdfast.core.drawing.change_bars import Change  # noqa: PLC0415 - only pictures need it

    return [Change(row.name, row.a, row.b, row.relative, row.verdict) for row in comparison.metrics]


def tables(comparison: Comparison) -> list[str]:
    """Return the metrics and the other differences as tables of a notebook."""
    from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it
    from holdfast.core.drawing.change_bars import change_bar, scale  # noqa: PLC0415 - the same

    beside = changes(comparison)
    reach = scale(beside)
    rows = [
        (
            row.name,
            row.a,
            row.b,
            notebook.change(row.delta),
            change_bar(change, reach, 90, 12),
            said,
        )
        for row, change in zip(comparison.metrics, beside, strict=True)
        for said in [notebook.span(row.verdict, _COLOURS.get(row.verdict, "m"))]
    ]
    header = ("metric", comparison.a, comparison.b, "change", "", "")
    files = [row.role for row in comparison.files if row.change != "same"]
    others = [
        ("losses", "; ".join(pair.sentence for pair in comparison.paired)),
        ("evaluations", "; ".join(comparison.measured)),
        ("schema", "; ".join(change.sentence for change in comparison.schema) or "unchanged"),
        ("files", ", ".join(files) + " changed" if files else "the same bytes"),
        ("parameters", _listed(comparison.parameters)),
        ("facts", _listed(comparison.facts)),
        ("environment", _listed(comparison.environment)),
    ]
    metrics = notebook.table(header, rows) if rows else notebook.line("neither has metrics", "m")
    ends = [
        (row.name, row.a, row.b, notebook.change(row.delta), said)
        for row in comparison.curves
        for said in [notebook.span(row.verdict, _COLOURS.get(row.verdict, "m"))]
    ]
    names = ("curve, last value", comparison.a, comparison.b, "change", "")
    return [metrics, *([notebook.table(names, ends)] if ends else []), notebook.facts(others)]


def _listed(differences: Sequence[Difference]) -> str:
    """List the first differences in a line."""
    shown = [f"{row.name} {_fact(row.a)} → {_fact(row.b)}" for row in differences[:_LISTED]]
    more = len(differences) - _LISTED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _fact(value: Any) -> str:
    text = number(value) if isinstance(value, float) else str(value)
    return "–" if value is None else shortened(text, _FACT)


class Side(Struct, frozen=True):
    """One version to be compared: its manifest and its metrics as they are known today."""

    manifest: Manifest
    metrics: Mapping[str, float]


def compare(a: Side, b: Side, directions: Mapping[str, Direction]) -> Comparison:
    """Put two versions of one model side by side."""
    from holdfast.core.gate import schema_changes  # noqa: PLC0415 - who shows one needs no rules

    first, other = a.manifest, b.manifest
    return Comparison(
        model=first.name,
        a=first.version,
        b=other.version,
        metrics=tuple(
            _row(change) for change in measures.changes(a.metrics, b.metrics, directions)
        ),
        parameters=_differences(_flat(first.hyperparameters), _flat(other.hyperparameters)),
        schema=schema_changes(first, other),
        files=_files(first.artifacts, other.artifacts),
        facts=_differences(_facts(first), _facts(other)),
        environment=_differences(_environment(first), _environment(other)),
    )


def curve_rows(
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    directions: Mapping[str, Direction],
) -> tuple[MetricRow, ...]:
    """Pair the last values of curves that both versions have; `None` where one diverged."""
    return tuple(
        _row(
            MetricChange(
                name, directions.get(name) or measures.direction_of(name), a[name], b[name]
            )
        )
        for name in sorted(a.keys() & b.keys())
    )


def _row(change: MetricChange) -> MetricRow:
    relative = change.relative
    return MetricRow(
        name=change.name,
        direction=change.direction,
        a=change.before,
        b=change.after,
        delta=None if change.delta is None else round(change.delta, 12),
        relative=None if relative in (None, float("inf"), float("-inf")) else relative,
        verdict=change.verdict,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _facts(manifest: Manifest) -> dict[str, Any]:
    lineage = msgspec.to_builtins(manifest.lineage)
    lineage = {name: value for name, value in lineage.items() if value or name == "seed"}
    facts: dict[str, Any] = {
        "framework": manifest.framework,
        "algorithm": manifest.algorithm,
        "description": manifest.description,
        "author": manifest.author,
        "limitations": list(manifest.limitations) or None,
    }
    nested = {"training_data": manifest.training_data, "metadata": manifest.metadata}
    facts |= _flat({"lineage": lineage} | nested)
    return {name: value for name, value in facts.items() if value not in (None, {})}


def _environment(manifest: Manifest) -> dict[str, Any]:
    python = manifest.environment.python
    return ({"python": python} if python else {}) | manifest.environment.packages


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, _presence(name in a, name in b), a.get(name), b.get(name))
        for name in sorted(a.keys() | b.keys())
        if name not in a or name not in b or a[name] != b[name]
    )


def _presence(in_a: bool, in_b: bool) -> Presence:  # noqa: FBT001
    return "changed" if in_a and in_b else "removed" if in_a else "added"


def _files(a: Mapping[str, Artifact], b: Mapping[str, Artifact]) -> tuple[FileRow, ...]:
    rows = []
    for role in sorted(a.keys() | b.keys()):
        first, other = a.get(role), b.get(role)
        same = first is not None and other is not None and first.digest == other.digest
        rows.append(
            FileRow(
                role,
                "same" if same else _presence(first is not None, other is not None),
                first.digest if first else None,
                other.digest if other else None,
                first.size_bytes if first else None,
                other.size_bytes if other else None,
            )
        )
    return tuple(rows)


class Condition(Struct, frozen=True):
    """A bound on one metric of the second version, or on its change from the first.

    Attributes:
        measure: What is bounded: the second version's `value`, the `delta` from the first
            version's, or that as a `share` of the magnitude of the first version's.
        limit: A fraction where *measure* is `share`, else in the metric's own unit.
    """

    text: str
    metric: str
    measure: Measure
    op: Literal["<", "<=", ">", ">="]
    limit: float

    def holds(self, comparison: Comparison) -> str | None:
        """Say in what way the condition holds, `None` if it does not.

        A metric that is missing on a side that is needed cannot be judged, so the condition counts
        as holding: what CI asked about must not pass unnoticed.
        """
        row = next((row for row in comparison.metrics if row.name == self.metric), None)
        before, after = (row.a, row.b) if row else (None, None)
        lacking = [comparison.a] if before is None and self.measure != "value" else []
        lacking += [comparison.b] if after is None else []
        if row is None or lacking:
            where = " and ".join(lacking)
            return f"{self.metric} is missing in {where}, so {self.text!r} cannot be evaluated"
        amount = self._amount(MetricChange(row.name, row.direction, before, after))
        if math.isclose(amount, self.limit, rel_tol=1e-9, abs_tol=1e-12):
            amount = self.limit
        if not self._compare(amount):
            return None
        match self.measure:
            case "value":
                return f"{self.metric} of {comparison.b} is {self._shown(amount)}: {self.text}"
            case "delta":
                return f"{self.metric} changed by {self._shown(amount, '+g')}: {self.text}"
            case "share":
                return f"{self.metric} changed by {self._shown(amount, '+%')}: {self.text}"
            case _:
                assert_never(self.measure)

    def _shown(self, amount: float, form: str = "g") -> str:
        return wording.apart(amount, self.limit, form)[0]

    def _amount(self, change: MetricChange) -> float:
        amounts = {"value": change.after, "delta": change.delta, "share": change.relative}
        return amounts[self.measure] or 0.0

    def _compare(self, amount: float) -> bool:
        match self.op:
            case "<":
                return amount < self.limit
            case "<=":
                return amount <= self.limit
            case ">":
                return amount > self.limit
            case ">=":
                return amount >= self.limit
            case _:
                assert_never(self.op)


def parse_condition(text: str) -> Condition:
    """Read a bound on a metric.

    `log_loss > 0.6` bounds the second version's value, `Δlog_loss > 0.01` or
    `delta(log_loss) > 0.01` its difference from the first version's, `roc_auc < -0.5%` the
    difference as a share of the first version's. A signed number alone could mean either: it takes
    `Δ` or `value(…)`.

    Raises:
        InvalidInputError: If *text* is not of that form, or could mean both.
    """
    match = re.fullmatch(_CONDITION, text)
    if match is None:
        raise InvalidInputError(
            f"condition {text!r}",
            "is not METRIC, a comparison sign and a number",
            "write 'log_loss > 0.6', 'Δlog_loss > 0.01' or 'roc_auc < -0.5%'",
        )
    metric, explicit_measure = _measure_of(match["metric"])
    limit, percent = match["limit"], match["share"] == "%"
    if explicit_measure == "value" and percent:
        raise InvalidInputError(
            f"condition {text!r}",
            "bounds a value by a percentage",
            f"write '{metric} {match['op']} {limit}%' for the change, or a number without %",
        )
    if explicit_measure is None and not percent and limit[0] in "+-":
        bound = f"{match['op']} {limit}"
        raise InvalidInputError(
            f"condition {text!r}",
            "could mean the value or the change",
            f"write 'Δ{metric} {bound}' for the change or 'value({metric}) {bound}'",
        )
    measure: Measure = "share" if percent else explicit_measure or "value"
    op: Any = match["op"]
    return Condition(text, metric, measure, op, float(limit) / 100 if percent else float(limit))


def _measure_of(metric: str) -> tuple[str, Measure | None]:
    """Take `Δ`, `delta()` or `value()` from a metric; `None` where neither is said."""
    if metric.startswith("Δ"):
        return metric[1:].strip(), "delta"
    call = re.fullmatch(_CALL, metric)
    return (call[2], cast("Measure", call[1])) if call else (metric, None)
