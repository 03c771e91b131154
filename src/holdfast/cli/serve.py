"""The command that serves."""

import contextlib
import functools
import logging
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast import named_files, scratch
from holdfast.cli import serve_addresses
from holdfast.cli.clicked import command
from holdfast.cli.context import SERVERS, Context, seconds
from holdfast.cli.exit_codes import status_of
from holdfast.cli.notify_hook import carrying, config_of
from holdfast.cli.tables import inert
from holdfast.core.wording import count
from holdfast.errors import InvalidInputError, MissingLibraryError, RefusedError, UnsupportedError

if TYPE_CHECKING:
    from holdfast.http.hosts import HostRules
    from holdfast.registry import Registry
    from holdfast.sandbox import Mode, Trials
    from holdfast.serving.server_limits import ServerLimits
    from holdfast.serving.settings import Addresses, ServerSettings
    from holdfast.serving.workers import WorkerSlot

_TRIAL = "holdfast.serving.deployment.trial_load"
_MEGABYTE = 1 << 20
_OWN_PREFIXES = ("models", "v1", "v2")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@command("serve")
@click.argument("models", nargs=-1, required=True, metavar="MODEL…")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Listen on this port [AIP_HTTP_PORT, else 8080].",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Answer gRPC on this port, too [no]; needs the extra grpc.",
)
@click.option("--uds", metavar="PATH", help="Listen on this Unix socket instead of a port.")
@click.option(
    "--uds-mode",
    type=click.Choice(["0600", "0660"]),
    default="0600",
    show_default=True,
    help="Let only its owner connect, or its group too.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option(
    "--log",
    metavar="DIR|URL",
    help="Keep predictions there: a folder, postgresql://… or none "
    "[HOLDFAST_LOG, else ./predictions].",
)
@click.option("--durable", is_flag=True, help="Answer only once the row is committed.")
@click.option(
    "--inputs",
    type=click.Choice(["full", "hash", "none"]),
    default="full",
    show_default=True,
    help="Choose what is kept of inputs.",
)
@click.option("--sample", type=float, default=1.0, show_default=True, help="Keep this share.")
@click.option(
    "--redact",
    metavar="MODULE:FUNCTION",
    help="Filter what is kept of a prediction with this function.",
)
@click.option("--token-file", metavar="FILE", help="Demand this bearer token [HOLDFAST_TOKEN].")
@click.option("--no-token", is_flag=True, help="Answer everyone, even from other machines.")
@click.option("--max-body", type=click.IntRange(1), default=16, show_default=True, metavar="MB")
@click.option(
    "--timeout",
    default="60s",
    show_default=True,
    metavar="SPAN",
    help="Give up on an answer after this time.",
)
@click.option(
    "--hang",
    default="10s",
    show_default=True,
    metavar="SPAN",
    help="Replace a worker that hangs in a model this long.",
)
@click.option(
    "--access-log",
    type=click.Choice(["json", "off"]),
    default="off",
    show_default=True,
    help="Print a line for each answer, never with inputs.",
)
@click.option(
    "--otel",
    is_flag=True,
    help="Export a span of each request, as OTEL_… define; needs the extra otel.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    metavar="N",
    help="Replace a worker after this many requests, or up to a tenth more.",
)
@click.option(
    "--max-memory",
    type=click.IntRange(1),
    metavar="MB",
    help="Replace a worker that uses more memory.",
)
@click.option(
    "--queue",
    type=click.IntRange(1),
    default=1024,
    show_default=True,
    help="Let this many requests wait.",
)
@click.option(
    "--host-name",
    multiple=True,
    metavar="NAME",
    help="Answer to this host name, besides addresses and localhost.",
)
@click.option(
    "--root-path", default="", metavar="PREFIX", help="Answer below this path of a proxy, too."
)
@click.option(
    "--keep-alive",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="Close a connection that is idle this long.",
)
@click.option(
    "--drain",
    type=click.IntRange(0, 3600),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Keep answering this long after a stop, without being ready.",
)
@click.option(
    "--inline/--no-inline",
    default=True,
    help="Call versions that answer within 1 ms without a thread of their own [yes].",
)
@click.option("--pin/--no-pin", default=True, help="Let callers name a version [yes].")
@click.option("--drive/--no-drive", default=True, help="Drive rollouts, too [yes].")
@click.option(
    "--sandbox",
    type=click.Choice(["require", "auto", "off"]),
    default="auto",
    show_default=True,
    help="Sandbox workers and the trials of versions.",
)
@click.option(
    "--env-check",
    type=click.Choice(["refuse", "warn"]),
    default="warn",
    show_default=True,
    help="Choose what to do with versions whose libraries differ from the recorded ones.",
)
@click.option("--notify", is_flag=True, help="Notify the targets of HOLDFAST_NOTIFY.")
def serve(ctx: Context, models: tuple[str, ...], **options: Any) -> None:
    """Serve predictions of MODELs over HTTP, by the live version.

    It follows the journal: a new version is verified, loaded and tried out beside the one that
    answers, then takes over between two requests. Needs the extra `serve`.
    """
    from holdfast.http import addresses
    from holdfast.registry import trial_runs

    addresses.require_joining()
    registry = ctx.registry()
    for model in models:
        registry.situation(model)  # a name nobody registered is a mistake
    with contextlib.ExitStack() as stack:
        nursery = trial_runs.begun(registry, models, options["sandbox"], _TRIAL)
        if nursery is not None:  # it imports libraries while this process imports its own
            stack.enter_context(nursery)
        _serve(ctx, models, options, nursery)


