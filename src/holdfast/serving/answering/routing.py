"""Which version answers a request, and to which one it is mirrored."""

import hashlib
import random
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.rollout.course import Rollout
from holdfast.predictions.row import Role
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup, Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.served import in_memory

__all__ = ["ROUTE", "Asked", "Choice", "choose", "share", "token"]

_HEADER: Final = "header:"
_FIELD: Final = "field:"
_ROLE: Final = b"x-holdfast-role"
_VERSION: Final = b"x-model-version"
ROUTE: Final = b"x-holdfast-route"

_chance = random.Random()  # noqa: S311 - a coin between two versions, no secret


class Asked(Struct, frozen=True):
    """What a request says of the way it wants to go.

    Attributes:
        fields: Of its body, where a sticky key may stand; None if it has no names.
        version: A version that its path names.
    """

    headers: Mapping[bytes, bytes]
    fields: Mapping[str, Any] | None = None
    version: str | None = None


class Choice(Struct, frozen=True):
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


def choose(lineup: Lineup, asked: Asked, limits: Limits) -> Choice:
    """Decide which version of *lineup* answers.

    Raises:
        Refusal: 403 if pinning is not allowed, 404 if the version or role asked for is not here,
            503 if no version is ready.
    """
    headers = asked.headers
    version = asked.version or _text(headers.get(_VERSION))
    if version is not None:
        return Choice(_pinned(lineup, version, limits), "pinned")
    role = headers.get(_ROLE)
    if role is not None:
        if not limits.pinning:
            raise Refusal(403, "this server lets nobody choose the side; leave the header out")
        return _forced(lineup, role)
    if lineup.rollout is None:
        return Choice(_active(lineup), "active")
    if not limits.pinning:  # a route can be made up, and would choose the side
        asked = replace(asked, headers={**asked.headers, ROUTE: b""})
    return _routed(lineup, lineup.rollout, asked)


def _routed(lineup: Lineup, rollout: Rollout, asked: Asked) -> Choice:
    text = _sticky(rollout.sticky, asked)
    key = None if text is None else _hash(lineup.model, text)
    candidate, weight = lineup.candidate, rollout.weight
    if candidate is None or not weight:
        return Choice(_active(lineup), "active", key=key)
    route = asked.headers.get(ROUTE)
    place = _chance.random() if text is None else share(lineup.model, rollout.number, text)
    if rollout.plan.strategy == "shadow":
        mirror = candidate if place < weight else None
        return Choice(_active(lineup), "active", counted=True, key=key, mirror=mirror)
    if route is not None and route == token(rollout.number, "canary"):
        return Choice(candidate, "canary", key=key)
    kept = route is not None and route == token(rollout.number, "active")
    if place < weight and not kept:
        return Choice(candidate, "canary", counted=True, key=key)
    return Choice(_active(lineup), "active", counted=not kept, key=key)


def token(rollout: int | None, role: Role) -> bytes | None:
    """Return what a caller may send back to keep to a side of the rollout that goes on."""
    if rollout is None or role not in ("canary", "active"):
        return None
    return f"{rollout}:{role}".encode()


def _active(lineup: Lineup) -> Loaded:
    if lineup.active is None:
        raise Refusal(
            503,
            f"no version of {lineup.model} is ready; see /ready",
            headers={b"retry-after": b"1"},
        )
    return lineup.active


def _pinned(lineup: Lineup, version: str, limits: Limits) -> Loaded:
    if not limits.pinning:
        raise Refusal(403, "this server lets nobody choose the version; leave the header out")
    known = in_memory(lineup)
    if version not in known:
        held = ", ".join(sorted(known)) or "none"
        raise Refusal(404, f"{lineup.model}@{version} is not in memory here; these are: {held}")
    return known[version]


def _forced(lineup: Lineup, role: bytes) -> Choice:
    if role == b"active":
        return Choice(_active(lineup), "active")
    if role != b"canary":
        raise Refusal(400, "X-Holdfast-Role is neither 'canary' nor 'active'", "X-Holdfast-Role")
    if lineup.candidate is None:
        raise Refusal(404, f"{lineup.model} has no canary here at this moment")
    return Choice(lineup.candidate, "canary")


def _sticky(place: str | None, asked: Asked) -> str | None:
    """Find a request's key where the rollout says; None if it has none."""
    if place is None:
        return None
    if place.startswith(_HEADER):
        return _text(asked.headers.get(place[len(_HEADER) :].lower().encode()))
    name = place.removeprefix(_FIELD)
    found = _field(asked.fields, name)
    return None if found is None else str(found)


def _field(fields: Mapping[str, Any] | None, name: str) -> object:
    """Look for a field beside the rows, among the parameters, and in the first row."""
    if fields is None:
        return None
    parameters = fields.get("parameters")
    for place in (fields, parameters, *_first_rows(fields)):
        if isinstance(place, Mapping):
            found = place.get(name)
            if isinstance(found, list):
                found = found[0] if found else None
            if isinstance(found, str | int | float):
                return found
    return None


def _first_rows(fields: Mapping[str, Any]) -> list[object]:
    rows = [fields.get(name) for name in ("instances", "inputs", "dataframe_records")]
    return [one[0] if isinstance(one, list) and one else one for one in rows]


def _hash(model: str, key: str) -> int:
    """Return what stands for a key in counts and log; independent of where it is routed."""
    digest = hashlib.blake2b(f"{model}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value else None
