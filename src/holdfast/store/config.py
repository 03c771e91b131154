"""`holdfast.json`: what makes a folder a store, and what is known of the disk below it."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.core.manifest import digest_of
from holdfast.errors import DamagedError, NewerFormatError, NotAStoreError, StoreError
from holdfast.store import NoFileError, TakenError, durable, layout, reserved
from holdfast.store.local import LocalStore, regular
from holdfast.store.probe import Probe, probe

FORMAT: Final = 1
"""The newest store format this code reads and the one it writes."""

_MOST_BYTES: Final = 1 << 20
_SUM: Final = b',\n  "sum"'


class Config(Struct, frozen=True):
    """The content of `holdfast.json`.

    Attributes:
        id: Of this registry, 32 hex digits; bundles carry it.
        probe: What the file system can do.
        known: Every model has a file below `known` from its first entry on; in stores of old, from
            the next write on.
        sum: SHA-256 of all that stands before it in the file; stores of old have none.
    """

    format: int
    id: str
    created_at: str
    probe: Probe
    known: bool = False
    sum: str = ""


class _Head(Struct):
    format: int


def find(root: Path) -> Config | None:
    """Read a store's configuration; `None` where the folder is missing or empty.

    Raises:
        NotAStoreError: If something else is there.
        NewerFormatError: If a newer Holdfast made the store.
        DamagedError: If the configuration cannot be read.
    """
    path = root / layout.CONFIG
    try:
        raw = _read(path)
    except FileNotFoundError:
        if _is_empty(root):
            return None
        return _made_meanwhile(root, path)
    except NotADirectoryError:
        raise NotAStoreError(root, "is a file, not a folder", "name a folder") from None
    except NoFileError as error:
        raise DamagedError(
            str(path), f"cannot be read: {error.strerror}", "restore it from a copy"
        ) from None
    except OSError as error:
        raise durable.unreadable(str(path), error) from error
    return decode(raw, str(path))


def _read(path: Path) -> bytes:
    with regular(str(path)) as file:
        return file.read(_MOST_BYTES)


def _made_meanwhile(root: Path, path: Path) -> Config:
    """Read the configuration of a store that a rival made since it was looked for."""
    try:
        return decode(_read(path), str(path))
    except FileNotFoundError:
        if (root / layout.BLOBS).is_dir() and (root / layout.MODELS).is_dir():
            raise _headless(root) from None
        raise NotAStoreError(
            root,
            f"has files but no {layout.CONFIG}, so it is not a store",
            "name a store, or an empty or new folder to make one; "
            "`holdfast adopt` takes in a folder of model files",
        ) from None


def _headless(root: Path) -> NotAStoreError:
    """Tell of a store whose configuration is lost, and how to make another.

    Nothing else holds the registry's id, and what a folder says of itself would let anybody take
    the place of a store that others know: so a person makes a new one, by hand.
    """
    from shlex import quote  # noqa: PLC0415 - few stores lose it

    beside = root.with_name(f"{root.name}.new")
    steps = (
        f"holdfast init {quote(str(beside))}",
        f"mv {quote(str(beside / layout.CONFIG))} {quote(str(root))}",
        f"rmdir {quote(str(beside))}",
        f"holdfast verify --store {quote(str(root))}",
    )
    return NotAStoreError(
        root,
        f"has blobs and models, but its {layout.CONFIG} is lost",
        f"put it back with `holdfast repair --from` a backup, or make another, with a new id: "
        f"{'; '.join(steps)}",
    )


def decode(raw: bytes, location: str) -> Config:
    """Read the bytes of a configuration found at *location*.

    Raises:
        NewerFormatError: If a newer Holdfast made the store.
        DamagedError: If they cannot be read.
    """
    try:
        head = strict_json.decode(raw, _Head)
        if head.format > FORMAT:
            raise NewerFormatError(location, f"store format {head.format}", f"up to {FORMAT}")
        config = strict_json.decode(raw, Config)
    except ValueError as error:
        raise DamagedError(
            location, f"cannot be read: {error}", "restore it from a copy"
        ) from error
    if not config.sum:
        return config
    if raw != _sealed(raw[: raw.rfind(_SUM)]):
        raise DamagedError(location, "does not match its checksum", "restore it from a copy")
    return msgspec.structs.replace(config, sum="")


def encode(config: Config) -> bytes:
    """Return the bytes of a configuration, with their checksum."""
    raw = msgspec.json.format(msgspec.json.encode(config), indent=2)
    return _sealed(raw[: raw.rfind(_SUM)])


def _sealed(body: bytes) -> bytes:
    return body + _SUM + b': "%s"\n}\n' % digest_of(body).encode()


def _is_empty(root: Path) -> bool:
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return True
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise NotAStoreError(root, problem, "check its mode") from error
    return all(name.startswith(reserved.TEMPORARY) for name in names)


def make(root: Path, new_id: Callable[[], str], now: datetime) -> Config:
    """Make a store in a missing or empty folder, after trying the disk out.

    Raises:
        UnfitStoreError: If the file system does not keep what the journal stands on.
        StoreError: If the folder cannot be written.
    """
    folder = os.path.abspath(root)
    with durable.translate_errors(str(root)):
        durable.make_folder(folder)
        durable.sync_folder(os.path.dirname(folder))  # a killed rival may have made it
    config = Config(FORMAT, new_id(), format_time(now), probe(root), known=True)
    try:
        local(root, config).create(layout.CONFIG, encode(config))
    except TakenError:  # a rival made it at the same time
        return find(root) or config
    return config


def require_same(current: Config | None, opened: Config, location: object) -> None:
    """Refuse to go on where the store that was opened no longer exists.

    Raises:
        StoreError: If nothing is there by now, or another store.
    """
    if current is None:
        raise StoreError(
            location,
            f"is gone: {layout.CONFIG} is missing",
            "mount its disk, or put it back where it was",
        )
    if current.id != opened.id:
        problem = f"is now another store: {current.id}, not {opened.id}"
        raise StoreError(location, problem, "open it again, or put back the one that was opened")


def local(root: Path, config: Config) -> LocalStore:
    """Open the store that *config* describes."""
    return LocalStore(root, links=config.probe.links)
