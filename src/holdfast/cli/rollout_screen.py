"""A rollout as people see it: a panel on a terminal, a line for each change elsewhere."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from holdfast.cli.panels import Styled, styled
from holdfast.cli.tables import one_line, width
from holdfast.core.clocks import ago
from holdfast.core.drift.drift_sentences import standing
from holdfast.core.fleet import Report
from holdfast.core.rollout.rollout_state import PREPARING, Rollout
from holdfast.core.rollout.step_verdict import Rate, StepVerdict
from holdfast.core.wording import moment, odds, share, span

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.text import Text

    from holdfast.rollouts.driver import Look

_STYLES = {
    "halt": "bold red", "halted": "bold red", "aborted": "bold red", "superseded": "yellow",
    "hold": "yellow", "paused": "yellow", "end": "yellow", "undecided": "yellow",
    "advance": "bold green", "completed": "bold green", "passed": "bold green",
}  # fmt: skip
_RAIL = 30
_SHOWN = 4
_WIDE = 100


def stand(rollout: Rollout) -> str:
    """Say where a rollout stands: `at 25 % (step 2 of 4)`."""
    if rollout.step == PREPARING:
        where = "before its first step"
    else:
        weight, steps = rollout.plan.steps[rollout.step], len(rollout.plan.steps)
        where = f"at {share(weight)} (step {rollout.step + 1} of {steps})"
    if rollout.outcome is not None:
        undone = ", rolled back since" if rollout.undone_at is not None else ""
        return f"{rollout.outcome} {where}{undone}"
    return f"paused {where}" if rollout.phase == "paused" else where


def brief(rollout: Rollout, now: str) -> Iterator[tuple[str, Styled]]:
    """Show a rollout in two lines of the status screen."""
    since = rollout.ended_at or rollout.since
    word = rollout.outcome or rollout.phase
    yield (
        "rollout",
        styled(
            f"{rollout.number} of ",
            (rollout.version, "bold"),
            "  ",
            (stand(rollout), _STYLES.get(word, "bold")),
            f" since {moment(since)} UTC ({ago(since, now)})",
        ),
    )
    if rollout.verdict is not None:
        yield "verdict", verdict(rollout.verdict)


def verdict(verdict: StepVerdict) -> Styled:
    """Show a verdict with its reasons and counts on one line."""
    outcome, _, rest = verdict.sentence.partition(" ")
    return styled((outcome, _STYLES[outcome]), f" {one_line(rest)}")


def line(model: str, look: "Look", now: datetime) -> str:
    """Describe a rollout in one line, for logs."""
    at = f"{now:%Y-%m-%d %H:%M:%S}  {model}"
    if look.rollout is None:
        return f"{at}  no rollout"
    rollout = look.rollout
    summary = f"{at}  rollout {rollout.number} of {rollout.version}  {stand(rollout)}"
    return summary if look.verdict is None else f"{summary}  {one_line(look.verdict.sentence)}"


def gist(look: "Look") -> object:
    """Return what makes a line of its own: all but the numbers."""
    rollout, verdict = look.rollout, look.verdict
    codes = frozenset(reason.code for reason in verdict.reasons) if verdict else frozenset()
    return (
        rollout and (rollout.number, rollout.step, rollout.phase, rollout.outcome),
        verdict and (verdict.outcome, codes),
    )


def panel(model: str, look: "Look", now: datetime) -> "Panel":
    """Draw all that is known of a rollout."""
    from rich import box
    from rich.panel import Panel
    from rich.table import Table

    facts = Table.grid(padding=(0, 1))
    facts.add_column(justify="right", style="bold", no_wrap=True, width=8)
    facts.add_column(overflow="fold")
    for label, value in _facts(look, now):
        facts.add_row(label, value)
    rollout = look.rollout
    what = f"rollout {rollout.number}" if rollout else "no rollout"
    title = f"{model} · {what} · {now:%Y-%m-%d %H:%M:%S} UTC"
    return Panel(facts, title=title, title_align="left", box=box.SQUARE, width=width())


def _facts(look: "Look", now: datetime) -> Iterator[tuple[str, Any]]:
    from rich.text import Text

    rollout = look.rollout
    if rollout is None:
        yield "rollout", Text("there was none", style="dim")
        return
    yield (
        "version",
        Text.assemble(
            (rollout.version, "bold"),
            f" beside {rollout.was}, {rollout.plan.strategy}, by {rollout.by}",
        ),
    )
    yield "steps", _steps(rollout)
    yield "time", _time(rollout, now)
    verdict = look.verdict
    if verdict is not None:
        yield "verdict", _outcome(rollout, verdict)
        for reason in verdict.reasons[:_SHOWN]:
            yield "", one_line(reason.sentence)
        for name, rate in (("canary", verdict.canary), ("active", verdict.active)):
            if rate is not None:
                yield name, _rate(rate, _scale(verdict))
        yield from _compared(verdict)
        for reading in verdict.readings:
            state = ("speaks", "bold red") if reading.is_significant else ("silent", "dim")
            needed = f"{reading.needed:,.0f} needed"
            text = f" {reading.test}: {odds(reading.evidence)}, {needed}, "
            yield "test", Text.assemble(state, text, f"{reading.events:,} events")
    yield "servers", _servers(rollout, look.servers)
    for finding in look.findings:
        yield "drift", Text(standing(finding), style="bold yellow")


def _compared(verdict: StepVerdict) -> Iterator[tuple[str, "Text"]]:
    """Show what an A/B test found, each side in a line, then what no outcome counts of."""
    from rich.text import Text

    comparison = verdict.comparison
    if comparison is UNSET:
        return
    yield "outcome", Text.assemble((comparison.outcome, "bold"), f"  difference {comparison.band}")
    for name, arm in (("canary", comparison.candidate), ("active", comparison.active)):
        yield name, Text(comparison.said(arm))
    if comparison.passed_over:
        yield "", Text(", ".join(comparison.passed_over), style="dim")


def _outcome(rollout: Rollout, verdict: StepVerdict) -> "Text":
    from rich.text import Text

    word = rollout.outcome or verdict.outcome
    sure = "" if verdict.conclusive or verdict.outcome == "hold" else " (inconclusive)"
    return Text(f"{word}{sure}", style=_STYLES[word])


def _steps(rollout: Rollout) -> "Text":
    from rich.text import Text

    shown = Text()
    for index, weight in enumerate(rollout.plan.steps):
        done = index < rollout.step or rollout.outcome in ("completed", "passed")
        here = index == rollout.step and not done
        mark, style = ("✔", "green") if done else ("●", "bold cyan") if here else ("○", "dim")
        shown.append(f"{mark} {share(weight)}   ", style=style)
    if rollout.phase == "paused" and rollout.goes_on:
        shown.append("paused", style="yellow")
    return shown


def _time(rollout: Rollout, now: datetime) -> str:
    if rollout.ended_at is not None:
        undone = f", rolled back {moment(rollout.undone_at)} UTC" if rollout.undone_at else ""
        return f"{rollout.outcome} {moment(rollout.ended_at)} UTC{undone}"
    waited = ago(rollout.since, now.isoformat())
    sticky = f", sticky by {rollout.sticky}" if rollout.sticky else ""
    if rollout.step == PREPARING:
        return f"{waited} since it started{sticky}"
    if rollout.plan.strategy == "ab":
        return f"{waited} of at most {span(rollout.plan.max_step_time_s or 0)}{sticky}"
    return f"{waited} on this step of at least {span(rollout.plan.dwell_s)}{sticky}"


def _scale(verdict: StepVerdict) -> float:
    """Return the rate at the right end of the rails: both sides are drawn to one scale."""
    highs = [rate.high for rate in (verdict.canary, verdict.active) if rate is not None]
    return max((high for high in highs if high < 1), default=1.0) or 1.0


def _rate(rate: Rate, scale: float) -> "Text":
    """Draw a rate and its band on a rail from 0 to *scale*."""
    from rich.text import Text

    if not rate.requests:
        return Text("no requests", style="dim")
    rail = _RAIL if width() >= _WIDE else _RAIL // 2
    low, high = (min(rail - 1, int(rail * edge / scale)) for edge in (rate.low, rate.high))
    mark = min(rail - 1, int(rail * rate.failures / rate.requests / scale))
    drawn = "".join(
        "█" if position == mark else "━" if low <= position <= high else "·"
        for position in range(rail)
    )
    return Text.assemble((drawn, "cyan"), f"  {rate}")


def _servers(rollout: Rollout, servers: tuple[Report, ...]) -> "Text":
    from rich.text import Text

    if not servers:
        return Text("none reports", style="yellow")
    version = rollout.version
    ready = sum(
        1
        for server in servers
        if (version_status := server.held(version)) and version_status.state == "ready"
    )
    actives = sorted({server.active or "nothing" for server in servers})
    summary = f"{ready} of {len(servers)} have {version} ready; active {', '.join(actives)}"
    return Text(summary, style="" if ready == len(servers) else "yellow")
