"""Writing a bundle."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import IO

import msgspec
from msgspec.structs import replace

from holdfast.core import history
from holdfast.core.state import Record
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.registry.bundles import FORMAT, INDEX, SUMS, Bundled, Index
from holdfast.registry.moves import unless_purged, was_purged
from holdfast.registry.session import Session
from holdfast.store import TakenError, durable, layout


def write(session: Session, ref: str, target: Path) -> Bundled:
    """Write one version (`iris@1.2.0`) or a whole model (`iris`) to a new tar file."""
    if target.exists():
        raise InvalidInputError(f"file {str(target)!r}", "exists", "name a new one")
    small, records, model = _version(session, ref) if "@" in ref else _model(session, ref)
    blobs = _blobs(session, records)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in small.items()}
    sums |= {layout.blob(digest): digest for digest in blobs}
    listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    try:
        with unless_purged(session, model, *records):
            size_bytes = _write_tar(session, target, {SUMS: listed, **small}, blobs)
    except TakenError:
        raise InvalidInputError(f"file {str(target)!r}", "exists", "name a new one") from None
    except OSError as error:
        raise InvalidInputError(
            f"file {str(target)!r}", f"cannot be written: {error.strerror}", "check the folder"
        ) from error
    versions = tuple(record.version for record in records)
    return Bundled(model, versions, len(blobs), size_bytes, str(target))


def _write_tar(session: Session, target: Path, small: dict[str, bytes], blobs: list[str]) -> int:
    with durable.temporary(str(target.resolve().parent)) as (file, written):
        buffered = io.BufferedWriter(file)
        with tarfile.open(fileobj=buffered, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, data in small.items():
                _add(tar, name, io.BytesIO(data), len(data))
            for digest in blobs:
                _add_blob(session, tar, digest)
        buffered.flush()
        size_bytes = buffered.tell()
        buffered.detach()
        durable.finish(file)
        durable.publish(written, str(target))
    return size_bytes


def _version(session: Session, ref: str) -> tuple[dict[str, bytes], list[Record], str]:
    state, record = session.find(ref)
    if record.status == "purged":
        raise was_purged(ref)
    told = tuple(
        history.past(entry)
        for entry in session.ledger(state.model).entries()
        if record.version in entry.event.versions()
    )
    index = Index(
        format=FORMAT,
        kind="version",
        registry=session.place.config.id,
        model=state.model,
        head=state.head or "",
        version=record.version,
        manifest=record.manifest,
        history=told,
    )
    # entries that signed or measured it stay behind in the journal
    unsigned = replace(record, signatures=(), losses=())
    return {INDEX: msgspec.json.encode(index)}, [unsigned], state.model


def _model(session: Session, name: str) -> tuple[dict[str, bytes], list[Record], str]:
    state = session.state(name)
    index = Index(FORMAT, "model", session.place.config.id, name, state.head or "")
    entries = enumerate(session.ledger(name).raw_entries(), start=1)
    journal = {layout.numbered("journal", seq): raw for seq, raw in entries if seq <= state.seq}
    return {INDEX: msgspec.json.encode(index), **journal}, list(state.versions.values()), name


def _blobs(session: Session, records: list[Record]) -> list[str]:
    """List the digests of manifests, what is attached and files not purged, each once."""
    found: dict[str, None] = {}
    for record in records:
        found[record.manifest] = None
        found |= dict.fromkeys(record.attached)
        if record.status != "purged":
            found |= {file.sha256: None for file in session.manifest(record).files}
    return list(found)


def _add(tar: tarfile.TarFile, name: str, data: IO[bytes], size_bytes: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = 0o644
    tar.addfile(member, data)


def _add_blob(session: Session, tar: tarfile.TarFile, digest: str) -> None:
    damage = session.place.blobs.check(digest)
    if damage is not None:
        raise DamagedError(layout.blob(digest), damage.problem, "restore it from a copy")
    size_bytes = session.place.store.size(layout.blob(digest)) or 0
    with session.place.blobs.open(digest) as file:
        _add(tar, layout.blob(digest), file, size_bytes)
