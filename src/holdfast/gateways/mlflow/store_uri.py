"""The addresses of Holdfast's stores as MLflow writes them: `holdfast:///models?trust=…`."""

from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from msgspec import Struct

from holdfast.errors import InvalidInputError

SCHEME: Final = "holdfast"
ARTIFACTS: Final = "holdfast-artifact"
"""Scheme under which MLflow asks for the files of a version."""
_HOW: Final = "write holdfast:///folder, holdfast:folder or holdfast+s3://bucket/prefix"


class StoreUri(Struct, frozen=True):
    """Which store is meant, and how it is used.

    Attributes:
        location: As `holdfast.open` takes it.
        trust: Why files that run code outside the allow-list are taken in anyway.
        options: Of a bucket.
    """

    location: str
    trust: str | None = None
    options: dict[str, str] = {}


def parse(uri: str) -> StoreUri:
    """Read an address.

    Raises:
        InvalidInputError: If it is not one of Holdfast's.
    """
    bare, _, query = uri.partition("?")
    scheme, colon, rest = bare.partition(":")
    options = dict(parse_qsl(query))
    trust = options.pop("trust", None)
    if not colon or not rest.strip("/"):
        raise InvalidInputError(f"address {uri!r}", "names no store", _HOW)
    if scheme.startswith(f"{SCHEME}+"):
        return StoreUri(f"{scheme.removeprefix(f'{SCHEME}+')}:{rest}", trust, options)
    if scheme != SCHEME or (rest.startswith("//") and not rest.startswith("///")):
        raise InvalidInputError(f"address {uri!r}", "is not the address of a folder", _HOW)
    if options:
        raise InvalidInputError(f"option {min(options)!r}", "is unknown for a folder")
    path = rest[2:] if rest.startswith("///") else rest
    return StoreUri(unquote(path), trust)


def artifacts(location: str, model: str, version: str) -> str:
    """Return the address under which MLflow asks for the files of a version."""
    parts = (quote(part, safe="") for part in (location, model, version))
    return "/".join((f"{ARTIFACTS}://", *parts))


def version_of(uri: str) -> tuple[str, str]:
    """Return the store and the ref that such an address names.

    Raises:
        InvalidInputError: If it is another address.
    """
    scheme, _, rest = uri.partition(":///")
    parts = [unquote(part) for part in rest.split("/")]
    if scheme != ARTIFACTS or len(parts) != len(("location", "model", "version")):
        raise InvalidInputError(f"address {uri!r}", "does not name a version of Holdfast's")
    location, model, version = parts
    return location, f"{model}@{version}"
