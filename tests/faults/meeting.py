"""Having a client of a bucket meet another at a named request, the same way each time."""

from collections.abc import Callable
from typing import Any

from holdfast import Registry
from holdfast.store.objects.client import Client


def before(registry: Registry, verb: str, part: str, act: Callable[[], object]) -> list[str]:
    """Have *act* done once, right before the first request of a kind whose key has *part* in it.

    Returns:
        The keys of the requests that were met: one, once it happened.
    """
    wire: Client = registry._session.site._store.wire  # type: ignore[attr-defined]
    ask = wire._ask
    matched_keys: list[str] = []

    def asked(asking: str, key: str, request: Callable[[], Any]) -> Any:
        if not matched_keys and asking == verb and part in key:
            matched_keys.append(key)
            act()
        return ask(asking, key, request)

    wire._ask = asked  # type: ignore[assignment, method-assign]
    return matched_keys
