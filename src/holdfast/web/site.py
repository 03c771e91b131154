"""Pages and their files over HTTP: what a browser gets outside of the API.

A page knows its visitor by the session that signed them in; a form is taken from a page of that
session alone. Whoever is not signed in gets the page to sign in with, or what everyone may read.
"""

import functools
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final
from urllib.parse import quote

from holdfast.access.tokens import digest_of_secret
from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.http.problems import TITLES, Problem
from holdfast.web import csrf, sign_in
from holdfast.web.access_desk import AccessDesk, team
from holdfast.web.deeds import acting
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream
from holdfast.web.followers import stream
from holdfast.web.pages import page_paths
from holdfast.web.pages.page import Asked, Download, Drawn, Picture, Redirect
from holdfast.web.pages.page_paths import is_page
from holdfast.web.pages.visitor import SignedIn
from holdfast.web.rights import Rights

__all__ = ["FILES", "drawn", "is_page", "page"]

_PREFIX: Final = "/models/"
_STATIC: Final = "/static/"
_THEMES: Final = ("light", "dark")
_THEME_S: Final = 365 * 86_400
_HTML: Final = "text/html; charset=utf-8"
_MEDIA: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PICTURE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; "
        "frame-ancestors 'none'"
    ),
    "Content-Disposition": "inline",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Headers of a picture: it was checked when it was kept, and again when it is read; a browser that
