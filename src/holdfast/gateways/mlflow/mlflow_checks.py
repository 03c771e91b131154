"""What MLflow's stores check of names, versions, tags and aliases, in its words."""

import json
import posixpath
import re
from collections.abc import Sequence
from typing import Any, Final

from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem, invalid

Tags = Sequence[tuple[Any, Any]]
"""Key and value of each tag, as a client sent them."""
PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_PROMPT_TEXT: Final = "mlflow.prompt.text"
_MOST_KEY: Final = 250
_MOST_VALUE: Final = 100_000
_MOST_ALIAS: Final = 255
_KEY: Final = re.compile(r"^[/\w.\- :]*$")
_ALIAS: Final = re.compile(r"^[\w\-]*$")
NUMBERED: Final = re.compile(r"^[vV]\d+$")
_LETTERS: Final = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), "
    "colon(:) and slashes (/)."
)
_ALIAS_LETTERS: Final = "Names may only contain alphanumerics, underscores (_), and dashes (-)."


def required(parameter: str) -> MlflowProblem:
    """Return the error of a parameter that was left out."""
    return invalid(f"Missing value for required parameter '{parameter}'.")


def check_name(name: str | None) -> None:
    """Refuse a model's name that is blank, has `/` or `:`, or would be another one as a path."""
    if name is None or name.strip() == "":
        raise required("name")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    _check_path("name", name)


def check_new_name(name: str | None) -> None:
    """Refuse a new name of a model as `check_name` does."""
    if name is None or str(name).strip() == "":
        raise required("new_name")
    check_name(name)


def number_of(version: Any) -> int:
    """Return a version's integer."""
    try:
        return int(version)
    except ValueError:
        raise invalid(f"Parameter 'version' must be an integer, got '{version}'.") from None


def check_key(key: str | None) -> None:
    """Refuse a tag's key that has other characters, or would be another one as a path."""
    if key is None:
        raise required("key")
    if not _KEY.match(key):
        raise _unfit("key", key, _LETTERS)
    _check_path("key", key)


def check_model_tag(key: Any, value: Any) -> None:
    """Refuse a tag that a model cannot have."""
    check_key(key)
    _check_length("key", key, _MOST_KEY)
    _check_length("value", value, _MOST_VALUE)


def check_version_tag(key: Any, value: Any) -> None:
    """Refuse a tag that a version cannot have."""
    check_key(key)
    if value is None:
        raise invalid("Tag value cannot be None")
    _check_length("key", key, _MOST_KEY)
    if key == _PROMPT_TEXT and len(value) > _MOST_VALUE:
        raise invalid(f"Prompt text exceeds max length of {_MOST_VALUE} characters.")
    _check_length("value", value, _MOST_VALUE)


def check_alias(alias: str | None) -> None:
    """Refuse an alias that is empty, too long or has other characters."""
    if alias is None or alias == "":
        raise invalid("Registered model alias name cannot be empty.")
    if not _ALIAS.match(alias):
        raise invalid(f"Invalid alias name: '{alias}'. {_ALIAS_LETTERS}")
    _check_length("Registered model alias name", alias, _MOST_ALIAS)


def check_not_reserved(alias: str) -> None:
    """Refuse an alias that means something else in MLflow."""
    if alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if NUMBERED.match(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")


def _check_path(parameter: str, name: str) -> None:
    norm = posixpath.normpath(name)
    if norm != name or norm == "." or norm.startswith(("..", "/")):
        problem = (
            "Names may be treated as files in certain cases, and must not resolve to other names"
            f" when treated as such. This name would resolve to {norm!r}"
        )
        raise _unfit(parameter, name, problem)


def _unfit(parameter: str, value: str, why: str) -> MlflowProblem:
    told = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return invalid(f"Invalid value {told} for parameter '{parameter}' supplied: {why}")


def _check_length(what: str, value: Any, most: int) -> None:
    if value is not None and len(value) > most:
        raise invalid(f"'{what}' exceeds the maximum length of {most} characters")
