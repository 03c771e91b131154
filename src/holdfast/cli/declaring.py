"""Commands as they are declared, and plain calls of them read without the library for the rest.

A command that only looks is done in a fraction of the time that importing click takes. What is
declared here becomes a click command where click is needed: for help, completion, mistakes, and
everything else that `understood` leaves to it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final


class Choice:
    """A type of values: one of these words."""

    def __init__(self, *words: str) -> None:
        self.words = words


class AtLeast:
    """A type of values: a whole number, this or more."""

    def __init__(self, least: int) -> None:
        self.least = least


class FilePath:
    """A type of values: a path, which shells complete."""


class CommandParameter:
    """An option or an argument.

    Attributes:
        names: As `click.option` and `click.argument` take them.
        settings: Likewise, except for `type`, which is one of this module.
    """

    def __init__(self, names: tuple[str, ...], settings: dict[str, Any]) -> None:
        self.names = names
        self.settings = settings

    @property
    def is_argument(self) -> bool:
        """True if it is told by its position."""
        return not self.names[0].startswith("-")

    @property
    def name(self) -> str:
        """The parameter of the function."""
        plain = [name for name in self.names if not name.startswith("-")]
        return plain[0] if plain else self.names[0].lstrip("-").replace("-", "_")

    @property
    def default(self) -> Any:
        """What the function gets where the call does not name it."""
        if self.settings.get("multiple"):
            return ()
        return self.settings.get("default", False if self.settings.get("is_flag") else None)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(*names: str, **settings: Any) -> Decorator:
    """Declare an option of the function below, in the words of `click.option`."""
    return _declare(CommandParameter(names, settings))


def argument(name: str, **settings: Any) -> Decorator:
    """Declare an argument of the function below, in the words of `click.argument`."""
    return _declare(CommandParameter((name,), settings))


def _declare(parameter: CommandParameter) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        # where click itself keeps them, so that its decorators may stand among these
        listed: list[Any] = vars(function).setdefault("__click_params__", [])
        listed.append(parameter)
        return function

    return decorate


SHARED: Final = (
    CommandParameter(("--json", "as_json"), {"is_flag": True, "help": "Print the result as JSON."}),
    CommandParameter(
        ("--key-file",),
        {"metavar": "FILE", "help": "Sign with this private key [HOLDFAST_KEY]."},
    ),
    CommandParameter(
        ("--by",), {"metavar": "NAME", "help": "Set the author [HOLDFAST_BY, else the user]."}
    ),
    CommandParameter(
        ("--store",),
        {
            "metavar": "DIR|URL",
            "help": "Use this store: a folder, s3://…, https://… [HOLDFAST_STORE, else ./store].",
        },
    ),
)
"""The options of every command, the last one of its help first."""


class Declared:
    """A command that is not yet one of click's.

    Attributes:
        function: Takes a `Context` and the parameters.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    @property
    def parameters(self) -> list[Any]:
        """What was declared of the function, in order."""
        return list(getattr(self.function, "__click_params__", []))[::-1]


def command(name: str) -> Callable[[Callable[..., Any]], Declared]:
    """Declare a function of a `Context` as a command, with the options that all commands have."""
    return functools.partial(Declared, name)


def understood(declared: Declared, words: Sequence[str]) -> dict[str, Any] | None:
    """Read a plain call; None for whatever click reads another way, or has something to say of.

    Plain are options by their whole name, each once unless it may be repeated, with a value that
    does not look like an option, and as many arguments as there are.
    """
    parameters = [*declared.parameters, *SHARED]
    options = {
        name: parameter
        for parameter in parameters
        for name in parameter.names
        if name.startswith("-")
    }
    values: dict[str, Any] = {}
    positional: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word or word == "-":
            return None
        if not word.startswith("-"):
            positional.append(word)
            continue
        name, _, value = word.partition("=")
        parameter = options.get(name)
        if parameter is None or not _take(parameter, word, value, rest, values):
            return None
    arguments = [parameter for parameter in parameters if parameter.is_argument]
    if not _place(arguments, positional, values):
        return None
    return {parameter.name: parameter.default for parameter in parameters} | values


def _take(
    parameter: CommandParameter, word: str, value: str, rest: Iterator[str], values: dict[str, Any]
) -> bool:
    """Read the value of an option; false if that is for click."""
    settings = parameter.settings
    if "flag_value" in settings or (parameter.name in values and not settings.get("multiple")):
        return False
    if settings.get("is_flag"):
        values[parameter.name] = True
        return "=" not in word
    text = value if "=" in word else next(rest, "")
    if not text or ("=" not in word and text.startswith("-")):
        return False
    typed = _typed(settings, text)
    values[parameter.name] = (
        (*values.get(parameter.name, ()), typed) if settings.get("multiple") else typed
    )
    return typed is not None


def _place(
    arguments: Sequence[CommandParameter], texts: Sequence[str], values: dict[str, Any]
) -> bool:
    """Give each argument its value, in order; false if that is for click."""
    required = [argument for argument in arguments if argument.settings.get("required", True)]
    if not len(required) <= len(texts) <= len(arguments):
        return False
    for parameter, text in zip(arguments, texts, strict=False):
        values[parameter.name] = _typed(parameter.settings, text)
    return all("nargs" not in argument.settings for argument in arguments)


def _typed(settings: Mapping[str, Any], text: str) -> Any:
    """Return a value as its type; None where its type does not have it."""
    match settings.get("type"):
        case Choice(words=words):
            return text if text in words else None
        case AtLeast(least=least):
            plain = text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004
            return int(text) if plain and int(text) >= least else None
        case _:
            return text
