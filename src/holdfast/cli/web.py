"""The command that serves a registry to a team."""

import contextlib
import logging
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast import named_files
from holdfast.cli import serve_addresses
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, pairs, passphrase
from holdfast.cli.tables import inert
from holdfast.errors import InvalidInputError, MissingLibraryError, RefusedError

if TYPE_CHECKING:
    from holdfast.registry import Registry
    from holdfast.web.guard import Guard
    from holdfast.web.web_settings import WebSettings

_LEAST_TOKEN = 32
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class WebPlan:
    """What was asked for, checked.

    Attributes:
        is_team: Whether the store has people of its own.
        warnings: What is odd about it, and allowed.
    """

    host: str
    port: int
    settings: "WebSettings"
    is_team: bool
    warnings: tuple[str, ...]


@command("web")
@click.argument("action", type=click.Choice(["serve", "check"]), default="serve", metavar="[check]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    metavar="N",
    help="Listen on this port.",
)
@click.option("--read-only", is_flag=True, help="Refuse whatever writes.")
@click.option("--anonymous-read", is_flag=True, help="Let everybody read, without signing in.")
@click.option(
    "--host-name",
    multiple=True,
    metavar="NAME",
    help="Answer to this host name, besides addresses and localhost.",
)
@click.option(
    "--behind-proxy",
    multiple=True,
    metavar="ADDR",
    help="Believe X-Forwarded-For and X-Forwarded-Proto from this address or network.",
)
@click.option("--insecure-http", is_flag=True, help="Answer other machines without TLS.")
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate.")
@click.option("--tls-key", metavar="FILE", help="Its private key.")
@click.option("--server-key", metavar="FILE", help="Sign entries about people with this key.")
@click.option(
    "--believe-key",
    multiple=True,
    metavar="FILE",
    help="Believe entries about people that this public key signed.",
)
@click.option(
    "--provider-secret",
    multiple=True,
    metavar="NAME=FILE",
    help="Read this server's secret at a provider from a file.",
)
@click.option(
    "--log",
    metavar="DIR|URL",
    help="Look predictions up in this log: a folder or postgresql://… [HOLDFAST_LOG].",
)
@click.option(
    "--redirect", is_flag=True, help="Send downloads to the bucket by URLs signed for 5 minutes."
)
@click.option("--name", default="holdfast", show_default=True, help="Name the server in entries.")
@click.option(
    "--access-log",
    type=click.Choice(["json", "off"]),
    default="off",
    show_default=True,
    help="Print a line for each answer.",
)
def web(ctx: Context, action: str, **options: Any) -> None:
    """Serve the registry to people and programs over HTTP.

    Without people of its own (`holdfast access init`) it serves you alone, on this machine. `check`
    says what it would do, and does not do it. Needs the extra `web`.
    """
    plan = _planned(ctx, options)
    if action == "check":
        _tell(ctx, plan)
        return
    _serve(plan)


def _planned(ctx: Context, options: dict[str, Any]) -> WebPlan:
    """Check what was asked for.

    Raises:
        RefusedError: If other machines could reach a server that knows no people, or read what is
            sent.
    """
    try:
        from holdfast.web import team
        from holdfast.web.web_settings import WebSettings
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "web", "the server needs it") from error

    registry = ctx.registry()
    ctx.require_store(registry)
    tls = _tls(options)
    is_team = team.has_people(registry)
    _require_safe(options, tls, is_team=is_team)
    if options["redirect"]:
        _require_bucket(registry)
    settings = WebSettings(
        ctx.registry,
        name=options["name"],
        read_only=options["read_only"],
        anonymous_read=options["anonymous_read"],
        host_names=_host_names(options["host_name"]),
        proxies=tuple(options["behind_proxy"]),
        tls=tls,
        secure=tls is not None or bool(options["behind_proxy"]),
        token=_token(),
        access_log=options["access_log"] == "json",
        server_key=Path(options["server_key"]) if options["server_key"] else None,
        provider_secrets=_provider_secrets(options["provider_secret"]),
        believed_keys=tuple(map(Path, options["believe_key"])),
        log=_log(options["log"]),
        redirect=options["redirect"],
    )
    return WebPlan(options["host"], options["port"], settings, is_team, _warnings(options, is_team))


def _require_bucket(registry: "Registry") -> None:
    """Refuse to send anybody to where nothing answers.

    Raises:
        InvalidInputError: If the registry is not in a bucket.
    """
    from holdfast.web import named_blobs
    from holdfast.web.below import session_of

    if not named_blobs.can_sign(session_of(registry)):
        raise InvalidInputError(
            "--redirect", "needs a registry in a bucket", "leave it out: the server sends the files"
        )


def _log(option: str | None) -> str | None:
    """Return where predictions are logged, None if nowhere.

    Raises:
        InvalidInputError: If no log can be there.
    """
    location = option or os.environ.get("HOLDFAST_LOG") or "none"
    scheme, is_address, _ = location.partition("://")
    if is_address and scheme not in ("postgresql", "postgres"):
        problem = "cannot hold a prediction log"
        raise InvalidInputError(f"--log {scheme}://…", problem, "give a folder or postgresql://")
    return None if location == "none" else location


