"""What a server refuses, as the error that it raised there; else by the status alone."""

from typing import Any, Final

from holdfast.core import error_facts, strict_json
from holdfast.errors import (
    BusyError,
    ForbiddenError,
    HoldfastError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    UnauthenticatedError,
    UnsupportedError,
)
from holdfast.store import InDoubtError

UNAUTHENTICATED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
TOO_MANY: Final = 429
UNAVAILABLE: Final = 503
_FIRST_REDIRECT: Final = 300
_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
_MOST_SHOWN: Final = 2000
_UNSUPPORTED: Final = (404, 405, 501)


def problem(status: int, body: bytes, address: str) -> HoldfastError:
    """Return the error that an answer stands for.

    Args:
        status: Of the answer, 300 or more.
        body: Its bytes, a problem document or anything.
        address: Of the server, for people.
    """
    document = _document(body)
    code, detail = document.get("code"), document.get("detail") or document.get("title")
    message = shown(detail) if isinstance(detail, str) else ""
    if isinstance(code, str) and status != UNAUTHENTICATED:
        error = error_facts.rebuilt(code, message, document)
        if error is not None:
            return error
    return _by_status(status, message, address)


def shown(text: str) -> str:
    """Return what a server said in one line that can be printed."""
    line = " ".join(text.split())[:_MOST_SHOWN]
    return "".join(char if char.isprintable() else "?" for char in line)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = strict_json.decode(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _by_status(status: int, message: str, address: str) -> HoldfastError:
    told_message = f": {message}" if message else ""
    if status < _FIRST_ERROR:
        problem_text = "has given a redirect, which is not followed"
        return StoreError(address, problem_text, "name the address that it really has")
    if status == UNAUTHENTICATED:
        advice = f"run `holdfast login {address}`, or set HOLDFAST_TOKEN"
        return UnauthenticatedError(
            f"server {address}", f"does not know who asks{told_message}", advice
        )
    if status == FORBIDDEN:
        subject, problem_text = f"server {address}", f"does not permit this{told_message}"
        return ForbiddenError(subject, problem_text, advice="ask its admin for a role")
    if status == NOT_FOUND and message:
        return NotFoundError(message)
    if status in _UNSUPPORTED:
        advice = "check the address, or update the server"
        return UnsupportedError(
            f"server {address}", f"does not offer this (status {status})", advice
        )
    if status in (TOO_MANY, UNAVAILABLE):
        return BusyError(
            f"server {address}", f"cannot answer now{told_message}", "call again later"
        )
    if status < _FIRST_SERVER_ERROR:
        return InvalidInputError(
            f"request to {address}", f"was refused (status {status}){told_message}"
        )
    return InDoubtError(
        address, f"failed to answer (status {status}){told_message}", "try again later"
    )
