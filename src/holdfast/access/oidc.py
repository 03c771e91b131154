"""Sign-in by an OpenID Connect provider: code flow with PKCE, state and nonce.

A person is who the provider says as issuer and subject; never an address, which others may have.
"""

import base64
import hmac
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.access import id_tokens
from holdfast.access.access_events import ProviderSet
from holdfast.access.access_state import AccessState
from holdfast.access.changes import check_url
from holdfast.access.jwks import KeySets
from holdfast.access.provider_http import ProviderRefusalError, fetch, libraries
from holdfast.access.sessions import LONGEST, SessionRecord, begun
from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.errors import (
    BusyError,
    HoldfastError,
    InvalidInputError,
    UnauthenticatedError,
)

STATE: Final = timedelta(minutes=10)
_SCOPE: Final = "openid profile"
_MOST_GROUPS: Final = 1000
_SUBJECT: Final = "sign-in"
_AGAIN: Final = "begin it again"
_OURS: Final = ("invalid_client", "unauthorized_client")
"""Errors that say that the provider does not know this server."""


class SignInState(Struct, frozen=True):
    """What a browser keeps while its person is at the provider, in a cookie of its own.

    Attributes:
        state: Comes back with the code; whoever has it began this sign-in.
        nonce: Comes back in the token, which was so made for this sign-in.
        verifier: Proves to the provider that the code is taken by whoever asked for it.
        return_to: A path of this server.
    """

    provider: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    created_at: str
    return_to: str = "/"


class ProviderClaims(Struct, frozen=True):
    """Who signed in, as their provider says.

    Attributes:
        groups: As the provider names them.
        name: Only to be shown.
        auth_time: When they last signed in there themselves, in seconds since 1970.
    """

    issuer: str
    subject: str
    name: str = ""
    groups: tuple[str, ...] = ()
    auth_time: int | None = None


class _Answer(Struct, frozen=True):
    id_token: str


class _Refusal(Struct, frozen=True):
    error: str


def begin(
    provider: ProviderSet,
    redirect_uri: str,
    key_sets: KeySets,
    now: datetime,
    return_to: str = "/",
    *,
    again: bool = False,
) -> tuple[str, SignInState]:
    """Return where to send a browser, and what it must bring back.

    Args:
        provider: By whom to sign in.
        redirect_uri: Of this server, exactly as the provider knows it.
        key_sets: Knows the provider's addresses.
        now: Present time, aware.
        return_to: Path to go to afterwards; another site's is replaced by `/`.
        again: Have the provider ask for the password, or what it has, even if it knows them.

    Raises:
        BusyError: If the provider does not answer.
    """
    with libraries():
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge
    endpoint = key_sets.discovery(provider.issuer).authorization_endpoint
    if not endpoint:
        raise BusyError(f"provider {provider.provider}", "has no page to sign in", "name another")
    state = SignInState(
        provider.provider,
        redirect_uri,
        _secret(),
        _secret(),
        _secret(),
        format_time(now),
        local_path(return_to),
    )
    longest_s = 0 if again else int(LONGEST.total_seconds())  # has the provider say `auth_time`
    url = prepare_grant_uri(
        endpoint,
        client_id=provider.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=_SCOPE,
        state=state.state,
        nonce=state.nonce,
        code_challenge=create_s256_code_challenge(state.verifier),
        code_challenge_method="S256",
        max_age=str(longest_s),
        **({"prompt": "login"} if again else {}),
    )
    return str(url), state


def finish(
    provider: ProviderSet,
    state: SignInState,
    query: Mapping[str, str],
    key_sets: KeySets,
    now: datetime,
    client_secret: str | None = None,
) -> ProviderClaims:
    """Take the code that a browser brought back, and return who signed in.

    Args:
        provider: By whom.
        state: What `begin` returned for this very browser.
        query: Parameters of the redirect.
        key_sets: Knows the provider's addresses and keys.
        now: Present time, aware.
        client_secret: Of this server at the provider, where it has one.

    Raises:
        UnauthenticatedError: If anything is not as it was begun, or the token is not for us.
        BusyError: If the provider does not answer.
    """
    _check_redirect(provider, state, query, now)
    form = {
        "grant_type": "authorization_code",
        "code": query["code"],
        "redirect_uri": state.redirect_uri,
        "client_id": provider.client_id,
        "code_verifier": state.verifier,
    }
    login = None
    if client_secret is not None:  # both are encoded as in a form: RFC 6749, 2.3.1
        login = (quote(provider.client_id, safe=""), quote(client_secret, safe=""))
    id_token = _exchanged(provider, key_sets, form, login)
    claims = id_tokens.read(id_token, provider.issuer, key_sets, now)
    id_tokens.check_audience(claims, provider.client_id)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), state.nonce.encode()):
        raise UnauthenticatedError(_SUBJECT, "brought a token of another sign-in", _AGAIN)
    name = claims.get("name") or claims.get("preferred_username")
    return ProviderClaims(
        provider.issuer,
        claims["sub"],
        name if isinstance(name, str) else "",
        _groups(provider, claims),
        _auth_time(claims),
    )


def _exchanged(
    provider: ProviderSet, key_sets: KeySets, form: Mapping[str, str], login: tuple[str, str] | None
) -> str:
    """Give the provider a code, and return the identity token that it gives for it."""
    try:
        answer = fetch(key_sets.discovery(provider.issuer).token_endpoint, form, login)
        return strict_json.decode(answer, _Answer).id_token
    except ProviderRefusalError as error:
        raise _refusal(provider, error) from error
    except ValueError as error:
        raise UnauthenticatedError(_SUBJECT, "brought no identity token", _AGAIN) from error


