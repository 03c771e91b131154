"""`holdfast rollout simulate`: a plan against true error rates."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import plot_files, tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.rollout_options import changed, plan_options
from holdfast.core import wording
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.rollouts import AbSimulation, ScenarioResult, Simulation
    from holdfast.rollouts.results import AbScenarioResult

_SCENARIOS = ("1%:1%", "1%:1.05%", "1%:2%", "1%:6%", "5%:10%", "1%:50%", "1%:1%,slower=1.5")


_AB_SCENARIOS = ("70%:70%", "70%:71%", "70%:73%", "70%:65%", "2%:2%", "2%:3%")


@command("simulate")
@plan_options
@click.option(
    "--scenario",
    multiple=True,
    metavar="ACTIVE:CANARY[,…]",
    help="Set true error rates, or means (ab), then slower=F, spread=F, tail=, noise=, "
    "outage=RATE, users=N, answers=N.",
)
@click.option("--requests", type=int, metavar="N", help="Set the length of a run [20000].")
@click.option("--per-minute", type=int, metavar="N", help="Set the requests per minute [200].")
@click.option("--runs", type=int, metavar="N", help="Set the runs of each scenario [600].")
@click.option("--seed", type=int, metavar="N", help="Set the seed of the random numbers [1].")
@plot_files.plot("Draw how soon how many runs are halted, too.")
def simulate(ctx: Context, **options: Any) -> None:
    """Simulate a plan against true error rates and show its halts.

    Shows false halts, the time to detect and the failures until then. Reads no store and no
    traffic. Without --scenario, it tries a healthy version, one at the margin and
    several broken ones.
    """
    from holdfast import rollouts
    from holdfast.core.rollout.rollout_state import Terms
    from holdfast.rollouts import picture, scenario

    file = plot_files.named(options["plot"])
    terms = changed(Terms(), options)
    is_ab = terms.plan.strategy == "ab"
    usual = _AB_SCENARIOS if is_ab else _SCENARIOS
    scenarios = [scenario.parse(text) for text in options["scenario"] or usual]
    setting = rollouts.SimulationSettings(
        **_given(options, "requests", "per_minute", "runs", "seed")
    )
    if is_ab:
        if file is not None:
            raise InvalidInputError("--plot", "does not draw A/B tests", "leave it out")
        tests = rollouts.simulate_ab(terms.plan, terms.analysis, scenarios, setting)
        ctx.emit(tests, _ab_lines(tests))
        return
    simulation = rollouts.simulate(terms.plan, terms.analysis, scenarios, setting)
    if file is not None:
        file.write(picture.svg(simulation))
    ctx.emit(simulation, _lines(simulation))


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _lines(simulation: "Simulation") -> list[str]:
    header = (
        "SCENARIO", "A HALT IS", "HALTED", "REQUESTS", "90 % BY", "FAILED", "REACHED 100 %",
        "UNDECIDED", "HALTED AT",
    )  # fmt: skip
    rows = [_row(outcome) for outcome in simulation.outcomes]
    plan, setting = simulation.plan, simulation.setting
    steps = " → ".join(f"{100 * step:.3g} %" for step in plan.steps)
    count = wording.count(setting.runs, "run")
    head = (
        f"{plan.strategy} {steps}, {count} of {setting.requests:,} requests each, "
        f"{setting.per_minute:,} a minute, seed {setting.seed}"
    )
    return [head, "", *tables.columns(header, rows)]


def _row(outcome: "ScenarioResult") -> tuple[str, ...]:
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


def _ab_lines(simulation: "AbSimulation") -> list[str]:
    header = (
        "SCENARIO", "FALSE", "CANDIDATE WINS", "LOSES", "NO DIFFERENCE", "NOT DECIDED", "KEYS",
        "90 % BY",
    )  # fmt: skip
    setting, share = simulation.setting, simulation.plan.steps[0]
    head = (
        f"A/B at {wording.share(share)}, {wording.count(setting.runs, 'run')} of "
        f"{setting.requests:,} keys each, looked at after every key, seed {setting.seed}"
    )
    return [head, "", *tables.columns(header, [_ab_row(result) for result in simulation.outcomes])]


def _ab_row(result: "AbScenarioResult") -> tuple[str, ...]:
    shares = (result.false, result.won, result.lost, result.no_difference, result.undecided)
    return (
        result.label,
        *(f"{100 * share:.1f} %" for share in shares),
        _number(result.keys_median),
        _number(result.keys_p90),
    )
