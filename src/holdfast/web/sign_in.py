"""Signing in and out in a browser: by a link that works once, or by a token.

The API knows nothing of this: it reads no cookies. A GET signs nobody in or out, for a browser, a
chat or a scanner may follow a link before a person does.
"""

import contextlib
import hmac
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote

from holdfast.access.authentication import session_identity
from holdfast.access.sessions import Sessions, begun
from holdfast.access.tokens import digest_of_secret
from holdfast.errors import UnauthenticatedError
from holdfast.http.problems import Problem
from holdfast.web import csrf
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request
from holdfast.web.guard import LocalGuard, TeamGuard
from holdfast.web.pages import page_paths
from holdfast.web.rights import Rights

__all__ = [
    "PAGES",
    "OneTimeLink",
    "check_form",
    "cookie",
    "cookie_name",
    "cookies",
    "page_headers",
    "secret_of",
    "session_cookie",
    "signed_in",
    "signed_in_at",
]

LINK_S: Final = 600.0
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 100
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for "
    "'script'"
)
_HSTS: Final = "max-age=31536000"


class OneTimeLink:
    """The link that a server for one user prints: good once, for ten minutes."""

    def __init__(self, secret: str) -> None:
        self._secret: str | None = secret
        self._until = time.monotonic() + LINK_S

    def use(self, secret: str) -> bool:
        """Tell whether this is the link, and that it was not used; it is now."""
        known = self._secret
        if known is None or time.monotonic() > self._until:
            return False
        if not hmac.compare_digest(secret.encode(), known.encode()):
            return False
        self._secret = None
        return True


def page_headers(desk: Desk) -> dict[str, str]:
    """Return the headers of every page."""
    headers = {
        "Content-Security-Policy": _CSP,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
    }
    return headers | ({"Strict-Transport-Security": _HSTS} if desk.settings.secure else {})


def cookie_name(desk: Desk) -> str:
    """Return the cookie's name: with the store's id, for cookies are shared by all ports."""
    name = f"hf_{session_of(desk.registry).open_store.config.id[:8]}"
    return f"__Host-{name}" if desk.settings.secure else name


def secret_of(desk: Desk, request: Request) -> str | None:
    """Return the secret of the session that a browser sends."""
    return cookie(request, cookie_name(desk))


def cookie(request: Request, name: str) -> str | None:
    """Return the cookie of that name."""
    return cookies(request, name).get(name)


def cookies(request: Request, prefix: str) -> dict[str, str]:
    """Return the cookies whose names begin so; of several of one name, the first."""
    found: dict[str, str] = {}
    for part in (request.header("cookie") or "").split(";"):
        key, _, value = part.strip().partition("=")
        if key.startswith(prefix):
            found.setdefault(key, value)
    return found


def signed_in_at(desk: Desk, secret: str) -> str:
    """Return when whoever has a session last signed in; empty if that is not known."""
    record = desk.sessions.read(secret, datetime.now(UTC)) if secret else None
    return "" if record is None else record.authenticated_at


def signed_in(desk: Desk, request: Request, *, writes: bool = False) -> Rights | None:
    """Return the rights of whoever's session a browser sends; None if nobody is signed in."""
    secret = secret_of(desk, request)
    if secret is None:
        return None
    now = datetime.now(UTC)
    record = desk.sessions.read(secret, now)
    if record is None:
        return None
    if isinstance(desk.guard, LocalGuard):
        desk.sessions.touch(secret, now)
        return desk.guard.rights
    assert isinstance(desk.guard, TeamGuard)  # noqa: S101 - there are two
    state = desk.guard.state(writes=writes)
    try:
        identity = session_identity(state, record, now)
    except UnauthenticatedError:
        desk.sessions.delete(secret)
        return None
    desk.sessions.touch(secret, now)
    return Rights(state, identity)


async def form(request: Request) -> dict[str, str]:
    """Read a form.

    Raises:
        Problem: 415 or 400 if it is not one.
    """
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media != _FORM:
        raise Problem(415, "unsupported_media_type", "a form must be sent as one")
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise Problem(400, "malformed", "the form cannot be read") from error
    return dict(pairs)


def check_form(desk: Desk, request: Request, fields: dict[str, str]) -> str:
    """Check that a form was sent by a page of ours; return the session's secret.

    The connection has refused foreign origins and pages of other sites before.

    Raises:
        Problem: 403 if it was not.
    """
    secret = secret_of(desk, request)
    if secret is None or not csrf.valid(secret, fields.get("csrf", "")):
        raise Problem(403, "csrf", "the form is not one of your session; open the page again")
    return secret