def _refusal(provider: ProviderSet, error: ProviderRefusalError) -> HoldfastError:
    """Return why a provider gives no token: the code does not hold, or the server is not known.

    The latter is for whoever runs the server; to try again does not help (RFC 6749, 5.2).
    """
    try:
        reason = _printable(strict_json.decode(error.answer, _Refusal).error)
    except ValueError:
        return error
    if reason in _OURS:
        return BusyError(
            f"provider {provider.provider}",
            f"does not take this server's credentials: {reason}",
            "check --client-id of `holdfast access provider`, and --provider-secret",
        )
    return UnauthenticatedError(_SUBJECT, f"was refused by the provider: {reason}", _AGAIN)


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:100]


def _auth_time(claims: Mapping[str, Any]) -> int | None:
    seconds = claims.get("auth_time")
    return seconds if type(seconds) is int and seconds >= 0 else None


def _check_redirect(
    provider: ProviderSet, state: SignInState, query: Mapping[str, str], now: datetime
) -> None:
    if not hmac.compare_digest(query.get("state", "").encode(), state.state.encode()):
        raise UnauthenticatedError(_SUBJECT, "was not begun in this browser", _AGAIN)
    if state.provider != provider.provider:
        raise UnauthenticatedError(_SUBJECT, "was begun with another provider", _AGAIN)
    if not format_time(now - STATE) < state.created_at <= format_time(now + STATE):
        raise UnauthenticatedError(_SUBJECT, "took more than 10 minutes", _AGAIN)
    if query.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
        raise UnauthenticatedError(_SUBJECT, "came back from another provider", _AGAIN)
    if "error" in query:
        error = _printable(query["error"])
        raise UnauthenticatedError(_SUBJECT, f"was refused by the provider: {error}", _AGAIN)
    if not query.get("code"):
        raise UnauthenticatedError(_SUBJECT, "brought no code", _AGAIN)


def _groups(provider: ProviderSet, claims: Mapping[str, Any]) -> tuple[str, ...]:
    listed = claims.get(provider.groups_claim) if provider.groups_claim else None
    if isinstance(listed, str):  # some providers write a list of one so
        listed = [listed]
    if not isinstance(listed, list):
        return ()
    return tuple(group for group in listed[:_MOST_GROUPS] if isinstance(group, str))


def sign_in(
    state: AccessState, provider: ProviderSet, claims: ProviderClaims, now: datetime
) -> SessionRecord:
    """Return the session of somebody who signed in; nobody is made a user by that.

    It counts as signed in when they were at the provider, which may have known them for long; if
    that is not said, the time is unknown, and what takes a young sign-in is not allowed.

    Args:
        state: Who there is.
        provider: By whom they signed in; says which of our groups theirs stand for.
        claims: Who they are there.
        now: Present time, aware.

    Raises:
        UnauthenticatedError: If no user is linked to that subject; the command is told.
    """
    user = state.linked(claims.issuer, claims.subject)
    if user is None:
        raise UnauthenticatedError(
            f"subject {claims.subject} of {claims.issuer}",
            "is not a user here",
            "ask an admin for `holdfast access user NAME --link ISSUER SUBJECT`",
        )
    groups = {provider.groups[group] for group in claims.groups if group in provider.groups}
    record = begun(
        user.id,
        "session",
        now,
        issuer=claims.issuer,
        subject=claims.subject,
        groups=tuple(sorted(groups)),
    )
    if claims.auth_time is None:
        return replace(record, authenticated_at="")
    at = min(claims.auth_time, int(now.timestamp()))
    return replace(record, authenticated_at=format_time(datetime.fromtimestamp(at, UTC)))


def sign_out_url(provider: ProviderSet, key_sets: KeySets, return_to: str) -> str | None:
    """Return where a person can end the provider's session too; `None` if it names no such page.

    The page is the one of the provider's own metadata, https or on this machine. It is told who
    asks (`client_id`) and where to lead back to, and no `id_token_hint`: that would put a signed
    description of the person into histories, logs and Referers, and would have to be kept with the
    session until then. Without it a provider asks them whether to sign out, which it should anyway,
    for its session is that of all their other programs too.

    Args:
        return_to: URL of this server to come back to; the provider must know it.

    Raises:
        BusyError: If the provider does not answer.
    """
    with libraries():
        from authlib.common.urls import add_params_to_uri
    endpoint = key_sets.discovery(provider.issuer).end_session_endpoint
    if not endpoint or not _is_page(endpoint):
        return None
    asked = {"client_id": provider.client_id, "post_logout_redirect_uri": return_to}
    return str(add_params_to_uri(endpoint, list(asked.items())))


def _is_page(url: str) -> bool:
    """Tell whether a browser may be led to a URL; unlike an issuer's it may have a query."""
    plain = url.isascii() and url.isprintable() and "#" not in url
    try:
        check_url("page to sign out", url.partition("?")[0])
    except InvalidInputError:
        return False
    return plain


def packed(state: SignInState) -> str:
    """Return a sign-in's state as the value of a cookie."""
    return base64.urlsafe_b64encode(msgspec.json.encode(state)).decode().rstrip("=")


def unpacked(cookie: str) -> SignInState:
    """Read what `packed` returned.

    Raises:
        UnauthenticatedError: If it is anything else.
    """
    try:
        raw = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
        return strict_json.decode(raw, SignInState)
    except ValueError as error:
        raise UnauthenticatedError(_SUBJECT, "was not begun in this browser", _AGAIN) from error


def local_path(text: str) -> str:
    """Return *text* if it is a path of this server, else `/`: browsers read `//` as a host."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if plain and text.startswith("/") and not text.startswith("//") else "/"


def _secret() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
