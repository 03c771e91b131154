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

from holdfast import scratch
from holdfast.cli import serve_addresses
from holdfast.cli.context import Context, command, seconds
from holdfast.cli.exits import status_of
from holdfast.cli.tables import count, inert
from holdfast.cli.telling import carrying, config_of
from holdfast.errors import InvalidInputError, MissingLibraryError, RefusedError, UnsupportedError

if TYPE_CHECKING:
    from holdfast.http.hosts import HostRules
    from holdfast.registry import Registry
    from holdfast.sandbox import Mode, Trials
    from holdfast.serving.limits import Limits
    from holdfast.serving.setting import Addresses, Setting
    from holdfast.serving.workers import Seat

_TRIAL = "holdfast.serving.swapping.trying"
_MEGABYTE = 1 << 20
_OWN_PREFIXES = ("models", "v1", "v2")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@command("serve")
@click.argument("models", nargs=-1, required=True, metavar="MODEL…")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Port [AIP_HTTP_PORT, else 8080]."
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Answer gRPC there, too [no]; needs the extra grpc.",
)
@click.option("--uds", metavar="PATH", help="Unix socket to listen on instead of a port.")
@click.option(
    "--uds-mode",
    type=click.Choice(["0600", "0660"]),
    default="0600",
    show_default=True,
    help="Whether its owner alone may connect, or its group too.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option(
    "--log",
    metavar="DIR|URL",
    help="Where predictions are kept: a folder, postgresql://… or none "
    "[HOLDFAST_LOG, else ./predictions].",
)
@click.option("--durable", is_flag=True, help="Answer only once the row is committed.")
@click.option(
    "--inputs",
    type=click.Choice(["full", "hash", "none"]),
    default="full",
    show_default=True,
    help="What is kept of inputs.",
)
@click.option("--sample", type=float, default=1.0, show_default=True, help="Share that is kept.")
@click.option("--redact", metavar="MODULE:FUNCTION", help="What may be kept of a prediction.")
@click.option("--token-file", metavar="FILE", help="Bearer token to ask for [HOLDFAST_TOKEN].")
@click.option("--no-token", is_flag=True, help="Answer anybody, even from other machines.")
@click.option("--max-body", type=click.IntRange(1), default=16, show_default=True, metavar="MB")
@click.option("--timeout", default="60s", show_default=True, metavar="SPAN", help="For an answer.")
@click.option(
    "--hang",
    default="10s",
    show_default=True,
    metavar="SPAN",
    help="Replace a worker that hangs in a model so long.",
)
@click.option(
    "--access-log",
    type=click.Choice(["json", "off"]),
    default="off",
    show_default=True,
    help="Write a line to standard output for each answer, never with inputs.",
)
@click.option(
    "--otel",
    is_flag=True,
    help="Export a span of each request, as OTEL_… say; needs the extra otel.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    metavar="N",
    help="Replace a worker after so many, a tenth more by chance.",
)
@click.option(
    "--max-memory",
    type=click.IntRange(1),
    metavar="MB",
    help="Replace a worker that holds more.",
)
@click.option(
    "--queue",
    type=click.IntRange(1),
    default=1024,
    show_default=True,
    help="Requests that may wait.",
)
@click.option(
    "--host-name",
    multiple=True,
    metavar="NAME",
    help="Name to answer besides addresses, localhost.",
)
@click.option(
    "--root-path", default="", metavar="PREFIX", help="Answer below it too: a proxy's path to here."
)
@click.option(
    "--keep-alive",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="How long a connection may be idle.",
)
@click.option(
    "--drain",
    type=click.IntRange(0, 3600),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Answer so long after a stop, but not be ready.",
)
@click.option(
    "--inline/--no-inline",
    default=True,
    help="Whether versions that answer within 1 ms are called without a thread of theirs [yes].",
)
@click.option("--pin/--no-pin", default=True, help="Whether callers may name a version [yes].")
@click.option("--drive/--no-drive", default=True, help="Whether it drives rollouts, too [yes].")
@click.option(
    "--sandbox",
    type=click.Choice(["require", "auto", "off"]),
    default="auto",
    show_default=True,
    help="Restrain workers and the trials of versions.",
)
@click.option(
    "--env-check",
    type=click.Choice(["refuse", "warn"]),
    default="warn",
    show_default=True,
    help="Versions whose libraries differ from the recorded ones.",
)
@click.option("--notify", is_flag=True, help="Tell the targets of HOLDFAST_NOTIFY what happens.")
def serve(given: Context, models: tuple[str, ...], **options: Any) -> None:
    """Answer predictions of MODELs over HTTP, always by the version that the journal says.

    It follows each move at once: a version is loaded, verified and tried out beside the one that
    answers, and takes over between two requests. Needs the extra `serve`.
    """
    from holdfast.registry import trying

    registry = given.registry()
    for model in models:
        registry.situation(model)  # a name nobody registered is a mistake
    with contextlib.ExitStack() as stack:
        nursery = trying.begun(registry, models, options["sandbox"], _TRIAL)
        if nursery is not None:  # it imports libraries while this process imports its own
            stack.enter_context(nursery)
        _serve(given, models, options, nursery)


