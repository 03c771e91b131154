"""Searches as MLflow's database answers them: the same words, order, pages and errors."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import strict_json
from holdfast.gateways.mlflow import filter_language
from holdfast.gateways.mlflow.entities import ModelEntity, VersionEntity
from holdfast.gateways.mlflow.filter_language import Clause, holds
from holdfast.gateways.mlflow.mlflow_checks import PROMPT_TAG
from holdfast.gateways.mlflow.mlflow_errors import INTERNAL, MlflowProblem, invalid

MOST_MODELS: Final = 1000
MOST_VERSIONS: Final = 200_000
Order = list[tuple[str, bool]]
_Entity = TypeVar("_Entity", ModelEntity, VersionEntity)
_STRINGS: Final = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_TAGS: Final = ("=", "!=", "LIKE", "ILIKE")
_NUMBERS: Final = ("=", "!=", "<", "<=", ">", ">=")
_NEWEST_FIRST: Final = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


class FoundPage(Struct, Generic[_Entity], frozen=True):
    """Some of what was found, and the token that asks for what follows; `None` at the end."""

    entities: list[_Entity]
    token: str | None


def model_clauses(filter_string: str | None) -> list[Clause]:
    """Read the filter of a search for models."""
    clauses = filter_language.clauses(filter_string, filter_language.MODELS)
    for clause in clauses:
        if not clause.is_tag and clause.comparator not in _STRINGS:
            raise invalid(f"Invalid comparator for attribute: {clause.comparator}")
        _check_tag(clause)
    return clauses


def version_clauses(filter_string: str | None) -> list[Clause]:
    """Read the filter of a search for versions."""
    clauses = filter_language.clauses(filter_string, filter_language.VERSIONS)
    for clause in clauses:
        _check_tag(clause)
    return [clause if clause.is_tag else _attribute(clause) for clause in clauses]


def _attribute(clause: Clause) -> Clause:
    key, comparator, value = clause.key, clause.comparator, clause.value
    if filter_language.VERSIONS.counts(key):
        if comparator not in _NUMBERS:
            raise invalid(f"Invalid comparator for attribute {key}: {comparator}")
        try:
            return replace(clause, value=int(_whole(value)))
        except ValueError:
            problem = f"Invalid value for numeric attribute '{key}': {value!r}"
            raise invalid(problem) from None
    if comparator not in _STRINGS or (
        comparator in ("IN", "NOT IN") and key not in ("run_id", "name")
    ):
        raise invalid(f"Invalid comparator for attribute: {comparator}")
    return clause


def _whole(value: filter_language.Value) -> str | int:
    if isinstance(value, str | int):
        return value
    raise ValueError


def _check_tag(clause: Clause) -> None:
    if clause.is_tag and clause.comparator not in _TAGS:
        raise invalid(f"Invalid comparator for tag: {clause.comparator}")


def asks_for_prompts(clauses: Sequence[Clause]) -> bool:
    """Tell whether prompts are searched for; models are, unless the filter says so."""
    for clause in clauses:
        if clause.is_tag and clause.key == PROMPT_TAG:
            told = (clause.comparator, str(clause.value).lower())
            return told in (("=", "true"), ("!=", "false"))
    return False


def without_prompt_tag(clauses: Sequence[Clause]) -> list[Clause]:
    """Return the clauses that say something else than that prompts are left out."""
    return [clause for clause in clauses if clause.key != PROMPT_TAG]


def names_one(clauses: Sequence[Clause]) -> str | None:
    """Return the only model that can match, `None` if several can."""
    named = (
        str(clause.value)
        for clause in clauses
        if not clause.is_tag and clause.key == "name" and clause.comparator == "="
    )
    return next(named, None)


def is_name(clause: Clause, name: str) -> bool:
    """Tell whether a clause says no more than that a model has this name."""
    return (clause.is_tag, clause.key, clause.comparator, clause.value) == (
        False,
        "name",
        "=",
        name,
    )


_FIELDS: Final[dict[str, str]] = {"source_path": "source", "version_number": "version"}


def matcher(clauses: Sequence[Clause]) -> Callable[[Any], bool]:
    """Return what tells whether an entity matches all clauses."""
    tests = [_test(clause) for clause in clauses]
    return lambda entity: all(test(entity) for test in tests)


def _test(clause: Clause) -> Callable[[Any], bool]:
    key, value, compare = clause.key, clause.value, holds(clause.comparator)
    if clause.is_tag:

        def has_tag(entity: Any) -> bool:
            tag = entity.tags.get(key)
            return tag is not None and compare(tag, value)

        return has_tag
    field = attrgetter(_FIELDS.get(key, key))

    def has_attribute(entity: Any) -> bool:
        attribute = field(entity)
        return attribute is not None and compare(attribute, value)

    return has_attribute


def model_order(order_by: Sequence[str] | None) -> Order:
    """Read the order of a search for models."""
    order: Order = []
    for clause in order_by or ():
        key, ascending = filter_language.ordered(clause)
        by_name = filter_language.model_key(key) == "name"
        field = "name" if by_name else "last_updated_timestamp"
        _add(order, field, ascending=ascending, asked=order_by)
    return _broken_ties(order, (("name", True),))


def version_order(order_by: Sequence[str] | None) -> Order:
    """Read the order of a search for versions."""
    asked = order_by or _NEWEST_FIRST
    order: Order = []
    for clause in asked:
        written, ascending = filter_language.ordered(clause)
        key = filter_language.version_key(written)
        _add(order, _FIELDS.get(key, key), ascending=ascending, asked=asked)
    return _broken_ties(order, (("name", True), ("version", False)))


def _add(order: Order, field: str, *, ascending: bool, asked: Sequence[str] | None) -> None:
    if any(field == known for known, _ in order):
        raise MlflowProblem(f"`order_by` contains duplicate fields: {asked}", INTERNAL)
    order.append((field, ascending))


def _broken_ties(order: Order, ties: Iterable[tuple[str, bool]]) -> Order:
    return order + [tie for tie in ties if tie[0] not in [field for field, _ in order]]


def page(
    entities: list[_Entity], order: Order, count: int, page_token: str | bytes | None
) -> FoundPage[_Entity]:
    """Sort entities and return one page of them."""
    offset = _offset(page_token)
    for field, ascending in reversed(order):
        entities.sort(key=attrgetter(field), reverse=not ascending)
    end = offset + count
    token = _token(end) if end < len(entities) else None
    return FoundPage(entities[offset:end], token)


def _token(offset: int) -> str:
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def _offset(token: str | bytes | None) -> int:
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, ValueError):
        raise invalid("Invalid page token, could not base64-decode") from None
    try:
        read = strict_json.decode(decoded, Any)
    except ValueError:
        raise invalid(f"Invalid page token, decoded value={decoded!r}") from None
    offset = read.get("offset") if isinstance(read, dict) else None
    if not offset:
        raise invalid(f"Invalid page token, parsed value={read}")
    try:
        number = int(offset)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise invalid(f"Invalid page token, not stringable {offset}")
    return number


def check_models_wanted(max_results: int) -> None:
    """Refuse a page of models that is too long."""
    if max_results > MOST_MODELS:
        raise invalid(
            "Invalid value for request parameter max_results. It must be at most "
            f"{MOST_MODELS}, but got value {max_results}"
        )


def check_versions_wanted(max_results: Any) -> None:
    """Refuse a page of versions that is empty or too long."""
    if not isinstance(max_results, int) or max_results < 1:
        raise invalid(
            f"Invalid value for max_results. It must be a positive integer, but got {max_results}"
        )
    if max_results > MOST_VERSIONS:
        raise invalid(
            "Invalid value for request parameter max_results. It must be at most "
            f"{MOST_VERSIONS}, but got value {max_results}"
        )
