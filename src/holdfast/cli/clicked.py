"""Commands as click's: what all have, and those that were declared without it."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli.context import context_of
from holdfast.cli.declaring import SHARED, AtLeast, Choice, CommandParameter, Declared, FilePath
from holdfast.cli.output import hang_up

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Command(click.Command):
    """A command whose help ends with examples."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them, each on a line of its own."""
        from holdfast.cli.examples import EXAMPLES

        words = " ".join(ctx.command_path.split()[1:])
        with formatter.section("Examples"):
            for line in EXAMPLES.get(words, ()):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function of a `Context` a command, with the options that all commands have."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            shared = {name: kwargs.pop(name) for name in ("store", "by", "key_file", "as_json")}
            try:
                return function(context_of(shared), *args, **kwargs)
            except BrokenPipeError:  # which click makes a failure of
                return hang_up()

        call.__click_params__ = [  # type: ignore[attr-defined]
            _parameter(option) if isinstance(option, CommandParameter) else option
            for option in [*getattr(function, "__click_params__", []), *SHARED]
        ]
        made = click.command(name, cls=Command)(call)
        for param in made.params:
            plain = isinstance(param, click.Argument) and param.type is click.STRING
            if plain and param.name in _NAMING:
                param.type = RefArgument(with_version=_NAMING[param.name])
        return made

    return decorate


def made(declared: Declared | click.Command) -> click.Command:
    """Return a declared command as one of click's."""
    if isinstance(declared, Declared):
        return command(declared.name)(declared.function)
    return declared


def _parameter(declared: CommandParameter) -> click.Parameter:
    settings = {**declared.settings}
    match settings.get("type"):
        case Choice(words=words):
            settings["type"] = click.Choice(words)
        case AtLeast(least=least):
            settings["type"] = click.IntRange(least)
        case FilePath():
            settings["type"] = click.Path()
    if declared.is_argument:
        return click.Argument(declared.names, **settings)
    return click.Option(declared.names, **settings)


_NAMING: Final = {
    "a": True, "b": True, "ref": True, "target": True, "model": False, "models": False,
    "name": False,
}  # fmt: skip
"""Arguments that name a model, and whether a version of it."""


class RefArgument(click.ParamType):  # type: ignore[type-arg] # it has some in newer releases
    """An argument that names a model, or a version as MODEL@REF, which shells fill in.

    Args:
        with_version: Whether a version is wanted behind the model.
    """

    name = "text"

    def __init__(self, *, with_version: bool) -> None:
        self._with_version = with_version

    def shell_complete(
        self, ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """List what fits."""
        from holdfast.cli.completion import completed

        opened = context_of(ctx.params).registry
        return completed(opened, incomplete, with_version=self._with_version)
