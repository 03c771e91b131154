"""Importing a bundle: every byte is checked before the first entry is written."""

import hashlib
import io
import os
import re
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final, Self

from holdfast.core import names, numbering, strict_json
from holdfast.core.entry import MAX_BYTES, is_time
from holdfast.core.events import AnyEvent, Origin, Past, Registered
from holdfast.core.history import claimed
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import is_digest
from holdfast.core.state import State
from holdfast.core.version import parse
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError
from holdfast.registry import presence, transfer
from holdfast.registry.bundles import (
    FORMAT,
    INDEX,
    MEMBER,
    SUMS,
    Bundled,
    Index,
    is_for_people,
)
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.transfer import Journey
from holdfast.store import durable, layout
from holdfast.store.metering import Meter, Progress, Step

_SUM_LINE: Final = re.compile(r"([0-9a-f]{64})  (.+)", re.DOTALL)
_MOST_SMALL: Final = 64 << 20
"""Bytes above which a list or an index is not believed, nor all entries of a journal together."""
_BROKEN: Final = (
    tarfile.TarError, AssertionError, EOFError, IndexError, KeyError, MemoryError, OverflowError,
    RecursionError, ValueError,
)  # fmt: skip
"""What `tarfile` raises over hostile archives."""
_CHUNK: Final = 1 << 20
_MOST_HEADER: Final = 64 << 10
"""Bytes of what a header says beside its block, such as a long name."""
_EXTENDED: Final = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Contents:
    """A bundle read and checked: its small members, and how many blobs went to the store."""

    index: Index
    journal: tuple[bytes, ...]
    blobs: int


def read(
    session: Session,
    source: Path,
    options: CommitOptions,
    trust: str | None,
    progress: Progress | None = None,
) -> Bundled:
    """Take a bundle into the store.

    Args:
        session: The store.
        source: The tar file.
        options: Reason and key of the entry, for one version.
        trust: Why files that run code outside the allow-list are accepted anyway.
        progress: Told bytes read and bytes of the file.
    """
    store = session.writable()
    with store.sharing(), store.workplace() as scratch:
        contents = _opened(session, source, scratch, progress)
        store_again = partial(_opened, session, source, scratch)
        if contents.index.kind == "model":
            index = contents.index
            came = Journey(index.model, contents.journal, index.head, store_again)
            created, versions = transfer.take_model(session, came, scratch, options, trust)
        else:
            taken = _take_version(session, contents.index, scratch, options, trust)
            presence.ensure(store, taken.named, store_again)
            created, versions = taken.created, (taken.version,)
    size_bytes = source.stat().st_size
    index = contents.index
    return Bundled(index.model, versions, contents.blobs, size_bytes, str(source), created)


def _opened(
    session: Session, source: Path, scratch: Path, progress: Progress | None = None
) -> _Contents:
    if source.exists() and not source.is_file():
        raise InvalidInputError(f"file {str(source)!r}", "is not a regular file", "name a bundle")
    try:
        with source.open("rb") as file, _tar(_Bounded(file)) as tar:
            meter = Meter(progress, os.fstat(file.fileno()).st_size)
            contents = _read(session, tar, scratch, meter)
            meter.end()
            return contents
    except OSError as error:
        raise InvalidInputError(
            f"file {str(source)!r}", f"cannot be read: {error.strerror}", "check its path"
        ) from error
    except _BROKEN as error:
        raise DamagedError(str(source), f"is not a bundle: {error}", "copy it again") from error


class _Bounded(io.BufferedIOBase):
    """A file of which nobody reads more at once than a bundle has in one piece."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell  # type: ignore[method-assign]

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_SMALL:
            raise tarfile.ReadError(f"claims {size} bytes")
        return self._file.read(size)


class _Header(tarfile.TarInfo):
    """A header of bounded length, for its own member alone.

    What a header says of all members is gone through again, and kept, for each of them.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.XGLTYPE:
            raise tarfile.ReadError("it has a header for all members")
        if header.type in _EXTENDED and header.size > _MOST_HEADER:
            raise tarfile.ReadError(f"a header claims {header.size} bytes")
        return header


def _tar(file: _Bounded) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="r:", tarinfo=_Header)


def _read(session: Session, tar: tarfile.TarFile, scratch: Path, meter: Meter) -> _Contents:
    members = iter(tar)
    sums = _sums(tar, next(members, None))
    small: dict[str, bytes] = {}
    blobs, most = 0, _MOST_SMALL
    left = dict(sums)
    for member in members:
        # They would hold what each header said to the end; the stubs do not name the list.
        tar.members.clear()  # type: ignore[attr-defined]
        expected = left.pop(member.name, None)
        if expected is not None and _is_link(member, expected):
            continue
        if expected is None or not member.isreg() or member.issparse():
            raise DamagedError(
                member.name, f"is not listed exactly once in {SUMS}", "copy the bundle again"
            )
        file = tar.extractfile(member)
        assert file is not None  # noqa: S101 - a regular member has content
        if member.name.startswith(layout.BLOBS):
            with meter.part(member.size, 1 + session.open_store.blobs.passes) as step:
                written = _written(file, member.name, expected, scratch, step)
                session.open_store.blobs.add(written, step=step)
            blobs += 1
        elif is_for_people(member.name):
            _check(file, member.name, expected)
        else:
            most -= member.size
            small[member.name] = _small(file, member, expected, most)
    if left:
        raise DamagedError(next(iter(left)), "is missing from the bundle", "copy the bundle again")
    journal = tuple(small[name] for name in sorted(small) if name != INDEX)
    return _Contents(_index(small.get(INDEX, b"")), journal, blobs)


