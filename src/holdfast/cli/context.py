"""What all commands share: the store, the author, and results as text or as JSON."""

import gc
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from holdfast import named_files
from holdfast.cli.declaring import option
from holdfast.cli.output import echo
from holdfast.errors import InvalidInputError, StoreError

if TYPE_CHECKING:
    from holdfast.registry import Registry
    from holdfast.signing import SigningKey

SCHEMA: Final = 1
"""Version of the JSON that commands print; it rises when a field changes its meaning."""
SERVERS: Final = ("https", "http")
_ELSEWHERE: Final = "name another, or make one with `holdfast init`"


class Context(Struct, frozen=True):
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
        if is_address and scheme in SERVERS:
            options = {"allow_http": str(allows_http())}
        elif is_address:
            from holdfast.store.objects.credentials import of_environment

            options = of_environment(scheme, os.environ)
        cache = os.environ.get("HOLDFAST_CACHE")
        limit = os.environ.get("HOLDFAST_LOCK_TIMEOUT", "10s")
        opened = open_registry(
            location if is_address else os.path.abspath(location),  # errors then say where it is
            by=self.by,
            signing_key=self._load if self.key_file else None,
            options=options,
            cache=Path(cache) if cache else None,
            lock_timeout_s=seconds("HOLDFAST_LOCK_TIMEOUT", limit),
        )
        gc.enable()
        return opened

    def require_store(self, registry: "Registry") -> None:
        """Check that there is a store to look at, before an empty answer is given.

        Raises:
            StoreError: If there is none, with the place and the setting that named it.
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
            import click

            secret = click.prompt(f"passphrase of {path}", hide_input=True, err=True)
        return signing.load(path, secret)

    def emit(self, result: object, lines: Iterable[str]) -> None:
        """Print a result: the object as JSON, or the lines."""
        from holdfast.cli.tables import inert_in_colour, inert_json, within

        if self.as_json:
            echo(inert_json({"schema": SCHEMA, "data": result}))
        else:
            echo(within(inert_in_colour("\n".join(lines))))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask a person before something is lost for good; *yes* answers in advance.

        Raises:
            InvalidInputError: If nobody can be asked: a pipe's `y` or `n` is not a person's answer.
        """
        if yes:
            return
        if not self.interactive:
            raise InvalidInputError(
                f"confirmation to {question}",
                "needs a terminal, so nothing was removed",
                "add --yes",
            )
        import click

        click.confirm(f"{question}?", abort=True, err=True)

    def require_meant(self, registry: "Registry", name: str, *, new: bool) -> None:
        """Ask before creating a model whose name may be a typing error for another's.

        Args:
            registry: Where it would be.
            name: Its name.
            new: The answer in advance.

        Raises:
            InvalidInputError: If nobody can be asked; the names that may be meant are listed.
        """
        if new or self._exists(registry, name):
            return
        near = registry.mistakable(name)
        if not near:
            return
        listed = ", ".join(near)
        if not self.interactive:
            raise InvalidInputError(
                f"model {name!r}", f"is new, and close to {listed}", "add --new if you mean it"
            )
        import click

        click.confirm(f"{name} is new, and close to {listed}; create it?", abort=True, err=True)

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


def context_of(params: Mapping[str, Any]) -> Context:
    """Return the values of the options that all commands have, else of the environment."""
    store, origin = _store(params.get("store"))
    by = params.get("by") or os.environ.get("HOLDFAST_BY")
    key_file = params.get("key_file") or os.environ.get("HOLDFAST_KEY")
    as_json = bool(params.get("as_json"))
    return Context(store, by and str(by), as_json, key_file and str(key_file), origin)


def _store(option: Any) -> tuple[str, str]:
    """Return where the store is, and which setting says so."""
    if option:
        return str(option), "--store names it"
    location = os.environ.get("HOLDFAST_STORE")
    if location:
        return location, "HOLDFAST_STORE names it"
    return "store", "neither --store nor HOLDFAST_STORE is set"


def allows_http() -> bool:
    """Tell whether the environment lets `http://` lead to another machine."""
    return os.environ.get("HOLDFAST_INSECURE_HTTP", "") == "1"


def passphrase() -> str | None:
    """Return the passphrase of the private key, where the environment has it."""
    return os.environ.get("HOLDFAST_KEY_PASSPHRASE")


reason = option("--reason", metavar="TEXT", help="Give a reason, which the history keeps.")
idempotency_key = option(
    "--idempotency-key",
    metavar="KEY",
    help="Do it once, however often it is asked for under this key.",
)
yes = option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
new = option("--new", is_flag=True, help="Create a model whose name is close to another's.")
force = option("--force", is_flag=True, help="Override the gate; needs --reason.")
at = option("--at", metavar="TIME", help="Show it as it was then: 2026-03-03T14:00Z.")


def losses(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that read losses."""
    for declare in (
        option(
            "--evaluation-set",
            metavar="FILE|sha256:…",
            help="Name the rows that the losses belong to.",
        ),
        option(
            "--losses",
            multiple=True,
            metavar="NAME=FILE",
            help="Read one value per row (.csv, .npy), which the gate pairs with the champion's.",
        ),
    ):
        function = declare(function)
    return function


_SPAN: Final = r"(\d+(?:\.\d+)?)\s*([smhdw]?)"
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(option: str, text: str) -> float:
    """Read a span of time: `0`, `10m`, `12h`, `7d`.

    Raises:
        InvalidInputError: If it is not a span of time.
    """
    match = re.fullmatch(_SPAN, text.strip())
    if match is None:
        raise InvalidInputError(
            f"{option} {text!r}", "is not a span of time", "write 0, 10m, 12h or 7d"
        )
    span_s = float(match[1]) * _SECONDS[match[2]]
    if not math.isfinite(span_s):
        raise InvalidInputError(f"{option} {text[:40]!r}", "is too long", "write 0, 10m, 12h or 7d")
    return span_s


def pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """Read `NAME=VALUE` options.

    Raises:
        InvalidInputError: If one has no `=`.
    """
    values_by_name = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise InvalidInputError(
                f"{option} {value!r}", "is not NAME=VALUE", "write it like that"
            )
        values_by_name[name] = text
    return values_by_name


def typed(values: dict[str, str]) -> dict[str, Any]:
    """Read values as JSON where they are (`0.05`, `true`, `[1,2]`), as text where they are not."""
    return {name: _typed(text) for name, text in values.items()}


def _typed(text: str) -> Any:
    from holdfast.core.strict_json import RepeatedKeyError

    try:
        return _json(text, str)  # NaN is not a value of a fact: it stays text
    except RepeatedKeyError as error:
        raise InvalidInputError(
            f"value {text!r}", f"cannot be read: {error}", "leave one of them out"
        ) from error
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
    """Read `NAME=NUMBER` options; anything that is not a number is refused with the metrics."""
    numbers_by_name = {}
    for name, text in pairs(option, values).items():
        try:
            numbers_by_name[name] = float(text)
        except ValueError:
            raise InvalidInputError(
                f"{option} {name}", f"must be a finite number, not {text!r}"
            ) from None
    return numbers_by_name


def json_file(option: str, path: str | None) -> Any:
    """Read a JSON file, `{}` where none is named.

    Raises:
        InvalidInputError: If it cannot be read, is not JSON or has a key twice.
    """
    if path is None:
        return {}
    try:
        return _json(named_files.read(Path(path)).decode(), float)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"{option} {path!r}", problem, "check its path") from error
    except ValueError as error:
        raise InvalidInputError(f"{option} {path!r}", f"is not JSON: {error}", "fix it") from error
