"""Writing a bundle."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from holdfast.core import history
from holdfast.core.state import Record, State
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.registry.bundles import FORMAT, INDEX, SUMS, Bundled, Index, readable
from holdfast.registry.session import Session
from holdfast.registry.version_bytes import unless_purged, was_purged
from holdfast.store import TakenError, durable, layout
from holdfast.store.metering import Meter, MeteredFile, Progress

_PASSES: Final = 2
"""A blob is hashed, then written: nothing damaged gets into a bundle."""


def write(session: Session, ref: str, target: Path, progress: Progress | None) -> Bundled:
    """Write one version (`iris@1.2.0`) or a whole model (`iris`) to a new tar file."""
    if target.exists():
        raise InvalidInputError(f"file {str(target)!r}", "exists already", "name a new one")
    state, records, small = _version(session, ref) if "@" in ref else _model(session, ref)
    shown = readable.of(session, state, records)
    blobs = _blobs(session, records, attached="@" not in ref)
    blobs += [digest for digest in state.runs if "@" not in ref and digest not in blobs]
    small |= shown.small
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in small.items()}
    sums |= {layout.blob(digest): digest for digest in blobs} | shown.links
    listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    try:
        with unless_purged(session, state.model, *records):
            sizes = _sizes(session, blobs)
            pen = _Pen(session, sizes, Meter(progress, sum(sizes.values())))
            size_bytes = pen.write(target, {SUMS: listed, **small}, shown.links)
    except TakenError:
        raise InvalidInputError(
            f"file {str(target)!r}", "exists already", "name a new one"
        ) from None
    except OSError as error:
        raise InvalidInputError(
            f"file {str(target)!r}", f"cannot be written: {error.strerror}", "check the folder"
        ) from error
    versions = tuple(record.version for record in records)
    return Bundled(state.model, versions, len(blobs), size_bytes, str(target))


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes the tar file: the blobs that go into it, with their lengths, and how far it is."""

    session: Session
    blobs: Mapping[str, int]
    meter: Meter

    def write(self, target: Path, small: Mapping[str, bytes], links: Mapping[str, str]) -> int:
        with durable.temporary(str(target.resolve().parent)) as (file, written):
            buffered = io.BufferedWriter(file)
            with tarfile.open(fileobj=buffered, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name, data in small.items():
                    _add(tar, name, io.BytesIO(data), len(data))
                for digest, size_bytes in self.blobs.items():
                    self._add_blob(tar, digest, size_bytes)
                for name, digest in links.items():
                    _add_link(tar, name, digest)
            buffered.flush()
            length = buffered.tell()
            buffered.detach()
            durable.finish(file)
            durable.publish(written, str(target))
        return length

    def _add_blob(self, tar: tarfile.TarFile, digest: str, size_bytes: int) -> None:
        blobs = self.session.open_store.blobs
        with self.meter.part(size_bytes, _PASSES) as step:
            damage = blobs.check(digest, size_bytes, step)
            if damage is not None:
                raise DamagedError(layout.blob(digest), damage.predicate, "restore it from a copy")
            with blobs.open(digest) as file:
                _add(tar, layout.blob(digest), MeteredFile(file, step), size_bytes)


def _version(session: Session, ref: str) -> tuple[State, list[Record], dict[str, bytes]]:
    state, record = session.find(ref)
    if record.status == "purged":
        raise was_purged(ref)
    history_lines = tuple(
        history.past(entry, state.rollouts)
        for entry in session.ledger(state.model).entries()
        if record.version in entry.event.versions()
    )
    index = Index(
        format=FORMAT,
        kind="version",
        registry=session.open_store.config.id,
        model=state.model,
        head=state.head or "",
        version=record.version,
        manifest=record.manifest,
        history=history_lines,
    )
    return state, [record], {INDEX: msgspec.json.encode(index)}


def _model(session: Session, name: str) -> tuple[State, list[Record], dict[str, bytes]]:
    state = session.state(name)
    index = Index(FORMAT, "model", session.open_store.config.id, name, state.head or "")
    entries = enumerate(session.ledger(name).raw_entries(), start=1)
    journal = {layout.numbered("journal", seq): raw for seq, raw in entries if seq <= state.seq}
    return state, list(state.versions.values()), {INDEX: msgspec.json.encode(index), **journal}


def _blobs(session: Session, records: list[Record], *, attached: bool) -> list[str]:
    """List the digests of manifests, what is attached and files not purged, each once.

    What is attached to a version is named by entries, which stay behind where it goes alone.
    """
    digests: dict[str, None] = {}
    for record in records:
        digests[record.manifest] = None
        digests |= dict.fromkeys(record.attached if attached else ())
        if record.status != "purged":
            digests |= {file.sha256: None for file in session.manifest(record).files}
    return list(digests)


def _sizes(session: Session, digests: Iterable[str]) -> dict[str, int]:
    store = session.open_store.store
    return {digest: store.size(layout.blob(digest)) or 0 for digest in digests}


def _add(tar: tarfile.TarFile, name: str, data: io.BytesIO | MeteredFile, size_bytes: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = 0o644
    tar.addfile(member, cast("IO[bytes]", data))  # of which it calls `read` alone


def _add_link(tar: tarfile.TarFile, name: str, digest: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = tarfile.LNKTYPE, layout.blob(digest), 0o644
    tar.addfile(member)