def _sums(tar: tarfile.TarFile, first: tarfile.TarInfo | None) -> dict[str, str]:
    if first is None or first.name != SUMS or not _plain(first):
        raise tarfile.ReadError(f"it does not begin with {SUMS}")
    file = tar.extractfile(first)
    assert file is not None  # noqa: S101 - a regular member has content
    sums: dict[str, str] = {}
    for line in file.read().decode(errors="replace").removesuffix("\n").split("\n"):
        match = _SUM_LINE.fullmatch(line)
        if match is None or not _may_be(match[2]) or match[2] in sums:
            raise DamagedError(SUMS, f"has the line {line[:100]!r}", "copy the bundle again")
        sums[match[2]] = match[1]
    return sums


def _may_be(name: str) -> bool:
    return bool(MEMBER.fullmatch(name)) or is_for_people(name)


def _is_link(member: tarfile.TarInfo, expected: str) -> bool:
    """Tell whether a member for people is a name for the blob that the list says it is."""
    is_named = member.islnk() and member.linkname == layout.blob(expected)
    return is_named and is_for_people(member.name)


def _check(file: IO[bytes], name: str, expected: str) -> None:
    """Hash a member that is for people, of which no more is made here."""
    sha256 = hashlib.sha256()
    while piece := file.read(_CHUNK):
        sha256.update(piece)
    if sha256.hexdigest() != expected:
        raise DamagedError(name, "has changed", "copy the bundle again")


def _plain(member: tarfile.TarInfo) -> bool:
    """Tell whether a member is a plain file, small enough to be held in memory."""
    return member.isreg() and not member.issparse() and member.size <= _MOST_SMALL


def _small(file: IO[bytes], member: tarfile.TarInfo, expected: str, left: int) -> bytes:
    is_entry = member.name != INDEX
    if left < 0 or (is_entry and member.size > MAX_BYTES):
        raise DamagedError(member.name, f"claims {member.size} bytes", "copy the bundle again")
    data = file.read()
    if hashlib.sha256(data).hexdigest() != expected:
        raise DamagedError(member.name, "has changed", "copy the bundle again")
    return data


def _written(file: IO[bytes], name: str, expected: str, scratch: Path, step: Step) -> Path:
    """Write a blob to a file of its own, once it is known to be the one that its name says."""
    written = scratch / "blob"
    sha256 = hashlib.sha256()
    with durable.translate_errors(str(written)), written.open("wb") as copy:
        while piece := file.read(_CHUNK):
            sha256.update(piece)
            copy.write(piece)
            step(len(piece))
    if name != layout.blob(expected) or sha256.hexdigest() != expected:
        raise DamagedError(name, "has changed", "copy the bundle again")
    return written


def _index(raw: bytes) -> Index:
    try:
        index = strict_json.decode(raw, Index)
    except ValueError as error:
        raise DamagedError(INDEX, f"cannot be read: {error}", "copy the bundle again") from error
    if index.format > FORMAT:
        raise NewerFormatError(INDEX, f"bundle format {index.format}", f"up to {FORMAT}")
    names.check_model(index.model)
    if not _ID.fullmatch(index.registry) or not is_digest(index.head):
        raise DamagedError(INDEX, "has no registry id or no head", "copy the bundle again")
    return index


@dataclass(frozen=True, slots=True)
class _Taken:
    """The outcome of one version: whether it is new, and the blobs it names."""

    version: str
    created: bool
    named: tuple[str, ...]


def _claimed(index: Index) -> tuple[Past, ...]:
    """Return what a bundle of one version says of its past, without what only entries can prove.

    The entries stayed behind, so their signatures cannot be checked here.

    Raises:
        DamagedError: If no journal could have said it.
    """
    seq = 0
    for past in index.history:
        if past.seq <= seq or not is_time(past.at):
            problem = f"has a history in which entry {past.seq} of {past.at!r} follows entry {seq}"
            raise DamagedError(INDEX, problem, "copy the bundle again")
        seq = past.seq
    return claimed(index.history)


def _take_version(
    session: Session, index: Index, scratch: Path, options: CommitOptions, trust: str | None
) -> _Taken:
    manifest = transfer.manifest_of(session, index.manifest or "", index.model)
    if manifest.version != index.version:
        problem = f"names a manifest of {manifest.name}@{manifest.version}"
        raise DamagedError(INDEX, problem, "copy the bundle again")
    scan = transfer.judge(session, manifest, scratch, trust)
    digests = (index.manifest or "", *(file.sha256 for file in manifest.files))
    history = _claimed(index)

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        taken = numbering.taken_by(state, parse(manifest.version))
        present = taken is not None and taken.status != "purged"
        if taken is not None and present and taken.manifest == index.manifest:
            return Unchanged("it is already here", manifest.version)
        if taken is not None:
            return numbering.again(state, taken, session.manifest(taken), manifest)
        session.open_store.rescue(digests)
        origin = Origin(index.registry, index.head, history, scan)
        why = f"imported; trusted: {trust}" if scan else "imported"
        return numbering.imported(state, manifest, index.manifest or "", why, origin)

    outcome = session.commit(index.model, decide, Registered, options)
    return _Taken(manifest.version, outcome.entry is not None, digests)
