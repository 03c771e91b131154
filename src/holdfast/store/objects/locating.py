"""From an address to a store: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.store.objects import SCHEMES, credentials
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.client import Bucket, Kind
from holdfast.store.objects.object_store import ObjectStore

_EXTRAS: Final = {"s3": "s3", "gs": "gcs", "az": "azure"}
_NAME: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{1,221}")
_SECRET: Final = re.compile(
    r"secret|key|token|sas|password|credential|service_account", re.IGNORECASE
)
_OF_CLIENT: Final = {
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "proxy_url",
    "root_certificate",
    "timeout",
    "user_agent",
}
_TRUE: Final = {"1", "true", "yes", "on", "y"}
_UNKNOWN: Final = re.compile(r"Configuration key: '(\w{1,64})' is not valid")
_AMAZON: Final = {"conditional_put": "etag", "disable_bulk_delete": "true"}
_PREFIX: Final = re.compile(r"^(aws|azure_storage|azure|google)_")
_ALIASES: Final = {"base_url": "endpoint", "endpoint_url": "endpoint"}
_OBSTORES: Final[dict[Kind, dict[str, str]]] = {
    "s3": {"endpoint": "aws_endpoint_url_s3"},  # the one that no variable goes before
    "gs": {"endpoint": "base_url"},
    "az": {},
}
_ONCE: Final[Any] = {"max_retries": 0}
_PATIENT: Final[Any] = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}


def locate(
    url: str,
    options: Mapping[str, str] | None = None,
    *,
    cache: Cache | None = None,
) -> ObjectStore:
    """Open the store at an address; nothing is asked of it yet.

    Args:
        url: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; options that
            are not secret may follow as a query, `?region=eu-west-1&endpoint=https://...`, and go
            before the others.
        options: `endpoint`, `allow_http`, `profile` and whatever obstore takes, by its names:
            `region`, `account_name`, `access_key_id`, ... What is not said here is looked for
            where the cloud's own tools look.
        cache: For blobs; by default in `~/.cache/holdfast`.

    Raises:
        InvalidInputError: If the address or an option is malformed.
        MissingLibraryError: If the cloud's extra is not installed.
    """
    kind, bucket, prefix, asked = _taken_apart(url)
    settings = _named(options or {}) | _named(asked)
    _check_endpoint(settings)
    shown = f"{kind}://{bucket}" + (f"/{prefix}" if prefix else "")
    if "endpoint" in settings:
        shown += f"?endpoint={settings['endpoint']}"
    try:
        import obstore  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise MissingLibraryError("obstore", _EXTRAS[kind], f"opening {shown} needs it") from error
    make, endpoint = _maker(kind, bucket, prefix, settings)
    stores = Bucket(kind, shown, endpoint, patient=make(_PATIENT), once=make(_ONCE))
    return ObjectStore(stores, cache or Cache(Path.home() / ".cache" / "holdfast"))


def check_address(url: str) -> None:
    """Check that a text is the address of a prefix of a bucket, and tells no secret.

    Raises:
        InvalidInputError: If it is not.
    """
    _taken_apart(url)


def _taken_apart(url: str) -> tuple[Kind, str, str, dict[str, str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    prefix = parts.path.strip("/")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in SCHEMES:
        raise InvalidInputError(
            "address", "names no bucket", "write s3://bucket/prefix, gs:// or az://"
        )
    if "@" in parts.netloc or any(_SECRET.search(name) for name in asked):
        raise InvalidInputError(
            "address",
            "holds a secret, which would show wherever the address is written down",
            "leave it out; `docs/object-stores.md` says where credentials are looked for",
        )
    if not _NAME.fullmatch(parts.netloc):
        raise InvalidInputError(
            f"bucket {parts.netloc!r}", "is not a valid bucket name", "write s3://bucket/prefix"
        )
    segments = prefix.split("/") if prefix else []
    if parts.fragment or any(part in ("", ".", "..") for part in segments):
        raise InvalidInputError(
            f"prefix {prefix!r}", "has an empty, `.` or `..` part, or a `#`", "choose plain names"
        )
    return cast("Kind", parts.scheme), parts.netloc, prefix, asked


def _named(options: Mapping[str, str]) -> dict[str, str]:
    """Return options by their short names: `AWS_REGION` is `region`."""
    short = {_PREFIX.sub("", name.lower()): value for name, value in options.items()}
    return {_ALIASES.get(name, name): value for name, value in short.items()}


def _check_endpoint(settings: Mapping[str, str]) -> None:
    """Refuse what would send credentials in the open, unless it is said that this is meant."""
    try:
        parts = urlsplit(settings.get("endpoint", "https://"))
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc or parts.query or parts.scheme not in ("http", "https"):
        raise InvalidInputError("endpoint", "is not a plain address", "write https://host:port")
    allows_http = str(settings.get("allow_http", "false")).lower() in _TRUE
    if parts.scheme == "http" and not allows_http and not _is_here(settings["endpoint"]):
        raise InvalidInputError(
            f"endpoint {settings['endpoint']}",
            "is http://, which lets anyone on the way read and change the traffic",
            "use https://, or set `allow_http=true` if you want that",
        )


def _maker(
    kind: Kind, bucket: str, prefix: str, settings: Mapping[str, str]
) -> tuple[Callable[[Any], Any], str]:
    """Return a function that makes obstore's store, told how to repeat requests; and whose it is.

    The second is the endpoint that was found, empty for a cloud's own.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

    client: dict[str, Any] = {name: settings[name] for name in _OF_CLIENT & set(settings)}
    config = {name: value for name, value in settings.items() if name not in client}
    config = credentials.completed(kind, bucket, config)
    endpoint = config.get("endpoint") or _endpoint(kind, bucket)
    if _is_here(endpoint):
        client["allow_http"] = "true"
    provider = config.pop("credential_provider", None)

    def make(repeating: Any) -> Any:
        try:
            return _classes()[kind](
                bucket,
                prefix=prefix or None,
                config=_for_obstore(kind, config),
                client_options=client,
                retry_config=repeating,
                credential_provider=provider,
            )
        except (BaseError, TypeError, ValueError) as error:
            failure = _refused(error)
        raise failure  # out here, so that no traceback quotes a secret

    return make, endpoint


def _classes() -> dict[str, Any]:
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - an extra

    return {"s3": S3Store, "gs": GCSStore, "az": AzureStore}


def _for_obstore(kind: Kind, config: Mapping[str, Any]) -> dict[str, Any]:
    obstore_config = {_OBSTORES[kind].get(name, name): value for name, value in config.items()}
    return {**obstore_config, **(_AMAZON if kind == "s3" else {})}


def _refused(error: Exception) -> InvalidInputError:
    """Say what is wrong with the options without showing a value."""
    text = str(error)
    if "Account must be specified" in text:
        return InvalidInputError(
            "storage account", "is not set", "set AZURE_STORAGE_ACCOUNT_NAME or `account_name`"
        )
    key = _UNKNOWN.search(text)
    if key:
        return InvalidInputError(f"option {key[1]!r}", "is unknown", "see docs/object-stores.md")
    return InvalidInputError(
        "options of the address", "are not understood", "see docs/object-stores.md"
    )


def _endpoint(kind: Kind, bucket: str) -> str:
    return credentials.amazon(bucket)[0] if kind == "s3" else ""


def _is_here(endpoint: str) -> bool:
    """Tell whether an endpoint is on this machine, where nobody listens on the way."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
