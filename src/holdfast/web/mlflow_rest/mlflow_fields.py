"""What a request says by name, in a query or in JSON, read as MLflow's server reads it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from holdfast.core import strict_json
from holdfast.gateways.mlflow import mlflow_names
from holdfast.gateways.mlflow.mlflow_checks import required
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem, invalid
from holdfast.http.problems import Problem
from holdfast.web.exchange import query_pairs

_MOST: Final = 1000
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_FLAGS: Final = {"true": True, "false": False}
_SHOWN: Final = 100


class Fields:
    """The fields of one request."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def name(self) -> str:
        """The model, by MLflow's name."""
        return self.text("name")

    @property
    def model(self) -> str:
        """The model, by Holdfast's name."""
        return mlflow_names.to_holdfast(self.name)

    @property
    def version(self) -> str:
        """The version, by MLflow's integer."""
        return self.text("version")

    def text(self, name: str) -> str:
        """Return a text that must be there.

        Raises:
            MlflowProblem: If it is not.
        """
        value = self.maybe(name)
        if value is None or value == "":
            raise required(name)
        return value

    def maybe(self, name: str) -> str | None:
        """Return a text, `None` if there is none; a number counts as its digits."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            raise _unfit(name, value, "text")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, empty if there is none."""
        value = self._values.get(name, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
            raise _unfit(name, value, "a list of texts")
        return values

    def flag(self, name: str) -> bool:
        """Return whether something is said to be so; it is not if nothing is said."""
        value = self._values.get(name, False)
        value = _FLAGS.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            raise _unfit(name, value, "true or false")
        return value

    def number(self, name: str, default: int) -> int:
        """Return a whole number above 0."""
        text = self.maybe(name)
        if text is None:
            return default
        if _INTEGER.fullmatch(text) is None:
            raise _unfit(name, text, "a positive integer")
        if int(text) < 1:
            raise invalid(
                f"Invalid value for {name}. It must be a positive integer, but got {text}"
            )
        return int(text)

    @property
    def tags(self) -> list[tuple[str, str]]:
        """Key and value of each tag, empty where left out."""
        value = self._values.get("tags", [])
        if not isinstance(value, list) or not all(isinstance(tag, dict) for tag in value):
            raise _unfit("tags", value, "a list of objects")
        return [(tag.maybe("key") or "", tag.maybe("value") or "") for tag in map(Fields, value)]


def _unfit(name: str, value: object, kind: str) -> MlflowProblem:
    shown = repr(value)[:_SHOWN]
    return invalid(f"Invalid value {shown} for parameter '{name}' supplied: it must be {kind}")


def of_query(query: bytes) -> Fields:
    """Read the fields of a query; one that stands there several times is a list.

    Raises:
        Problem: 400 if it cannot be read.
    """
    values: dict[str, Any] = {}
    for name, text in query_pairs(query, _MOST):
        if name not in values:
            values[name] = text
        elif isinstance(values[name], list):
            values[name].append(text)
        else:
            values[name] = [values[name], text]
    return Fields(values)


def of_body(raw: bytes) -> Fields:
    """Read the fields of a body.

    Raises:
        Problem: 400 if it is not an object of JSON.
    """
    try:
        return Fields(strict_json.decode(raw or b"{}", dict[str, Any]))
    except ValueError as error:
        raise Problem(400, "malformed", f"the body is not an object of JSON: {error}") from error
