"""Other registries' clients at the same port: whose a request is, before any of their code is read.

A face is imported when the first request for it comes, so that the server starts as fast without.
"""

from collections.abc import Callable
from typing import Final, Protocol

from holdfast.gateways.hf import hub_paths
from holdfast.gateways.mlflow import rest_paths
from holdfast.gateways.oci import distribution_paths
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream

__all__ = ["Face", "Faces"]


class Face(Protocol):
    """Answers requests in the words of another registry."""

    async def answer(self, request: Request) -> Answer | Stream:
        """Answer a request; what goes wrong is raised as everywhere."""
        ...

    def refused(self, request: Request, problem: Answer) -> Answer:
        """Put a problem into the other registry's words."""
        ...


def _oci(desk: Desk) -> Face:
    from holdfast.web.oci.oci_face import OciFace

    return OciFace(desk)


def _mlflow(desk: Desk) -> Face:
    from holdfast.web.mlflow_rest.mlflow_face import MlflowFace

    return MlflowFace(desk)


def _hub(desk: Desk) -> Face:
    from holdfast.web.hub.hub_calls import CALLS
    from holdfast.web.hub.hub_face import HubFace

    return HubFace(desk, CALLS)


_KNOWN: Final[tuple[tuple[Callable[[bytes], bool], Callable[[Desk], Face]], ...]] = (
    (distribution_paths.claims, _oci),
    (rest_paths.claims, _mlflow),
    (hub_paths.claims, _hub),
)


class Faces:
    """The faces of one server, each made when it is first asked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: dict[Callable[[Desk], Face], Face] = {}

    def of(self, raw_path: bytes) -> Face | None:
        """Return the face that a path belongs to, told as it was sent."""
        for claims, make in _KNOWN:
            if claims(raw_path):
                if make not in self._made:
                    self._made[make] = make(self._desk)
                return self._made[make]
        return None
