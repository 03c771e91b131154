"""Files derived from the journal for people and tools that know nothing of it.

`active_version.json` and the folders of versions are written after the entry is durable, are folded
afresh right before, and never go back: losing them loses nothing.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.manifest import Manifest, digest_of
from holdfast.core.state import Record, State
from holdfast.store import AbsentError, Store, layout, locks
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
from holdfast.store.locks import Limit

_MOST_BYTES = 1 << 18
_MOST_RECENT_BYTES = 48 << 10


class Pointer(Struct, frozen=True):
    """The content of `active_version.json`.

    Attributes:
        current: The live version.
        previous: The version a rollback goes to.
        seq: Number of the newest entry seen: a witness against a journal cut short.
        head: SHA-256 of that entry's bytes.
        place: The mark of the folder or bucket it was written in, which a copy of it does not
            have; the first stores wrote none.
        sum: SHA-256 of the other fields; without it a broken witness would accuse the journal.
        entries: The last entries, so that a bucket need not be asked for each; only what the
            journal's own last entry vouches for is used.
        manifests: Digests of the manifests that a look at the model is likely to need next.
    """

    current: str | None
    previous: str | None
    seq: int
    head: str | None
    sum: str = ""
    place: str | None = None
    entries: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()


def pointer_to(state: State, mark: str) -> Pointer:
    """Return what the pointer says of a state, in the place of that mark."""
    return Pointer(state.production, state.previous, state.seq, state.head, place=mark)


def far_pointer_to(state: State, mark: str, recent: Iterable[bytes]) -> Pointer:
    """Return a pointer that spares requests besides."""
    versions = [state.versions[name] for name in (state.production, state.previous) if name]
    return msgspec.structs.replace(
        pointer_to(state, mark),
        entries=tuple(_last_of(recent)),
        manifests=tuple(record.manifest for record in versions),
    )


def _last_of(recent: Iterable[bytes]) -> list[str]:
    """Return as many of the last entries as a pointer has room for."""
    lines: list[str] = []
    room = _MOST_RECENT_BYTES
    for raw in reversed(list(recent)):
        room -= len(raw)
        if room < 0:
            break
        lines.append(raw.decode())
    return lines[::-1]


def recent(pointer: Pointer) -> list[bytes]:
    """Return the last entries that a pointer holds, unproven."""
    return [line.encode() for line in pointer.entries]


def mark(store: LocalStore, model: str) -> str:
    """Return the numbers that the disk knows a model's folders by: a copy of them has others.

    They stay when a folder is renamed, or mounted elsewhere.
    """
    prefix = layout.model(model)
    return "-".join(_number(store.path(key)) for key in ("", prefix, layout.journal(prefix)))


def _number(path: str) -> str:
    try:
        return str(os.stat(path).st_ino)
    except OSError:
        return "0"


def is_true(pointer: Pointer | None, state: State) -> bool:
    """Tell whether a pointer says what a state says, wherever it was written."""
    return pointer is not None and (
        (pointer.current, pointer.previous, pointer.seq, pointer.head)
        == (state.production, state.previous, state.seq, state.head)
    )


def encode(pointer: Pointer) -> bytes:
    """Return the bytes of a pointer."""
    sealed = msgspec.structs.replace(pointer, sum=digest_of(_encoded(pointer)))
    return msgspec.json.format(_encoded(sealed), indent=2) + b"\n"


def _encoded(pointer: Pointer) -> bytes:
    """Return a pointer as JSON; one without fields that came later keeps its bytes."""
    fields = msgspec.to_builtins(pointer)
    for name in ("place", "entries", "manifests"):
        if not fields[name]:
            del fields[name]
    return msgspec.json.encode(fields)


def decode(raw: bytes) -> Pointer | None:
    """Read the bytes of a pointer; what is broken counts as absent."""
    try:
        stored_pointer = strict_json.decode(raw, Pointer)
    except ValueError:
        return None
    pointer = msgspec.structs.replace(stored_pointer, sum="")
    return None if stored_pointer.sum and raw != encode(pointer) else pointer


def read_pointer(store: Store, model: str) -> Pointer | None:
    """Read a model's pointer; a broken one counts as absent."""
    return pointer_at(store, layout.pointer(model))


def pointer_at(store: Store, key: str) -> Pointer | None:
    """Read the pointer at a key; a broken one counts as absent."""
    try:
        with store.open(key) as file:
            return decode(file.read(_MOST_BYTES))
    except (AbsentError, OSError):
        return None


@contextlib.contextmanager
def turn(store: LocalStore, model: str, limit: Limit | None) -> Iterator[None]:
    """Let one process at a time write a model's projections.

    Args:
        limit: How long it waits for its turn; `None` where locks do not reach all.

    Raises:
        LockedError: If that was not enough.
    """
    if limit is None:
        yield
        return
    path = store.path(f"{layout.model(model)}/.lock")
    with locks.exclusive(path, "writing files derived from a journal", limit):
        yield


def write(store: LocalStore, blobs: Blobs, state: State, versions: Iterable[str]) -> None:
    """Bring the folders of *versions*, and then the pointer, to what *state* says."""
    for version in versions:
        record = state.versions[version]
        write_version(store, state.model, record, blobs.manifest(record.manifest))
    store.replace(layout.pointer(state.model), encode(pointer_to(state, mark(store, state.model))))


def write_version(store: LocalStore, model: str, record: Record, manifest: Manifest) -> None:
    """Write a version's folder: the manifest with today's status, and links to its bytes."""
    folder = layout.version(model, record.version)
    if record.status == "purged":
        store.remove_folder(folder)
    else:
        for file in manifest.files:
            _link(store, layout.blob(file.sha256), f"{folder}/{file.path}")
    store.replace(f"{folder}/manifest.json", version_text(record, manifest))


def _link(store: LocalStore, blob: str, name: str) -> None:
    if store.same(blob, name) or store.size(blob) is None:  # the name may hold the last copy
        return
    store.delete(name)
    store.link(blob, name)


def version_text(record: Record, manifest: Manifest) -> bytes:
    """Return a version's `manifest.json`: the manifest, each role's digest and today's status."""
    digests = {
        f"{role}_sha256": artifact.digest for role, artifact in sorted(manifest.artifacts.items())
    }
    today = {"digest": f"sha256:{record.manifest}", "status": record.status}
    document: dict[str, Any] = msgspec.to_builtins(manifest) | digests | today
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def behind(pointer: Pointer | None, state: State) -> bool:
    """Tell whether a model's projections lag behind its journal."""
    return pointer is None or pointer.seq < state.seq
