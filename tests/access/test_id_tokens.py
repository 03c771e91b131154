"""Identity tokens: which signatures count, and what each must say."""

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from tests.access.conftest import NOON
from tests.access.issuer import EC, RSA, Issuer

from holdfast.access import id_tokens
from holdfast.access.jwks import KeySets
from holdfast.errors import UnauthenticatedError

NOW = int(NOON.timestamp())


def claims(issuer: Issuer, **more: Any) -> dict[str, Any]:
    usual = {"iss": issuer.url, "sub": "7", "aud": "us", "exp": NOW + 300, "iat": NOW}
    return {name: value for name, value in (usual | more).items() if value is not ...}


def refusal(issuer: Issuer, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        id_tokens.read(token, issuer.url, KeySets(), NOON)
    assert token not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("key", "header"),
    [
        (RSA, {"kid": "1"}),
        (RSA, {}),
        (RSA, {"alg": "PS256"}),
        (EC, {"kid": "2"}),
        (EC, {}),
    ],
)
def test_a_token_of_a_key_of_the_issuer_is_read(
    issuer: Issuer, key: Any, header: dict[str, str]
) -> None:
    issuer.publish((RSA, {"kid": "1"}), (EC, {"kid": "2"}))

    read = id_tokens.read(issuer.sign(claims(issuer), key, **header), issuer.url, KeySets(), NOON)

    assert read["sub"] == "7"


def test_keys_without_an_id_are_tried(issuer: Issuer) -> None:
    issuer.publish((EC, {}), (RSA, {"alg": "RS256"}))

    assert id_tokens.read(issuer.sign(claims(issuer)), issuer.url, KeySets(), NOON)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"iss": "https://evil.example"}, "has iss 'https://evil.example'"),
        ({"iss": ...}, "has iss nothing"),
        ({"exp": NOW - 60}, f"has exp {NOW - 60}, but a time after {NOW} was wanted"),
        ({"exp": ...}, "has exp nothing"),
        ({"exp": "tomorrow"}, "has exp 'tomorrow'"),
        ({"exp": True}, "has exp True"),
        ({"exp": 10**30}, "has exp 1000000"),
        ({"iat": NOW + 61}, "has iat"),
        ({"nbf": NOW + 61}, "has nbf"),
        ({"nbf": "x"}, "has nbf 'x'"),
        ({"sub": ...}, "has sub nothing"),
        ({"sub": ""}, "has sub ''"),
        ({"sub": "x" * 256}, "has sub 'xxx"),
        ({"sub": 7}, "has sub 7"),
    ],
)
def test_a_claim_that_is_not_as_it_must_be_is_named(
    issuer: Issuer, more: dict[str, Any], problem: str
) -> None:
    assert problem in refusal(issuer, issuer.sign(claims(issuer, **more)))


@pytest.mark.parametrize("more", [{"exp": NOW - 59}, {"iat": NOW + 60}, {"nbf": NOW - 1}])
def test_clocks_may_differ_by_a_minute(issuer: Issuer, more: dict[str, int]) -> None:
    assert id_tokens.read(issuer.sign(claims(issuer, **more)), issuer.url, KeySets(), NOON)


def test_a_stranger_s_key_proves_nothing(issuer: Issuer) -> None:
    stranger = RSAKey.generate_key(2048)

    for header in ({}, {"kid": "1"}, {"kid": "other"}):
        assert "signed by no key" in refusal(
            issuer, issuer.sign(claims(issuer), stranger, **header)
        )


def test_a_key_is_not_used_with_another_algorithm_than_its_own(issuer: Issuer) -> None:
    issuer.publish((RSA, {"alg": "PS256"}))

    assert "signed by no key" in refusal(issuer, issuer.sign(claims(issuer)))


