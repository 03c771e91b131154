"""Credentials and endpoints, looked for where each cloud's own tools look.

obstore reads variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`), Google's files and the identity
of a machine in a cloud by itself. Profiles, single sign-on and federated identities come from the
clouds' libraries, where the extra has installed them.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs, urlsplit

from holdfast.errors import InvalidInputError
from holdfast.store.objects.client import Kind

_EXPLICIT: Final = {
    "s3": {"access_key_id", "skip_signature", "web_identity_token_file"},
    "gs": {
        "application_credentials",
        "bearer_token",
        "service_account",
        "service_account_key",
        "skip_signature",
    },
    "az": {
        "access_key",
        "account_key",
        "bearer_token",
        "client_secret",
        "federated_token_file",
        "sas_key",
        "sas_token",
        "skip_signature",
        "token",
        "use_azure_cli",
        "use_emulator",
    },
}
_AZURE: Final = {
    "AZURE_STORAGE_ACCOUNT": "account_name",
    "AZURE_STORAGE_KEY": "account_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
}
_AZURE_PARTS: Final = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}
_AZURE_KEYS: Final = re.compile(r"AZURE_STORAGE_\w*(KEY|SAS_TOKEN|CONNECTION_STRING)")
_GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_DEFAULT_REGION: Final = "us-east-1"
_AMAZON: Final = ".amazonaws.com"


def of_environment(kind: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options said by variables that the cloud's tools read and obstore does not."""
    if kind != "az" or not environment:
        return {}
    options = {option: environment[name] for name, option in _AZURE.items() if name in environment}
    for part in environment.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";"):
        name, _, value = part.partition("=")
        if name in _AZURE_PARTS:
            options.setdefault(_AZURE_PARTS[name], value)
    if not any(_AZURE_KEYS.fullmatch(name) for name in environment):
        options["credential"] = "default"
    return options


def completed(kind: Kind, bucket: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return obstore's options: what was given, and what the cloud's library finds beyond it.

    Raises:
        InvalidInputError: If a profile that was named is not there.
    """
    config: dict[str, Any] = dict(settings)
    profile, credential = config.pop("profile", None), config.pop("credential", None)
    if _EXPLICIT[kind] & set(config):
        return config
    match kind:
        case "s3":
            return _amazon(bucket, profile) | config
        case "gs":
            return _google() | config
        case "az":
            return (_azure() if credential == "default" else {}) | config


def _amazon(bucket: str, profile: str | None) -> dict[str, Any]:
    try:
        import botocore.session  # noqa: PLC0415 - an extra
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    except ImportError:
        return {}
    session = botocore.session.Session(profile=profile)
    options: dict[str, Any] = {"credential_provider": _none}
    try:
        if session.get_credentials():
            options["credential_provider"] = Boto3CredentialProvider(session)
        region = session.get_config_variable("region")
        endpoint = session.get_scoped_config().get("endpoint_url")
    except BotoCoreError as error:
        raise InvalidInputError(
            "AWS profile", f"cannot be used: {error}", "check ~/.aws/config"
        ) from error
    host, known_region = amazon(bucket)
    if region and known_region == _DEFAULT_REGION:
        options["region"] = region
    if endpoint and host.endswith(_AMAZON):
        options["endpoint"] = endpoint
    return options


def _none() -> NoReturn:
    """Stand for the credentials that AWS's library looked for in vain."""
    raise LookupError


def _google() -> dict[str, Any]:
    try:
        import google.auth  # noqa: PLC0415 - an extra
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
        from obstore.auth.google import GoogleCredentialProvider  # noqa: PLC0415
    except ImportError:
        return {}
    try:
        credentials, _project = google.auth.default(scopes=[_GOOGLE_SCOPE])
    except DefaultCredentialsError:
        return {}
    return {"credential_provider": GoogleCredentialProvider(credentials)}


def _azure() -> dict[str, Any]:
    try:
        from obstore.auth.azure import AzureCredentialProvider  # noqa: PLC0415 - an extra
    except ImportError:
        return {}
    return {"credential_provider": AzureCredentialProvider()}


def amazon(bucket: str) -> tuple[str, str]:
    """Return the endpoint and the region that obstore takes from the environment for S3.

    It does not tell, but it signs with them, and needs no network for that.
    """
    import obstore  # noqa: PLC0415 - an extra
    from obstore.store import S3Store  # noqa: PLC0415 - an extra

    store = S3Store(bucket, access_key_id="none", secret_access_key="none")  # noqa: S106
    signed = urlsplit(obstore.sign(store, "GET", "none", timedelta(seconds=1)))
    scope = parse_qs(signed.query)["X-Amz-Credential"][0].split("/")
    return f"{signed.scheme}://{signed.netloc}", scope[2]
