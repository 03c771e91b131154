"""What all commands share: the store, the author, and results as text or as JSON."""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.errors import InvalidInputError, StoreError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from holdfast.registry import Registry
    from holdfast.signing import SigningKey

SCHEMA: Final = 1
"""Version of the JSON that commands print; it rises when a field changes its meaning."""
_ELSEWHERE: Final = "name another, or make one with `holdfast init`"


@dataclass(frozen=True, slots=True)
class Context:
    """One call of a command.

    Attributes:
        as_json: Print results as JSON.
        key_file: Private key that signs what is written; read when it is first needed.
        origin: Who said where the store is.
    """

    store: str
    by: str | None
    as_json: bool
    key_file: str | None = None
    origin: str = "--store names it"

    def registry(self) -> "Registry":
        """Open the store."""
        return self.open(self.store)

    def open(self, location: str) -> "Registry":
        """Open a store, this one or another."""
        from holdfast.registry import open_registry

        scheme, is_address, _ = location.partition("://")
        options: dict[str, str] = {}
        if is_address:
            from holdfast.store.objects.credentials import of_environment

            options = of_environment(scheme, os.environ)
        cache = os.environ.get("HOLDFAST_CACHE")
        limit = os.environ.get("HOLDFAST_LOCK_TIMEOUT", "10s")
        return open_registry(
            location if is_address else os.path.abspath(location),  # errors then say where it is
            by=self.by,
            key=self._load if self.key_file else None,
            options=options,
            cache=Path(cache) if cache else None,
            lock_timeout_s=seconds("HOLDFAST_LOCK_TIMEOUT", limit),
        )

    def require_store(self, registry: "Registry") -> None:
        """Check that there is a store to look at, before an empty answer is given.

        Raises:
            StoreError: If there is none, saying where it was looked for and who named it.
        """
        try:
            registry.identity  # noqa: B018 - asked for its refusal
        except StoreError as error:
            raise StoreError(error.path, error.problem, f"{self.origin}; {_ELSEWHERE}") from None

    def named(self, ref: str, at: str | None) -> str:
        """Return *ref* as an exact ref where it is to be read as of a time, else as it is."""
        return ref if at is None else self.registry().resolve(ref, at=at).ref

    def _load(self) -> "SigningKey":
        """Read the key; where it has a passphrase that nobody gave, ask a person for it."""
        from holdfast import signing

        path, secret = Path(self.key_file or ""), passphrase()
        if secret is None and self.interactive and signing.is_locked(path):
            secret = click.prompt(f"passphrase of {path}", hide_input=True, err=True)
        return signing.load(path, secret)

    def emit(self, result: object, lines: Iterable[str]) -> None:
        """Print a result: the object as JSON, or the lines."""
        from holdfast.cli.tables import inert_in_colour, inert_json

        if self.as_json:
            click.echo(inert_json({"schema": SCHEMA, "data": result}))
        else:
            click.echo(inert_in_colour("\n".join(lines)))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask a person before something is lost for good; *yes* answers in advance.

        Raises:
            InvalidInputError: If nobody can be asked: a pipe's `y` or `n` is no person's answer.
        """
        if yes:
            return
        if not self.interactive:
            raise InvalidInputError(
                question, "nobody can be asked here, nothing was removed", "add --yes to go ahead"
            )
        click.confirm(f"{question}?", abort=True, err=True)

    def require_meant(self, registry: "Registry", name: str, *, new: bool) -> None:
        """Ask before a model is begun whose name may be a slip of the keys for another's.

        Args:
            registry: Where it would be.
            name: Its name.
            new: The answer in advance.

        Raises:
            InvalidInputError: If nobody can be asked; the names that may be meant are listed.
        """
        from holdfast.core.names import mistakable

        if new or self._exists(registry, name):
            return
        near = mistakable(name, [info.model for info in registry.models()])
        if not near:
            return
        listed = ", ".join(near)
        if not self.interactive:
            raise InvalidInputError(
                f"model {name!r}", f"is new, and close to {listed}", "add --new if it is meant"
            )
        click.confirm(f"{name} is new, and close to {listed}; begin it?", abort=True, err=True)

    def _exists(self, registry: "Registry", name: str) -> bool:
        from holdfast.errors import NotFoundError

        try:
            registry.policy(name)
        except NotFoundError:
            return False
        return True

    @property
    def interactive(self) -> bool:
        """True if a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.as_json


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
            return function(context_of(shared), *args, **kwargs)

        wrapped: Callable[..., Any] = call
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
            click.option(
                "--key-file", metavar="FILE", help="Private key that signs [HOLDFAST_KEY]."
            ),
            click.option("--by", metavar="NAME", help="Author [HOLDFAST_BY, else the user]."),
            click.option(
                "--store",
                metavar="DIR|URL",
                help="The store: a folder or s3://… [HOLDFAST_STORE, else ./store].",
            ),
        ):
            wrapped = option(wrapped)
        made = click.command(name, cls=Command)(wrapped)
        for param in made.params:
            plain = isinstance(param, click.Argument) and param.type is click.STRING
            if plain and param.name in _NAMING:
                param.type = Named(with_version=_NAMING[param.name])
        return made

    return decorate


