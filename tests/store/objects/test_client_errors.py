"""Refusals say which object, what is wrong and what to do; none shows a secret."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers import amazon, azure
from tests.servers.lossy import Lossy, Relay
from tests.servers.running import Endpoint
from tests.store.contract import KEY

from holdfast.errors import NotAStoreError, ReadOnlyStoreError, StoreError, UnfitStoreError
from holdfast.store.objects.object_store import ObjectStore

Act = Callable[[ObjectStore], object]
SECRET = "tell-nobody"
QUOTED = f"""<?xml version="1.0"?><Error><Code>%s</Code><Message>{SECRET}</Message>
<StringToSign>{SECRET}</StringToSign><AWSAccessKeyId>{amazon.KEY_ID}</AWSAccessKeyId></Error>"""
ACTS: dict[str, Act] = {
    "open": lambda store: store.open(KEY),
    "read": lambda store: store.read(KEY),
    "create": lambda store: store.create(KEY, b"one"),
    "replace": lambda store: store.replace(KEY, b"one"),
    "list": lambda store: list(store.list("models")),
    "after": lambda store: list(store.list("models", "a")),
    "items": lambda store: list(store.items("models")),
}
SECRETS = (SECRET, amazon.SECRET, amazon.KEY_ID, azure.KEY, "Signature", "Authorization")


def told(failure: BaseException) -> str:
    """Return all that a log could show of a failure."""
    return "".join(traceback.format_exception(failure)) + repr(failure.__context__)


@pytest.fixture
def refused(
    moto: Endpoint, lose: Callable[[Endpoint], Lossy], tmp_path: Path
) -> Callable[[Act, int, str], BaseException]:
    """Return a function that acts on a store whose server answers with a status and a code."""
    proxy = lose(moto)
    store = moto.store(moto.make_bucket(), tmp_path, endpoint=proxy.address)

    def act(act: Act, status: int, code: str) -> BaseException:
        def answer(relay: Relay) -> None:
            body = (QUOTED % code).encode() if code else b""
            relay.answer(status, [("Content-Type", "application/xml")], body)

        for method in ("GET", "HEAD", "PUT", "DELETE"):
            proxy.next(method, "", answer)
        with pytest.raises(StoreError) as caught:
            act(store)
        return caught.value

    return act


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (403, "AccessDenied", ReadOnlyStoreError, "denied permission (403 AccessDenied); ask for"),
        (403, "", ReadOnlyStoreError, "denied permission (403); ask for a role"),
        (403, "SignatureDoesNotMatch", StoreError, "refused the credentials (403 Signature"),
        (403, "ExpiredToken", StoreError, "credentials (403 ExpiredToken); check the"),
        (401, "", StoreError, "refused the credentials (401)"),
        (404, "NoSuchBucket", NotAStoreError, "does not exist; make the bucket first"),
        (400, "AuthorizationHeaderMalformed", StoreError, "another region; name its region"),
        (301, "PermanentRedirect", StoreError, "another region; name its region"),
        (400, "InvalidRequest", StoreError, "refused the request (400 InvalidRequest)"),
    ],
)
def test_a_refusal_says_what_and_what_next(
    refused: Callable[[Act, int, str], BaseException],
    act: Act,
    status: int,
    code: str,
    kind: type[StoreError],
    says: str,
) -> None:
    failure = refused(act, status, code)

    assert type(failure) is kind
    assert says in str(failure)
    assert "s3://holdfast-" in str(failure)
    assert [secret for secret in SECRETS if secret in told(failure)] in ([], ["Signature"])


def test_what_a_service_does_not_have_makes_it_unfit(
    refused: Callable[[Act, int, str], BaseException],
) -> None:
    failure = refused(ACTS["create"], 501, "NotImplemented")

    assert type(failure) is UnfitStoreError
    assert "does not offer this (501 NotImplemented)" in str(failure)


def test_wrong_keys_are_refused_without_showing_any(azurite: Endpoint, tmp_path: Path) -> None:
    wrong = "d3JvbmcgYnV0IHNlY3JldA=="
    store = azurite.store(azurite.make_bucket(), tmp_path, account_key=wrong)

    with pytest.raises(StoreError, match="403 AuthorizationFailure") as caught:
        store.read(KEY)
    assert wrong not in told(caught.value)
    assert "Signature" not in told(caught.value)


@pytest.mark.long
def test_a_real_gateway_refuses_wrong_keys(ceph_gateway: Endpoint, tmp_path: Path) -> None:
    bucket = ceph_gateway.make_bucket()
    store = ceph_gateway.store(bucket, tmp_path, secret_access_key=SECRET)

    with pytest.raises(StoreError, match="refused the credentials") as caught:
        store.create(KEY, b"one")
    assert [secret for secret in (SECRET, amazon.KEY_ID) if secret in told(caught.value)] == []


def test_an_endpoint_that_is_away_is_told_with_its_address(moto: Endpoint, tmp_path: Path) -> None:
    store = moto.store("holdfast", tmp_path, endpoint="http://127.0.0.1:1")

    with pytest.raises(StoreError, match=r"endpoint=http://127\.0\.0\.1:1.*cannot be reached"):
        store.replace(KEY, b"one")
