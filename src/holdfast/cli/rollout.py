"""Commands for rollouts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import tables
from holdfast.cli.context import Context, command, seconds
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.rollout.analysis import Analysis, ErrorRule
    from holdfast.core.rollout.plan import Plan
    from holdfast.rollouts import Outcome, Simulation

_SCENARIOS = ("1%:1%", "1%:1.05%", "1%:2%", "1%:6%", "5%:10%", "1%:50%", "1%:1%,slower=1.5")


@click.group("rollout")
def rollout() -> None:
    """Choose how a new version gets its traffic, and what halts it."""


@command("simulate")
@click.option(
    "--strategy",
    type=click.Choice(["canary", "blue-green", "shadow"]),
    default="canary",
    show_default=True,
    help="Answer a rising share, all at once, or a mirrored share.",
)
@click.option("--steps", metavar="LIST", help="Percent of the traffic [5,25,50,100].")
@click.option("--every", metavar="SPAN", help="Least time on a step [10m].")
@click.option("--min-requests", type=int, metavar="N", help="Canary requests on a step [120].")
@click.option(
    "--advance",
    type=click.Choice(["certified", "counted"]),
    help="Ask that the step's limit is ruled out [certified], or time and requests alone.",
)
@click.option("--limits", metavar="LIST", help="Excess error rate in percent, by step [5,2].")
@click.option("--max-step-time", metavar="SPAN", help="When a step is overdue, or none [1d].")
@click.option(
    "--overdue", type=click.Choice(["hold", "rollback", "advance"]), help="What then [hold]."
)
@click.option(
    "--analysis",
    type=click.Choice(["relative", "absolute", "threshold"]),
    default="relative",
    show_default=True,
    help="The rule for the error rate; threshold is no test.",
)
@click.option("--margin", metavar="SHARE", help="What counts as healthy above the active [5%].")
@click.option("--alpha", metavar="SHARE", help="Bound of false halts [5%].")
@click.option("--min-keys", type=int, metavar="N", help="Distinct failures before a halt [3].")
@click.option("--no-latency", is_flag=True, help="Look at errors alone.")
@click.option(
    "--scenario",
    multiple=True,
    metavar="ACTIVE:CANARY[,…]",
    help="True error rates, then slower=F, tail=RATE, outage=RATE, users=N.",
)
@click.option("--requests", type=int, metavar="N", help="Length of a run [20000].")
@click.option("--per-minute", type=int, metavar="N", help="Requests in a minute [200].")
@click.option("--runs", type=int, metavar="N", help="Runs of each scenario [600].")
@click.option("--seed", type=int, metavar="N", help="Of the random numbers [1].")
@click.option("--svg", metavar="FILE", help="Draw it, too.")
def simulate(given: Context, **options: Any) -> None:
    """Play a plan against true error rates: false halts, time to detect, failures until then.

    Reads no store and no traffic. Without --scenario, a healthy version, one at the margin and
    several broken ones.
    """
    from holdfast import rollouts
    from holdfast.rollouts import scenario

    wanted = [scenario.parse(text) for text in options["scenario"] or _SCENARIOS]
    setting = rollouts.Setting(**_given(options, "requests", "per_minute", "runs", "seed"))
    found = rollouts.simulate(_plan(options), _analysis(options), wanted, setting)
    if options["svg"]:
        _draw(options["svg"], found)
    given.emit(found, _lines(found))


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _plan(options: dict[str, Any]) -> "Plan":
    from holdfast.core.rollout.plan import Plan

    fields = _given(options, "strategy", "min_requests", "advance", "overdue")
    if options["steps"] is None and options["strategy"] != "canary":
        fields["steps"] = (1.0,)
    for name in ("steps", "limits"):
        if options[name] is not None:
            fields[name] = _percents(f"--{name}", options[name])
    if options["every"] is not None:
        fields["dwell_s"] = seconds("--every", options["every"])
    longest = options["max_step_time"]
    if longest is not None:
        fields["max_step_time_s"] = (
            None if longest == "none" else seconds("--max-step-time", longest)
        )
    return Plan(**fields)


def _percents(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part.strip().removesuffix("%")) / 100 for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"{option} {text!r}", "are no percentages", "write 5,25,50,100"
        ) from None


def _analysis(options: dict[str, Any]) -> "Analysis":
    from holdfast.core.rollout.analysis import Analysis

    fields = _given(options, "min_keys")
    if options["alpha"] is not None:
        fields["alpha"] = _share("--alpha", options["alpha"])
    if options["no_latency"]:
        fields["latency"] = None
    return Analysis(errors=_rule(options), **fields)


def _rule(options: dict[str, Any]) -> "ErrorRule":
    from holdfast.core.rollout.analysis import Absolute, Relative, Threshold

    fields: dict[str, Any] = {}
    if options["margin"] is not None:
        fields["margin"] = _share("--margin", options["margin"])
    match options["analysis"]:
        case "absolute":
            return Absolute(**fields)
        case "threshold":
            return Threshold(**fields)
        case _:
            return Relative(**fields)


def _share(option: str, text: str) -> float:
    from holdfast.rollouts import scenario

    try:
        return scenario.share(text)
    except ValueError:
        raise InvalidInputError(f"{option} {text!r}", "is no share", "write 5% or 0.05") from None


def _draw(path: str, found: "Simulation") -> None:
    from holdfast.rollouts import picture

    try:
        Path(path).write_text(picture.svg(found), encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise InvalidInputError(f"--svg {path!r}", problem, "check its path") from error


def _lines(found: "Simulation") -> list[str]:
    header = (
        "SCENARIO", "A HALT IS", "HALTED", "REQUESTS", "90 % BY", "FAILED", "REACHED 100 %",
        "UNDECIDED", "HALTED AT",
    )  # fmt: skip
    rows = [_row(outcome) for outcome in found.outcomes]
    plan, setting = found.plan, found.setting
    steps = " → ".join(f"{100 * step:.3g} %" for step in plan.steps)
    count = tables.count(setting.runs, "run")
    head = (
        f"{plan.strategy} {steps}, {count} of {setting.requests:,} requests each, "
        f"{setting.per_minute:,} a minute, seed {setting.seed}"
    )
    return [head, "", *tables.columns(header, rows)]


def _row(outcome: "Outcome") -> tuple[str, ...]:
    places = [f"{100 * step:.3g} % ({100 * part:.0f} %)" for step, part in outcome.halt_steps]
    failed = outcome.failed_median
    return (
        outcome.label,
        "false" if outcome.healthy else "right",
        f"{100 * outcome.halted:.1f} %",
        _number(outcome.halt_median),
        _number(outcome.halt_p90),
        "–" if failed is None else f"{failed:g}",
        f"{100 * outcome.completed:.1f} %",
        f"{100 * outcome.undecided:.1f} %",
        ", ".join(places) or "–",
    )


def _number(requests: int | None) -> str:
    return "never" if requests is None else f"{requests:,}"


rollout.add_command(simulate)

COMMANDS: tuple[click.Command, ...] = (rollout,)
