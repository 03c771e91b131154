"""Jobs without secrets: exact claims, refusals that say what differs, and no token twice."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from tests.access.conftest import KEYS, NOON, Server
from tests.access.issuer import EC, RSA, Issuer

from holdfast.access import changes
from holdfast.access.access_events import RuleSet
from holdfast.access.authentication import authenticate
from holdfast.access.ci_exchange import Exchanged, exchange, match
from holdfast.access.jwks import KeySets
from holdfast.access.permissions import may
from holdfast.access.sessions import Sessions
from holdfast.errors import UnauthenticatedError

NOW = int(NOON.timestamp())
US = "https://models.example"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256: the mirror of a signature there is a signature."""
CLAIMS = {"repository_id": "77", "ref": "refs/heads/main", "environment": "production"}


@pytest.fixture
def ruled(server: Server, issuer: Issuer) -> Server:
    """Return a server with a rule for jobs of the issuer."""
    add_rule(server, issuer)
    return server


def add_rule(server: Server, issuer: Issuer, **fields: Any) -> None:
    usual: dict[str, Any] = {
        "rule": "",
        "name": "retrain",
        "issuer": issuer.url,
        "audience": US,
        "claims": CLAIMS,
        "role": "registrar",
        "models": ("risk/*",),
    }
    rule = RuleSet(**(usual | fields))
    server.commit(lambda state, stamp: changes.set_rule(state, stamp, rule))


def token(issuer: Issuer, key: Any = RSA, **more: Any) -> str:
    usual = {
        "iss": issuer.url,
        "sub": "repo:acme/risk:ref:refs/heads/main",
        "aud": US,
        "exp": NOW + 300,
        "iat": NOW,
        "jti": "j1",
        "run_id": "9001",
        **CLAIMS,
    }
    return issuer.sign({k: v for k, v in (usual | more).items() if v is not ...}, key, kid="1")


def exchanged(server: Server, text: str, sessions: Sessions | None = None) -> Exchanged:
    sessions = sessions or Sessions(server.store, KEYS)
    return exchange(text, server.state, KeySets(), sessions, server.now)


def refusal(server: Server, text: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        exchanged(server, text)
    return str(refused.value)


def test_a_job_that_shows_the_claims_gets_a_token_for_15_minutes(
    ruled: Server, issuer: Issuer
) -> None:
    sessions = Sessions(ruled.store, KEYS)

    given = exchanged(ruled, token(issuer), sessions)

    assert given.secret.startswith("hft_c_")
    assert given.secret not in repr(given)
    assert given.identity.how == f"ci:{issuer.url}/9001"
    identity = authenticate(ruled.state, given.secret, NOON + timedelta(minutes=14), sessions)
    assert identity == given.identity
    assert may(ruled.state, identity, "register", "risk/iris").allowed
    assert not may(ruled.state, identity, "register", "fraud").allowed
    with pytest.raises(UnauthenticatedError, match="expired"):
        authenticate(ruled.state, given.secret, NOON + timedelta(minutes=15), sessions)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"repository_id": "78"}, "has repository_id '78', but '77' (rule retrain) was wanted"),
        ({"ref": "refs/heads/main2"}, "has ref 'refs/heads/main2', but 'refs/heads/main'"),
        ({"ref": "refs/heads"}, "has ref 'refs/heads'"),
        ({"environment": ...}, "has environment nothing, but 'production'"),
        ({"environment": ["production"]}, "has environment ['production']"),
        ({"repository_id": True}, "has repository_id True"),
        ({"aud": "https://other.example"}, "has aud 'https://other.example', but"),
        ({"aud": f"{US}/"}, "has aud"),
        ({"exp": NOW - 100}, "has exp"),
    ],
)
def test_a_refusal_names_the_claim_what_was_wanted_and_what_came(
    ruled: Server, issuer: Issuer, more: dict[str, Any], problem: str
) -> None:
    assert problem in refusal(ruled, token(issuer, **more))


def test_of_several_rules_the_closest_is_named_and_the_fitting_one_taken(
    ruled: Server, issuer: Issuer
) -> None:
    add_rule(ruled, issuer, name="other", claims={"repository_id": "1", "ref": "x"})
    assert "(rule retrain)" in refusal(ruled, token(issuer, environment="staging"))
    add_rule(ruled, issuer, name="staging", claims=CLAIMS | {"environment": "staging"})

    given = exchanged(ruled, token(issuer, environment="staging"))
    assert given.identity.user.name == "staging"


def test_numbers_in_claims_are_their_digits(ruled: Server, issuer: Issuer) -> None:
    assert exchanged(ruled, token(issuer, repository_id=77)).identity.user.name == "retrain"


def test_a_token_is_exchanged_once_by_any_replica(ruled: Server, issuer: Issuer) -> None:
    text = token(issuer)
    exchanged(ruled, text)

    assert "was exchanged before" in refusal(ruled, text)
    assert "was exchanged before" in refusal(ruled, token(issuer, exp=NOW + 200))
    assert exchanged(ruled, token(issuer, jti="j2")).secret


def test_a_token_without_an_id_of_its_own_is_exchanged_once_too(
    ruled: Server, issuer: Issuer
) -> None:
    text = token(issuer, jti=...)
    exchanged(ruled, text)

    assert "was exchanged before" in refusal(ruled, text)


def test_another_signature_over_the_same_claims_makes_no_other_token(
    ruled: Server, issuer: Issuer
) -> None:
    issuer.publish((EC, {"kid": "1"}))
    text = token(issuer, key=EC, jti=...)
    signed, _, signature = text.rpartition(".")
    value = base64.urlsafe_b64decode(f"{signature}==")
    mirrored = ORDER - int.from_bytes(value[32:])  # as valid, and made without the key
    other = base64.urlsafe_b64encode(value[:32] + mirrored.to_bytes(32)).decode().rstrip("=")
    assert match(f"{signed}.{other}", ruled.state, KeySets(), NOON)
    exchanged(ruled, text)

    assert "was exchanged before" in refusal(ruled, f"{signed}.{other}")


def test_a_token_that_was_refused_is_not_used_up(ruled: Server, issuer: Issuer) -> None:
    text = token(issuer, environment="staging")
    assert "has environment" in refusal(ruled, text)
    add_rule(ruled, issuer, claims=CLAIMS | {"environment": "staging"})

    assert exchanged(ruled, text).secret


def test_an_issuer_that_no_rule_names_is_never_asked(ruled: Server, issuer: Issuer) -> None:
    foreign = issuer.sign({"iss": f"{issuer.url}/elsewhere", "sub": "x"})

    assert "an issuer that a rule names was wanted" in refusal(ruled, foreign)
    assert issuer.asked == []


def test_what_would_fit_can_be_asked_without_using_it_up(ruled: Server, issuer: Issuer) -> None:
    text = token(issuer)
    rule, claims = match(text, ruled.state, KeySets(), NOON)

    assert (rule.name, claims["run_id"]) == ("retrain", "9001")
    assert exchanged(ruled, text).secret


def test_a_run_s_name_is_short_and_printable(ruled: Server, issuer: Issuer) -> None:
    how = exchanged(ruled, token(issuer, run_id="a\nb" + "x" * 500)).identity.how

    assert how == f"ci:{issuer.url}/ab{'x' * 98}"
