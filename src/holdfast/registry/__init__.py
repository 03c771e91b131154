"""The public API: every verb of Holdfast over one store."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict, Unpack

from holdfast.core import heads
from holdfast.errors import InvalidInputError
from holdfast.registry.author import author
from holdfast.registry.registry import Registry
from holdfast.registry.session import Keyring, Session
from holdfast.store import locks, remote
from holdfast.store.folder import FolderLocation
from holdfast.store.objects import SCHEMES
from holdfast.store.open_store import Location

if TYPE_CHECKING:
    from holdfast.signing import SigningKey

__all__ = ["Registry", "open_registry"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")


class RegistrySettings(TypedDict, total=False):
    """Where a registry runs; what is left out is found out, or is the machine's own.

    Attributes:
        options: Of the bucket: `endpoint`, `region`, `profile`, …; what is not said is looked for
            where the cloud's own tools look. Of a server: `allow_http`.
        cache: Folder for the bytes of buckets and servers; `~/.cache/holdfast` if left out.
        lock_timeout_s: How long others that hold the lock of a folder are waited for, 10 if left
            out; then the call is refused with a `LockedError` that names the process.
        clock: Tells the present time, aware; for tests.
        new_id: Makes 32 random hex digits; for tests.
    """

    options: Mapping[str, str]
    cache: Path | None
    lock_timeout_s: float
    clock: Callable[[], datetime]
    new_id: Callable[[], str]


def _load(path: Path) -> "SigningKey":
    from holdfast import signing

    return signing.load(path)


def open_registry(
    location: str | Path,
    *,
    by: str | None = None,
    signing_key: "str | Path | Callable[[], SigningKey] | None" = None,
    pins: Mapping[str, str] = MappingProxyType({}),
    **setting: Unpack[RegistrySettings],
) -> Registry:
    """Open the registry of a folder, a bucket or a server; what is missing is made when written.

    Args:
        location: The folder, or `s3://bucket/prefix`, `gs://bucket/prefix`,
            `az://container/prefix`, or `https://host` of a server.
        by: Author of what is written; the system's user if left out. A server decides itself.
        signing_key: Private key file that signs what is written, or a function that loads one
            (`lambda: holdfast.signing.load(path, passphrase)`); it is read when it is first needed.
        pins: Heads that `heads` returned earlier, `{"iris": "42:9d1f…"}`: a journal that is cut,
            rewritten or older is refused.
        **setting: See `RegistrySettings`.

    Raises:
        InvalidInputError: If the location is neither a folder nor the address of a bucket or
            server, or a pin is invalid.
        MissingLibraryError: If a bucket's or a server's extra is not installed.
        NotAStoreError: If the place holds something else.
        NewerFormatError: If a newer Holdfast made it.
        DamagedError: If `holdfast.json` cannot be read.
    """
    keyring = Keyring(
        partial(_load, Path(signing_key)) if isinstance(signing_key, str | Path) else signing_key,
        {model: heads.parse(model, text) for model, text in pins.items()},
    )
    site = _site(location, setting)
    session = Session(
        site,
        by or author(),
        setting.get("clock", lambda: datetime.now(UTC)),
        setting.get("new_id", lambda: os.urandom(16).hex()),
        keyring,
    )
    if isinstance(site, FolderLocation):
        return Registry(session)
    from holdfast.store.remote_location import RemoteLocation

    if isinstance(site, RemoteLocation):
        from holdfast.registry.remote_registry import RemoteRegistry

        return RemoteRegistry(session, site)
    return Registry(session)


def _site(location: str | Path, setting: RegistrySettings) -> Location:
    scheme = _SCHEME.match(str(location))
    if scheme is None:
        limit_s = setting.get("lock_timeout_s", locks.LIMIT_S)
        if not limit_s >= 0:
            raise InvalidInputError("lock_timeout_s", f"must be seconds from 0, not {limit_s!r}")
        return FolderLocation(Path(location), limit_s)
    cache, options = setting.get("cache"), setting.get("options", {})
    if scheme[1] in remote.SCHEMES:
        return _server(str(location), options, cache)
    if scheme[1] not in SCHEMES:
        raise InvalidInputError(
            f"location {str(location)!r}",
            "is neither a folder on this machine, nor a bucket, nor a server",
            "name a folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or "
            "https://host",
        )
    from holdfast.store.bucket import BucketLocation
    from holdfast.store.objects.cache import Cache
    from holdfast.store.objects.locating import locate

    return BucketLocation(locate(str(location), options, cache=Cache(cache) if cache else None))


def _server(location: str, options: Mapping[str, str], cache: Path | None) -> Location:
    from holdfast.store.objects.cache import Cache
    from holdfast.store.remote import server_address
    from holdfast.store.remote_location import RemoteLocation

    allow_http = str(options.get("allow_http", "")).lower() in ("1", "true", "yes", "on")
    address = server_address.parse(location, allow_http=allow_http)
    return RemoteLocation(address, Cache(cache) if cache else None)