def _serve(
    ctx: Context, models: tuple[str, ...], options: dict[str, Any], trials: "Trials | None"
) -> None:
    try:
        from holdfast.serving import threads, workers
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "serve", "serving needs it") from error

    setting = replace(_setting(ctx, models, options), trials=trials)
    notices = _notices() if options["notify"] else None
    with serve_addresses.taken(options) as (taken, where), carrying(ctx, notices):
        click.echo(
            f"holdfast: serving {', '.join(map(inert, models))} on {where} "
            f"by {count(options['workers'], 'worker')}; "
            f"sandbox: {_restraint(options['sandbox'])}",
            err=True,
        )
        click.echo(f"holdfast: {_kept(setting)}", err=True)
        _tell_on_stderr()
        threads.limit(os.environ, options["workers"])
        with scratch.folder() as folder:
            work = functools.partial(_work, setting, taken)
            patience = workers.WorkerTimeouts(setting.hang_s, setting.drain_s)
            workers.supervise(options["workers"], folder, work, patience)


def _kept(setting: "ServerSettings") -> str:
    """Say what the prediction log keeps of callers, and where."""
    from holdfast.core.redaction import shown_address

    if setting.log is None:
        return "no prediction is kept"
    share = setting.keeping.sampling
    what = {"full": "with whole inputs", "hash": "with hashed inputs", "none": "without inputs"}
    summary = f"{'predictions' if share == 1 else f'{share:.4g} of predictions'} are kept "
    summary += f"{what[setting.keeping.inputs]} in {inert(shown_address(setting.log))}"
    return summary if "://" in setting.log else f"{summary} (files 0600, for their owner alone)"


def _work(setting: "ServerSettings", taken: "Addresses", seat: "WorkerSlot") -> None:
    """Serve in a worker process, to which the arguments are sent."""
    from holdfast.serving import server

    _tell_on_stderr()
    try:
        server.run(setting, taken, seat)
    except (InvalidInputError, MissingLibraryError, UnsupportedError) as error:
        click.echo(f"holdfast: {inert(str(error))}", err=True)
        sys.exit(status_of(error))


def _setting(ctx: Context, models: tuple[str, ...], options: dict[str, Any]) -> "ServerSettings":
    from holdfast.predictions.capture import CaptureOptions
    from holdfast.serving.settings import ServerSettings

    log = options["log"] or os.environ.get("HOLDFAST_LOG") or "predictions"
    return ServerSettings(
        tuple(dict.fromkeys(models)),
        functools.partial(_opened, ctx, options["env_check"]),
        _limits(ctx.store, options),
        None if log == "none" else log,
        CaptureOptions(options["inputs"], options["sample"], options["redact"]),
        options["durable"],
        options["drive"],
        seconds("--hang", options["hang"]),
        options["access_log"] == "json",
        options["max_requests"] or 0,
        (options["max_memory"] or 0) * _MEGABYTE,
        options["drain"],
        options["keep_alive"],
        _prefix(options["root_path"]),
        options["sandbox"],
        _writable(ctx, options),
        options["otel"],
    )


