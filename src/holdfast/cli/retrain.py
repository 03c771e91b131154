"""Commands for retraining: one slot, what is due, and what became of them."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.exit_codes import CHECK, DONE, FAILED, LIMIT, REFUSED
from holdfast.cli.notify_hook import carrying, config_of, telling
from holdfast.cli.output import echo
from holdfast.cli.retrain_options import (
    retraining_name,
    retraining_request,
    retraining_schedule,
    run_options,
    schedule_options,
    slot_zone,
)
from holdfast.cli.tables import inert, inert_json_line
from holdfast.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.core.retraining.slot_record import SlotRecord
    from holdfast.registry import Registry
    from holdfast.retraining.overdue import RequestedRun
    from holdfast.retraining.retraining_run import RunOutcome

_LOG_LINES = 20
_STATUSES = {"registered": DONE, "unchanged": DONE, "blocked": REFUSED, "limit": LIMIT}


class _Retrain(click.Group):
    """Takes `retrain MODEL` for `retrain once MODEL`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Take any other word for a model, whose slot is to be run."""
        return super().get_command(ctx, cmd_name) or self.commands["once"]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Leave a model to the command that runs a slot."""
        words = args if args and args[0] in self.commands else ["once", *args]
        return super().resolve_command(ctx, words)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave options in front of the model to the command that runs a slot."""
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h"):
            args = ["once", *args]
        return super().parse_args(ctx, args)


@click.group("retrain", cls=_Retrain)
def retrain() -> None:
    """Train anew by slots; stage what passes the gate.

    `holdfast retrain MODEL` is short for `holdfast retrain once MODEL`.
    """


@command("once")
@click.argument("model")
@click.option(
    "--slot", metavar="TIME", help="Run for this time: 2026-11-29T02:00Z [the schedule's last]."
)
@click.option(
    "--if",
    "conditions",
    metavar="LIST",
    help="Run only if a finding asks: drift, accuracy, age=30d.",
)
@run_options
@schedule_options
@context.new
@telling
def once(ctx: Context, model: str, slot: str | None, conditions: str | None, **options: Any) -> int:
    """Train MODEL for one slot, judge the result, and stage it.

    Exit status 0: registered, unchanged, or done before; 4: the gate refuses it; 5: another run
    holds the lease; 12: the training failed; 13: it met a limit. The same slot is done once.
    """
    from holdfast.core.retraining import slots
    from holdfast.retraining import retraining_run

    registry = ctx.registry()
    ctx.require_meant(registry, model, new=options.pop("new"))
    if conditions is not None:
        return _if_asked(ctx, registry, model, conditions, {"slot": slot, **options})
    if slot is not None:
        named = slots.named(slot, slot_zone(registry, model, options))
    else:
        moment, done = _scheduled(registry, model, options)
        if done is not None:
            return _emitted(ctx, retraining_run.RunOutcome(model, done, ran=False))
        named = slots.written(moment)
    request = retraining_request(registry, model, named, options)
    return _emitted(ctx, _interruptible(lambda: retraining_run.run(registry, request)))


def _scheduled(
    registry: "Registry", model: str, options: dict[str, Any]
) -> "tuple[datetime, SlotRecord | None]":
    """Return the last slot of the schedule, and a later one that is done."""
    from holdfast.retraining import overdue

    schedule = retraining_schedule(registry, model, options)
    if schedule is None:
        advice = "give --slot 2026-11-29T02:00Z, --every, --cron, or set a schedule by policy"
        raise InvalidInputError(f"retraining of {model}", "has no slot", advice)
    now = _now()
    moment, name = schedule.previous(now), retraining_name(registry, model, options)
    return moment, overdue.done_later(registry.retrainings.state(model), name, moment, now)


def _interruptible(run: Any) -> "RunOutcome":
    """Run so that a request to end reaches the child and gives the lease back."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        outcome: RunOutcome = run()
    except KeyboardInterrupt:
        echo("holdfast: interrupted; the training was ended and nothing was registered", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return outcome


def _if_asked(
    ctx: Context, registry: "Registry", model: str, text: str, options: dict[str, Any]
) -> int:
    """Run the first slot that a condition asks for and that was not done, unless it must wait."""
    from holdfast.core import retraining_commands
    from holdfast.core.events import Retrained
    from holdfast.retraining import overdue, retraining_run

    if options.pop("slot") is not None:
        raise InvalidInputError("--slot and --if", "cannot be combined", "a finding has its own")
    conditions, max_age_s = _conditions(text)
    name, now = retraining_name(registry, model, options), _now()
    state = registry.retrainings.state(model)
    waiting: list[RequestedRun] = [
        run
        for run in overdue.asked(state, conditions, max_age_s, now)
        if not retraining_commands.record_of(state, run.slot, name).is_final
    ]
    if not waiting:
        ctx.emit({"model": model, "asked": False}, [f"{model}: nothing asks for a retraining"])
        return DONE
    run = waiting[0]
    why = retraining_commands.keeps_back(state, state.policy.retraining, now)
    if why is not None:
        event = Retrained(slot=run.slot, entry=name, outcome="held", why=f"{run.why}, but {why}")
        registry.retrainings.remark(model, event)
        result = {"model": model, "asked": True, "slot": run.slot, "held": event.why}
        ctx.emit(result, [f"{model}: held: {event.why}"])
        return DONE
    request = retraining_request(registry, model, run.slot, options)
    return _emitted(ctx, _interruptible(lambda: retraining_run.run(registry, request)))


def _conditions(text: str) -> tuple[list[str], float | None]:
    conditions, max_age_s = [], None
    for word in text.split(","):
        name, equals, span = word.strip().partition("=")
        if equals and name != "age":
            raise InvalidInputError(f"--if {word!r}", "takes no value", "only age=30d has one")
        max_age_s = context.seconds("--if age", span) if equals else max_age_s
        conditions.append(name)
    return conditions, max_age_s


def _emitted(ctx: Context, outcome: "RunOutcome") -> int:
    ctx.emit(outcome, _lines(outcome))
    if outcome.log and not ctx.as_json:
        for line in outcome.log.splitlines()[-_LOG_LINES:]:
            echo(f"  {inert(line)}", err=True)
    return _STATUSES.get(outcome.record.outcome or "", FAILED)


def _lines(outcome: "RunOutcome") -> list[str]:
    record = outcome.record
    before = "" if outcome.ran else " (done before)"
    lines = [f"{outcome.model}: {_said(record)}{before}"]
    lines += [f"  {outcome.follows}"] * bool(outcome.follows)
    if record.outcome == "registered":
        lines.append(f"  next      holdfast promote {outcome.model}@{record.version}")
    if record.outcome == "blocked":
        lines.append(f"  see       holdfast history {outcome.model} --limit 1")
    return lines


def _said(record: "SlotRecord") -> str:
    match record.outcome:
        case "registered":
            result = f"registered {record.version} and staged it"
        case "blocked":
            result = f"registered {record.version}, which the gate refuses"
        case "unchanged":
            result = f"made the same model as {record.version}"
        case None:
            result = f"{' and '.join(record.marks)}, and not run"
        case _:
            result = f"attempt {record.attempts} failed: {record.why}"
    return f"slot {record.slot} {result}"


@command("status")
@click.argument("model")
@schedule_options
def status(ctx: Context, model: str, **options: Any) -> None:
    """Show who retrains MODEL now, the last slot and the next one."""
    from holdfast.core.retraining import slots

    registry = ctx.registry()
    records, holder = _slots(registry, model)
    schedule = retraining_schedule(registry, model, options)
    following = schedule and slots.written(schedule.following(_now()))
    last = max(records, key=lambda record: record.seq, default=None)
    lines = [
        f"{model}",
        f"  now       {holder or 'nobody retrains it'}",
        f"  last      {_said(last) if last else 'no slot was run'}",
        f"  next      {following or 'no schedule is set'}",
    ]
    ctx.emit({"model": model, "now": holder, "last": last, "next": following}, lines)


def _slots(registry: "Registry", model: str) -> tuple[list["SlotRecord"], str | None]:
    """Return a model's slots, and who retrains it: maybe a first run, of a model not there yet."""
    holder = registry.retrainings.holder(model)
    try:
        return registry.retrainings.slots(model), holder
    except NotFoundError:
        if holder is None:
            raise
        return [], holder


@command("history")
@click.argument("model")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Show so many."
)
def history(ctx: Context, model: str, limit: int) -> None:
    """List what became of the slots of MODEL, the latest first."""
    records = ctx.registry().retrainings.slots(model)[::-1][:limit]
    ctx.emit(records, [_said(record) for record in records] or ["no slot was run"])


