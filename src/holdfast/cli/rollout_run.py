"""The commands that drive rollouts, and those that watch them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli.context import Context, command, seconds
from holdfast.cli.exits import CHECK, DONE
from holdfast.cli.tables import inert, one_line
from holdfast.cli.telling import carrying, config_of, telling
from holdfast.errors import BusyError, InvalidInputError, OutcomeUnknownError, StoreError

if TYPE_CHECKING:
    from holdfast.registry import Registry
    from holdfast.rollouts.driver import Look, Ticked
    from holdfast.rollouts.sources import Source

Show = Callable[[str, "Look"], None]

_PASSING = (StoreError, BusyError, OutcomeUnknownError)
"""What may be over at the next tick."""


Sources = Callable[[str], "Source"]
"""From a model to where its rollout's counts are."""


def counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a driver learns what was counted."""
    for option in (
        click.option(
            "--prometheus",
            metavar="URL",
            help="Count what this Prometheus scraped, in place of what servers publish.",
        ),
        click.option(
            "--log",
            metavar="DIR|URL",
            help="Count the rows of this prediction log, in place of what servers publish.",
        ),
    ):
        function = option(function)
    return function


@command("tick")
@click.argument("models", nargs=-1, metavar="[MODEL]…")
@counting
@telling
def tick(given: Context, models: tuple[str, ...], prometheus: str | None, log: str | None) -> int:
    """Bring the rollouts of MODELs on by one move at most, for cron; all models if none is named.

    It may be called at any time and by any number of drivers. Exit status 1 if it halted one.
    """
    registry = given.registry()
    with sources(registry, prometheus, log) as source:
        ticked = [_tick(registry, model, source(model)) for model in _names(registry, models)]
    given.emit(ticked, [_said(one) for one in ticked] or ["no models"])
    return CHECK if any(one.did == "halted" for one in ticked) else DONE


def _said(ticked: "Ticked") -> str:
    from holdfast.cli.rollout_screen import stand

    if ticked.rollout is None:
        return f"{ticked.model}: no rollout"
    rollout = ticked.rollout
    told = f"{ticked.model}: {ticked.did}; rollout {rollout.number} of {rollout.version} "
    why = f"; {one_line(ticked.verdict.sentence)}" if ticked.verdict else ""
    return f"{told}{stand(rollout)}{why}"


@command("run")
@click.argument("models", nargs=-1, metavar="[MODEL]…")
@click.option("--every", metavar="SPAN", default="1s", show_default=True, help="Between ticks.")
@click.option("--until-done", is_flag=True, help="Stop when no rollout goes on any more.")
@counting
def run(
    given: Context,
    models: tuple[str, ...],
    every: str,
    prometheus: str | None,
    log: str | None,
    *,
    until_done: bool,
) -> int:
    """Drive the rollouts of MODELs until it is stopped; all models if none is named.

    Serving processes drive them, too; any number of drivers act as one, and none keeps anything.
    With --until-done the exit status is 1 if a rollout was halted, aborted or superseded. The
    targets of HOLDFAST_NOTIFY are told what happens.
    """
    registry = given.registry()
    pause_s = seconds("--every", every)
    with (
        _view(given, models) as show,
        sources(registry, prometheus, log) as source,
        carrying(given, config_of(None)),
    ):
        while True:
            names = _names(registry, models)
            looks = [_driven(registry, model, show, source(model)) for model in names]
            if until_done and not any(_goes_on(found) for found in looks):
                return DONE if all(_went_well(found) for found in looks) else CHECK
            threading.Event().wait(pause_s)


def watch(given: Context, model: str, prometheus: str | None, log: str | None) -> int:
    """Show a rollout until it ends."""
    registry = given.registry()
    with _view(given, (model,)) as show, sources(registry, prometheus, log) as source:
        while True:
            found = look(registry, model, source(model))
            show(model, found)
            if not _goes_on(found):
                return DONE
            threading.Event().wait(1.0)


def _driven(registry: "Registry", model: str, show: Show, source: "Source") -> "Look | None":
    """Tick, look and show; `None` if the store could not be asked just now."""
    try:
        _tick(registry, model, source)
        found = look(registry, model, source)
    except _PASSING as error:
        click.echo(f"holdfast: {model}: {inert(str(error))}", err=True)
        return None
    show(model, found)
    return found


def _tick(registry: "Registry", model: str, source: "Source") -> "Ticked":
    from holdfast.rollouts import driver

    return driver.tick(registry, model, source, _now())


def look(registry: "Registry", model: str, source: "Source") -> "Look":
    """Judge a rollout as it stands now, without doing anything."""
    from holdfast.rollouts import driver

    return driver.look(registry, model, source, _now())


@contextlib.contextmanager
def sources(registry: "Registry", prometheus: str | None, log: str | None) -> Iterator[Sources]:
    """Say where counts come from for as long as the block lasts."""
    from holdfast.cli.predictions import opened
    from holdfast.rollouts.logged import Logged
    from holdfast.rollouts.prometheus import Prometheus
    from holdfast.rollouts.sources import Published

    if prometheus is not None and log is not None:
        raise InvalidInputError("--prometheus and --log", "both tell counts", "give one of them")
    if log is not None:
        with opened(log) as rows:
            yield lambda model: Logged(rows, model)
    elif prometheus is not None:
        yield lambda model: Prometheus(prometheus, model)
    else:
        yield lambda model: Published(registry, model)


def _names(registry: "Registry", models: tuple[str, ...]) -> list[str]:
    return list(models) or [info.model for info in registry.models() if info.damage is None]


def _goes_on(found: "Look | None") -> bool:
    return found is None or (found.rollout is not None and found.rollout.goes_on)


def _went_well(found: "Look | None") -> bool:
    rollout = found.rollout if found else None
    return rollout is None or rollout.outcome in ("completed", "passed")


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.contextmanager
def _view(given: Context, models: tuple[str, ...]) -> Iterator[Show]:
    """Show one rollout as a panel on a terminal, else a line for each change."""
    import sys

    if given.as_json or len(models) != 1 or not sys.stdout.isatty():
        yield _liner(given)
        return
    from rich.live import Live
    from rich.text import Text

    from holdfast.cli.rollout_screen import panel
    from holdfast.cli.screens import render

    def draw(model: str, found: "Look") -> None:
        drawn = "\n".join(render(panel(model, found, _now())))  # inert, whoever wrote of it
        live.update(Text.from_ansi(drawn, no_wrap=True, overflow="crop"), refresh=True)

    with Live(auto_refresh=False) as live:
        yield draw


def _liner(given: Context) -> Show:
    from holdfast.cli.rollout_screen import gist, line

    told: dict[str, Any] = {}

    def show(model: str, found: "Look") -> None:
        now = gist(found)
        if told.get(model, ...) != now:
            told[model] = now
            if given.as_json:
                import msgspec

                click.echo(msgspec.json.encode({"model": model, "look": found}))
            else:
                click.echo(inert(line(model, found, _now())))

    return show
