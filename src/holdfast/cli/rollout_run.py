"""The commands that drive rollouts, and those that watch them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli.clicked import command
from holdfast.cli.context import Context, seconds
from holdfast.cli.exit_codes import CHECK, DONE
from holdfast.cli.notify_hook import carrying, config_of, telling
from holdfast.cli.tables import inert, inert_json_line, one_line
from holdfast.errors import BusyError, InvalidInputError, OutcomeUnknownError, StoreError

if TYPE_CHECKING:
    from holdfast.registry import Registry
    from holdfast.rollouts.count_sources import CountSource
    from holdfast.rollouts.driver import Look, Ticked

Show = Callable[[str, "Look"], None]

_PASSING = (StoreError, BusyError, OutcomeUnknownError)
"""What may be over at the next tick."""


Sources = Callable[[str], "CountSource"]
"""From a model to where its rollout's counts are."""


def counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a driver learns what was counted."""
    for option in (
        click.option(
            "--prometheus",
            metavar="URL",
            help="Count what this Prometheus scraped, instead of what servers publish.",
        ),
        click.option(
            "--log",
            metavar="DIR|URL",
            help="Count the rows of this prediction log, instead of what servers publish.",
        ),
    ):
        function = option(function)
    return function


@command("tick")
@click.argument("models", nargs=-1, metavar="[MODEL]…")
@counting
@telling
def tick(ctx: Context, models: tuple[str, ...], prometheus: str | None, log: str | None) -> int:
    """Advance rollouts of MODELs, or of all, by one move, for cron.

    Any number of drivers may call it at any time. Exit status 1 if it halted a rollout.
    """
    registry = ctx.registry()
    with sources(registry, prometheus, log) as source:
        ticked = [_tick(registry, model, source(model)) for model in _names(registry, models)]
    ctx.emit(ticked, [_said(outcome) for outcome in ticked] or ["no models"])
    return CHECK if any(outcome.did == "halted" for outcome in ticked) else DONE


def _said(ticked: "Ticked") -> str:
    from holdfast.cli.rollout_screen import stand

    if ticked.rollout is None:
        return f"{ticked.model}: no rollout"
    rollout = ticked.rollout
    summary = f"{ticked.model}: {ticked.did}; rollout {rollout.number} of {rollout.version} "
    why = f"; {one_line(ticked.verdict.sentence)}" if ticked.verdict else ""
    return f"{summary}{stand(rollout)}{why}"


@command("run")
@click.argument("models", nargs=-1, metavar="[MODEL]…")
@click.option(
    "--every", metavar="SPAN", default="1s", show_default=True, help="Wait this long between ticks."
)
@click.option("--until-done", is_flag=True, help="Stop when no rollout is running any more.")
@counting
def run(
    ctx: Context,
    models: tuple[str, ...],
    every: str,
    prometheus: str | None,
    log: str | None,
    *,
    until_done: bool,
) -> int:
    """Drive the rollouts of MODELs, or of all models, until stopped.

    Serving processes drive them, too; any number of drivers act as one, and none keeps state.
    With --until-done the exit status is 1 if a rollout was halted, aborted, superseded or left
    undecided. A/B tests need --log. The targets of HOLDFAST_NOTIFY are notified.
    """
    registry = ctx.registry()
    pause_s = seconds("--every", every)
    with (
        _view(ctx, models) as show,
        sources(registry, prometheus, log) as source,
        carrying(ctx, config_of(None)),
    ):
        while True:
            names = _names(registry, models)
            looks = [_driven(registry, model, show, source(model)) for model in names]
            if until_done and not any(_goes_on(snapshot) for snapshot in looks):
                return DONE if all(_went_well(snapshot) for snapshot in looks) else CHECK
            threading.Event().wait(pause_s)


def watch(ctx: Context, model: str, prometheus: str | None, log: str | None) -> int:
    """Show a rollout until it ends."""
    registry = ctx.registry()
    with _view(ctx, (model,)) as show, sources(registry, prometheus, log) as source:
        while True:
            snapshot = look(registry, model, source(model))
            show(model, snapshot)
            if not _goes_on(snapshot):
                return DONE
            threading.Event().wait(1.0)


def _driven(registry: "Registry", model: str, show: Show, source: "CountSource") -> "Look | None":
    """Tick, look and show; `None` if the store could not be asked just now."""
    try:
        _tick(registry, model, source)
        snapshot = look(registry, model, source)
    except _PASSING as error:
        click.echo(f"holdfast: {model}: {inert(str(error))}", err=True)
        return None
    show(model, snapshot)
    return snapshot


def _tick(registry: "Registry", model: str, source: "CountSource") -> "Ticked":
    from holdfast.rollouts import driver

    return driver.tick(registry, model, source, _now())


def look(registry: "Registry", model: str, source: "CountSource") -> "Look":
    """Judge a rollout as it stands now, without doing anything."""
    from holdfast.rollouts import driver

    return driver.shown(registry, model, source, _now())


@contextlib.contextmanager
def sources(registry: "Registry", prometheus: str | None, log: str | None) -> Iterator[Sources]:
    """Say where counts come from for as long as the block lasts."""
    from holdfast.cli.predictions import opened
    from holdfast.rollouts.count_sources import Published
    from holdfast.rollouts.log_source import Logged
    from holdfast.rollouts.prometheus import Prometheus

    if prometheus is not None and log is not None:
        raise InvalidInputError("--prometheus and --log", "cannot be combined", "give one of them")
    if log is not None:
        with opened(log) as rows:
            yield lambda model: Logged(rows, model)
    elif prometheus is not None:
        yield lambda model: Prometheus(prometheus, model)
    else:
        yield lambda model: Published(registry, model)


def _names(registry: "Registry", models: tuple[str, ...]) -> list[str]:
    return list(models) or [info.model for info in registry.models() if info.damage is None]


def _goes_on(snapshot: "Look | None") -> bool:
    return snapshot is None or (snapshot.rollout is not None and snapshot.rollout.goes_on)


def _went_well(snapshot: "Look | None") -> bool:
    rollout = snapshot.rollout if snapshot else None
    return rollout is None or rollout.outcome in ("completed", "passed")


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def _view(ctx: Context, models: tuple[str, ...]) -> Iterator[Show]:
    """Show one rollout as a panel on a terminal, else a line for each change."""
    import sys

    if ctx.as_json or len(models) != 1 or not sys.stdout.isatty():
        yield _liner(ctx)
        return
    from rich.live import Live
    from rich.text import Text

    from holdfast.cli.rollout_screen import panel
    from holdfast.cli.screens import render

    def draw(model: str, snapshot: "Look") -> None:
        drawn = "\n".join(render(panel(model, snapshot, _now())))  # inert, whoever wrote of it
        live.update(Text.from_ansi(drawn, no_wrap=True, overflow="crop"), refresh=True)

    with Live(auto_refresh=False) as live:
        yield draw


def _liner(ctx: Context) -> Show:
    from holdfast.cli.rollout_screen import gist, line

    last_gists: dict[str, Any] = {}

    def show(model: str, snapshot: "Look") -> None:
        now = gist(snapshot)
        if last_gists.get(model, ...) != now:
            last_gists[model] = now
            if ctx.as_json:
                click.echo(inert_json_line({"model": model, "look": snapshot}))
            else:
                click.echo(inert(line(model, snapshot, _now())))

    return show
