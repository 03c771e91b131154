"""From addresses to stores: what is malformed is refused, and no secret is written down."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.servers.running import Endpoint
from tests.store.contract import KEY

from holdfast.errors import InvalidInputError, MissingLibraryError, StoreError
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.credentials import of_environment
from holdfast.store.objects.locating import locate
from holdfast.store.objects.object_store import ObjectStore

SECRET = "tell-nobody"
AZURE_KEY = "dGVsbC1ub2JvZHk="
VARIABLES = (
    "AWS_ACCESS_KEY_ID AWS_ALLOW_HTTP AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 "
    "AWS_PROFILE AWS_REGION AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_STORAGE_ACCOUNT_KEY "
    "AZURE_STORAGE_ACCOUNT_NAME GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT"
).split()


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no credentials of this machine to be found, and no machine to ask for any."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


def reached(store: ObjectStore) -> tuple[str, str, str]:
    """Return endpoint, key id and region that requests to S3 are made with."""
    import obstore

    address = obstore.sign(store.wire.bucket.patient, "GET", KEY, timedelta(seconds=1))
    parts = urlsplit(address)
    key_id, _date, region, *_rest = parse_qs(parts.query)["X-Amz-Credential"][0].split("/")
    return f"{parts.scheme}://{parts.netloc}", key_id, region


def provider(store: ObjectStore) -> str:
    """Return what looks for credentials, if it is not obstore itself."""
    credential_provider: Any = store.wire.bucket.patient.credential_provider
    return type(credential_provider).__name__


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "names no bucket"),
        ("/srv/models", "names no bucket"),
        ("https://bucket/prefix", "names no bucket"),
        ("S3 bucket", "names no bucket"),
        ("s3://[bucket", "names no bucket"),
        ("s3://", "is not a valid bucket name"),
        ("s3:///prefix", "is not a valid bucket name"),
        ("s3://b", "is not a valid bucket name"),
        ("s3://buc ket/prefix", "is not a valid bucket name"),
        ("s3://bucket:9000/prefix", "is not a valid bucket name"),
        ("s3://bucket/a/../b", "has an empty, `.` or `..` part"),
        ("s3://bucket/a//b", "has an empty, `.` or `..` part"),
        ("s3://bucket/./b", "has an empty, `.` or `..` part"),
        ("s3://bucket/a#b", "or a `#`"),
        ("s3://bucket/a?colour=red", "option 'colour' is unknown"),
        ("s3://bucket/a?endpoint=ftp://host", "endpoint is not a plain address"),
        ("s3://bucket/a?endpoint=https://[host", "endpoint is not a plain address"),
        ("s3://bucket/a?endpoint=https://host?x=y", "endpoint is not a plain address"),
        ("s3://bucket/a?timeout=soon", "are not understood"),
    ],
)
def test_a_malformed_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        locate(url)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"s3://key:{SECRET}@bucket/prefix", {}),
        (f"s3://bucket/prefix?secret_access_key={SECRET}", {}),
        (f"s3://bucket/prefix?AWS_SESSION_TOKEN={SECRET}", {}),
        (f"az://bucket/prefix?account_name=a&account_key={SECRET}", {}),
        (f"az://bucket/prefix?account_name=a&sas_token={SECRET}", {}),
        ("s3://bucket/prefix", {"endpoint": f"https://me:{SECRET}@host"}),
        ("s3://bucket/prefix", {"access_key_id": SECRET}),
        ("az://bucket/prefix", {"account_key": SECRET}),
        ("az://bucket/prefix", {"account_name": "a", "account_key": SECRET}),
        ("az://bucket/prefix", {"account_name": "a", "sas_token": SECRET}),
        ("gs://bucket/prefix", {"service_account_key": SECRET}),
        ("gs://bucket/prefix", {"service_account": SECRET}),
    ],
)
def test_no_refusal_shows_a_secret(url: str, options: Mapping[str, str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        locate(url, options)
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None


def test_a_store_shows_its_address_and_endpoint_alone() -> None:
    options = {"account_name": "acc", "account_key": AZURE_KEY}
    store = locate("az://models/team/?endpoint=https://storage.example", options)

    assert store.url == "az://models/team?endpoint=https://storage.example"
    assert AZURE_KEY not in repr(store) + repr(store.wire)


@pytest.mark.parametrize("host", ["10.0.0.1:9000", "storage.example", "127.0.0.1.example"])
def test_credentials_are_not_sent_in_the_open(host: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is http://.*set `allow_http=true` if"):
        locate(f"s3://bucket/a?endpoint=http://{host}")


@pytest.mark.parametrize(
    "query",
    [
        "endpoint=http://127.0.0.1:9000",
        "endpoint=http://[::1]:9000",
        "endpoint=http://localhost",
        "endpoint=http://10.0.0.1:9000&allow_http=true",
    ],
)
def test_this_machine_and_what_is_meant_may_be_http(query: str) -> None:
    assert locate(f"s3://bucket/a?{query}").url.startswith("s3://bucket/a?endpoint=http://")


def test_an_endpoint_in_the_open_from_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://10.255.255.1:9000")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    with pytest.raises(
        StoreError, match="has an endpoint of http://, not https://; set `allow_http`"
    ):
        locate("s3://bucket/a").read(KEY)


def test_the_environment_leads_to_a_store(
    moto: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    bucket = moto.make_bucket()
    store = locate(f"s3://{bucket}/a", cache=Cache(tmp_path))
    store.create(KEY, b"one")

    assert moto.store(bucket, tmp_path).wire.bucket.kind == "s3"
    assert locate(f"s3://{bucket}").read(f"a/{KEY}") == b"one"
    assert reached(store) == (moto.address, "id", "eu-west-1")


def test_what_is_said_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    options = {
        "AWS_ENDPOINT_URL": "https://storage.example",
        "AWS_ACCESS_KEY_ID": "mine",
        "secret_access_key": SECRET,
        "region": "eu-west-2",
    }

    assert reached(locate("s3://bucket/a")) == ("http://127.0.0.1:1", "id", "us-east-1")
    assert reached(locate("s3://bucket/a", options)) == (
        "https://storage.example",
        "mine",
        "eu-west-2",
    )


@pytest.fixture
def profile(tmp_path: Path) -> None:
    """Write a profile as the AWS command line does."""
    (tmp_path / "credentials").write_text(
        f"[team]\naws_access_key_id = team-id\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "config").write_text(
        "[profile team]\nregion = eu-west-7\nendpoint_url = https://storage.example\n"
    )


@pytest.mark.usefixtures("profile")
def test_a_profile_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    store_by_name = locate("s3://bucket/a?profile=team")
    monkeypatch.setenv("AWS_PROFILE", "team")
    set_ = locate("s3://bucket/a")

    assert (
        reached(store_by_name)
        == reached(set_)
        == ("https://storage.example", "team-id", "eu-west-7")
    )


@pytest.mark.usefixtures("profile")
def test_the_environment_goes_before_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "team")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")

    assert reached(locate("s3://bucket/a")) == ("http://127.0.0.1:1", "team-id", "eu-north-1")


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(
        InvalidInputError, match=r"AWS profile cannot be used: .*nobody.*; check ~/\.aws/config"
    ):
        locate("s3://bucket/a?profile=nobody")


def test_without_credentials_it_is_said_where_they_are_looked_for() -> None:
    with pytest.raises(StoreError, match=r"has no credentials to use; .*docs/object-stores\.md"):
        locate("s3://bucket/a").read(KEY)


@pytest.mark.usefixtures("profile")
def test_a_login_that_expired_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[profile sso]\nsso_session = team\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session team]\nsso_region = eu-west-1\nsso_start_url = https://team.example\n"
    )

    with pytest.raises(StoreError, match=r"got no credentials \(SSOTokenLoadError\); log in to"):
        locate("s3://bucket/a?profile=sso").read(KEY)


def test_without_awss_library_obstore_looks_for_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    wire = locate("s3://bucket/a").wire

    with pytest.raises(StoreError, match="has no credentials to use"):
        wire.create(KEY, b"one")


@pytest.mark.parametrize(
    "environment",
    [
        {"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": AZURE_KEY},
        {
            "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=acc;"
            f"AccountKey={AZURE_KEY};EndpointSuffix=core.windows.net"
        },
    ],
)
def test_what_the_azure_command_line_reads_is_read(environment: Mapping[str, str]) -> None:
    store = locate("az://container/a", of_environment("az", environment))

    assert store.wire.bucket.patient.config["account_name"] == "acc"
    assert store.wire.bucket.patient.config["account_key"] == AZURE_KEY
    assert provider(store) == "NoneType"


def test_an_address_goes_before_options() -> None:
    store = locate("az://container/a?account_name=here", {"account_name": "there"})

    assert store.wire.bucket.patient.config["account_name"] == "here"


def test_without_keys_azure_is_asked_who_this_is() -> None:
    options = of_environment("az", {"AZURE_STORAGE_ACCOUNT": "acc"})

    assert provider(locate("az://container/a", options)) == "AzureCredentialProvider"
    assert provider(locate("az://container/a", {**options, "account_key": AZURE_KEY})) == "NoneType"
    assert provider(locate("az://container/a?account_name=acc")) == "NoneType"


def test_an_account_must_be_said() -> None:
    with pytest.raises(InvalidInputError, match="storage account is not set; set AZURE_STORAGE_"):
        locate("az://container/a")


def test_google_is_asked_who_this_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "google.json"
    file.write_text('{"type": "authorized_user", "client_id": "i", "client_secret": "s", '
                    '"refresh_token": "r"}')  # fmt: skip
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    assert provider(locate("gs://bucket/a")) == "GoogleCredentialProvider"
    assert provider(locate("gs://bucket/a", {"bearer_token": SECRET})) == "NoneType"


@pytest.mark.parametrize(
    ("url", "extra"), [("s3://b-1", "s3"), ("gs://b-1", "gcs"), ("az://b-1", "azure")]
)
def test_a_missing_library_names_the_extra(
    url: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(MissingLibraryError, match=rf"pip install 'holdfast\[{extra}\]'"):
        locate(url)


@pytest.mark.parametrize("missing", ["botocore.session", "google.auth", "obstore.auth.azure"])
def test_obstore_does_without_a_clouds_own_library(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    kind = {"b": "s3", "g": "gs", "o": "az"}[missing[0]]
    options = of_environment(kind, {"AZURE_STORAGE_ACCOUNT": "acc"})

    assert provider(locate(f"{kind}://bucket/a", options)) == "NoneType"


def test_only_azure_has_variables_that_obstore_does_not_read() -> None:
    assert of_environment("s3", {"AZURE_STORAGE_ACCOUNT": "acc"}) == {}
