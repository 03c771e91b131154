"""Sign-in by an OpenID Connect provider, and tokens for jobs of a CI system."""

import contextlib
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from holdfast.access import ci_exchange, oidc
from holdfast.access.access_events import ProviderSet
from holdfast.access.access_state import AccessState
from holdfast.access.oidc import SignInState
from holdfast.errors import (
    BusyError,
    MissingLibraryError,
    NotFoundError,
    UnauthenticatedError,
)
from holdfast.http.problems import Problem
from holdfast.web import sign_in, site
from holdfast.web.access_desk import team
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.guard import TeamGuard
from holdfast.web.pages.page import Drawn

__all__ = ["PAGES", "Exchange", "exchange"]

_CALLBACK: Final = "/login/callback"
_AT_ONCE: Final = 5
"""Sign-ins that one browser may have under way; another takes the place of them all."""


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    """The identity token of a job."""

    token: str


async def exchange(desk: Desk, request: Request) -> Answer:
    """Give a job a token for 15 minutes, for the identity token of its CI system."""
    body = await request.read(Exchange)
    return await desk.work.do(lambda: _exchanged(desk, request, body.token))


def _exchanged(desk: Desk, request: Request, token: str) -> Answer:
    guard = team(desk)
    state = guard.state(writes=True)
    now = datetime.now(UTC)
    try:
        exchanged = ci_exchange.exchange(token, state, desk.key_sets, guard.sessions, now)
    except UnauthenticatedError as error:
        raise guard.failed(request, str(error)) from error
    guard.note(
        request, "signed_in", f"a job of {exchanged.identity.user.name}, {exchanged.identity.how}"
    )
    document = {
        "token": exchanged.secret,
        "expires_at": exchanged.expires_at,
        "how": exchanged.identity.how,
    }
    return answered(document, 201)


def _provider(state: AccessState, name: str) -> ProviderSet:
    provider = state.providers.get(name)
    if provider is None:
        raise NotFoundError(f"provider {name[:100]!r}", sorted(state.providers))
    return provider


async def leave(desk: Desk, request: Request) -> Answer:
    """Lead a browser to its provider; what it must bring back is kept in a cookie of its own."""
    guard = team(desk)
    return_to = request.parameters.get("return_to", "/")
    again = request.parameters.get("again") == "yes"

    def begun() -> Answer:
        provider = _provider(guard.state(writes=False), request.path.rpartition("/")[2])
        here = f"{_origin(desk, request)}{_CALLBACK}"
        now = datetime.now(UTC)
        url, state = oidc.begin(provider, here, desk.key_sets, now, return_to, again=again)
        name, under_way = _name(desk, state.state), sign_in.cookies(request, _name(desk, ""))
        lasts_s = int(oidc.STATE.total_seconds())
        answer = _away(desk, url, _cookie(desk, name, oidc.packed(state), lasts_s))
        if len(under_way) >= _AT_ONCE:
            answer.more += [("Set-Cookie", _cookie(desk, old, "", 0)) for old in under_way]
        return answer

    return await desk.work.do(begun)


async def come_back(desk: Desk, request: Request) -> Answer:
    """Sign in whoever comes back from a provider, in the browser that went there."""
    guard = team(desk)
    name = _name(desk, request.parameters.get("state", ""))
    kept = sign_in.cookie(request, name)

    def ended() -> Answer:
        if not kept and sign_in.signed_in(desk, request) is not None:
            headers = {**sign_in.page_headers(desk), "Location": "/"}
            return Answer(303, headers=headers)  # this page was loaded again; nothing is wrong
        return _signed_in(desk, guard, request, oidc.unpacked(kept or ""))

    return await desk.work.do(ended)


async def out(desk: Desk, request: Request) -> Answer:
    """Offer to end the provider's session too, to whoever signed out here; this changes nothing."""
    guard = team(desk)

    def offered() -> Answer:
        provider = _provider(guard.state(writes=False), request.path.rpartition("/")[2])
        url = None
        with contextlib.suppress(BusyError, MissingLibraryError):
            url = oidc.sign_out_url(provider, desk.key_sets, f"{_origin(desk, request)}/")
        values = {"name": provider.provider, "url": url, "theme": site.theme_of(request)}
        return site.html(desk, Drawn("signed_out", values))

    return await desk.work.do(offered)


def _signed_in(desk: Desk, guard: TeamGuard, request: Request, kept: SignInState) -> Answer:
    state, now = guard.state(writes=True), datetime.now(UTC)
    provider = _provider(state, kept.provider)
    secret = desk.settings.provider_secrets.get(kept.provider)
    try:
        claims = oidc.finish(provider, kept, request.parameters, desk.key_sets, now, secret)
        record = oidc.sign_in(state, provider, claims, now)
    except UnauthenticatedError as error:
        raise guard.failed(request, str(error)) from error
    session, before = guard.sessions.create(record), sign_in.secret_of(desk, request)
    if before is not None:
        guard.sessions.delete(before)
    guard.note(request, "signed_in", f"by the provider {kept.provider}: {record.user}")
    answer = _away(desk, oidc.local_path(kept.return_to), sign_in.session_cookie(desk, session))
    answer.more.append(("Set-Cookie", _cookie(desk, _name(desk, kept.state), "", 0)))
    return answer


def _away(desk: Desk, url: str, cookie: str) -> Answer:
    headers = {**sign_in.page_headers(desk), "Location": url, "Set-Cookie": cookie}
    return Answer(303, headers=headers)


def _origin(desk: Desk, request: Request) -> str:
    """Return where a browser finds this server: the connection has checked the host."""
    host = request.header("host")
    if not host:
        raise Problem(400, "malformed", "a request to sign in needs a Host")
    return f"{'https' if desk.settings.secure else 'http'}://{host}"


def _name(desk: Desk, state: str) -> str:
    """Return the cookie of one sign-in: a browser may have several under way, in tabs of it."""
    return f"{sign_in.cookie_name(desk)}_in_{state[:8]}"


def _cookie(desk: Desk, name: str, value: str, most_s: int) -> str:
    secure = "; Secure" if desk.settings.secure else ""
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={most_s}{secure}"


PAGES: Final = {
    ("GET", "/login/by/{provider}"): leave,
    ("GET", _CALLBACK): come_back,
    ("GET", "/login/out/{provider}"): out,
}
"""What browsers are answered on their way to a provider and back."""
