"""Lists in pages: a cursor is the place where the next page begins, and holds what was seen."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from holdfast.core import strict_json
from holdfast.http.problems import Problem
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.routes import Parameter

__all__ = ["PAGING", "Cursor", "Page", "cursor_of", "page"]

_MOST: Final = 200
_USUAL: Final = 50
_MOST_AFTER: Final = 300
"""Characters of what a cursor names: of a model, a version or an entry."""

_Item = TypeVar("_Item")

PAGING: Final = (
    Parameter(
        "limit", "Items of a page at most.", {"type": "integer", "minimum": 1, "maximum": _MOST}
    ),
    Parameter("cursor", "What the page before gave as `next`.", {"type": "string"}),
)
"""The parameters of every list."""


class Page(Struct, frozen=True):
    """A page of a list, and the cursor of the one behind it."""

    items: list[Any]
    next: str | None


class Cursor(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a page begins.

    Attributes:
        after: The last item before it.
        head: Number of the last entry that the first page knew; a list does not jump meanwhile.
    """

    after: Annotated[str, Meta(max_length=_MOST_AFTER)] = ""
    head: Annotated[int, Meta(ge=0)] = 0

    @property
    def seq(self) -> int | None:
        """The entry before it; None if it is not named by one."""
        return int(self.after) if self.after.isdecimal() else None


def cursor_of(request: Request) -> Cursor | None:
    """Return the place where a page is to begin; None for the first.

    Raises:
        Problem: 422 if no page gave it.
    """
    text = request.parameters.get("cursor")
    if text is None:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        return strict_json.decode(raw, Cursor)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, "invalid_input", "the cursor is not one that a page gave") from error


def page(request: Request, items: Sequence[tuple[str, _Item]], head: int = 0) -> Answer:
    """Answer one page.

    Args:
        request: What asks for it.
        items: All that follow its place, each with what a cursor names it by.
        head: See `Cursor`.
    """
    limit = request.number("limit", _USUAL, _MOST)
    if limit == 0:
        raise Problem(422, "invalid_input", f"limit must be a whole number from 1 to {_MOST}")
    shown = items[:limit]
    following = None
    if len(items) > limit:
        raw = msgspec.json.encode(Cursor(shown[-1][0], head))
        following = base64.urlsafe_b64encode(raw).decode()
    answer = answered(Page([item for _, item in shown], following))
    if following is not None:
        answer.headers["Link"] = f'<{_next(request, following)}>; rel="next"'
    return answer


def _next(request: Request, cursor: str) -> str:
    from urllib.parse import quote, urlencode

    parameters = request.parameters | {"cursor": cursor}
    return f"{quote(request.path, safe='/@:')}?{urlencode(parameters)}"
