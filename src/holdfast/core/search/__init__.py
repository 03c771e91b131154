"""The language in which versions are searched: `recall > 0.9 and tag.team = "risk"`.

A condition is read once into a tree of typed comparisons, so that a wrong name, type or bracket is
refused with its position before any version is looked at. There are two truth values: a comparison
with what a version does not have does not hold, and `!=` is exactly `not … =`. Nothing in it is a
regular expression, and its length and depth are bounded: whoever may ask may ask anything.
`docs/reference/search.md` specifies it for people.
"""

from holdfast.core.search.conditions import Condition, Every, holds, predicates
from holdfast.core.search.grammar import (
    MAX_DEPTH,
    MAX_LENGTH,
    OrderTerm,
    check_metrics,
    parse,
    parse_order,
)
from holdfast.core.search.searchable import SearchedVersion, SearchField, rank

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "Condition",
    "Every",
    "OrderTerm",
    "SearchField",
    "SearchedVersion",
    "check_metrics",
    "holds",
    "parse",
    "parse_order",
    "predicates",
    "rank",
]
