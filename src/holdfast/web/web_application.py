"""The ASGI application of a team's server: from a request's head to its answer, or its problem."""

import asyncio
import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec

from holdfast.core.entry import parse_time
from holdfast.errors import ForbiddenError, HoldfastError, NotFoundError
from holdfast.http import problems, request_ids
from holdfast.http.access_log import AccessLog
from holdfast.http.asgi import Gone, Pairs, Receive, Scope, Send
from holdfast.http.problems import Problem
from holdfast.web import health, site
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream
from holdfast.web.faces import Face, Faces
from holdfast.web.routes import Route, Routes
from holdfast.web.web_settings import API

__all__ = ["LOGGED", "WebApplication"]

_log = logging.getLogger(__name__)
_BASE: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_EMPTY: Final = (204, 304)
LOGGED: Final = {b"x-request-id": "request_id", b"user": "user"}
"""What the access log keeps of an answer; the user stands there and in no header."""

Page = Callable[[Desk, Request], Any]


class WebApplication:
    """Answers for one registry; one event loop, one process.

    Attributes:
        connection: What each of its connections may do.
        access: Where each answer is noted; None if nowhere.
    """

    def __init__(
        self,
        desk: Desk,
        routes: Routes,
        pages: Mapping[tuple[str, str], Page],
        site_page: Page | None = None,
    ) -> None:
        self.desk = desk
        self.connection = desk.settings.connection()
        self.access: AccessLog | None = None
        self._routes = routes
        self._pages = {**health.PAGES, **pages}
        self._site = site_page
        self._faces = Faces(desk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _other(scope, receive, send)
            return
        started_ns = time.perf_counter_ns()
        request = Request(scope, receive, _request_id(scope))
        try:
            answer = await self._answer(request)
            status, size = await self._send(request, answer, send)
        except Gone:
            return
        self._note(request, status, size, started_ns)

    def turned_away(self, status: int) -> None:
        """Count a request that was refused before its head was read."""
        self.desk.figures.answered("", "", status, 0)
        if self.access is not None:
            self.access.note(("", ""), status, [], 0, time.perf_counter_ns())

    async def _answer(self, request: Request) -> Answer | Stream:
        face = self._faces.of(request.raw_path)
        answer = await self._made(request, face)
        if not isinstance(answer, Answer) or answer.media != problems.MEDIA:
            return answer
        if face is not None:
            return face.refused(request, answer)
        return site.drawn(self.desk, request, answer) if _is_read_by_people(request) else answer

    async def _made(self, request: Request, face: Face | None) -> Answer | Stream:
        try:
            if face is not None:
                return await face.answer(request)
            page = self._page(request)
            if page is not None:
                made: Answer | Stream = await page(self.desk, request)
                return made
            return await self._of_api(request)
        except Gone:
            raise
        except Problem as refusal:
            return problem_answer(request, refusal)
        except HoldfastError as error:
            return self._failed(request, error)
        except Exception:  # noqa: BLE001 - the connection is to go on
            _log.exception("request %s failed", request.id)
            detail = "the server failed; its log has the request by its id"
            return problem_answer(request, Problem(500, "internal", detail))

    def _page(self, request: Request) -> Page | None:
        named = request.path
        if (_asked(request), named) not in self._pages and named.startswith("/login/"):
            way = named.removeprefix("/login/").partition("/")[0]
            named = f"/login/{way}/{{provider}}" if way in ("by", "out") else "/login/{link}"
        page = self._pages.get((_asked(request), named))
        if page is not None:
            request.route = named
        elif self._site is not None and site.is_page(request.path):
            return self._site
        return page

    async def _of_api(self, request: Request) -> Answer | Stream:
        if not request.path.startswith(f"{API}/"):
            raise Problem(404, "not_found", f"path {request.path[:200]!r} not found")
        route = await self._found(request)
        if not route.is_async:
            task = functools.partial(self._handle, route, request)
            answer: Answer = await self.desk.work.do(task)
            return answer
        await self.desk.work.do(functools.partial(self._admit, route, request))
        streamed: Answer | Stream = await route.handler(self.desk, request)  # type: ignore[misc]
        return streamed

    async def _found(self, request: Request) -> Route:
        """Find the route; who is not known is not told which paths there are."""
        try:
            route = self._routes.find(request, request.path.removeprefix(API))
        except Problem:
            await self.desk.work.do(lambda: self.desk.guard.enter(request, writes=False))
            raise
        return route

    def _handle(self, route: Route, request: Request) -> Answer:
        self._admit(route, request)
        answer: Answer = route.handler(self.desk, request)  # type: ignore[assignment]
        return answer

    def _admit(self, route: Route, request: Request) -> None:
        if route.is_open:
            _check_parameters(route, request)
            return
        request.rights = self.desk.guard.enter(request, writes=route.writes)
        _check_parameters(route, request)
        if route.writes and self.desk.settings.read_only:
            raise Problem(403, "read_only", "this server only reads; ask one that writes")
        if route.access is not None:
            request.rights.require(route.access, request.named)

    def _failed(self, request: Request, error: HoldfastError) -> Answer:
        if isinstance(error, ForbiddenError) or (
            isinstance(error, NotFoundError) and request.known and not request.rights.reads_all
        ):
            self.desk.guard.note(request, "refused", str(error))
        status, document = problems.problem_of(self._visible(request, error))
        if status >= 500:  # noqa: PLR2004 - the server's own
            _log.warning("request %s: %s", request.id, error)
        hidden = _without(document, str(self.desk.registry.location))
        return _problem(request, status, hidden, problems.retry_after(status))

    def _visible(self, request: Request, error: HoldfastError) -> HoldfastError:
        """Return an error that names no model which whoever asks may not see."""
        if not isinstance(error, NotFoundError) or not error.subject.startswith("model "):
            return error
        if request.known is None or request.rights.reads_all:
            return error
        seen = [name for name in error.nearest if request.rights.allows("read", name)]
        return NotFoundError(error.subject, seen)

    async def _send(self, request: Request, answer: Answer | Stream, send: Send) -> tuple[int, int]:
        named = _BASE | {"X-Request-Id": request.id} | answer.headers
        if answer.status not in _EMPTY:
            named["Content-Type"] = answer.media
        if isinstance(answer, Answer):
            if answer.status not in _EMPTY:
                named["Content-Length"] = str(len(answer.content))
            await send(_start(answer.status, named, answer.more))
            await send({"type": "http.response.body", "body": answer.content})
            return answer.status, len(answer.content)
        await send(_start(answer.status, named))
        size = await _sent(request, answer, send)
        await send({"type": "http.response.body", "body": b""})
        return answer.status, size

    def _note(self, request: Request, status: int, size: int, started_ns: int) -> None:
        seconds = (time.perf_counter_ns() - started_ns) / 1e9
        self.desk.figures.answered(request.method, request.route, status, seconds)
        if self.access is not None:
            facts = [(b"x-request-id", request.id.encode()), (b"user", request.user.encode())]
            asked = request.method, request.route if _is_secret(request) else request.path
            self.access.note(asked, status, facts, size, started_ns)


async def _sent(request: Request, answer: Stream, send: Send) -> int:
    """Send what a stream makes, as long as there is somebody to take it; return its length."""
    size = 0
    gone = asyncio.ensure_future(request.gone())
    try:
        async with aclosing(answer.pieces) as pieces:
            if request.method == "HEAD":
                return size
            async for piece in pieces:
                if gone.done():
                    raise Gone
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    size += len(piece)
    finally:
        gone.cancel()
        answer.release()
    return size


def _is_secret(request: Request) -> bool:
    """Tell whether a path holds what signs in."""
    return request.path.startswith("/login/")


def _is_read_by_people(request: Request) -> bool:
    """Tell whether a browser shows the answer as it is."""
    is_page = not request.path.startswith(f"{API}/")
    return is_page and "text/html" in (request.header("accept") or "")


def _asked(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id")
    return request_ids.given(sent) or os.urandom(8).hex()


def _check_parameters(route: Route, request: Request) -> None:
    known = {parameter.name for parameter in route.parameters if not parameter.is_header}
    unknown = sorted(request.parameters.keys() - known)
    if unknown:
        listed = ", ".join(sorted(known)) or "none"
        problem = f"parameter {unknown[0][:80]!r} is unknown here; known: {listed}"
        raise Problem(422, "invalid_input", problem)
    if "at" in request.parameters:
        parse_time(request.parameters["at"])


def _start(
    status: int, headers: Mapping[str, str], more: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    named = [*headers.items(), *more]
    pairs: Pairs = [(name.lower().encode(), text.encode()) for name, text in named]
    return {"type": "http.response.start", "status": status, "headers": pairs}


def problem_answer(request: Request, refusal: Problem) -> Answer:
    """Return the answer that is a problem of the request."""
    document = problems.problem(refusal.status, refusal.code, refusal.detail)
    return _problem(request, refusal.status, document, refusal.headers)


def _problem(
    request: Request, status: int, document: dict[str, Any], headers: Mapping[str, str]
) -> Answer:
    content = msgspec.json.encode(document | {"request_id": request.id})
    return Answer(status, content, problems.MEDIA, dict(headers))


def _without(value: Any, location: str) -> Any:
    """Return a problem without the place of the store, which is the server's own affair."""
    if isinstance(value, dict):
        return {name: _without(inner, location) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, location) for inner in value]
    return value.replace(location, "the store") if isinstance(value, str) else value


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the server's own events; there are no sockets here but those of HTTP."""
    if scope["type"] != "lifespan":
        await send({"type": "websocket.close", "code": 1000})
        return
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
