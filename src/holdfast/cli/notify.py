"""Commands that notify others of what happened."""

import time
from pathlib import Path
from typing import Any

import click

from holdfast.cli.clicked import command
from holdfast.cli.context import Context, seconds
from holdfast.cli.exit_codes import CHECK, DONE
from holdfast.cli.notify_hook import config_of, courier
from holdfast.cli.tables import columns
from holdfast.core.wording import count, moment, span
from holdfast.errors import InvalidInputError


@click.group("notify")
def notify() -> None:
    """Notify webhooks, chats and pagers of promotions, halts, failures."""


config = click.option(
    "--config",
    metavar="FILE",
    help="Read who is notified of what from this TOML file [HOLDFAST_NOTIFY].",
)


def _named(option: str | None) -> Path:
    path = config_of(option)
    if path is None:
        advice = "give --config notices.toml, or set HOLDFAST_NOTIFY"
        raise InvalidInputError("notices", "have no configuration", advice)
    return path


@command("run")
@config
@click.option("--every", default="2s", metavar="SPAN", help="Set how often to look [2s].")
def run(ctx: Context, config: str | None, every: str) -> None:
    """Follow every model and deliver notices until stopped."""
    import signal

    from holdfast.stop_signal import StopSignal

    teller, stop = courier(ctx, _named(config)), StopSignal()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    last_problems: tuple[str, ...] = ()
    for done in teller.follow(stop, max(0.1, seconds("--every", every))):
        if done.delivered or done.given_up or done.problems != last_problems:
            last_problems = done.problems
            ctx.emit(done, _lines(done))


@command("once")
@config
def once(ctx: Context, config: str | None) -> int:
    """Deliver what waits, up to three tries per target, then stop.

    Made for cron: the exit status is 1 if notices still wait.
    """
    teller = courier(ctx, _named(config))
    done = teller.insist()
    if done is None:
        by = " and ".join(teller.outbox.holders) or "another process"
        ctx.emit(None, [f"{by} is delivering already"])
        return DONE
    ctx.emit(done, _lines(done))
    return CHECK if done.waiting or done.problems else DONE


@command("test")
@config
def test(ctx: Context, config: str | None) -> int:
    """Send a test notice to every target.

    The exit status is 1 if one did not arrive.
    """
    done = courier(ctx, _named(config)).test()
    ctx.emit(done, _lines(done))
    return CHECK if done.problems else DONE


def _lines(done: Any) -> list[str]:
    waiting = f", {done.waiting} waiting" if done.waiting else ""
    given_up = f", {done.given_up} given up" if done.given_up else ""
    summary = f"{count(done.delivered, 'notice')} delivered{waiting}{given_up}"
    return [summary, *(f"  {problem}" for problem in done.problems)]


@command("list")
@config
def list_(ctx: Context, config: str | None) -> None:
    """List the notices that wait or were given up, and why."""
    import os

    from holdfast.notices import targets
    from holdfast.notices.outbox import Outbox

    configuration = targets.read(_named(config), os.environ)
    outbox, now = Outbox(configuration.outbox), time.time()
    rows = []
    for target in configuration.targets:
        standing = outbox.standing(target.name)
        problem = standing.problem if standing else None
        waiting = [(letter, "waiting", problem) for _path, letter in outbox.waiting(target.name)]
        failed = [(letter, "given up", letter.problem) for letter in outbox.failed(target.name)]
        rows += [(target.name, *row) for row in (*failed, *waiting)]
    document = [
        {"target": name, "state": state, "problem": problem, "notice": letter.notice}
        for name, letter, state, problem in rows
    ]
    table = [
        (
            name,
            state,
            letter.notice.event,
            letter.notice.subject,
            moment(letter.notice.time),
            span(now - letter.queued_at),
            problem or "–",
        )
        for name, letter, state, problem in rows
    ]
    header = ("TARGET", "STATE", "EVENT", "SUBJECT", "WHEN (UTC)", "FOR", "PROBLEM")
    ctx.emit(document, columns(header, table) if table else ["no notice waits"])


for _command in (run, once, test, list_):
    notify.add_command(_command)

COMMANDS = (notify,)
