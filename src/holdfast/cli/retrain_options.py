"""The options of retraining, with the policy of the model where they say nothing."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import replace

from holdfast.cli.context import pairs, seconds
from holdfast.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from datetime import tzinfo

    from holdfast.core.retraining.retraining_terms import RetrainingTerms
    from holdfast.registry import Registry
    from holdfast.retraining.retraining_run import RunRequest
    from holdfast.retraining.schedule import Schedule

Command = Callable[..., Any]

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?")
_FACTORS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_LARGEST: Final = 1e18
_RUN = (
    click.option(
        "--entry", metavar="MODULE:NAME", help="Call this function: jobs.churn:train [policy]."
    ),
    click.option(
        "--command",
        metavar="TEXT",
        help="Run this program instead; it writes to HOLDFAST_OUT.",
    ),
    click.option(
        "--data",
        multiple=True,
        metavar="NAME=PATH|DATA@V",
        help="Give it this file, folder or data by a name.",
    ),
    click.option(
        "--keep-patch", is_flag=True, help="Keep uncommitted changes; they may hold secrets."
    ),
    click.option(
        "--window", metavar="FROM/TO", help="Give it this window of time [the policy's days]."
    ),
    click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Set the seed."
    ),
    click.option("--time-limit", metavar="SPAN", help="Stop it after this long [policy, 4h]."),
    click.option(
        "--memory", metavar="SIZE", help="Stop it beyond this resident memory [policy, 8GB]."
    ),
    click.option(
        "--memory-hard", metavar="SIZE", help="Limit the address space of each process as well."
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Set the threads of numerical libraries, unless the environment does.",
    ),
    click.option(
        "--bump",
        type=click.Choice(["auto", "major", "minor", "patch"]),
        default="auto",
        show_default=True,
        help="Raise this part of the number; major only here.",
    ),
    click.option("--trust", metavar="REASON", help="Accept code outside the allow-list."),
    click.option(
        "--then",
        type=click.Choice(["stage", "rollout"]),
        help="Choose what follows a pass [policy, stage].",
    ),
    click.option(
        "--sandbox",
        type=click.Choice(["auto", "require", "off"]),
        default="auto",
        show_default=True,
        help="Score versions under restraint.",
    ),
)
_SCHEDULE = (
    click.option("--every", metavar="SPAN", help="Take slots this far apart, in UTC [policy]."),
    click.option("--cron", metavar="FIELDS", help="Take the slots of these five fields [policy]."),
    click.option("--zone", metavar="NAME", help="Read local times in this zone [policy, UTC]."),
)
_POLICY = (
    click.option(
        "--retrain-entry", metavar="MODULE:NAME", help="Retrain by this function, or none."
    ),
    click.option("--retrain-every", metavar="SPAN", help="Retrain so often, or none."),
    click.option("--retrain-cron", metavar="FIELDS", help="Retrain at these times, or none."),
    click.option("--retrain-zone", metavar="NAME", help="Read them in this zone [UTC]."),
    click.option(
        "--retrain-window", metavar="SPAN", help="Train on this long before the slot, or none."
    ),
    click.option("--retrain-time-limit", metavar="SPAN", help="Stop a training then [4h]."),
    click.option("--retrain-memory", metavar="SIZE", help="Stop a training beyond it [8GB]."),
    click.option(
        "--retrain-then",
        type=click.Choice(["stage", "rollout"]),
        help="Choose what follows a pass [stage].",
    ),
    click.option(
        "--retrain-cooldown", metavar="SPAN", help="Have findings wait after an attempt [7d]."
    ),
    click.option(
        "--retrain-most-runs",
        type=click.IntRange(0),
        metavar="N",
        help="Let findings start so many runs in 30 days [3].",
    ),
)


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Give a command the options of a run."""
    return _with(_RUN, command)


def schedule_options(command: Command) -> Command:
    """Give a command the options of a schedule."""
    return _with(_SCHEDULE, command)


def retraining_policy_options(command: Command) -> Command:
    """Give a command the options of a policy's terms of retraining."""
    return _with(_POLICY, command)


