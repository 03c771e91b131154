"""`holdfast rollout simulate`: a plan against true error rates."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import tables
from holdfast.cli.context import Context, command
from holdfast.cli.terms_given import changed, plan_options
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.rollouts import Outcome, Simulation

_SCENARIOS = ("1%:1%", "1%:1.05%", "1%:2%", "1%:6%", "5%:10%", "1%:50%", "1%:1%,slower=1.5")


@command("simulate")
@plan_options
@click.option(
    "--scenario",
    multiple=True,
    metavar="ACTIVE:CANARY[,…]",
    help="True error rates, then slower=F, tail=, noise=, outage=RATE, users=N.",
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
    from holdfast.core.rollout.course import Terms
    from holdfast.rollouts import scenario

    terms = changed(Terms(), options)
    wanted = [scenario.parse(text) for text in options["scenario"] or _SCENARIOS]
    setting = rollouts.Setting(**_given(options, "requests", "per_minute", "runs", "seed"))
    found = rollouts.simulate(terms.plan, terms.analysis, wanted, setting)
    if options["svg"]:
        _draw(options["svg"], found)
    given.emit(found, _lines(found))


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


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
