"""The command that measures a version on a file, or records what was measured elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, numbers, pairs
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.evaluation import Evaluation, EvaluationResult, Figure, Slice

_MEASURING: Final = (
    "name", "slice", "task", "positive", "alone", "sandbox", "time_limit", "slices", "label",
)  # fmt: skip
_LEADING: Final = {
    "classification": ("accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
"""Metrics that a line of a slice has room for."""


@command("evaluate")
@click.argument("ref")
@click.argument("metrics", nargs=-1, metavar="NAME=NUMBER…")
@click.option(
    "--data", metavar="FILE", help="Measure on these rows: .parquet, .csv[.gz] or .jsonl[.gz]."
)
@click.option("--label", metavar="COLUMN", help="Name the column with the right answers.")
@click.option("--slice", metavar="COLUMN", help="Measure each value of this column apart, too.")
@click.option("--name", metavar="NAME", help="Name the evaluation, for a gate [the file's name].")
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]))
@click.option("--positive", metavar="CLASS", help="Choose which of two classes is looked for.")
@click.option("--alone", is_flag=True, help="Leave out the champion.")
@click.option("--slices", type=int, metavar="N", help="Keep the N largest slices [20].")
@click.option("--sandbox", type=click.Choice(["auto", "require", "off"]))
@click.option("--time-limit", metavar="TIME", help="End a version that takes longer: 10m.")
@click.option("--dataset", metavar="NAME", help="Name the data of figures measured elsewhere.")
@context.losses
@context.reason
def evaluate(ctx: Context, ref: str, metrics: tuple[str, ...], **options: Any) -> None:
    """Measure REF and the champion on a file, or record metrics of REF.

    With --data both versions answer the same rows, apart and under restraint; figures, intervals
    and losses are recorded as measured. NAME=NUMBER records what was measured elsewhere, as told.
    """
    figures = {name: options.pop(name) for name in ("dataset", "losses", "evaluation_set")}
    reason = options.pop("reason")
    if options["data"] is not None:
        _refuse_told(metrics, figures)
        measured: Any = ctx.registry().evaluate(ref, reason=reason, **_measuring(options))
        ctx.emit(measured, list(_lines(measured)))
        return
    for name in _MEASURING:
        if options[name]:
            option = f"--{name.replace('_', '-')}"
            raise InvalidInputError(option, "is for measuring", "give --data FILE as well")
    figures["losses"] = {
        name: Path(file) for name, file in pairs("--losses", figures["losses"]).items()
    }
    done = ctx.registry().evaluate(ref, numbers("metric", metrics), reason=reason, **figures)
    ctx.emit(done, [done.note])


def _refuse_told(metrics: tuple[str, ...], figures: dict[str, Any]) -> None:
    given = [*metrics, *(f"--{name.replace('_', '-')}" for name, value in figures.items() if value)]
    if given:
        problem = "is of figures measured elsewhere, but --data measures them"
        raise InvalidInputError(given[0], problem, "give one or the other")


def _measuring(options: dict[str, Any]) -> dict[str, Any]:
    if options["label"] is None:
        raise InvalidInputError("--label", "is missing", "name the column with the right answers")
    limit, most = options.pop("time_limit"), options.pop("slices")
    if limit is not None:
        options["time_limit_s"] = context.seconds("--time-limit", limit)
    if most is not None:
        options["most_slices"] = most
    return {name: value for name, value in options.items() if value is not None}


def _lines(done: "EvaluationResult") -> Iterator[str]:
    from holdfast.cli import tables

    evaluation = done.evaluation
    champion = evaluation.champion
    beside = f" beside {champion.version}, which is live" if champion else ""
    yield f"{done.ref}{beside}, measured on {evaluation.name}"
    yield (
        f"{evaluation.rows:,} rows (sha256:{evaluation.data[:12]}…), label {evaluation.label}, "
        f"{evaluation.task} as {done.why}"
        + (f", positive {evaluation.positive}" if evaluation.positive else "")
    )
    for remark in evaluation.remarks:
        yield f"note: {remark}"
    if not evaluation.restrained:
        yield "note: the versions ran without a sandbox"
    yield ""
    header = ["METRIC", done.version.upper(), "95 %"]
    header += [champion.version, "CHANGE", "95 %", ""] if champion else []
    rows = [_row(figure, both=champion is not None) for figure in evaluation.figures]
    yield from tables.columns(header, rows)
    for name, why in evaluation.unmeasured.items():
        yield f"{name} is not measured, because {tables.one_line(why)}"
    yield from _slice_lines(evaluation)
    yield ""
    yield _method(evaluation)


def _method(evaluation: "Evaluation") -> str:
    resamples = sorted({figure.resamples for figure in evaluation.figures} - {0})
    if not resamples:
        return f"no intervals: they need 30 rows; {evaluation.tool}"
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((resamples[0], resamples[-1])))
    return f"bootstrap of {counts} resamples, seed {evaluation.seed}; {evaluation.tool}"


def _row(figure: "Figure", *, both: bool) -> list[str]:
    from holdfast.core.wording import number

    cells = [figure.name, number(figure.value), _span(figure.low, figure.high)]
    if both:
        cells += [
            number(figure.champion),
            "–" if figure.change is None else f"{figure.change:+.4g}",
            _span(figure.change_low, figure.change_high),
            figure.verdict or "",
        ]
    return cells


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _slice_lines(evaluation: "Evaluation") -> Iterator[str]:
    from holdfast.cli import tables

    if not evaluation.slices:
        return
    names = _LEADING[evaluation.task]
    yield ""
    rows = [_slice_row(part, names) for part in evaluation.slices]
    yield from tables.columns((evaluation.slice_by or "", "ROWS", *names), rows)
    if evaluation.slices_left_out:
        yield f"{evaluation.slices_left_out:,} smaller slices are left out"


def _slice_row(part: "Slice", names: tuple[str, ...]) -> list[str]:
    from holdfast.core.wording import number

    if not part.figures:
        return [part.value, f"{part.rows:,}", "too few rows to measure", *("" for _ in names[1:])]
    figures = {figure.name: figure for figure in part.figures}
    cells = [part.value, f"{part.rows:,}"]
    for name in names:
        figure = figures.get(name)
        change = "" if figure is None or figure.change is None else f" ({figure.change:+.3g})"
        cells.append(number(figure.value if figure else None) + change)
    return cells


COMMANDS = (evaluate,)