def forged(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"x") -> str:
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_no_symmetric_or_missing_signature_is_taken(issuer: Issuer) -> None:
    public = RSA.as_pem(private=False)
    unsigned = forged({"alg": "HS256", "kid": "1"}, claims(issuer)).rpartition(".")[0]
    signature = hmac.digest(public, unsigned.encode(), "sha256")
    by_public_key = f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    assert "has alg 'HS256'" in refusal(issuer, by_public_key)
    assert "has alg 'none'" in refusal(issuer, forged({"alg": "none"}, claims(issuer), b""))
    assert "has alg 'RS256'" in refusal(issuer, forged({"alg": "RS256", "crit": ["x"]}, {}))
    assert "signed by no key" in refusal(issuer, forged({"alg": "RS256"}, claims(issuer)))


def test_a_changed_claim_breaks_the_signature(issuer: Issuer) -> None:
    head, _, signature = issuer.sign(claims(issuer)).split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(issuer, sub="8")).encode()).decode()

    assert "signed by no key" in refusal(issuer, f"{head}.{body.rstrip('=')}.{signature}")


def test_symmetric_encrypting_and_broken_keys_are_passed_over(issuer: Issuer) -> None:
    secret = OctKey.generate_key(256)
    document = {
        "keys": [
            secret.as_dict(private=True),
            EC.as_dict(private=False) | {"use": "enc"},
            {"kty": "RSA", "n": "?"},
            {"kty": "EC"},
            RSA.as_dict(private=False),
        ]
    }
    issuer.answers["/jwks"] = (200, {}, json.dumps(document).encode())

    assert id_tokens.read(issuer.sign(claims(issuer)), issuer.url, KeySets(), NOON)
    assert "signed by no key" in refusal(issuer, issuer.sign(claims(issuer), EC))


@pytest.mark.parametrize(
    "token",
    ["", "a.b", "a.b.c.d", "é.b.c", "....", "!!!.e30.x", "e30.e30.x", "x" * 20_000, "W10.W10.W10"],
)
def test_what_is_not_a_token_is_malformed(issuer: Issuer, token: str) -> None:
    with pytest.raises(UnauthenticatedError, match="malformed"):
        id_tokens.read(token, issuer.url, KeySets(), NOON)
    assert issuer.asked == []


def test_the_issuer_can_be_looked_up_before_anything_is_believed(issuer: Issuer) -> None:
    assert id_tokens.issuer_of(forged({"alg": "none"}, {"iss": "https://a.example"})) == (
        "https://a.example"
    )
    with pytest.raises(UnauthenticatedError, match="has iss 5"):
        id_tokens.issuer_of(forged({}, {"iss": 5}))
    with pytest.raises(UnauthenticatedError, match="malformed"):
        id_tokens.issuer_of("nothing")
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("audience", "party"),
    [("us", ...), (["us"], ...), ("us", "us"), (["us", "them"], "us")],
)
def test_a_token_for_us_is_for_us(audience: object, party: object) -> None:
    given = {"aud": audience} | ({} if party is ... else {"azp": party})

    id_tokens.check_audience(given, "us")


@pytest.mark.parametrize(
    ("audience", "party", "problem"),
    [
        ("them", ..., "has aud 'them', but us was wanted"),
        (["them"], "us", "has aud"),
        (..., ..., "has aud nothing"),
        (5, ..., "has aud 5"),
        ("usa", ..., "has aud 'usa'"),
        (["us", "them"], ..., "has azp nothing"),
        (["us", "them"], "them", "has azp 'them'"),
        ("us", "them", "has azp 'them', but us was wanted"),
    ],
)
def test_a_token_for_others_is_not(audience: object, party: object, problem: str) -> None:
    given = {"aud": audience, "azp": party}

    with pytest.raises(UnauthenticatedError) as refused:
        id_tokens.check_audience({k: v for k, v in given.items() if v is not ...}, "us")
    assert problem in str(refused.value)


def test_every_algorithm_is_one_of_public_keys() -> None:
    assert not [name for name in id_tokens.ALGORITHMS if name.startswith("HS") or name == "none"]
