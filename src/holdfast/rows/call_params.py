"""Parameters of a call, beside its rows: held against what a version says of them."""

from collections.abc import Mapping
from typing import Any, Final

from holdfast.core import schema
from holdfast.core.schema import ANY, Column, Signature
from holdfast.errors import InvalidInputError
from holdfast.rows import values
from holdfast.rows.checking import nested
from holdfast.rows.refusal import Refusal

__all__ = ["CallParams", "ParamsChecker"]

CallParams = Mapping[str, Any]
"""Those that differ from the defaults, by name; all requests of one call have the same."""

_ANYTHING: Final = Signature((), Column("", ANY))


class ParamsChecker:
    """Checks the parameters of requests for one version.

    Args:
        ref: The version.
        schemas: JSON Schema of each parameter by name; `None` if the version takes none.
    """

    def __init__(self, ref: str, schemas: Mapping[str, Mapping[str, Any]] | None) -> None:
        self._ref = ref
        self._known = {name: _parsed(spec) for name, spec in (schemas or {}).items()}

    def __call__(self, asked: Any, offered: Any = None) -> CallParams | None:
        """Return the parameters of a call, `None` if the defaults hold.

        Args:
            asked: What a request calls its parameters: all of them must be known.
            offered: Of a protocol that has other uses for the same field: those that are known
                are taken.

        Raises:
            Refusal: 422, naming the parameter, if one is unknown or not as it is declared.
        """
        if not asked and not offered:
            return None
        if asked and not isinstance(asked, dict):
            raise Refusal(422, "params must be an object of values by name", "params")
        taken = {name: value for name, value in _named(offered) if name in self._known}
        for name, value in _named(asked):
            if name not in self._known:
                raise self._unknown(name)
            taken[name] = value
        return {name: self._checked(name, value) for name, value in taken.items()} or None

    def _unknown(self, name: str) -> Refusal:
        if not self._known:
            return Refusal(422, f"params are not taken: {self._ref} declares none", "params")
        listed = ", ".join(self._known)
        problem = f"params.{name} is unknown; {self._ref} takes {listed}"
        return Refusal(422, problem, f"params.{name}")

    def _checked(self, name: str, value: Any) -> Any:
        signature = self._known[name]
        violation = values.problem(signature.whole, value, nested(signature))
        if violation is not None:
            place = ".".join(filter(None, ("params", name, violation[0])))
            raise Refusal(422, f"{place} {violation[1]}", place)
        return _whole(value) if signature.whole.type.split("|")[0] == "integer" else value


def _named(fields: Any) -> list[tuple[str, Any]]:
    return [*fields.items()] if isinstance(fields, dict) else []


def _parsed(spec: Mapping[str, Any]) -> Signature:
    """Read one parameter's schema; of one that cannot be read, the model itself is the judge."""
    try:
        return schema.parse(spec, "input_schema") or _ANYTHING
    except InvalidInputError:
        return _ANYTHING


def _whole(value: Any) -> Any:
    """Return whole numbers that JSON wrote as fractions (`3.0`) as what they are."""
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) else value
