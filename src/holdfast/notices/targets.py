"""`notices.toml`: who is told of what.

```toml
outbox = "outbox"                    # a folder beside this file

[[targets]]
name = "on-call"
url = "https://hooks.example.com/holdfast"
secret_env = "ONCALL_SECRET"
events = ["version.*", "rollout.halted"]
models = ["fraud", "churn-*"]
```
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Struct

from holdfast import named_files
from holdfast.errors import InvalidInputError
from holdfast.notices.notice import TEST, Notice

Kind = Literal["webhook", "apprise"]

DEFAULT_EVENTS: Final = (
    "version.promoted",
    "version.rolled_back",
    "rollout.completed",
    "rollout.passed",
    "rollout.halted",
    "rollout.undecided",
    "rollout.held",
    "rollout.aborted",
    "rollout.superseded",
    "serving.failed",
    "drift.detected",
    "accuracy.degraded",
    "retrain.failed",
    "retrain.blocked",
    "retrain.registered",
    "retrain.missed",
    "retrain.held",
)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class _Target(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: Kind = "webhook"
    url: str | None = None
    url_env: str | None = None
    secret_env: str | None = None
    events: tuple[str, ...] = DEFAULT_EVENTS
    models: tuple[str, ...] = ("*",)
    timeout_s: float = 5.0
    give_up_days: float = 3.0


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    targets: tuple[_Target, ...] = ()
    outbox: str = "outbox"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is told.

    Attributes:
        name: Of letters, digits, `-` and `_`; the outbox keeps a folder of that name.
        url: Where to; may hold a token, so it is never shown.
        secret: What webhooks are signed with; `None` signs nothing.
        events: Names or patterns, such as `rollout.*`.
        models: Names or patterns.
        timeout_s: Longest wait for an answer.
        give_up_s: Age at which a notice that cannot be delivered is put aside.
    """

    name: str
    kind: Kind
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    events: tuple[str, ...] = DEFAULT_EVENTS
    models: tuple[str, ...] = ("*",)
    timeout_s: float = 5.0
    give_up_s: float = 3 * 86_400.0

    def wants(self, notice: Notice) -> bool:
        """Tell whether it is to be told of *notice*; every target wants a test."""
        if notice.event == TEST:
            return True
        matches_event = any(fnmatchcase(notice.event, pattern) for pattern in self.events)
        return matches_event and any(fnmatchcase(notice.model, pattern) for pattern in self.models)

    @property
    def place(self) -> str:
        """Where it is, without what may be secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" if self.kind == "webhook" else parts.scheme


@dataclass(frozen=True, slots=True)
class Configuration:
    """What `notices.toml` says, with what it names of the environment filled in."""

    outbox: Path
    targets: tuple[Target, ...]


def read(file: Path, environment: Mapping[str, str]) -> Configuration:
    """Read who is told of what.

    Args:
        file: TOML, as in the module's docstring.
        environment: Where `secret_env` and `url_env` are looked up.

    Raises:
        InvalidInputError: If it cannot be read, a field is unknown or of another type, a name
            is given twice, an address is invalid, or a variable it names is not set.
    """
    subject = f"notices {str(file)!r}"
    try:
        document = msgspec.convert(tomllib.loads(named_files.read(file).decode()), _File)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its path") from error
    except ValueError as error:  # no TOML, or not what a field wants
        raise InvalidInputError(
            subject, f"cannot be read: {error}", "see docs/guides/notices.md"
        ) from error
    names = [target.name for target in document.targets]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            advice = "use letters, digits, - and _, and each name once"
            raise InvalidInputError(f"target {name!r}", "is not a unique name", advice)
    targets = tuple(_target(table, environment) for table in document.targets)
    return Configuration(file.absolute().parent / document.outbox, targets)


def _target(table: _Target, environment: Mapping[str, str]) -> Target:
    subject = f"target {table.name!r}"
    if (table.url is None) == (table.url_env is None):
        raise InvalidInputError(subject, "needs exactly one address", "give url or url_env")
    url = table.url or _variable(subject, str(table.url_env), environment)
    if table.kind == "webhook":
        check_url(subject, url)
    if not (table.timeout_s > 0 and table.give_up_days > 0):
        raise InvalidInputError(subject, "has an invalid time", "give more than 0")
    secret = table.secret_env and _variable(subject, table.secret_env, environment)
    return Target(
        name=table.name,
        kind=table.kind,
        url=url,
        secret=secret,
        events=table.events,
        models=table.models,
        timeout_s=table.timeout_s,
        give_up_s=table.give_up_days * 86_400,
    )


def _variable(subject: str, name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if not value:
        raise InvalidInputError(
            subject, f"needs {name}, which is not set in the environment", "set it"
        )
    return value


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and all(" " < letter <= "~" for letter in url)
    except ValueError:
        return None
    return parts if usable else None


def check_url(subject: str, url: str) -> SplitResult:
    """Return the parts of an address that a webhook can be sent to.

    Raises:
        InvalidInputError: If it is not http or https, or has no host; the address is not shown.
    """
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInputError(
            subject, "has no valid address", "give http:// or https:// and a host"
        )
    return parts
