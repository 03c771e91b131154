"""The paths of pages: `/models/risk/iris@1.2.0:approve` and back."""

from typing import Final
from urllib.parse import quote

from msgspec import Struct

_PREFIX: Final = "/models/"
_PLAIN: Final = ("/", "/rollouts", "/predictions", "/history", "/access", "/settings")


class Place(Struct, frozen=True):
    """What a path names; a model's name has neither `@` nor `:`."""

    model: str
    version: str | None = None
    verb: str | None = None


def is_page(path: str) -> bool:
    """Tell whether a path may name a page."""
    return path in _PLAIN or path.startswith(_PREFIX)


def parse(path: str) -> Place:
    """Read a decoded path; one that is not below `/models/` names no model."""
    behind = path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else ""
    rest, colon, verb = behind.rpartition(":")
    if not colon:
        rest, verb = behind, ""
    model, _, version = rest.partition("@")
    return Place(model, version or None, verb or None)


def model_url(model: str, verb: str | None = None) -> str:
    """Return the path of a model's page."""
    return f"{_PREFIX}{quote(model)}{f':{verb}' if verb else ''}"


def version_url(model: str, version: str, verb: str | None = None) -> str:
    """Return the path of a version's page."""
    return f"{_PREFIX}{quote(model)}@{quote(version, safe='')}{f':{verb}' if verb else ''}"
