"""Commands that keep and forget the token for a server."""

import os
import sys

import click

from holdfast.cli.clicked import command
from holdfast.cli.context import Context, allows_http
from holdfast.errors import InvalidInputError

_MOST_TOKEN = 1 << 14


@command("login")
@click.argument("url")
def login(ctx: Context, url: str) -> None:
    """Keep the token for the server at URL, once it is known to be valid.

    The token is read from a prompt, or from standard input. It is written to
    ~/.config/holdfast/credentials.toml, which nobody else can read.
    """
    from holdfast.registry.server_answers import ask_whoami
    from holdfast.store.remote import server_address, server_credentials
    from holdfast.store.remote.http_client import HttpClient

    address = server_address.parse(url, allow_http=allows_http())
    token = server_credentials.check(_token(ctx, address.url), "token")
    me = ask_whoami(HttpClient(address, lambda: token))
    file = server_credentials.keep(address, token)
    lines = [f"signed in to {address.url} as {me.user.name}", f"  token kept in {file}"]
    if os.environ.get(server_credentials.VARIABLE):
        lines.append(f"  {server_credentials.VARIABLE} is set, and goes before it")
    ctx.emit({"server": address.url, "user": me.user.name, "file": str(file)}, lines)


@command("logout")
@click.argument("url")
@click.option("--forget", is_flag=True, help="Forget which entries of it were seen here, as well.")
def logout(ctx: Context, url: str, *, forget: bool) -> None:
    """Remove the token for the server at URL from this machine.

    --forget lets a server that was put back to an earlier state, or to another store, be used
    again: only do so if you know that this was done on purpose.
    """
    from holdfast.store.remote import server_address, server_credentials
    from holdfast.store.remote_location import RemoteLocation

    address = server_address.parse(url, allow_http=allows_http())
    removed = server_credentials.forget(address)
    if forget:
        RemoteLocation(address).forget()
    lines = [f"{'removed the' if removed else 'there was no'} token for {address.url}"]
    lines += ["  forgot what was seen of it"] if forget else []
    ctx.emit({"server": address.url, "removed": removed, "forgot": forget}, lines)


def _token(ctx: Context, url: str) -> str:
    """Ask a person, else read standard input; an argument could be seen by others."""
    if ctx.interactive:
        return str(click.prompt(f"token for {url}", hide_input=True, err=True))
    text = sys.stdin.read(_MOST_TOKEN).strip()
    if not text:
        raise InvalidInputError("token", "is missing", "give it on standard input")
    return text


COMMANDS: tuple[click.Command, ...] = (login, logout)
