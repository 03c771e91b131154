"""Which version answers a request, and to which one it is mirrored."""

import hashlib
import random
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions.row import Role
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.worker_state import in_memory

__all__ = ["ROUTE", "RoutingDecision", "RoutingRequest", "choose", "share", "token"]

_HEADER: Final = "header:"
_FIELD: Final = "field:"
_ROLE: Final = b"x-holdfast-role"
_VERSION: Final = b"x-model-version"
ROUTE: Final = b"x-holdfast-route"

_chance = random.Random()  # noqa: S311 - a coin between two versions, no secret


class RoutingRequest(Struct, frozen=True):
    """What a request says of the way it wants to go.

    Attributes:
        fields: Of its body, where a sticky key may stand; None if it has no names.
        version: A version that its path names.
    """

    headers: Mapping[bytes, bytes]
    fields: Mapping[str, Any] | None = None
    version: str | None = None


class RoutingDecision(Struct, frozen=True):
    """Where a request goes.

    Attributes:
        counted: As in `Finished`.
        key: 64-bit hash of the sticky key.
        mirror: The version that gets a copy of the request.
    """

    loaded: Loaded
    role: Role
    counted: bool = False
    key: int | None = None
    mirror: Loaded | None = None


def share(model: str, rollout: int, key: str) -> float:
    """Return the place of a key in [0, 1): the candidate answers it if that is below its weight.

    It is the same in every process, and differs from rollout to rollout.
    """
    digest = hashlib.blake2b(f"{model}\0{rollout}\0{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def choose(
    routing_table: RoutingTable, asked: RoutingRequest, limits: ServerLimits
) -> RoutingDecision:
    """Decide which version of *routing_table* answers.

    Raises:
        Refusal: 403 if pinning is not allowed, 404 if the version or role asked for is not here,
            503 if no version is ready.
    """
    headers = asked.headers
    version = asked.version or _text(headers.get(_VERSION))
    if version is not None:
        return RoutingDecision(_pinned(routing_table, version, limits), "pinned")
    role = headers.get(_ROLE)
    if role is not None:
        if not limits.pinning:
            raise Refusal(
                403, "this server does not let callers choose the side; leave the header out"
            )
        return _forced(routing_table, role)
    if routing_table.rollout is None:
        return RoutingDecision(_active(routing_table), "active")
    if not limits.pinning:  # a route can be made up, and would choose the side
        asked = replace(asked, headers={**asked.headers, ROUTE: b""})
    return _routed(routing_table, routing_table.rollout, asked)


def _routed(
    routing_table: RoutingTable, rollout: Rollout, asked: RoutingRequest
) -> RoutingDecision:
    text = _sticky(rollout.sticky, asked)
    key = None if text is None else _hash(routing_table.model, text)
    candidate, weight = routing_table.candidate, rollout.weight
    if candidate is None or not weight:
        return RoutingDecision(_active(routing_table), "active", key=key)
    route = asked.headers.get(ROUTE)
    position = (
        _chance.random() if text is None else share(routing_table.model, rollout.number, text)
    )
    if rollout.plan.strategy == "shadow":
        mirror = candidate if position < weight else None
        return RoutingDecision(
            _active(routing_table), "active", counted=True, key=key, mirror=mirror
        )
    if route is not None and route == token(rollout.number, "canary"):
        return RoutingDecision(candidate, "canary", key=key)
    stays_active = route is not None and route == token(rollout.number, "active")
    if position < weight and not stays_active:
        return RoutingDecision(candidate, "canary", counted=True, key=key)
    return RoutingDecision(_active(routing_table), "active", counted=not stays_active, key=key)


def token(rollout: int | None, role: Role) -> bytes | None:
    """Return what a caller may send back to keep to a side of the rollout that goes on."""
    if rollout is None or role not in ("canary", "active"):
        return None
    return f"{rollout}:{role}".encode()


def _active(routing_table: RoutingTable) -> Loaded:
    if routing_table.active is None:
        raise Refusal(
            503,
            f"no version of {routing_table.model} is ready; see /ready",
            headers={b"retry-after": b"1"},
        )
    return routing_table.active


def _pinned(routing_table: RoutingTable, version: str, limits: ServerLimits) -> Loaded:
    if not limits.pinning:
        raise Refusal(
            403, "this server does not let callers choose the version; leave the header out"
        )
    known = in_memory(routing_table)
    if version not in known:
        known_versions = ", ".join(sorted(known)) or "none"
        raise Refusal(
            404,
            f"{routing_table.model}@{version} is not in memory here; these are: {known_versions}",
        )
    return known[version]


def _forced(routing_table: RoutingTable, role: bytes) -> RoutingDecision:
    if role == b"active":
        return RoutingDecision(_active(routing_table), "active")
    if role != b"canary":
        raise Refusal(400, "X-Holdfast-Role must be 'canary' or 'active'", "X-Holdfast-Role")
    if routing_table.candidate is None:
        raise Refusal(404, f"{routing_table.model} has no canary here at the moment")
    return RoutingDecision(routing_table.candidate, "canary")


def _sticky(sticky: str | None, asked: RoutingRequest) -> str | None:
    """Find a request's key where the rollout says; None if it has none."""
    if sticky is None:
        return None
    if sticky.startswith(_HEADER):
        return _text(asked.headers.get(sticky[len(_HEADER) :].lower().encode()))
    name = sticky.removeprefix(_FIELD)
    value = _field(asked.fields, name)
    return None if value is None else str(value)


def _field(fields: Mapping[str, Any] | None, name: str) -> object:
    """Look for a field beside the rows, among the parameters, and in the first row."""
    if fields is None:
        return None
    parameters = fields.get("parameters")
    for container in (fields, parameters, *_first_rows(fields)):
        if isinstance(container, Mapping):
            value = container.get(name)
            if isinstance(value, list):
                value = value[0] if value else None
            if isinstance(value, str | int | float):
                return value
    return None


def _first_rows(fields: Mapping[str, Any]) -> list[object]:
    rows = [fields.get(name) for name in ("instances", "inputs", "dataframe_records")]
    return [value[0] if isinstance(value, list) and value else value for value in rows]


def _hash(model: str, key: str) -> int:
    """Return what stands for a key in counts and log; independent of where it is routed."""
    digest = hashlib.blake2b(f"{model}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value else None