def changed(terms: "RetrainingTerms", options: dict[str, Any]) -> "RetrainingTerms":
    """Return *terms* with what the options of `policy set` say changed, the rest as it is."""
    fields: dict[str, Any] = {}
    for name in ("entry", "cron"):
        text = options[f"retrain_{name}"]
        if text is not None:
            fields[name] = None if text == "none" else text
    for name, field, unit_s in (
        ("every", "every_s", 1.0),
        ("window", "window_days", 86_400.0),
        ("time_limit", "time_limit_s", 1.0),
        ("cooldown", "cooldown_days", 86_400.0),
    ):
        text = options[f"retrain_{name}"]
        if text is not None:
            option = f"--retrain-{name.replace('_', '-')}"
            fields[field] = None if text == "none" else seconds(option, text) / unit_s
    for name in ("zone", "then", "most_runs"):
        if options[f"retrain_{name}"] is not None:
            fields[name] = options[f"retrain_{name}"]
    if options["retrain_memory"] is not None:
        fields["memory_bytes"] = _size("--retrain-memory", options["retrain_memory"])
    if fields.get("every_s") is not None:
        fields.setdefault("cron", None)
    if fields.get("cron") is not None:
        fields.setdefault("every_s", None)
    terms = replace(terms, **fields)
    if terms.cron is not None and ("cron" in fields or "zone" in fields):
        from holdfast.retraining import schedule

        schedule.of_terms(terms)  # a schedule that cannot be read would be found out at night
    return terms


def _size(option: str, text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"{option} {text!r}", "is not a length", "write 500MB or 8GB")
    size = float(match[1]) * _FACTORS[match[2]]
    if not 0 < size <= _LARGEST:
        raise InvalidInputError(f"{option} {text[:40]!r}", "must be above 0, at most 1000000TB")
    return int(size)


def terms_of(registry: "Registry", model: str) -> "RetrainingTerms":
    """Return what a model's policy says, or what it says where there is none."""
    from holdfast.core.retraining.retraining_terms import RetrainingTerms

    try:
        return registry.policy(model).retraining
    except NotFoundError:
        return RetrainingTerms()


def slot_zone(registry: "Registry", model: str, options: dict[str, Any]) -> "tzinfo":
    """Return the zone of times that are written without an offset."""
    from holdfast.retraining import schedule

    return schedule.zone_of(options["zone"] or terms_of(registry, model).zone)


def retraining_schedule(
    registry: "Registry", model: str, options: dict[str, Any]
) -> "Schedule | None":
    """Return the schedule that the options name, else the policy's."""
    from holdfast.core.retraining import retraining_terms
    from holdfast.retraining import schedule

    terms = terms_of(registry, model)
    if options["every"] is not None or options["cron"] is not None:
        every = options["every"]
        every_s = seconds("--every", every) if every is not None else None
        terms = replace(terms, every_s=every_s, cron=options["cron"])
    if options["zone"] is not None:
        terms = replace(terms, zone=options["zone"])
    retraining_terms.check(terms)
    return schedule.of_terms(terms)


def retraining_name(registry: "Registry", model: str, options: dict[str, Any]) -> str:
    """Return the name under which slots are kept."""
    from holdfast.retraining import retraining_run

    return retraining_run.name_of_entry(*_entry(registry, model, options))


def _entry(
    registry: "Registry", model: str, options: dict[str, Any]
) -> tuple[str, tuple[str, ...]]:
    import shlex

    text = options["command"]
    if text is None:
        return options["entry"] or terms_of(registry, model).entry or "", ()
    try:
        return options["entry"] or "", tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidInputError(f"--command {text!r}", f"cannot be read: {error}") from error


def retraining_request(
    registry: "Registry", model: str, slot: str, options: dict[str, Any]
) -> "RunRequest":
    """Return what is to be run for a slot."""
    import socket

    from holdfast.core.retraining import slots
    from holdfast.datasets.data_records import parse_data_ref
    from holdfast.retraining.retraining_run import RunRequest
    from holdfast.retraining.training_process import ProcessLimits

    terms = terms_of(registry, model)
    entry, command = _entry(registry, model, options)
    limit, memory, hard = options["time_limit"], options["memory"], options["memory_hard"]
    window = slots.window_of(options["window"]) if options["window"] else None
    if window is None and terms.window_days is not None:
        window = slots.window_before(slot, terms.window_days)
    named = pairs("--data", options["data"])
    refs = {name: text for name, text in named.items() if parse_data_ref(text) is not None}
    return RunRequest(
        model=model,
        slot=slot,
        folder=Path.cwd(),
        environment=dict(os.environ),
        entry=entry,
        command=command,
        data={name: Path(path) for name, path in named.items() if name not in refs},
        data_refs=refs,
        patch=options["keep_patch"],
        window=window,
        seed=options["seed"],
        limits=ProcessLimits(
            time_s=seconds("--time-limit", limit) if limit else terms.time_limit_s,
            memory_bytes=_size("--memory", memory) if memory else terms.memory_bytes,
            address_space_bytes=_size("--memory-hard", hard) if hard else None,
            threads=options["threads"],
        ),
        holder=f"{socket.gethostname()}:{os.getpid()}",
        bump=options["bump"],
        trust=options["trust"],
        then=options["then"] or terms.then,
        sandbox=options["sandbox"],
    )
