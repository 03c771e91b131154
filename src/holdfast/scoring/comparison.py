"""Figures of a version and of the champion beside it, on the same rows: whole, and by slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core.evaluation import LONGEST_TEXT, Figure, Slice, Task
from holdfast.formats import loss_files
from holdfast.formats.bootstrap import numpy
from holdfast.scoring import resampling
from holdfast.scoring.resampling import Draws
from holdfast.scoring.task_metrics import Classified, Regressed, Unmeasured
from holdfast.scoring.truth import Gathered

__all__ = ["LOSSES", "SMALLEST", "Side", "figure", "figures", "kept_losses", "slices"]

Side = Classified | Regressed
_Figures = tuple[tuple[Figure, ...], dict[str, str]]

LOSSES: Final[dict[str, Task]] = {
    "accuracy": "classification", "log_loss": "classification", "brier": "classification",
    "error_rate": "classification", "mae": "regression", "mse": "regression",
}  # fmt: skip
"""What can be measured row by row, and of which task it is."""

_SYNONYMS: Final = {"auc": "roc_auc"}

SMALLEST: Final = 30
"""Rows below which a slice is told and not measured."""

_TINY: Final = 1e-12


def kept_losses(side: Side, names: Sequence[str] = ()) -> dict[str, bytes]:
    """Return the losses of each row as they are stored, by metric.

    Args:
        side: Whose.
        names: Which; those that fit the task if empty. What the side does not have is left out.
    """
    losses = side.losses()
    if names:
        losses |= side.further_losses()
        losses = {name: losses[name] for name in names if name in losses}
    return {name: rows.astype("<f8").tobytes() for name, rows in losses.items()}


def figure(side: Side, name: str) -> float | None:
    """Measure one figure by its name; None if it is not one, or is not defined on these rows."""
    losses = {**side.losses(), **side.further_losses()}
    if name in losses:
        return loss_files.mean(losses[name].astype("<f8").tobytes())
    compute = side.figures().get(_SYNONYMS.get(name, name))
    try:
        return None if compute is None else compute()
    except Unmeasured:
        return None


def figures(version: Side, champion: Side | None) -> _Figures:
    """Measure both sides; also return, by metric, why the version has none.

    The mean of losses is exactly what their bytes give, so that both agree for ever.
    """
    mine, why = _values(version)
    theirs = {} if champion is None else _values(champion)[0]
    sides = [version] if champion is None else [version, champion]
    made = []
    for name in sorted(mine.keys() | theirs.keys()):
        value, beside = mine.get(name), theirs.get(name)
        draws = None
        if len(version.truth) >= resampling.FEWEST and value is not None:
            draws = _draws(name, sides if beside is not None else [version])
        made.append(_figure(name, value, beside, draws))
    return tuple(made), why


def _values(side: Side) -> tuple[dict[str, float], dict[str, str]]:
    values = {name: loss_files.mean(raw) for name, raw in kept_losses(side).items()}
    why: dict[str, str] = {}
    for name, compute in side.figures().items():
        if name not in values:
            try:
                values[name] = compute()
            except Unmeasured as reason:
                why[name] = str(reason)[:LONGEST_TEXT]
    return values, why


def _figure(name: str, value: float | None, champion: float | None, draws: Draws | None) -> Figure:
    own = None if draws is None else resampling.interval(draws[0])
    change = None if value is None or champion is None else value - champion
    of_change = None if draws is None or draws[1] is None else resampling.interval(draws[1])
    return Figure(
        name=name,
        value=value,
        low=own[0] if own else None,
        high=own[1] if own else None,
        champion=champion,
        change=change,
        change_low=of_change[0] if of_change else None,
        change_high=of_change[1] if of_change else None,
        resamples=0 if draws is None or not own else len(draws[0]),
    )


def _draws(name: str, sides: Sequence[Side]) -> Draws | None:
    first = sides[0]
    if name in first.losses():
        return resampling.of_sums([side.losses()[name][:, None] for side in sides], _mean)
    if isinstance(first, Regressed):
        return _regressed(name, sides)
    if name in ("roc_auc", "average_precision"):
        ranked = [side.ranked() for side in sides if isinstance(side, Classified)]
        statistic = _auc if name == "roc_auc" else _average_precision
        return resampling.of_ranks([chances for chances, _ in ranked], ranked[0][1], statistic)
    answered = [side.answered for side in sides]
    statistic_of = {
        "balanced_accuracy": _balanced, "precision": _precision, "recall": _recall, "f1": _f1,
    }  # fmt: skip
    table = _Tables(first.positive, statistic_of[name])
    return resampling.of_counts(answered, first.truth, len(first.classes), table)


def _regressed(name: str, sides: Sequence[Side]) -> Draws:
    np = numpy()
    centre = sides[0].truth.mean()
    columns = []
    for side in sides:
        miss, truth = side.answered - side.truth, side.truth - centre
        share = np.abs(miss) / np.maximum(np.abs(side.truth), np.finfo("float64").eps)
        columns.append(np.column_stack([miss**2, truth, truth**2, share]))
    return resampling.of_sums(columns, {"rmse": _rmse, "r2": _r2, "mape": _mape}[name])


def _mean(sums: Any) -> Any:
    return sums[:, 0] / sums[:, -1]


def _rmse(sums: Any) -> Any:
    return numpy().sqrt(sums[:, 0] / sums[:, -1])


def _mape(sums: Any) -> Any:
    return sums[:, 3] / sums[:, -1]


def _r2(sums: Any) -> Any:
    np = numpy()
    spread = sums[:, 2] - sums[:, 1] ** 2 / sums[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > _TINY, 1 - sums[:, 0] / spread, np.nan)


@dataclass(frozen=True, slots=True)
class _Tables:
    """A figure of tables of true against answered classes, for the positive one or all."""

    positive: int | None
    statistic: Any

    def __call__(self, tables: Any) -> Any:
        np = numpy()
        hits = np.einsum("rii->ri", tables)
        true, answered = tables.sum(axis=2), tables.sum(axis=1)
        return self.statistic(hits, true, answered, self.positive)


def _ratio(above: Any, below: Any) -> Any:
    np = numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _averaged(values: Any, counted: Any) -> Any:
    """Average over the classes that occur; one that was never hit counts as 0."""
    np = numpy()
    filled = np.where(counted, np.nan_to_num(values), 0.0)
    return _ratio(filled.sum(axis=1), counted.sum(axis=1))


def _balanced(hits: Any, true: Any, _answered: Any, _positive: int | None) -> Any:
    return _averaged(_ratio(hits, true), true > 0)


def _precision(hits: Any, true: Any, answered: Any, positive: int | None) -> Any:
    values = _ratio(hits, answered)
    return values[:, positive] if positive is not None else _averaged(values, true + answered > 0)


def _recall(hits: Any, true: Any, answered: Any, positive: int | None) -> Any:
    values = _ratio(hits, true)
    return values[:, positive] if positive is not None else _averaged(values, true + answered > 0)


def _f1(hits: Any, true: Any, answered: Any, positive: int | None) -> Any:
    values = _ratio(2 * hits, true + answered)
    return values[:, positive] if positive is not None else _averaged(values, true + answered > 0)


def _auc(hits: Any, others: Any) -> float:
    """Count the pairs of a row of the class above another, from the lowest step up."""
    below = others.cumsum() - others
    pairs = hits.sum() * others.sum()
    return float((hits * (below + others / 2)).sum() / pairs) if pairs else float("nan")


def _average_precision(hits: Any, others: Any) -> float:
    """Sum precision over steps of recall, from the highest step down, as scikit-learn does."""
    np = numpy()
    found, seen = hits[::-1].cumsum(), (hits + others)[::-1].cumsum()
    whole = found[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(seen > 0, found / seen, 0.0)
    return float((hits[::-1] * precision).sum() / whole) if whole else float("nan")


def slices(
    version: Side, champion: Side | None, column: Gathered, most: int, smallest: int = SMALLEST
) -> tuple[tuple[Slice, ...], int]:
    """Measure the slices with the most rows; also return how many others there are.

    Args:
        column: What they are made of.
        most: How many are kept.
        smallest: Rows below which a slice is told and not measured.
    """
    np = numpy()
    codes, values = column.coded()
    counts = np.bincount(codes, minlength=len(values))
    order = np.argsort(codes, kind="stable")
    ends = counts.cumsum()
    largest = sorted(range(len(values)), key=lambda at: (-counts[at], str(values[at])))
    made = []
    for at in largest[:most]:
        rows = order[ends[at] - counts[at] : ends[at]]
        made.append(_slice(values[at], rows, (version, champion), smallest))
    return tuple(made), len(values) - len(made)


def _slice(value: Any, rows: Any, sides: tuple[Side, Side | None], smallest: int) -> Slice:
    text = "(null)" if value is None else str(value)[:LONGEST_TEXT] or "(empty)"
    if len(rows) < smallest:
        return Slice(text, len(rows))
    version, champion = sides
    measured, why = figures(version.of(rows), None if champion is None else champion.of(rows))
    return Slice(text, len(rows), measured, why)
