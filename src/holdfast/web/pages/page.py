"""A request for a page and its answer, whatever server they come through."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from holdfast.errors import HoldfastError
from holdfast.web.pages.page_paths import Place
from holdfast.web.pages.visitor import Visitor


class Asked(Struct, frozen=True):
    """A request for a page.

    Attributes:
        path: As it was asked for, decoded.
        place: What it names, where it is below `/models/`.
        query: The last value of each name.
        form: What was sent, `None` where a page is only looked at.
        now: The present time, in the form of entries.
        new_id: A random id for a form, so that the same form does a thing once.
        theme: `light`, `dark`, or empty for the system's.
        request_id: Of this request.
    """

    path: str
    place: Place
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    now: str
    new_id: str
    theme: str = ""
    request_id: str = ""


class Drawn(Struct, frozen=True):
    """A page to be drawn: a template and what it shows."""

    template: str
    values: dict[str, Any]
    status: int = 200


class Redirect(Struct, frozen=True):
    """Go to another page."""

    location: str


class Download(Struct, frozen=True):
    """A file instead of a page."""

    name: str
    media_type: str
    text: str


class Picture(Struct, frozen=True):
    """A picture that a version keeps; nothing in it may run, wherever it is opened."""

    media_type: str
    content: bytes


Answer = Drawn | Redirect | Download | Picture


def common(visitor: Visitor, asked: Asked, area: str) -> dict[str, Any]:
    """Return what every page shows."""
    path = asked.path

    def themed(theme: str) -> str:
        return f"/theme?to={theme}&back={path}"

    return {
        "visitor": visitor,
        "location": str(visitor.registry.location) if visitor.may("access", None) else "",
        "area": area,
        "now": asked.now,
        "theme": asked.theme,
        "themed": themed,
        "notice": "",
        "query": asked.query,
    }


def said(visitor: Visitor, error: HoldfastError) -> str:
    """Return what an error says, without the place of the store, which is the server's affair."""
    return str(error).replace(str(visitor.registry.location), "the store")
