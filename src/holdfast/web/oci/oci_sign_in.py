"""Who asks: clients of OCI registries trade a name and password for a token, and present that.

The password is a token of this server; the name says nothing. What they get is that same token, so
that nothing new has to be kept, narrowed or revoked.
"""

import base64
import binascii
from typing import Final

from holdfast.gateways.oci.distribution_paths import TOKEN
from holdfast.http.problems import Problem
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered

__all__ = ["ANONYMOUS", "challenge", "give", "present"]

ANONYMOUS: Final = "anonymous"
"""The token of whoever has none, where everybody may read."""
_BASIC: Final = "basic "
_BEARER: Final = "bearer "
_LIFE_S: Final = 300


def challenge(base: str, model: str) -> str:
    """Return what tells a client where tokens are given; *base* is this server as it knows it."""
    scope = f',scope="repository:{model}:pull,push"' if model else ""
    return f'Bearer realm="{base}{TOKEN}",service="holdfast"{scope}'


def present(request: Request) -> None:
    """Put what a client presents into the words that the guard reads.

    Raises:
        Problem: 401 if it cannot be read.
    """
    header = request.header("authorization")
    if header is None:
        return
    token = _password(header) if header[: len(_BASIC)].lower() == _BASIC else header
    if token[: len(_BEARER)].lower() == _BEARER:
        token = token[len(_BEARER) :].strip()
    named = {key: value for key, value in request.headers.items() if key != b"authorization"}
    if token not in ("", ANONYMOUS):
        named[b"authorization"] = b"Bearer " + token.encode("latin-1", "replace")
    request.headers = named


def _password(header: str) -> str:
    try:
        pair = base64.b64decode(header[len(_BASIC) :].strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Problem(401, "unauthenticated", "the authorization cannot be read") from None
    return pair.partition(":")[2]


async def give(desk: Desk, request: Request) -> Answer:
    """Give a token for a name and password, or the one of whoever has none.

    Raises:
        Problem: 401 if the password is not a token of this server.
    """
    rights = await desk.work.do(lambda: desk.guard.enter(request, writes=False))
    request.rights = rights
    header = request.header("authorization")
    token = header[len(_BEARER) :].strip() if header is not None else ANONYMOUS
    return answered({"token": token, "access_token": token, "expires_in": _LIFE_S})
