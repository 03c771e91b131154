"""`help` and `completion`: what a command does, and what a shell can fill in."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from holdfast.cli.clicked import Command
from holdfast.errors import InvalidInputError

_VARIABLE: Final = "_HOLDFAST_COMPLETE"
_BASH: Final = """
# bash takes `@` for the end of a word; refs such as churn@production are one
COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}
"""


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND]…")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a COMMAND, as its --help does."""
    shown = ctx.parent or ctx
    for word in words:
        group = shown.command
        command = group.get_command(shown, word) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(
                f"command {' '.join(words)!r} is unknown; `holdfast help` lists all"
            )
        shown = click.Context(command, parent=shown, info_name=word)
    click.echo(shown.get_help())


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    It completes commands, models, refs and aliases.
    In bash: eval "$(holdfast completion bash)", in zsh the same with zsh, in fish:
    holdfast completion fish | source. Put the line into the file that the shell reads at its start.
    """
    made = get_completion_class(shell)
    if made is None:  # every shell that can be chosen has one
        raise InvalidInputError(f"shell {shell!r}", "is unknown", "use bash, zsh or fish")
    maker = made(ctx.find_root().command, {}, "holdfast", _VARIABLE)
    script = made.source_template % maker.source_vars()
    click.echo(script + _BASH if shell == "bash" else script)


COMMANDS = (help_, completion)