@command("check")
@click.argument("model")
@click.option("--entry", metavar="MODULE:NAME", help="Check slots of this entry [policy].")
@click.option("--command", metavar="TEXT", help="Check slots of this command.")
@schedule_options
@telling
def check(ctx: Context, model: str, **options: Any) -> int:
    """Report slots of MODEL that were missed, once each as a notice.

    A slot is missed 1.25 periods after the last one that was done. Exit status 1 if one is.
    """
    from holdfast.retraining import overdue

    registry = ctx.registry()
    schedule = retraining_schedule(registry, model, options)
    if schedule is None:
        advice = "give --every or --cron, or set one by policy"
        raise InvalidInputError(f"retraining of {model}", "has no schedule", advice)
    name = retraining_name(registry, model, options)
    missed = overdue.missed(registry, model, schedule, name, _now())
    lines = [f"{model}: slot {slot} was missed" for slot in missed]
    ctx.emit({"model": model, "missed": missed}, lines or [f"{model}: no slot was missed"])
    return CHECK if missed else DONE


@command("run")
@click.argument("model")
@run_options
@schedule_options
def run(ctx: Context, model: str, **options: Any) -> int:
    """Retrain MODEL whenever a slot is due, until stopped.

    The schedule is --cron, --every or the policy's. After a downtime the latest slot is run once,
    and older ones are missed. The targets of HOLDFAST_NOTIFY are notified.
    """
    import signal

    from holdfast.retraining import retraining_loop
    from holdfast.stop_signal import StopSignal

    registry, stop = ctx.registry(), StopSignal()
    schedule = retraining_schedule(registry, model, options)
    if schedule is None:
        advice = "give --every or --cron, or set one by policy"
        raise InvalidInputError(f"retraining of {model}", "has no schedule", advice)
    retraining_name(registry, model, options)

    def interrupt(*_: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    with carrying(ctx, config_of(None)):
        for outcome in retraining_loop.follow(
            registry,
            lambda slot: retraining_request(registry, model, slot, options),
            schedule,
            stop,
            _now,
        ):
            _show(ctx, model, outcome)
    return DONE


def _show(ctx: Context, model: str, outcome: "RunOutcome | str") -> None:
    if ctx.as_json:
        echo(inert_json_line({"model": model, "outcome": outcome}))
    elif isinstance(outcome, str):
        echo(f"holdfast: {model}: {inert(outcome)}", err=True)
    else:
        echo("\n".join(inert(line) for line in _lines(outcome)))


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


for _command in (once, status, history, check, run):
    retrain.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (retrain,)
