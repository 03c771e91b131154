"""Notifies the targets of HOLDFAST_NOTIFY right after a command's entry."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.cli.context import Context
from holdfast.cli.output import echo
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.notices.courier import Courier

_EVERY_S: Final = 2.0
_BUDGET_S: Final = 3.0
"""Longest that a command waits for receivers; what they did not take by then waits."""


def config_of(option: str | None) -> Path | None:
    """Return the file that lists the targets: the option's, else the environment's."""
    name = option or os.environ.get("HOLDFAST_NOTIFY")
    return Path(name) if name else None


def courier(ctx: Context, config: Path) -> "Courier":
    """Return what notifies the targets of *config* of events in the store."""
    from holdfast.notices import targets
    from holdfast.notices.courier import Courier

    return Courier(ctx.registry(), targets.read(config, os.environ))


def telling(command: Callable[..., Any]) -> Callable[..., Any]:
    """Deliver notices of a command's entry once it is done; a receiver never fails the command."""

    @functools.wraps(command)
    def call(ctx: Context, *args: Any, **kwargs: Any) -> Any:
        config = config_of(None)
        if config is None:
            return command(ctx, *args, **kwargs)
        teller = _prepared(ctx, config)
        done = command(ctx, *args, **kwargs)
        if teller is not None:
            _tell(teller)
        return done

    return call


@contextlib.contextmanager
def carrying(ctx: Context, config: Path | None) -> Iterator[None]:
    """Deliver notices while the block runs and once more at its end; a receiver never ends it.

    Args:
        config: The targets and their events; None if there are none.
    """
    teller = None if config is None else _prepared(ctx, config)
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
    last_problems: tuple[str, ...] = ()
    for done in teller.follow(stop, _EVERY_S):
        for problem in done.problems if done.problems != last_problems else ():
            echo(f"notices wait: {problem}", err=True)
        last_problems = done.problems


def _prepared(ctx: Context, config: Path) -> "Courier | None":
    """Record, before the entry is written, where the notices of new targets begin."""
    try:
        teller = courier(ctx, config)
        teller.begin()
    except (HoldfastError, OSError) as error:
        echo(f"notices are not sent: {error}", err=True)
        return None
    return teller


def _tell(teller: "Courier") -> None:
    """Deliver within the time budget; on a thread, as a receiver may answer byte by byte."""
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
        echo(f"notices wait: {problem}; `holdfast notify run` keeps trying", err=True)
