"""The options that say how a version gets its traffic, and the terms they stand for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli.context import seconds
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.rollout.analysis import Analysis, ErrorRule
    from holdfast.core.rollout.plan import Plan
    from holdfast.core.rollout.rollout_state import Terms

Command = Callable[..., Any]

_PLAN = (
    click.option(
        "--strategy",
        type=click.Choice(["canary", "blue-green", "shadow"]),
        help="Answer a rising share [canary], all at once, or a mirrored share.",
    ),
    click.option(
        "--steps", metavar="LIST", help="Set the percentages of the traffic [5,25,50,100]."
    ),
    click.option("--every", metavar="SPAN", help="Stay on a step at least this long [10m]."),
    click.option(
        "--min-requests",
        type=int,
        metavar="N",
        help="Require this many canary requests on a step [120].",
    ),
    click.option(
        "--advance",
        type=click.Choice(["certified", "counted"]),
        help="Require that the step's limit is ruled out [certified], or only time and requests.",
    ),
    click.option(
        "--limits", metavar="LIST", help="Limit the excess error rate in percent, by step [5,2]."
    ),
    click.option(
        "--max-step-time",
        metavar="SPAN",
        help="Count a step as overdue after this time, or none [1d].",
    ),
    click.option(
        "--overdue",
        type=click.Choice(["hold", "rollback", "advance"]),
        help="Choose what happens then [hold].",
    ),
    click.option(
        "--analysis",
        type=click.Choice(["relative", "absolute", "threshold"]),
        help="Choose the rule for the error rate [relative]; threshold is not a test.",
    ),
    click.option(
        "--margin",
        metavar="SHARE",
        help="Accept this much above the active version as healthy [5%].",
    ),
    click.option("--alpha", metavar="SHARE", help="Bound the rate of false halts [5%]."),
    click.option(
        "--min-keys",
        type=int,
        metavar="N",
        help="Require this many distinct failures before a halt [3].",
    ),
    click.option("--latency/--no-latency", default=None, help="Test latencies, too [yes]."),
)
_LIVE = (
    click.option(
        "--drift",
        type=click.Choice(["off", "hold", "halt"]),
        help="Choose what a drift of scores does [off].",
    ),
    click.option(
        "--sticky",
        metavar="PLACE",
        help="Find the key of a request in header:NAME, field:NAME, or none [none].",
    ),
)


def plan_options(command: Command) -> Command:
    """Give a command the options of a plan and its tests."""
    for option in reversed(_PLAN):
        command = option(command)
    return command


def terms_options(command: Command) -> Command:
    """Give a command all options of the terms of a rollout."""
    for option in reversed(_LIVE):
        command = option(command)
    return plan_options(command)


def changed(terms: "Terms", options: dict[str, Any]) -> "Terms":
    """Return *terms* with what the options say changed, the rest as it is."""
    from msgspec.structs import replace

    sticky = options.get("sticky")
    return replace(
        terms,
        plan=_plan(terms.plan, options),
        analysis=_analysis(terms.analysis, options),
        sticky=terms.sticky if sticky is None else (None if sticky == "none" else sticky),
    )


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _plan(plan: "Plan", options: dict[str, Any]) -> "Plan":
    from msgspec.structs import replace

    fields = _given(options, "strategy", "min_requests", "advance", "overdue")
    if fields.get("strategy", plan.strategy) != plan.strategy:  # steps of another make no sense
        fields["steps"] = (0.05, 0.25, 0.5, 1.0) if fields["strategy"] == "canary" else (1.0,)
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
    return replace(plan, **fields)


def _percents(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part.strip().removesuffix("%")) / 100 for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"{option} {text!r}", "must be percentages", "write 5,25,50,100"
        ) from None


def _analysis(analysis: "Analysis", options: dict[str, Any]) -> "Analysis":
    from msgspec.structs import replace

    from holdfast.core.rollout.analysis import Latency, ScoreDrift

    fields = _given(options, "min_keys")
    if options["alpha"] is not None:
        fields["alpha"] = _share("--alpha", options["alpha"])
    if options["latency"] is not None:
        fields["latency"] = (analysis.latency or Latency()) if options["latency"] else None
    drift = options.get("drift")
    if drift is not None:
        fields["drift"] = None if drift == "off" else ScoreDrift(then=drift)
    return replace(analysis, errors=_rule(analysis.errors, options), **fields)


def _rule(rule: "ErrorRule", options: dict[str, Any]) -> "ErrorRule":
    from msgspec.structs import replace

    from holdfast.core.rollout.analysis import Absolute, Relative, Threshold

    kinds = {"relative": Relative, "absolute": Absolute, "threshold": Threshold}
    asked = options["analysis"]
    if asked is not None and not isinstance(rule, kinds[asked]):
        rule = kinds[asked]()
    if options["margin"] is None:
        return rule
    return replace(rule, margin=_share("--margin", options["margin"]))


def _share(option: str, text: str) -> float:
    from holdfast.rollouts import scenario

    try:
        return scenario.share(text)
    except ValueError:
        raise InvalidInputError(
            f"{option} {text!r}", "is not a share", "write 5% or 0.05"
        ) from None


def said(terms: "Terms") -> dict[str, str]:
    """Say terms in a line each for the plan, the tests and the key."""
    from holdfast.core.rollout.sentences import route
    from holdfast.core.wording import span

    plan, analysis = terms.plan, terms.analysis
    rule = analysis.errors
    tests = [f"errors {type(rule).__name__.lower()} {100 * rule.margin:g} %"]
    if analysis.latency is not None:
        quantiles = " ".join(f"p{100 * quantile:g}" for quantile in analysis.latency.quantiles)
        tests.append(f"latency {quantiles} {100 * analysis.latency.margin:g} %")
    if analysis.drift is not None:
        tests.append(f"drift of scores ({analysis.drift.then})")
    return {
        "plan": f"{route(plan)}, {span(plan.dwell_s)} and {plan.min_requests} requests each",
        "analysis": f"{', '.join(tests)}, alpha {analysis.alpha:g}",
        "sticky": terms.sticky or "–",
    }
