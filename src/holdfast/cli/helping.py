"""`help` and `completion`: what a command does, and what a shell can fill in."""

import contextlib
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from holdfast.cli.context import Command, context_of
from holdfast.errors import InvalidInputError

_STANDING: Final = ("production", "staging", "latest", "previous")
"""Names that every model has for a version."""

_VARIABLE: Final = "_HOLDFAST_COMPLETE"
_BASH: Final = """
# bash takes `@` for the end of a word; refs such as churn@production are one
COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}
"""


def completed(ctx: click.Context, incomplete: str, *, with_version: bool) -> list[CompletionItem]:
    """List what fits an argument that names a model, or a version.

    A store that is not there, or damaged, has nothing to offer.
    """
    with contextlib.suppress(Exception):
        return [CompletionItem(word) for word in _words(ctx, incomplete, with_version=with_version)]
    return []


def _words(ctx: click.Context, incomplete: str, *, with_version: bool) -> list[str]:
    registry = context_of(ctx.params).registry()
    model, at, _ = incomplete.partition("@")
    if at:
        versions = registry.versions(model)
        aliases = {alias for info in versions for alias in info.aliases}
        names = [*_STANDING, *sorted(aliases), *(info.version for info in versions[::-1])]
        words = [f"{model}@{name}" for name in dict.fromkeys(names)]
    else:
        found = [info.model for info in registry.models()]
        words = [word for word in found if word.startswith(incomplete)]
        if with_version and words == [incomplete]:
            words = [f"{incomplete}@{name}" for name in _STANDING]
    return [word for word in words if word.startswith(incomplete)]


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND]…")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show what a COMMAND does, as its --help does."""
    shown = ctx.parent or ctx
    for word in words:
        group = shown.command
        found = group.get_command(shown, word) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f"no command {' '.join(words)!r}; `holdfast help` lists all")
        shown = click.Context(found, parent=shown, info_name=word)
    click.echo(shown.get_help())


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, models, refs and aliases.

    In bash: eval "$(holdfast completion bash)", in zsh the same with zsh, in fish:
    holdfast completion fish | source. Put the line in the file that the shell reads at its start.
    """
    made = get_completion_class(shell)
    if made is None:  # every shell that can be chosen has one
        raise InvalidInputError(f"shell {shell!r}", "is not known", "take bash, zsh or fish")
    maker = made(ctx.find_root().command, {}, "holdfast", _VARIABLE)
    script = made.source_template % maker.source_vars()
    click.echo(script + _BASH if shell == "bash" else script)


COMMANDS = (help_, completion)
