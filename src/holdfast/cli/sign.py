"""Commands for keys, signatures and heads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.core.signers import Signer


@click.group("key")
def key() -> None:
    """Make a signing key, or show the ids of one."""


@command("new")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    default=".",
    show_default=True,
    metavar="DIR",
    help="Write the key into this folder.",
)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase [HOLDFAST_KEY_PASSPHRASE].")
def new(ctx: Context, name: str, output: str, *, passphrase: bool) -> None:
    """Make NAME.key, for its owner only, and NAME.pub, to share.

    NAME is the owner, as entries of the journal name them (`--by`).
    """
    from holdfast import signing

    secret = context.passphrase()
    if passphrase and secret is None:
        secret = click.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True)
    made = signing.create(name, Path(output), secret)
    files = {"private": str(made.private), "public": str(made.public)}
    lines = [
        f"{made.private} signs; keep it secret",
        f"{made.public} verifies signatures; share it",
        *_lines(made.signer),
    ]
    ctx.emit(files | _ids(made.signer), lines)


@command("show")
@click.argument("file")
def show(ctx: Context, file: str) -> None:
    """Show the ids of a public key, to compare with its owner's."""
    from holdfast import signing

    signer = signing.public(Path(file))
    ctx.emit(_ids(signer), _lines(signer))


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
    "--attach",
    metavar="FILE",
    help="Attach what model_signing made of a folder that `checkout` wrote.",
)
@click.option("--signed-by", metavar="NAME|FILE", help="With --attach: name the signer.")
def sign(ctx: Context, ref: str, attach: str | None, signed_by: str | None) -> None:
    """Verify every byte of REF, then sign it with --key-file.

    The signature is one of OpenSSF model-signing's: `checkout` writes it as model.sig, and
    `model_signing verify key` checks the folder.
    """
    if (attach is None) != (signed_by is None):
        raise InvalidInputError("sign", "needs --attach and --signed-by together", "give both")
    done = ctx.registry().sign(ref, attach=attach, by=signed_by or "")
    ctx.emit(done, [done.note if done.changed else f"nothing to do: {done.note}"])


@command("head")
@click.argument("model", required=False)
def head(ctx: Context, model: str | None) -> None:
    """Print the number and digest of the last entry of MODEL, or of all.

    Keep them elsewhere: `verify MODEL --head` later checks that the journal still contains it.
    """
    registry = ctx.registry()
    heads = registry.heads(model)
    if not heads:
        ctx.require_store(registry)
    lines = [str(head) if model else f"{head.model} {head}" for head in heads]
    ctx.emit(heads, lines)


COMMANDS: tuple[Any, ...] = (key, sign, head)
