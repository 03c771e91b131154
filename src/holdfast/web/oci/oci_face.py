"""The face: asks who it is and what they may, and hands on."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from holdfast.core import strict_json
from holdfast.gateways.oci import distribution_errors
from holdfast.gateways.oci.distribution_paths import OciTarget, parse
from holdfast.http.problems import Problem
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream
from holdfast.web.oci import oci_sign_in
from holdfast.web.oci.oci_pushes import OciPushes
from holdfast.web.oci.oci_reads import OciReads
from holdfast.web.oci.oci_uploads import OciUploads
from holdfast.web.oci.pack_shelf import PackShelf

__all__ = ["OciFace"]

_Handler = Callable[[Request, OciTarget], Awaitable[Answer | Stream]]
_VERSION: Final = {"Docker-Distribution-API-Version": "registry/2.0"}
_NOT_FOUND: Final = 404


class OciFace:
    """Answers at `/v2/`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        shelf = PackShelf(session_of(desk.registry))
        reads, pushes, uploads = OciReads(desk, shelf), OciPushes(desk, shelf), OciUploads(desk)
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("manifests", "GET"): reads.manifest,
            ("manifests", "PUT"): pushes.push,
            ("manifests", "DELETE"): pushes.delete,
            ("blobs", "GET"): reads.blob,
            ("tags", "GET"): reads.tags,
            ("referrers", "GET"): reads.referrers,
            ("uploads", "POST"): uploads.begin,
            ("uploads", "GET"): uploads.where,
            ("uploads", "PATCH"): uploads.go_on,
            ("uploads", "PUT"): uploads.close,
            ("uploads", "DELETE"): uploads.cancel,
        }

    async def answer(self, request: Request) -> Answer | Stream:
        """Answer a request."""
        is_bare = request.header("authorization") is None
        oci_sign_in.present(request)
        target = parse(request.path)
        if target is None:
            await self._enter(request, writes=False)
            raise Problem(_NOT_FOUND, "not_found", f"path {request.path[:200]!r} not found")
        request.route = target.template
        request.values = {"model": target.model, "upload": target.reference}
        if target.kind == "token":
            return await oci_sign_in.give(self._desk, request)
        if target.kind == "root":
            if is_bare:  # clients send what they have only once they are asked to
                raise Problem(401, "unauthenticated", "ask for a token")
            await self._enter(request, writes=False)
            return Answer(200, b"{}", headers=dict(_VERSION))
        handler = await self._admitted(request, target)
        return await handler(request, target)

    async def _admitted(self, request: Request, target: OciTarget) -> _Handler:
        """Return what answers a request, once it is known that it may be asked.

        Raises:
            Problem: 401, 403 or 405.
            HoldfastError: If whoever asks may not.
        """
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._handlers.get((target.kind, method))
        writes = method != "GET" or target.kind == "uploads"
        await self._enter(request, writes=writes)
        if handler is None:
            allowed = sorted(name for kind, name in self._handlers if kind == target.kind)
            detail = f"{request.method} is not supported here"
            raise Problem(405, "unsupported", detail, {"Allow": ", ".join(allowed)})
        if writes and self._desk.settings.read_only:
            raise Problem(403, "read_only", "this server only reads; ask one that writes")
        if target.kind == "uploads":
            request.rights.require("upload", None)
            request.rights.require("register", target.model)
        elif target.kind != "referrers":  # an empty list for whoever sees nothing
            request.rights.require("read", target.model)
        return handler

    async def _enter(self, request: Request, *, writes: bool) -> None:
        enter = self._desk.guard.enter
        request.rights = await self._desk.work.do(lambda: enter(request, writes=writes))

    def refused(self, request: Request, problem: Answer) -> Answer:
        """Put a problem into the words of OCI registries."""
        target = parse(request.path) or OciTarget("")
        facts = strict_json.decode(problem.content)
        status = distribution_errors.status_of(problem.status)
        document = distribution_errors.error_document(
            target.kind, problem.status, facts["code"], facts["detail"]
        )
        headers = problem.headers | _VERSION
        if status == 401:  # noqa: PLR2004 - not signed in
            base = self._desk.base_of(request)
            given = oci_sign_in.challenge(base, target.model)
            basic = f'Basic realm="{base}"'
            headers["WWW-Authenticate"] = basic if target.kind == "token" else given
        return Answer(status, msgspec.json.encode(document), headers=headers)
