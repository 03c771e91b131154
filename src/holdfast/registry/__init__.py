"""The public API: every verb of Holdfast over one store."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict, Unpack

from holdfast.core import heads
from holdfast.errors import InvalidInputError
from holdfast.registry.author import author
from holdfast.registry.registry import Registry
from holdfast.registry.session import Keyring, Session
from holdfast.signing import SigningKey, load
from holdfast.store import locks
from holdfast.store.folder import FolderSite
from holdfast.store.objects import SCHEMES
from holdfast.store.place import Site

__all__ = ["Registry", "open_registry"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")


class Setting(TypedDict, total=False):
    """Where a registry runs; what is left out is found out, or is the machine's own.

    Attributes:
        options: Of the bucket: `endpoint`, `region`, `profile`, …; what is not said is looked for
            where the cloud's own tools look.
        cache: Folder for the bytes of buckets; `~/.cache/holdfast` if left out.
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


def open_registry(
    location: str | Path,
    *,
    by: str | None = None,
    key: str | Path | Callable[[], SigningKey] | None = None,
    pins: Mapping[str, str] = MappingProxyType({}),
    **setting: Unpack[Setting],
) -> Registry:
    """Open the registry kept in a folder or a bucket; what is missing is made at the first write.

    Args:
        location: The folder, or `s3://bucket/prefix`, `gs://bucket/prefix`,
            `az://container/prefix`.
        by: Author of what is written; the system's user if left out.
        key: Private key file that signs what is written, or a function that loads one
            (`lambda: holdfast.signing.load(path, passphrase)`); it is read when it is first needed.
        pins: What `head` told earlier, `{"iris": "42:9d1f…"}`: a journal that is cut, rewritten or
            older is refused.
        **setting: See `Setting`.

    Raises:
        InvalidInputError: If the location is neither a folder nor a bucket's address, or a pin is
            none.
        MissingLibraryError: If a bucket's extra is not installed.
        NotAStoreError: If the place holds something else.
        NewerFormatError: If a newer Holdfast made it.
        DamagedError: If `holdfast.json` cannot be read.
    """
    keyring = Keyring(
        partial(load, Path(key)) if isinstance(key, str | Path) else key,
        {model: heads.parse(model, text) for model, text in pins.items()},
    )
    return Registry(
        Session(
            _site(location, setting),
            by or author(),
            setting.get("clock", lambda: datetime.now(UTC)),
            setting.get("new_id", lambda: os.urandom(16).hex()),
            keyring,
        )
    )


def _site(location: str | Path, setting: Setting) -> Site:
    scheme = _SCHEME.match(str(location))
    if scheme is None:
        limit_s = setting.get("lock_timeout_s", locks.LIMIT_S)
        if not limit_s >= 0:
            raise InvalidInputError(f"lock_timeout_s {limit_s!r}", "is below 0", "give seconds")
        return FolderSite(Path(location), limit_s)
    if scheme[1] not in SCHEMES:
        raise InvalidInputError(
            f"location {str(location)!r}",
            "is not a folder on this machine, nor a bucket",
            "name a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        )
    from holdfast.store.objects.bucket import BucketSite
    from holdfast.store.objects.cache import Cache
    from holdfast.store.objects.locating import locate

    cache, options = setting.get("cache"), setting.get("options", {})
    return BucketSite(locate(str(location), options, cache=Cache(cache) if cache else None))
