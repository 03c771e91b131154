"""Identity tokens of providers and CI systems: their signature, and what every one must say."""

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from holdfast.access.jwks import KeySets, ProviderKey
from holdfast.access.provider_http import libraries
from holdfast.core import strict_json
from holdfast.errors import UnauthenticatedError

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Those that are accepted, whatever a token says: none is symmetric, and none is `none`."""

SKEW_S: Final = 60.0
_MOST_CHARACTERS: Final = 16 << 10
_SUBJECT: Final = "identity token"
_PARTS: Final = 3
_MOST_SECONDS: Final = 253_402_300_000
"""The end of the calendar."""


class _Header(Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: Any = None


def issuer_of(token: str) -> str:
    """Return the issuer that a token names, unchecked: only to look up whether it is configured.

    Raises:
        UnauthenticatedError: If it is not a token at all.
    """
    claims = _decoded(token, 1, dict[str, Any])
    issuer: object = claims.get("iss")
    if not isinstance(issuer, str):
        raise refused("iss", "a URL", issuer)
    return issuer


def read(token: str, issuer: str, key_sets: KeySets, now: datetime) -> dict[str, Any]:
    """Return the claims of a token that an issuer signed and that is good now.

    Raises:
        UnauthenticatedError: If it is malformed, signed by no key of the issuer, names another
            issuer, or is expired or not valid yet; the refusal names the claim, what was wanted
            and what came.
        BusyError: If the issuer does not answer.
    """
    header = _decoded(token, 0, _Header)
    if header.alg not in ALGORITHMS or header.crit is not None:
        raise refused("alg", f"one of {', '.join(ALGORITHMS)}", header.alg)
    if not _is_signed(token, header, issuer, key_sets):
        raise UnauthenticatedError(
            _SUBJECT, f"was signed by no key of {issuer}", "ask the issuer for a new one"
        )
    claims: dict[str, Any] = _decoded(token, 1, dict[str, Any])
    if claims.get("iss") != issuer:
        raise refused("iss", issuer, claims.get("iss"))
    _check_times(claims, now.timestamp())
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # noqa: PLR2004 - OIDC's limit
        raise refused("sub", "1 to 255 characters", subject)
    return claims


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Refuse a token that is meant for somebody else.

    Raises:
        UnauthenticatedError: If it is not for *audience*, or was given to another client.
    """
    if audience not in audiences(claims):
        raise refused("aud", audience, claims.get("aud"))
    several = len(audiences(claims)) > 1
    party = claims.get("azp")
    if (several or party is not None) and party != audience:
        raise refused("azp", audience, party)


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Return for whom a token is meant."""
    audience = claims.get("aud")
    values = audience if isinstance(audience, list) else [audience]
    return [value for value in values if isinstance(value, str)]


def refused(claim: str, demanded: str, came: object) -> UnauthenticatedError:
    """Return the refusal of a claim: which, what was wanted and what came."""
    shown = "nothing" if came is None else repr(came)[:200]
    return UnauthenticatedError(_SUBJECT, f"has {claim} {shown}, but {demanded} was wanted")


def _is_signed(token: str, header: _Header, issuer: str, key_sets: KeySets) -> bool:
    keys = key_sets.keys(issuer, header.kid)
    if any(_fits(token, header, key) for key in keys):
        return True
    if header.kid is not None:
        return False  # unknown ones were fetched again already
    return any(_fits(token, header, key) for key in key_sets.again(issuer) if key not in keys)


def _fits(token: str, header: _Header, key: ProviderKey) -> bool:
    if key.algorithm is not None and key.algorithm != header.alg:
        return False
    with libraries():
        from joserfc import jws
        from joserfc.errors import JoseError
    try:
        jws.deserialize_compact(token, key.key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if not now - SKEW_S < _seconds(claims.get("exp")) < _MOST_SECONDS:
        raise refused("exp", f"a time after {now:.0f}", claims.get("exp"))
    for claim in ("nbf", "iat"):
        if not _seconds(claims.get(claim, 0)) <= now + SKEW_S:
            raise refused(claim, f"a time before {now:.0f}", claims[claim])


def _seconds(value: object) -> float:
    """Return a moment as a number, one that compares with nothing where it is not one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else math.nan  # type: ignore[return-value]


def _decoded(token: str, part: int, kind: Any) -> Any:
    """Return one part of a token as it stands there, nothing of it checked."""
    parts = token.split(".") if len(token) <= _MOST_CHARACTERS else []
    if len(parts) != _PARTS or not token.isascii():
        raise UnauthenticatedError(_SUBJECT, "is malformed", "give the whole token")
    try:
        padded = parts[part] + "=" * (-len(parts[part]) % 4)
        return strict_json.decode(base64.b64decode(padded, b"-_", validate=True), kind)
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError(_SUBJECT, "is malformed", "give the whole token") from error
