"""Where a server may point a download to: https, or this machine from a server of this machine."""

import re
from typing import Final
from urllib.parse import urlsplit

from holdfast.errors import InvalidInputError
from holdfast.store.remote import server_address
from holdfast.store.remote.server_address import ServerAddress

ANNOUNCED: Final = {"Holdfast-Redirect": "follow"}
"""Sent with a download: whoever does not say so is never sent elsewhere."""
STATUS: Final = 307
_MOST: Final = 8192
_PLAIN: Final = re.compile(r"[!-~]+")


def place(location: str, server: ServerAddress) -> ServerAddress | None:
    """Return whom a URL leads to, `None` if nothing may be fetched there.

    The URL is a key to one file for some minutes. So nobody on the way may read it, no message
    repeats it, and it holds neither a name nor a password of its own.

    Args:
        location: What the server answered.
        server: Who did.
    """
    if len(location) > _MOST or _PLAIN.fullmatch(location) is None:
        return None
    try:
        parts = urlsplit(location)
        origin = f"{parts.scheme}://{parts.netloc}"
        target = server_address.parse(origin)  # which refuses http:// to another machine
    except (ValueError, InvalidInputError):
        return None
    is_open = target.scheme == "http" and not (server.scheme == "http" and target.is_here)
    return None if parts.fragment or is_open else target