def _serve(
    given: Context, models: tuple[str, ...], options: dict[str, Any], trials: "Trials | None"
) -> None:
    try:
        from holdfast.serving import threads, workers
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "serve", "serving needs it") from error

    setting = replace(_setting(given, models, options), trials=trials)
    notices = _notices() if options["notify"] else None
    with serve_addresses.taken(options) as (taken, where), carrying(given, notices):
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
            patience = workers.Patience(setting.hang_s, setting.drain_s)
            workers.supervise(options["workers"], folder, work, patience)


def _kept(setting: "Setting") -> str:
    """Tell what the prediction log keeps of callers, and where."""
    from holdfast.predictions.opening import without_credentials

    if setting.log is None:
        return "no prediction is kept"
    share = setting.keeping.sampling
    what = {"full": "with whole inputs", "hash": "with hashed inputs", "none": "without inputs"}
    told = f"{'predictions' if share == 1 else f'{share:.4g} of predictions'} are kept "
    told += f"{what[setting.keeping.inputs]} in {inert(without_credentials(setting.log))}"
    return told if "://" in setting.log else f"{told} (files 0600, for their owner alone)"


def _work(setting: "Setting", taken: "Addresses", seat: "Seat") -> None:
    """Serve in a process that this is sent to."""
    from holdfast.serving import server

    _tell_on_stderr()
    try:
        server.run(setting, taken, seat)
    except (InvalidInputError, MissingLibraryError, UnsupportedError) as error:
        click.echo(f"holdfast: {inert(str(error))}", err=True)
        sys.exit(status_of(error))


def _setting(given: Context, models: tuple[str, ...], options: dict[str, Any]) -> "Setting":
    from holdfast.predictions.keeping import Recording
    from holdfast.serving.setting import Setting

    log = options["log"] or os.environ.get("HOLDFAST_LOG") or "predictions"
    return Setting(
        tuple(dict.fromkeys(models)),
        functools.partial(_opened, given, options["env_check"]),
        _limits(options),
        None if log == "none" else log,
        Recording(options["inputs"], options["sample"], options["redact"]),
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
        _writable(given, options),
        options["otel"],
    )


def _opened(given: Context, env_check: str) -> "Registry":
    registry = given.registry()
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
            f"--root-path {text!r}", "begins paths of the server's own", "name another prefix"
        )
    return prefix


def _writable(given: Context, options: dict[str, Any]) -> tuple[Path, ...]:
    """Name where a worker writes: its store or its copies of a bucket's files, and its socket.

    What this user keeps of what was checked (`registry/private.py`) is not among them: a model that
    runs in the worker could otherwise write verdicts about itself.
    """
    location = given.registry().location
    if isinstance(location, Path):
        places = [location]
    else:
        places = [Path(os.environ.get("HOLDFAST_CACHE") or Path.home() / ".cache" / "holdfast")]
        places[0].mkdir(parents=True, exist_ok=True)
    places += [Path(options["uds"]).absolute().parent] if options["uds"] else []
    return tuple(place.resolve() for place in places)


def _restraint(mode: "Mode") -> str:
    from holdfast.sandbox import chosen

    restraint = chosen(mode)
    return str(restraint) if restraint else "off" if mode == "off" else "none: this system has none"


def _notices() -> Path:
    found = config_of(None)
    if found is None:
        advice = "set HOLDFAST_NOTIFY=notices.toml, or leave it out"
        raise InvalidInputError("--notify", "nobody is named to be told", advice)
    return found


def _limits(options: dict[str, Any]) -> "Limits":
    from holdfast.http.limits import ConnectionLimits
    from holdfast.serving.limits import Limits

    token = _token(options["token_file"])
    is_far = not serve_addresses.is_loopback(options["host"])
    if token is None and not options["no_token"] and is_far:
        raise RefusedError(
            f"address {options['host']}",
            "serve",
            ["other machines could ask, and no token is asked for"],
            "give --token-file FILE, or --no-token where something else keeps strangers out",
        )
    return Limits(
        body_bytes=options["max_body"] * _MEGABYTE,
        timeout_s=seconds("--timeout", options["timeout"]),
        queue=options["queue"],
        inline_us=Limits().inline_us if options["inline"] else 0,
        pinning=options["pin"],
        token=token,
        door=ConnectionLimits(hosts=_hosts(options, token)),
    )


def _hosts(options: dict[str, Any], token: str | None) -> "HostRules | None":
    """Return whom to answer: a page in a browser needs no token to reach an open server."""
    from holdfast.http.hosts import HostRules, name_of

    for name in options["host_name"]:
        if name_of(name) != name.lower():
            raise InvalidInputError(f"--host-name {name!r}", "is not a host name", "leave port out")
    if token is not None and not options["host_name"]:
        return None
    far = not serve_addresses.is_loopback(options["host"]) and not options["host_name"]
    return HostRules(frozenset(map(str.lower, options["host_name"])), any_host=far)


def _token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get("HOLDFAST_TOKEN") or None
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
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
