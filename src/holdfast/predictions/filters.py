"""Which rows are wanted, as SQL that SQLite, DuckDB and PostgreSQL all read."""

from typing import Any, Final, Literal

from msgspec import Struct

from holdfast.predictions.row import Role

FAILED: Final = "status >= 500"
"""What counts as a failure of a version: not a refusal of what a caller sent."""


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """What rows must be to be wanted; `None` asks nothing.

    Attributes:
        since_us: Answered at this time or later, in microseconds since 1970.
        until_us: Answered before this time.
        errors: Only what was answered with an error.
        order: By id, that is by time.
        limit: At most so many.
    """

    model: str | None = None
    version: str | None = None
    role: Role | None = None
    key: str | None = None
    status: int | None = None
    rollout: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    errors: bool = False
    order: Literal["oldest", "newest"] = "oldest"
    limit: int | None = None


ALL: Final = Filter()
_EQUAL: Final = ("model", "version", "role", "key", "status", "rollout")


def where(criteria: Filter) -> tuple[str, dict[str, Any]]:
    """Return a condition, with the parameters that its `$name` stand for."""
    equal = {
        name: getattr(criteria, name) for name in _EQUAL if getattr(criteria, name) is not None
    }
    parts, parameters = [f"{name} = ${name}" for name in equal], dict(equal)
    if criteria.since_us is not None:
        parts.append("at_us >= $since_us")
        parameters["since_us"] = criteria.since_us
    if criteria.until_us is not None:
        parts.append("at_us < $until_us")
        parameters["until_us"] = criteria.until_us
    if criteria.errors:
        parts.append("(status >= 400 OR error IS NOT NULL)")
    return " AND ".join(parts) or "1 = 1", parameters
