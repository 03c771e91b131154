"""Commands that tell others what happened."""

import time
from pathlib import Path
from typing import Any

import click

from holdfast.cli.context import Context, command, seconds
from holdfast.cli.exits import CHECK, DONE
from holdfast.cli.tables import columns, count, moment, span
from holdfast.cli.telling import config_of, courier
from holdfast.errors import InvalidInputError


@click.group("notify")
def notify() -> None:
    """Tell webhooks, chats and pagers what happened: promotions, rollbacks, halts, failures."""


config = click.option(
    "--config", metavar="FILE", help="Who is told of what, TOML [HOLDFAST_NOTIFY]."
)


def _named(given: str | None) -> Path:
    found = config_of(given)
    if found is None:
        advice = "give --config notices.toml, or set HOLDFAST_NOTIFY"
        raise InvalidInputError("notices", "have no configuration", advice)
    return found


@command("run")
@config
@click.option("--every", default="2s", metavar="SPAN", help="How often to look [2s].")
def run(given: Context, config: str | None, every: str) -> None:
    """Follow every model and deliver, trying again until a notice is taken or too old."""
    import signal
    import threading

    teller, stop = courier(given, _named(config)), threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    told: tuple[str, ...] = ()
    for done in teller.follow(stop, max(0.1, seconds("--every", every))):
        if done.delivered or done.given_up or done.problems != told:
            told = done.problems
            given.emit(done, _lines(done))


@command("once")
@config
def once(given: Context, config: str | None) -> int:
    """Deliver what waits, each target up to three times, and stop: for cron; 1 if some still do."""
    teller = courier(given, _named(config))
    done = teller.insist()
    if done is None:
        by = " and ".join(teller.outbox.holders) or "another process"
        given.emit(None, [f"{by} is delivering already"])
        return DONE
    given.emit(done, _lines(done))
    return CHECK if done.waiting or done.problems else DONE


@command("test")
@config
def test(given: Context, config: str | None) -> int:
    """Send every target a notice of nothing, to see whether it arrives; 1 if one did not."""
    done = courier(given, _named(config)).test()
    given.emit(done, _lines(done))
    return CHECK if done.problems else DONE


def _lines(done: Any) -> list[str]:
    waiting = f", {done.waiting} waiting" if done.waiting else ""
    given_up = f", {done.given_up} given up" if done.given_up else ""
    said = f"{count(done.delivered, 'notice')} delivered{waiting}{given_up}"
    return [said, *(f"  {problem}" for problem in done.problems)]


@command("list")
@config
def list_(given: Context, config: str | None) -> None:
    """List the notices that wait for a target or were given up, and why."""
    import os

    from holdfast.notices import targets
    from holdfast.notices.outbox import Outbox

    found = targets.read(_named(config), os.environ)
    outbox, now = Outbox(found.outbox), time.time()
    rows = []
    for target in found.targets:
        standing = outbox.standing(target.name)
        problem = standing.problem if standing else None
        waiting = [(letter, "waiting", problem) for _path, letter in outbox.waiting(target.name)]
        failed = [(letter, "given up", letter.problem) for letter in outbox.failed(target.name)]
        rows += [(target.name, *one) for one in (*failed, *waiting)]
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
    given.emit(document, columns(header, table) if table else ["no notice waits"])


for _command in (run, once, test, list_):
    notify.add_command(_command)

COMMANDS = (notify,)
