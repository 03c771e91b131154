"""Commands that exchange versions with the Hugging Face Hub."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.core import wording

if TYPE_CHECKING:
    from collections.abc import Callable


@click.group("hf")
def hf() -> None:
    """Push versions to the Hugging Face Hub, or pull them from it."""


def _endpoint(function: "Callable[..., Any]") -> "Callable[..., Any]":
    return click.option(
        "--endpoint", metavar="URL", help="Use the Hub at this address [HF_ENDPOINT]."
    )(function)


@command("push")
@click.argument("ref")
@click.argument("repo")
@_endpoint
@click.option("--public", is_flag=True, help="Make a new repository visible to everybody.")
@context.at
def push(
    ctx: Context, ref: str, repo: str, endpoint: str | None, at: str | None, *, public: bool
) -> None:
    """Upload REF with its card to REPO, and tag it with the version.

    The Hub's own client uploads; its token is HF_TOKEN, or that of `hf auth login`.
    """
    from holdfast.gateways.hf import hub_transfer

    done = hub_transfer.push(ctx.registry(), ctx.named(ref, at), repo, endpoint, public=public)
    what = wording.count(done.files, "file")
    ctx.emit(done, [f"pushed {done.ref} to {done.repo}@{done.tag}: {what}, {done.commit[:12]}"])


@command("pull")
@click.argument("repo", metavar="REPO[@REV]")
@click.option("--as", "model", metavar="MODEL", help="Register as this model [REPO].")
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@_endpoint
def pull(
    ctx: Context, repo: str, model: str | None, trust: str | None, endpoint: str | None
) -> None:
    """Register the files of REPO at REV, a branch, tag or commit.

    Every byte is hashed against what the Hub lists, and scanned as at any registration.
    """
    from holdfast.gateways.hf import hub_transfer

    name, _, revision = repo.partition("@")
    done = hub_transfer.pull(ctx.registry(), name, model or name, revision or None, endpoint, trust)
    outcome = "registered" if done.created else "already there:"
    ctx.emit(done, [f"{outcome} {done.ref} from {repo}; {done.why}"])


hf.add_command(push)
hf.add_command(pull)
COMMANDS = (hf,)
