"""The public API: every verb of Holdfast over one store."""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import InvalidInputError
from holdfast.registry import surroundings
from holdfast.registry.registry import Registry
from holdfast.registry.session import Session
from holdfast.store.folder import FolderSite
from holdfast.store.objects import SCHEMES
from holdfast.store.place import Site

__all__ = ["Registry", "open_registry"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")


def open_registry(
    location: str | Path,
    *,
    by: str | None = None,
    options: Mapping[str, str] | None = None,
    cache: Path | None = None,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
) -> Registry:
    """Open the registry kept in a folder or a bucket; what is missing is made at the first write.

    Args:
        location: The folder, or `s3://bucket/prefix`, `gs://bucket/prefix`,
            `az://container/prefix`.
        options: Of the bucket: `endpoint`, `region`, `profile`, …; what is not said is looked for
            where the cloud's own tools look.
        cache: Folder for the bytes of buckets; `~/.cache/holdfast` if left out.
        by: Author of what is written; the system's user if left out.
        clock: Tells the present time, aware; for tests.
        new_id: Makes 32 random hex digits; for tests.

    Raises:
        InvalidInputError: If the location is neither a folder nor a bucket's address.
        MissingLibraryError: If a bucket's extra is not installed.
        NotAStoreError: If the place holds something else.
        NewerFormatError: If a newer Holdfast made it.
        DamagedError: If `holdfast.json` cannot be read.
    """
    return Registry(
        Session(
            _site(location, options or {}, cache),
            by or surroundings.author(),
            clock or (lambda: datetime.now(UTC)),
            new_id or (lambda: secrets.token_hex(16)),
        )
    )


def _site(location: str | Path, options: Mapping[str, str], cache: Path | None) -> Site:
    scheme = _SCHEME.match(str(location))
    if scheme is None:
        return FolderSite(Path(location))
    if scheme[1] not in SCHEMES:
        raise InvalidInputError(
            f"location {str(location)!r}",
            "is not a folder on this machine, nor a bucket",
            "name a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        )
    from holdfast.store.objects.bucket import BucketSite  # noqa: PLC0415 - an extra
    from holdfast.store.objects.cache import Cache  # noqa: PLC0415
    from holdfast.store.objects.locating import locate  # noqa: PLC0415

    return BucketSite(locate(str(location), options, cache=Cache(cache) if cache else None))
