"""The words of ASGI, as every application here uses them."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

__all__ = ["Gone", "Headers", "Pairs", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Mapping[bytes, bytes]
Pairs = list[tuple[bytes, bytes]]


class Gone(Exception):  # noqa: N818 - no error: nobody is there to be told
    """The caller closed the connection before its request was whole."""