def _require_safe(options: dict[str, Any], tls: object, *, is_team: bool) -> None:
    """Refuse what strangers could reach or read.

    Raises:
        RefusedError: Naming what is missing.
        InvalidInputError: If an option is for the server of a team, which this does not become.
    """
    far = not serve_addresses.is_loopback(options["host"])
    if far and not is_team:
        raise RefusedError(
            f"address {options['host']}",
            "web",
            ["the store has no people yet, and other machines could reach it"],
            "serve on 127.0.0.1, or run `holdfast access init --admin NAME` first",
        )
    if far and tls is None and not options["behind_proxy"] and not options["insecure_http"]:
        raise RefusedError(
            f"address {options['host']}",
            "web",
            ["tokens would cross the network in the clear"],
            "give --tls-cert and --tls-key, --behind-proxy ADDR, or --insecure-http",
        )
    if options["anonymous_read"] and not is_team:
        raise InvalidInputError(
            "--anonymous-read", "is for the server of a team", "run `holdfast access init` first"
        )


def _warnings(options: dict[str, Any], is_team: bool) -> tuple[str, ...]:  # noqa: FBT001
    warnings = []
    if is_team and options["server_key"] is None:
        warnings.append("without --server-key nobody is added or revoked here")
    if options["insecure_http"]:
        warnings.append("--insecure-http: whoever sees the network reads tokens")
    return tuple(warnings)


def _tls(options: dict[str, Any]) -> tuple[Path, Path] | None:
    certificate, key = options["tls_cert"], options["tls_key"]
    if (certificate is None) != (key is None):
        raise InvalidInputError("--tls-cert and --tls-key", "are needed together", "give both")
    if certificate is None:
        return None
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        problem = f"cannot be used: {error.strerror or error}"
        raise InvalidInputError(f"--tls-cert {certificate!r}", problem, "check both") from error
    return Path(certificate), Path(key)


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    from holdfast.http.hosts import name_of

    for name in names:
        if name_of(name) != name.lower():
            raise InvalidInputError(
                f"--host-name {name!r}", "is not a host name", "leave the port out"
            )
    return tuple(map(str.lower, names))


def _provider_secrets(values: tuple[str, ...]) -> dict[str, str]:
    secrets_by_name = {}
    for name, file in pairs("--provider-secret", values).items():
        try:
            secrets_by_name[name] = named_files.read(Path(file)).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"--provider-secret {file!r}", f"cannot be read: {error}", "check its path"
            ) from error
    return secrets_by_name


def _token() -> str:
    """Return what programs present to a server for one user: the environment's, or a new one."""
    token = os.environ.get("HOLDFAST_TOKEN")
    if token is None:
        return secrets.token_urlsafe(32)
    if len(token) < _LEAST_TOKEN:
        problem = f"has {len(token)} characters, fewer than {_LEAST_TOKEN}"
        raise InvalidInputError("HOLDFAST_TOKEN", problem, "unset it to have one made up")
    return token


def _guard(plan: WebPlan, token: str) -> "Guard":
    import getpass

    from holdfast import signing
    from holdfast.web.guard import LocalGuard
    from holdfast.web.team import team_guard

    if not plan.is_team:
        return LocalGuard(getpass.getuser(), token)
    path = plan.settings.server_key
    key = signing.load(path, passphrase()) if path is not None else None
    return team_guard(plan.settings, plan.settings.open_registry(), key)


def _tell(ctx: Context, plan: WebPlan) -> None:
    from holdfast.core.redaction import shown_address

    settings = plan.settings
    document = {
        "mode": "team" if plan.is_team else "local",
        "host": plan.host,
        "port": plan.port,
        "tls": settings.tls is not None,
        "read_only": settings.read_only,
        "anonymous_read": settings.anonymous_read,
        "host_names": settings.host_names,
        "behind_proxy": settings.proxies,
        "redirect": settings.redirect,
        "log": shown_address(settings.log) if settings.log else None,
        "warnings": plan.warnings,
    }
    ctx.emit(document, (f"{name:<15} {_shown(value)}" for name, value in document.items()))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "–"
    return "–" if value is None else str(value)


def _serve(plan: WebPlan) -> None:
    from holdfast.http import addresses
    from holdfast.web import web_server

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("holdfast").addHandler(handler)
    logging.getLogger("holdfast").setLevel(logging.INFO)
    token = plan.settings.token or ""
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(addresses.taken(plan.host, plan.port))
        app = web_server.application(plan.settings, _guard(plan, token))
        addresses.listen(bound, _BACKLOG)  # who reads the line below may connect at once
        scheme = "https" if plan.settings.tls else "http"
        host = f"[{plan.host}]" if ":" in plan.host else plan.host
        where = f"{scheme}://{host}:{bound.getsockname()[1]}"
        click.echo(f"holdfast: serving the registry on {inert(where)}", err=True)
        for warning in plan.warnings:
            click.echo(f"holdfast: {warning}", err=True)
        if not plan.is_team:
            from holdfast.web.sign_in import OneTimeLink

            link = secrets.token_urlsafe(32)
            app.desk.link = OneTimeLink(link)
            click.echo(f"holdfast: sign in once, within 10 minutes: {where}/login/{link}", err=True)
        if "HOLDFAST_TOKEN" not in os.environ and not plan.is_team:
            click.echo(f"holdfast: programs of yours: HOLDFAST_TOKEN={token}", err=True)
        web_server.run(app, bound)


COMMANDS: tuple[click.Command, ...] = (web,)