def _opened(ctx: Context, env_check: str) -> "Registry":
    registry = ctx.registry()
    if env_check == "refuse":
        registry.demand_environment()
    return registry


def _prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if prefix and _PREFIX.fullmatch(prefix) is None:
        raise InvalidInputError(
            f"--root-path {text!r}", "is not the start of a path", "write it as /scoring"
        )
    if prefix and prefix.split("/")[1] in _OWN_PREFIXES:
        raise InvalidInputError(
            f"--root-path {text!r}",
            "overlaps with paths of the server itself",
            "name another prefix",
        )
    return prefix


def _writable(ctx: Context, options: dict[str, Any]) -> tuple[Path, ...]:
    """Name where a worker writes: its store or its copies of a bucket's files, and its socket.

    What this user keeps of what was checked (`store/private_cache.py`) is not among them: a
    model that runs in the worker could otherwise write verdicts about itself.
    """
    location = ctx.registry().location
    if isinstance(location, Path):
        places = [location]
    else:
        places = [Path(os.environ.get("HOLDFAST_CACHE") or Path.home() / ".cache" / "holdfast")]
        places[0].mkdir(parents=True, exist_ok=True)
    places += [Path(options["uds"]).absolute().parent] if options["uds"] else []
    return tuple(folder.resolve() for folder in places)


def _restraint(mode: "Mode") -> str:
    from holdfast.sandbox import chosen

    restraint = chosen(mode)
    return str(restraint) if restraint else "off" if mode == "off" else "none: this system has none"


def _notices() -> Path:
    path = config_of(None)
    if path is None:
        advice = "set HOLDFAST_NOTIFY=notices.toml, or leave it out"
        raise InvalidInputError("--notify", "needs a configuration of targets", advice)
    return path


def _limits(store: str, options: dict[str, Any]) -> "ServerLimits":
    from holdfast.http.connection_limits import ConnectionLimits
    from holdfast.serving.server_limits import ServerLimits

    token = _token(options["token_file"], store)
    is_far = not serve_addresses.is_loopback(options["host"])
    if token is None and not options["no_token"] and is_far:
        raise RefusedError(
            f"address {options['host']}",
            "serve",
            ["other machines could call it without a token"],
            "give --token-file FILE, or --no-token if something else keeps strangers out",
        )
    return ServerLimits(
        body_bytes=options["max_body"] * _MEGABYTE,
        timeout_s=seconds("--timeout", options["timeout"]),
        queue=options["queue"],
        inline_us=ServerLimits().inline_us if options["inline"] else 0,
        pinning=options["pin"],
        token=token,
        door=ConnectionLimits(hosts=_hosts(options, token)),
    )


def _hosts(options: dict[str, Any], token: str | None) -> "HostRules | None":
    """Return whom to answer: a page in a browser needs no token to reach an open server."""
    from holdfast.http.hosts import HostRules, name_of

    for name in options["host_name"]:
        if name_of(name) != name.lower():
            raise InvalidInputError(
                f"--host-name {name!r}", "is not a host name", "leave the port out"
            )
    if token is not None and not options["host_name"]:
        return None
    far = not serve_addresses.is_loopback(options["host"]) and not options["host_name"]
    return HostRules(frozenset(map(str.lower, options["host_name"])), any_host=far)


def _token(file: str | None, store: str) -> str | None:
    if file is None:
        token = os.environ.get("HOLDFAST_TOKEN") or None
        if token is not None and store.partition("://")[0] in SERVERS:
            raise InvalidInputError(
                "HOLDFAST_TOKEN",
                "is sent to the registry at --store, and cannot be this server's own token, too",
                "give that by --token-file, or sign in to the registry by `holdfast login`",
            )
        return token
    try:
        token = named_files.read(Path(file)).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"--token-file {file!r}", f"cannot be read: {error}", "check its path and mode"
        ) from error
    if not token:
        raise InvalidInputError(f"--token-file {file!r}", "is empty", "write the token into it")
    return token


def _tell_on_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("holdfast").addHandler(handler)
    logging.getLogger("holdfast").setLevel(logging.INFO)


COMMANDS: tuple[click.Command, ...] = (serve,)
