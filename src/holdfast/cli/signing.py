"""Commands for keys, signatures and heads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.context import Context, command
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.signers import Signer


@click.group("key")
def key() -> None:
    """Make a key to sign with, or show whose signature is whose."""


@command("new")
@click.argument("name")
@click.option("--out", default=".", show_default=True, metavar="DIR", help="Where it is written.")
@click.option("--passphrase", is_flag=True, help="Ask for one [HOLDFAST_KEY_PASSPHRASE].")
def new(given: Context, name: str, out: str, *, passphrase: bool) -> None:
    """Make NAME.key, for its owner alone, and NAME.pub, to be given away.

    NAME is the owner, as entries of the journal name them (`--by`).
    """
    from holdfast import signing

    secret = context.passphrase()
    if passphrase and secret is None:
        secret = click.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True)
    made = signing.create(name, Path(out), secret)
    files = {"private": str(made.private), "public": str(made.public)}
    lines = [
        f"{made.private} signs; keep it to yourself",
        f"{made.public} checks what it signed; give it away",
        *_lines(made.signer),
    ]
    given.emit(files | _ids(made.signer), lines)


@command("show")
@click.argument("file")
def show(given: Context, file: str) -> None:
    """Show the ids of a public key, to be compared with its owner's by another way."""
    from holdfast import signing

    signer = signing.public(Path(file))
    given.emit(_ids(signer), _lines(signer))


def _ids(signer: "Signer") -> dict[str, str | None]:
    from holdfast.core import signers

    return {
        "entries": signers.entry_key_id(signer.ed25519) if signer.ed25519 else None,
        "versions": signers.version_key_id(signer.ec) if signer.ec else None,
    }


def _lines(signer: "Signer") -> list[str]:
    return [f"{what:<9} {key_id}" for what, key_id in _ids(signer).items() if key_id]


key.add_command(new)
key.add_command(show)


@command("sign")
@click.argument("ref")
@click.option(
    "--attach", metavar="FILE", help="Take in what model_signing made of a folder checked out."
)
@click.option("--signed-by", metavar="NAME|FILE", help="With --attach: whose it is.")
def sign(given: Context, ref: str, attach: str | None, signed_by: str | None) -> None:
    """Sign the version REF with --key-file, every byte of it verified first.

    The signature is one of OpenSSF model-signing's: `checkout` writes it as model.sig, and
    `model_signing verify key` checks the folder.
    """
    if (attach is None) != (signed_by is None):
        raise InvalidInputError("sign", "wants --attach and --signed-by together", "give both")
    done = given.registry().sign(ref, attach=attach, by=signed_by or "")
    given.emit(done, [done.note if done.changed else f"nothing to do: {done.note}"])


@command("head")
@click.argument("model", required=False)
def head(given: Context, model: str | None) -> None:
    """Print number and digest of the last entry of MODEL, or of all, to be kept elsewhere.

    `verify MODEL --head` tells later whether the journal up to there is still the one it was.
    """
    registry = given.registry()
    found = registry.heads(model)
    if not found:
        given.require_store(registry)
    lines = [str(one) if model else f"{one.model} {one}" for one in found]
    given.emit(found, lines)


COMMANDS: tuple[Any, ...] = (key, sign, head)