async def link_page(desk: Desk, request: Request) -> Answer:
    """Show the button that signs in; following the link does not."""
    from holdfast.web.pages import drawing

    link = request.path.rpartition("/")[2]
    values = {"link": link, "is_local": True, "providers": [], "back": "/", "theme": ""}
    html = drawing.draw("sign_in", values)
    answer = _page(desk, html, "text/html; charset=utf-8")
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _page(desk: Desk, text: str, media: str) -> Answer:
    return Answer(200, text.encode(), media, page_headers(desk))


async def by_link(desk: Desk, request: Request) -> Answer:
    """Sign in by the link that the server printed."""
    fields = await form(request)
    if not isinstance(desk.guard, LocalGuard) or desk.link is None:
        raise Problem(404, "not_found", "this server has no such link; sign in with a token")
    if not desk.link.use(fields.get("link", "")):
        raise Problem(401, "unauthenticated", "the link was used or is too old; restart the server")
    user = desk.guard.rights.identity.user
    return _begun(desk, desk.sessions, user.id, "local", None)


async def by_token(desk: Desk, request: Request) -> Answer:
    """Sign in by a token; the session dies with it, and takes the place of the one before."""
    fields = await form(request)
    request.headers = {**request.headers, b"authorization": _bearer(fields.get("token", ""))}
    rights = await desk.work.do(lambda: desk.guard.enter(request, writes=True))
    token = digest_of_secret(fields["token"])[:12] if isinstance(desk.guard, TeamGuard) else None
    request.rights = rights
    desk.guard.note(request, "signed_in", "by a token")
    before = secret_of(desk, request)

    def begin() -> Answer:
        answer = _begun(desk, desk.sessions, rights.identity.user.id, "session", token)
        if before is not None:
            desk.sessions.delete(before)
        return answer

    answer = await desk.work.do(begin)
    back = fields.get("back", "/")
    answer.headers["Location"] = quote(back, safe="/@:+~") if page_paths.is_page(back) else "/"
    return answer


def _bearer(token: str) -> bytes:
    if not (token.isascii() and token.isprintable()):
        raise Problem(401, "unauthenticated", "the token is malformed; copy all of it")
    return f"Bearer {token}".encode()


def _begun(desk: Desk, sessions: Sessions, user: str, how: str, token: str | None) -> Answer:
    """Begin a session, always under a new secret, and lead to the front page."""
    record = begun(user, how, datetime.now(UTC), token=token)
    secret = sessions.create(record)
    made = session_cookie(desk, secret)
    return Answer(303, headers={**page_headers(desk), "Location": "/", "Set-Cookie": made})


def session_cookie(desk: Desk, secret: str, more: str = "") -> str:
    """Return the header that keeps a session in a browser."""
    secure = "; Secure" if desk.settings.secure else ""
    return f"{cookie_name(desk)}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}{more}"


async def logout(desk: Desk, request: Request) -> Answer:
    """Sign out here, whatever a provider does; then lead to where its own session can be ended."""
    fields = await form(request)
    secret = check_form(desk, request, fields)
    location = await desk.work.do(lambda: _signed_out(desk, request, secret))
    headers = {
        **page_headers(desk),
        "Location": location,
        "Set-Cookie": session_cookie(desk, "", "; Max-Age=0"),
    }
    return Answer(303, headers=headers)


def _signed_out(desk: Desk, request: Request, secret: str) -> str:
    """End a session, and return where to go: to the page about the provider that made it, if any.

    A form of ours must not redirect to another site, as the pages' policy says: browsers judge the
    whole way. So the way to the provider is a link there.
    """
    record = desk.sessions.read(secret, datetime.now(UTC))
    known = None
    with contextlib.suppress(Problem):  # whoever cannot be named is signed out all the same
        known = signed_in(desk, request)
    desk.sessions.delete(secret)
    if known is None or not isinstance(desk.guard, TeamGuard):
        return "/"
    request.rights = known
    desk.guard.note(request, "signed_out", "")
    providers = known.state.providers.values()
    issuer = None if record is None else record.issuer
    made_by = next((provider.provider for provider in providers if provider.issuer == issuer), None)
    return "/" if made_by is None else f"/login/out/{quote(made_by, safe='')}"


PAGES: Final = {
    ("GET", "/login/{link}"): link_page,
    ("POST", "/login/link"): by_link,
    ("POST", "/login/token"): by_token,
    ("POST", "/logout"): logout,
}
"""What browsers are answered, besides the API."""
