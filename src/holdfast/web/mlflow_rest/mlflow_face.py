"""MLflow's clients at this server: their requests, answered in their words under its rules."""

import functools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from holdfast.access import permissions
from holdfast.core import strict_json
from holdfast.core.state import State
from holdfast.gateways.mlflow import mlflow_errors, rest_paths
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem, missing
from holdfast.gateways.mlflow.registry_calls import RegistryCalls
from holdfast.gateways.mlflow.store_view import EntityCache
from holdfast.http.problems import Problem
from holdfast.web.below import session_of
from holdfast.web.deeds import acting
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.mlflow_rest import mlflow_fields
from holdfast.web.mlflow_rest.mlflow_calls import CALLS, MlflowCall
from holdfast.web.mlflow_rest.mlflow_fields import Fields
from holdfast.web.mlflow_rest.mlflow_files import MlflowFiles
from holdfast.web.mlflow_rest.repeats import Repeats
from holdfast.web.mlflow_rest.served_view import ServedView, ServerReach

__all__ = ["MlflowFace", "refusal"]

_API: Final = "/api/2.0/mlflow/"
_FILES: Final = "/api/2.0/mlflow-artifacts/"
_OF_RUNS: Final = ("experiments/", "runs/", "metrics/", "logged-models", "traces", "datasets")
_ELSEWHERE: Final = (
    "Holdfast keeps registered models and no runs: give MLflow this address by set_registry_uri, "
    "and that of a tracking server by set_tracking_uri"
)
_STATUSES: Final[Mapping[str, int]] = {
    mlflow_errors.ABSENT: 404,
    mlflow_errors.DENIED: 403,
    "RESOURCE_CONFLICT": 409,
}
"""Of MLflow's codes whose status is not 400."""
_FOR_GOOD: Final[Mapping[str, int]] = {
    "invalid_input": 400,
    "ambiguous": 400,
    "untrusted": 400,
    "refused": 403,
    "unsupported": 400,
    "missing_library": 400,
    "damaged": 409,
    "newer_format": 409,
    "not_a_store": 409,
    "unfit_store": 409,
    "outcome_unknown": 409,
}
"""Statuses of errors that another try does not solve: MLflow's clients repeat most of 500 and up
for minutes."""
_OWN_CODES: Final[Mapping[int, str]] = {
    404: "ENDPOINT_NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: mlflow_errors.INTERNAL,
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's codes for problems of a request that no error of Holdfast's is behind."""
_MOST_BASES: Final = 4
TRUST: Final = "holdfast.trust"
"""Tag of a new version that says why code outside the allow-list is taken in."""


class MlflowFace:
    """Answers MLflow's clients for one server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._files = MlflowFiles(desk)
        self._repeats = Repeats()
        self._lock = threading.Lock()
        self._caches: OrderedDict[str, EntityCache] = OrderedDict()

    async def answer(self, request: Request) -> Answer | Stream:
        """Answer a request; what goes wrong beyond MLflow's own words is raised."""
        try:
            return await self._answered(request)
        except MlflowProblem as problem:
            cause = problem.__cause__  # a store wraps it, and MLflow's server tells it itself
            told = cause if isinstance(cause, MlflowProblem) else problem
            is_hidden = request.known is not None and not request.rights.reads_all
            if told.code == mlflow_errors.ABSENT and is_hidden:
                self._desk.guard.note(request, "refused", told.message)
            return refusal(_STATUSES.get(told.code, 400), told.code, told.message)

    def refused(self, _request: Request, problem: Answer) -> Answer:
        """Put a problem into MLflow's words."""
        document = strict_json.decode(problem.content, dict[str, Any])
        code, status = document["code"], problem.status
        named = mlflow_errors.code_of(code)
        if named == mlflow_errors.INVALID and code not in _FOR_GOOD:
            named = _OWN_CODES.get(status, named)
        made = refusal(_FOR_GOOD.get(code, status), named, self._told(document["detail"]))
        made.headers |= problem.headers
        return made

    def _told(self, detail: str) -> str:
        """Return a problem without the place where files were brought to be looked at."""
        session = session_of(self._desk.registry)
        return re.sub(rf"{re.escape(str(session.scratch()))}/[\w-]+/", "", detail)

    async def _answered(self, request: Request) -> Answer | Stream:
        path = _path(request)
        call = self._call(request, path)
        writes = call.writes if call is not None else request.method not in ("GET", "HEAD")
        await self._desk.work.do(lambda: self._enter(request, writes=writes))
        if writes and self._desk.settings.read_only:
            raise Problem(403, "read_only", "this server only reads; ask one that writes")
        if path.startswith(_FILES):
            return await self._of_files(request, path.removeprefix(_FILES))
        if path == rest_paths.GET_ARTIFACT and request.method in ("GET", "HEAD"):
            request.route, request.operation = path, "get-artifact"
            return await self._files.of_version(request, self._view(request))
        if call is None:
            raise _no_endpoint(request, path)
        return await self._called(request, call)

    def _call(self, request: Request, path: str) -> MlflowCall | None:
        if not path.startswith(_API):
            return None
        methods = CALLS.get(path.removeprefix(_API), {})
        call = methods.get("GET" if request.method == "HEAD" else request.method)
        if call is not None:
            request.route, request.operation = path, call.operation
        return call

    def _enter(self, request: Request, *, writes: bool) -> None:
        request.rights = self._desk.guard.enter(request, writes=writes)

    async def _called(self, request: Request, call: MlflowCall) -> Answer:
        if request.method in ("GET", "HEAD"):
            fields = mlflow_fields.of_query(request.query)
            return await self._desk.work.do(lambda: self._done(request, call, fields))
        if request.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Problem(415, "unsupported_media_type", "the body must not be compressed")
        body = await request.body()
        fields = mlflow_fields.of_body(body)
        done = functools.partial(self._done, request, call, fields)
        if call.makes:
            name = fields.maybe("name") or ""
            return await self._repeats.once(request, body, lambda: self._made(name, done))
        return await self._desk.work.do(done)

    async def _made(self, name: str, done: Callable[[], Answer]) -> Answer:
        async with self._desk.registering.of(name):
            return await self._desk.work.do(done)

    def _done(self, request: Request, call: MlflowCall, fields: Fields) -> Answer:
        view = self._view(request, dict(fields.tags).get(TRUST) if call.makes else None)
        self._require(request, view, call, fields)

        def bring(path: str, folder: Path) -> None:
            self._files.uploads.bring(request, path, folder)

        return answered(call.perform(RegistryCalls(view, ServerReach(view, bring)), fields))

    def _require(
        self, request: Request, view: ServedView, call: MlflowCall, fields: Fields
    ) -> None:
        """Check that whoever asks may do it; what they may not see does not exist for them.

        Raises:
            ForbiddenError: If they may not.
        """
        state: State | None = None
        if fields.maybe("name"):
            request.values = {"model": fields.model}
            if request.rights.allows("read", fields.model):
                state = view.catalogue.state(fields.model)
        for verb, model in call.needs(fields, state):
            if verb == "read":
                continue  # the view shows nothing else
            if state is None and verb != "register" and not request.rights.allows("read", model):
                raise missing(f"Registered Model with name={fields.name} not found")
            permissions.require(request.rights.state, request.identity, verb, model)
        if view.uri.trust is not None:  # whoever loads it runs what one person let in
            permissions.require(request.rights.state, request.identity, "force", fields.model)

    def _view(self, request: Request, trust: str | None = None) -> ServedView:
        base = self._desk.base_of(request)
        registry = acting(self._desk, request, None)
        return ServedView(registry, request.rights, base, self._cache(base), trust)

    def _cache(self, base: str) -> EntityCache:
        with self._lock:
            cache = self._caches.setdefault(base, EntityCache())
            self._caches.move_to_end(base)
            if len(self._caches) > _MOST_BASES:
                self._caches.popitem(last=False)
            return cache

    async def _of_files(self, request: Request, path: str) -> Answer | Stream:
        place, _, file = path.partition("/")
        if place != "artifacts":
            raise _no_endpoint(request, path)
        request.route = f"{rest_paths.ARTIFACTS}/{{path}}" if file else rest_paths.ARTIFACTS
        request.operation = "artifacts"
        return await self._files.answer(request, file)


def _path(request: Request) -> str:
    """Return the decoded path, the pages' own prefix like everybody's.

    Raises:
        Problem: 400 if it is not UTF-8.
    """
    try:
        path = unquote_to_bytes(request.raw_path).decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed", "the path is not UTF-8") from error
    return f"/{path.removeprefix('/ajax-')}" if path.startswith("/ajax-api/") else path


def _no_endpoint(request: Request, path: str) -> Problem:
    behind = path.removeprefix(_API)
    methods = sorted(CALLS.get(behind, ()))
    if methods:
        problem = f"{request.method} is not supported here; use {' or '.join(methods)}"
        return Problem(405, "method_not_allowed", problem, {"Allow": ", ".join(methods)})
    if behind.startswith(_OF_RUNS):
        return Problem(404, "no_endpoint", _ELSEWHERE)
    return Problem(404, "no_endpoint", f"path {path[:200]!r} not found")


def refusal(status: int, code: str, message: str) -> Answer:
    """Return an error in MLflow's words."""
    return answered({"error_code": code, "message": message}, status)
