"""Commands that move production tell the targets of HOLDFAST_NOTIFY right after their entry."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli.context import Context
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.notices.courier import Courier

_EVERY_S: Final = 2.0
_BUDGET_S: Final = 3.0
"""Longest that a command waits for receivers; what they did not take by then waits."""


def config_of(given: str | None) -> Path | None:
    """Return the file that says who is told: the option's, else the environment's."""
    name = given or os.environ.get("HOLDFAST_NOTIFY")
    return Path(name) if name else None


def courier(given: Context, config: Path) -> "Courier":
    """Return who tells the targets of *config* of what happens in the store."""
    from holdfast.notices import targets
    from holdfast.notices.courier import Courier

    return Courier(given.registry(), targets.read(config, os.environ))


def telling(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command's entry told when it is done; no receiver ever fails the command."""

    @functools.wraps(command)
    def call(given: Context, *args: Any, **kwargs: Any) -> Any:
        config = config_of(None)
        if config is None:
            return command(given, *args, **kwargs)
        teller = _prepared(given, config)
        done = command(given, *args, **kwargs)
        if teller is not None:
            _tell(teller)
        return done

    return call


@contextlib.contextmanager
def carrying(given: Context, config: Path | None) -> Iterator[None]:
    """Have all that happens told meanwhile, and a last time at the end; no receiver ends it.

    Args:
        config: Who is told of what; None if nobody is.
    """
    teller = None if config is None else _prepared(given, config)
    if teller is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_carry, args=(teller, stop), name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_BUDGET_S)
        _tell(teller)


def _carry(teller: "Courier", stop: threading.Event) -> None:
    told: tuple[str, ...] = ()
    for done in teller.follow(stop, _EVERY_S):
        for problem in done.problems if done.problems != told else ():
            click.echo(f"notices wait: {problem}", err=True)
        told = done.problems


def _prepared(given: Context, config: Path) -> "Courier | None":
    """Mark, before the entry is written, from where on new targets are to be told."""
    try:
        teller = courier(given, config)
        teller.begin()
    except (HoldfastError, OSError) as error:
        click.echo(f"notices are not sent: {error}", err=True)
        return None
    return teller


def _tell(teller: "Courier") -> None:
    """Deliver within the budget; a thread, for a receiver may answer a byte at a time."""
    problems: list[str] = []

    def deliver() -> None:
        try:
            done = teller.round(_BUDGET_S)
        except (HoldfastError, OSError) as error:
            problems.append(str(error))
        else:
            problems.extend(done.problems if done else ())

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    thread.join(_BUDGET_S + 1)
    if thread.is_alive():
        problems.append("a receiver takes too long")
    for problem in problems:
        click.echo(f"notices wait: {problem}; `holdfast notify run` goes on trying", err=True)