opens an SVG by itself still runs nothing and asks nobody."""

_ALLOWED: Final = "GET, HEAD, POST"
_FORBIDDEN: Final = 403


async def page(desk: Desk, request: Request) -> Answer | Stream:
    """Answer a request for a page, or for what happens to its model."""
    try:
        _check_method(request)
        place = page_paths.parse(request.path)
        if place.verb == "events" and request.method == "GET":
            return await _events(desk, request, place.model)
        form = await sign_in.form(request) if request.method == "POST" else None
        return await desk.work.do(functools.partial(_page, desk, request, place, form))
    except Problem as problem:
        return _refused(desk, request, problem)


def _check_method(request: Request) -> None:
    if request.method not in ("GET", "HEAD", "POST"):
        raise Problem(405, "method_not_allowed", "use GET, HEAD or POST", {"Allow": _ALLOWED})


def _rights(desk: Desk, request: Request, *, writes: bool) -> tuple[Rights, str] | None:
    """Return what the visitor may do, and the secret of their session; None if nobody is known."""
    rights = sign_in.signed_in(desk, request, writes=writes)
    secret = sign_in.secret_of(desk, request) or ""
    if rights is None:
        if writes or not desk.settings.anonymous_read or request.header("authorization"):
            return None
        rights, secret = desk.guard.enter(request, writes=False), ""
    request.rights = rights
    return rights, secret


def _page(
    desk: Desk, request: Request, place: page_paths.Place, form: Mapping[str, str] | None
) -> Answer:
    """Draw a page or do what a form says; it reads and writes the registry, on a thread."""
    known = _rights(desk, request, writes=form is not None)
    request.route = _route(place, request.path)
    if known is None:
        return _sign_in_page(desk, request)
    rights, secret = known
    if form is not None:
        sign_in.check_form(desk, request, dict(form))
    asked = Asked(
        path=request.path,
        place=place,
        query=request.parameters,
        form=form,
        now=format_time(datetime.now(UTC)),
        new_id=os.urandom(16).hex(),
        theme=theme_of(request),
        request_id=request.id,
    )
    from holdfast.web.pages import page_routes

    made = page_routes.answer(_visitor(desk, request, rights, secret), asked)
    if isinstance(made, Redirect):
        headers = {"Location": made.location, **sign_in.page_headers(desk)}
        return Answer(303, media=_HTML, headers=headers)
    if isinstance(made, Download):
        named = f"attachment; filename*=UTF-8''{quote(made.name, safe='')}"
        return Answer(200, made.text.encode(), made.media_type, {"Content-Disposition": named})
    if isinstance(made, Picture):
        return Answer(200, made.content, made.media_type, dict(_PICTURE))
    if made.status == _FORBIDDEN:
        desk.guard.note(request, "refused", f"{place.verb or 'read'} {place.model or request.path}")
    return html(desk, made)


def _visitor(desk: Desk, request: Request, rights: Rights, secret: str) -> SignedIn:
    return SignedIn(
        registry=acting(desk, request, None),
        rights=rights,
        csrf=csrf.token(secret) if secret else "",
        report=functools.partial(_report, desk, request),
        settings=desk.settings,
        access=None if desk.guard.is_local else AccessDesk(desk, request),
        signed_in_at=sign_in.signed_in_at(desk, secret),
        session=digest_of_secret(secret) if secret else "",
    )


def _sign_in_page(desk: Desk, request: Request) -> Answer:
    """Draw the page to sign in with, which leads back to the one that was asked for."""
    state = None if desk.guard.is_local else team(desk).state(writes=False)
    values = {
        "link": "",
        "is_local": desk.guard.is_local,
        "providers": sorted(state.providers) if state is not None else [],
        "back": request.path,
        "theme": theme_of(request),
    }
    return html(desk, Drawn("sign_in", values, 401))


def _report(desk: Desk, request: Request, what: str, why: str, model: str | None) -> None:
    """Keep a report, at once: what it is about is shown after it."""
    request.values = {} if model is None else {"model": model}
    desk.guard.note(request, what, why)
    desk.guard.flush()


async def _events(desk: Desk, request: Request, model: str) -> Stream:
    def allowed() -> None:
        known = _rights(desk, request, writes=False)
        if known is None:
            raise Problem(401, "unauthenticated", "sign in to watch")
        known[0].require("watch", model)

    await desk.work.do(allowed)
    await desk.work.do(lambda: desk.registry.heads(model))
    request.route = f"{_PREFIX}{{model}}:events"
    watched = model, desk.watcher(request)
    return await stream(desk.followers, desk.work, watched, None, allowed)


def _refused(desk: Desk, request: Request, problem: Problem) -> Answer:
    values = {
        "title": TITLES.get(problem.status, "That did not work"),
        "detail": problem.detail,
        "near": [],
        "request_id": request.id,
        "theme": theme_of(request),
    }
    answer = html(desk, Drawn("refused", values, problem.status))
    answer.headers |= problem.headers
    return answer


def drawn(desk: Desk, request: Request, problem: Answer) -> Answer:
    """Draw what went wrong outside of any page: the store is gone, or there is no such path."""
    told = strict_json.decode(problem.content, dict[str, Any])
    refusal = Problem(problem.status, told["code"], told["detail"], problem.headers)
    return _refused(desk, request, refusal)


def html(desk: Desk, page: Drawn) -> Answer:
    """Draw a page; its headers let in nothing of other sites and nothing inline."""
    from holdfast.web.pages import drawing

    content = drawing.draw(page.template, page.values).encode()
    return Answer(page.status, content, _HTML, sign_in.page_headers(desk))


def _route(place: page_paths.Place, path: str) -> str:
    """Return the template of a page's path, for logs and figures; empty where there is no page.

    What a stranger writes into a path is not repeated there, or each would be a figure of its own.
    """
    from holdfast.web.pages import page_routes

    if not page_routes.has_page(path, place):
        return ""
    if not place.model:
        return path
    version = "@{version}" if place.version else ""
    return f"{_PREFIX}{{model}}{version}{f':{place.verb}' if place.verb else ''}"


async def _file(_desk: Desk, request: Request) -> Answer:
    """Answer one of the files that pages need; they are part of the program."""
    name = request.path.removeprefix(_STATIC)
    media = _MEDIA[name.rpartition(".")[2]]
    return Answer(200, _content(name), media, {"Cache-Control": "no-cache"})


@functools.cache
def _content(name: str) -> bytes:
    return (_folder() / name).read_bytes()


def _folder() -> Traversable:
    return resources.files("holdfast.web.pages") / "static"


def theme_of(request: Request) -> str:
    """Return the theme that a browser keeps, empty for the system's."""
    theme = sign_in.cookie(request, "theme")
    return theme if theme in _THEMES else ""


async def _themed(_desk: Desk, request: Request) -> Answer:
    """Keep a theme in the browser, and go back to the page; nothing is written here."""
    chosen, back = request.parameters.get("to", ""), request.parameters.get("back", "/")
    if not is_page(back):
        back = "/"
    kept = f"theme={chosen}; Max-Age={_THEME_S}" if chosen in _THEMES else "theme=; Max-Age=0"
    cookie = f"{kept}; Path=/; SameSite=Lax; HttpOnly"
    headers = {"Location": quote(back, safe="/@:+~"), "Set-Cookie": cookie}
    return Answer(303, media=_HTML, headers=headers)


def _files() -> dict[tuple[str, str], Any]:
    return {("GET", f"{_STATIC}{entry.name}"): _file for entry in _folder().iterdir()}


FILES: Final = {("GET", "/theme"): _themed, **_files()}
"""What is the same for everybody: style, script, icon; and the choice of a theme."""
