"""The options that say how a version gets its traffic, and the terms they stand for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli.context import seconds
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from msgspec import UnsetType

    from holdfast.core.rollout.analysis import Analysis, ErrorRule
    from holdfast.core.rollout.outcomes import OutcomeTest
    from holdfast.core.rollout.plan import Plan
    from holdfast.core.rollout.rollout_state import Terms

Command = Callable[..., Any]

_STEPS = {"canary": (0.05, 0.25, 0.5, 1.0), "ab": (0.5,)}
_DEADLINE_S = 14 * 86_400.0

_PLAN = (
    click.option(
        "--strategy",
        type=click.Choice(["canary", "blue-green", "shadow", "ab"]),
        help="Answer a rising share [canary], all at once, a mirrored or a fixed share.",
    ),
    click.option(
        "--share", metavar="PERCENT", help="Give the candidate this share of the keys (ab) [50]."
    ),
    click.option(
        "--outcome",
        metavar="WHAT",
        help="Compare accuracy or feedback:FIELD, the mean of each key (ab).",
    ),
    click.option(
        "--within", metavar="SPAN", help="Let a key mature this long after it came (ab) [1d]."
    ),
    click.option(
        "--clip", metavar="LOW,HIGH", help="Take the outcome as a number, cut to this range (ab)."
    ),
    click.option(
        "--minimum-effect",
        metavar="NUMBER",
        help="End when any difference beyond this is ruled out (ab).",
    ),
    click.option("--deadline", metavar="SPAN", help="End undecided after this time (ab) [14d]."),
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
    plan = _plan(terms.plan, options)
    return replace(
        terms,
        plan=plan,
        analysis=_analysis(terms.analysis, options, plan.strategy),
        sticky=terms.sticky if sticky is None else (None if sticky == "none" else sticky),
    )


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _plan(plan: "Plan", options: dict[str, Any]) -> "Plan":
    from msgspec.structs import replace

    fields = _given(options, "strategy", "min_requests", "advance", "overdue")
    strategy = fields.get("strategy", plan.strategy)
    if strategy != plan.strategy:  # steps of another make no sense
        fields["steps"] = _STEPS.get(strategy, (1.0,))
        if strategy == "ab":
            fields |= {"max_step_time_s": _DEADLINE_S, "overdue": options["overdue"] or "hold"}
        elif plan.strategy == "ab":
            fields["max_step_time_s"] = type(plan)().max_step_time_s
    if options["share"] is not None:
        _require_ab("--share", strategy)
        fields["steps"] = _percents("--share", options["share"])
    if options["deadline"] is not None:
        _require_ab("--deadline", strategy)
        fields["max_step_time_s"] = seconds("--deadline", options["deadline"])
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


def _require_ab(option: str, strategy: str) -> None:
    if strategy != "ab":
        raise InvalidInputError(option, f"does not fit a {strategy} rollout", "give --strategy ab")


def _percents(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part.strip().removesuffix("%")) / 100 for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"{option} {text!r}", "must be percentages", "write 5,25,50,100"
        ) from None


def _analysis(analysis: "Analysis", options: dict[str, Any], strategy: str) -> "Analysis":
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
    fields["outcome"] = _outcome(analysis, options, strategy)
    return replace(analysis, errors=_rule(analysis.errors, options), **fields)


_OUTCOME_OPTIONS = {
    "outcome": "--outcome",
    "within": "--within",
    "clip": "--clip",
    "minimum_effect": "--minimum-effect",
}


def _outcome(
    analysis: "Analysis", options: dict[str, Any], strategy: str
) -> "OutcomeTest | UnsetType":
    """Return what an A/B test compares; what the terms say of it goes with another strategy."""
    from msgspec import UNSET
    from msgspec.structs import replace

    from holdfast.core.rollout.outcomes import OutcomeTest

    asked = [name for name in _OUTCOME_OPTIONS if options[name] is not None]
    for name in asked:
        _require_ab(_OUTCOME_OPTIONS[name], strategy)
    if strategy != "ab":
        return UNSET
    before = analysis.outcome
    if before is UNSET:
        if options["outcome"] is None:
            raise InvalidInputError(
                "--strategy ab", "needs an outcome", "give --outcome accuracy or feedback:FIELD"
            )
        before = OutcomeTest(options["outcome"])
    fields: dict[str, Any] = _given(options, "outcome")
    if options["within"] is not None:
        fields["within_s"] = seconds("--within", options["within"])
    if options["clip"] is not None:
        fields["clip"] = _bounds(options["clip"])
    if options["minimum_effect"] is not None:
        fields["minimum_effect"] = _share("--minimum-effect", options["minimum_effect"])
    return replace(before, **fields)


def _bounds(text: str) -> tuple[float, float] | None:
    if text == "none":
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"--clip {text!r}", "must be two numbers", "write 0,500, or none"
        ) from None
    return low, high


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
    from msgspec import UNSET

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
    parts = {}
    if analysis.outcome is not UNSET:
        parts["outcome"] = _compared(analysis.outcome)
    longest = plan.max_step_time_s
    until = f", until {span(longest)}" if plan.strategy == "ab" and longest else ""
    return {
        "plan": f"{route(plan)}, {span(plan.dwell_s)} and {plan.min_requests} requests each{until}",
        **parts,
        "analysis": f"{', '.join(tests)}, alpha {analysis.alpha:g}",
        "sticky": terms.sticky or "–",
    }


def _compared(test: "OutcomeTest") -> str:
    from holdfast.core.wording import span

    cut = f", cut to {test.clip[0]:g} to {test.clip[1]:g}" if test.clip else ""
    effect = test.minimum_effect
    matters = "" if effect is None else f", a difference beyond {effect:g} matters"
    return f"{test.outcome} of each key after {span(test.within_s)}{cut}{matters}"
