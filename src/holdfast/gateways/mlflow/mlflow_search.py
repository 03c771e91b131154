"""Searches as MLflow's database answers them: the same words, order, pages and errors."""

import copy
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from holdfast.gateways.mlflow.mlflow_errors import invalid

MOST_MODELS: Final = 1000
MOST_VERSIONS: Final = 200_000
Clause = dict[str, Any]
Order = list[tuple[str, bool]]
_Entity = TypeVar("_Entity", RegisteredModel, ModelVersion)
_STRINGS: Final = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_TAGS: Final = ("=", "!=", "LIKE", "ILIKE")
_NEWEST_FIRST: Final = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


def model_clauses(filter_string: str | None) -> list[Clause]:
    """Read the filter of a search for models."""
    clauses: list[Clause] = SearchModelUtils.parse_search_filter(filter_string)
    for clause in clauses:
        if clause["type"] == "attribute" and clause["comparator"] not in _STRINGS:
            raise invalid(f"Invalid comparator for attribute: {clause['comparator']}")
        _check_tag(clause)
    return clauses


def version_clauses(filter_string: str | None) -> list[Clause]:
    """Read the filter of a search for versions."""
    clauses: list[Clause] = SearchModelVersionUtils.parse_search_filter(filter_string)
    for clause in clauses:
        if clause["type"] == "attribute":
            _check_attribute(clause)
        _check_tag(clause)
    return clauses


def _check_attribute(clause: Clause) -> None:
    key, comparator, value = clause["key"], clause["comparator"], clause["value"]
    if key in SearchModelVersionUtils.NUMERIC_ATTRIBUTES:
        if comparator not in SearchModelVersionUtils.VALID_NUMERIC_ATTRIBUTE_COMPARATORS:
            raise invalid(f"Invalid comparator for attribute {key}: {comparator}")
        try:
            clause["value"] = int(value) if not isinstance(value, float) else None
        except (TypeError, ValueError):
            clause["value"] = None
        if clause["value"] is None:
            raise invalid(f"Invalid value for numeric attribute '{key}': {value!r}")
    elif comparator not in _STRINGS or (
        comparator in ("IN", "NOT IN") and key not in ("run_id", "name")
    ):
        raise invalid(f"Invalid comparator for attribute: {comparator}")


def _check_tag(clause: Clause) -> None:
    if clause["type"] == "tag" and clause["comparator"] not in _TAGS:
        raise invalid(f"Invalid comparator for tag: {clause['comparator']}")


def asks_for_prompts(clauses: Sequence[Clause]) -> bool:
    """Tell whether prompts are searched for; models are, unless the filter says so."""
    for clause in clauses:
        if clause["type"] == "tag" and clause["key"] == IS_PROMPT_TAG_KEY:
            value = clause["value"].lower()
            return (clause["comparator"], value) in (("=", "true"), ("!=", "false"))
    return False


def without_prompt_tag(clauses: Sequence[Clause]) -> list[Clause]:
    """Return the clauses that say something else than that prompts are left out."""
    return [clause for clause in clauses if clause["key"] != IS_PROMPT_TAG_KEY]


def names_one(clauses: Sequence[Clause]) -> str | None:
    """Return the only model that can match, `None` if several can."""
    named = (
        clause["value"]
        for clause in clauses
        if clause["type"] == "attribute" and clause["key"] == "name" and clause["comparator"] == "="
    )
    return next(named, None)


_FIELDS: Final[dict[str, str]] = {"source_path": "source", "version_number": "version"}


def matcher(clauses: Sequence[Clause]) -> Callable[[Any], bool]:
    """Return what tells whether an entity matches all clauses."""
    tests = [_test(clause) for clause in clauses]
    return lambda entity: all(test(entity) for test in tests)


def _test(clause: Clause) -> Callable[[Any], bool]:
    key, value = clause["key"], clause["value"]
    holds = SearchUtils.get_comparison_func(clause["comparator"])
    if clause["type"] == "tag":

        def has_tag(entity: Any) -> bool:
            tag = entity._tags.get(key)  # noqa: SLF001 - `tags` hides those of prompts
            return tag is not None and bool(holds(tag, value))

        return has_tag
    field = attrgetter(_FIELDS.get(key, str(key)))

    def has_attribute(entity: Any) -> bool:
        attribute = field(entity)
        return attribute is not None and bool(holds(attribute, value))

    return has_attribute


def model_order(order_by: Sequence[str] | None) -> Order:
    """Read the order of a search for models."""
    order: Order = []
    for clause in order_by or ():
        key, ascending = SearchUtils.parse_order_by_for_search_registered_models(clause)
        field = "name" if key == "name" else "last_updated_timestamp"
        _add(order, field, ascending=ascending, asked=order_by)
    return _broken_ties(order, (("name", True),))


def version_order(order_by: Sequence[str] | None) -> Order:
    """Read the order of a search for versions."""
    asked = order_by or _NEWEST_FIRST
    order: Order = []
    for clause in asked:
        _, key, ascending = SearchModelVersionUtils.parse_order_by_for_search_model_versions(clause)
        _add(order, _FIELDS.get(key, key), ascending=ascending, asked=asked)
    return _broken_ties(order, (("name", True), ("version", False)))


def _add(order: Order, field: str, *, ascending: bool, asked: Sequence[str] | None) -> None:
    if any(field == known for known, _ in order):
        raise MlflowException(f"`order_by` contains duplicate fields: {asked}")
    order.append((field, ascending))


def _broken_ties(order: Order, ties: Iterable[tuple[str, bool]]) -> Order:
    return order + [tie for tie in ties if tie[0] not in [field for field, _ in order]]


def page(
    entities: list[_Entity], order: Order, count: int, page_token: str | None
) -> PagedList[_Entity]:
    """Sort entities and return one page of them, as copies that the caller may change."""
    offset = SearchUtils.parse_start_offset_from_page_token(page_token)
    for field, ascending in reversed(order):
        entities.sort(key=attrgetter(field), reverse=not ascending)
    end = offset + count
    token = SearchUtils.create_page_token(end) if end < len(entities) else None
    return PagedList([copy.copy(entity) for entity in entities[offset:end]], token)


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
