"""A word that only pages of ours know: each form carries it, and no other site can read it.

It is derived from the session's secret and masked anew for each page, so that compressed pages of
different requests have no part in common that could be guessed at.
"""

import base64
import binascii
import hashlib
import hmac
import os

__all__ = ["token", "valid"]

_BYTES = 32


def token(session: str) -> str:
    """Return the word for one page of a session."""
    mask = os.urandom(_BYTES)
    return base64.urlsafe_b64encode(mask + _xor(mask, _own(session))).decode()


def valid(session: str, text: str) -> bool:
    """Tell whether a form carries a word of this session."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _BYTES:
        return False
    return hmac.compare_digest(_xor(raw[:_BYTES], raw[_BYTES:]), _own(session))


def _own(session: str) -> bytes:
    return hmac.new(session.encode(), b"holdfast form", hashlib.sha256).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