_NAMING: Final = {
    "a": True, "b": True, "ref": True, "target": True, "model": False, "models": False,
    "name": False,
}  # fmt: skip
"""Arguments that name a model, and whether a version of it."""


class Named(click.ParamType):  # type: ignore[type-arg] # it has some in newer releases
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
        from holdfast.cli.helping import completed

        return completed(ctx, incomplete, with_version=self._with_version)


def context_of(params: Mapping[str, Any]) -> Context:
    """Return what the options say that all commands have, else the environment."""
    store, origin = _store(params.get("store"))
    by = params.get("by") or os.environ.get("HOLDFAST_BY")
    key_file = params.get("key_file") or os.environ.get("HOLDFAST_KEY")
    as_json = bool(params.get("as_json"))
    return Context(store, by and str(by), as_json, key_file and str(key_file), origin)


def _store(option: Any) -> tuple[str, str]:
    """Return where the store is, and who says so."""
    if option:
        return str(option), "--store names it"
    named = os.environ.get("HOLDFAST_STORE")
    if named:
        return named, "HOLDFAST_STORE names it"
    return "store", "neither --store nor HOLDFAST_STORE is given"


def passphrase() -> str | None:
    """Return the passphrase of the private key, where the environment has it."""
    return os.environ.get("HOLDFAST_KEY_PASSPHRASE")


reason = click.option("--reason", metavar="TEXT", help="Why; kept in the history.")
key = click.option(
    "--key", metavar="KEY", help="Idempotency key: the same is done once, another refused."
)
yes = click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can be asked.")
new = click.option("--new", is_flag=True, help="Begin a model whose name is close to another's.")
force = click.option("--force", is_flag=True, help="Pass over the gate; needs --reason.")
at = click.option("--at", metavar="TIME", help="As it stood then: 2026-03-03T14:00Z.")


def losses(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which losses are taken in."""
    for option in (
        click.option(
            "--evaluation-set", metavar="FILE|sha256:…", help="What the losses are of, row by row."
        ),
        click.option(
            "--losses",
            multiple=True,
            metavar="NAME=FILE",
            help="One value a row (.csv, .npy), paired with the champion's by the gate.",
        ),
    ):
        function = option(function)
    return function


_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(option: str, text: str) -> float:
    """Read a span of time: `0`, `10m`, `12h`, `7d`.

    Raises:
        InvalidInputError: If it is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(
            f"{option} {text!r}", "is no span of time", "write 0, 10m, 12h or 7d"
        )
    return float(match[1]) * _SECONDS[match[2]]


def pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """Read `NAME=VALUE` options.

    Raises:
        InvalidInputError: If one has no `=`.
    """
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"{option} {value!r}", "is not NAME=VALUE", "write it so")
        found[name] = text
    return found


def typed(values: dict[str, str]) -> dict[str, Any]:
    """Read values as JSON where they are (`0.05`, `true`, `[1,2]`), as text where they are not."""
    return {name: _typed(text) for name, text in values.items()}


def _typed(text: str) -> Any:
    from holdfast.core.strict_json import RepeatedKeyError

    try:
        return _json(text, str)  # NaN is no value of a fact: it stays text
    except RepeatedKeyError as error:
        raise InvalidInputError(f"value {text!r}", str(error), "leave one of them out") from error
    except ValueError:
        return text


def _json(text: str, constant: Callable[[str], Any]) -> Any:
    """Read what people write; *constant* makes a value of NaN and infinities, as Python writes."""
    import json

    from holdfast.core.strict_json import distinct

    try:
        return json.loads(text, parse_constant=constant, object_pairs_hook=distinct)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def numbers(option: str, values: Iterable[str]) -> dict[str, Any]:
    """Read `NAME=NUMBER` options; what is no number is refused where metrics are checked."""
    found = {}
    for name, text in pairs(option, values).items():
        try:
            found[name] = float(text)
        except ValueError:
            raise InvalidInputError(
                f"{option} {name}", f"{text!r} is not a number", "give a finite number"
            ) from None
    return found


def json_file(option: str, path: str | None) -> Any:
    """Read a JSON file, `{}` where none is named.

    Raises:
        InvalidInputError: If it cannot be read, is not JSON or has a key twice.
    """
    if path is None:
        return {}
    try:
        return _json(Path(path).read_text(encoding="utf-8"), float)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"{option} {path!r}", problem, "check its path") from error
    except ValueError as error:
        raise InvalidInputError(f"{option} {path!r}", f"is not JSON: {error}", "fix it") from error
