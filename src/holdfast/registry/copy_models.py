"""`copy`: a model, or all of them, from one store to another, whatever either is kept in."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec import Struct

from holdfast.core.manifest import File
from holdfast.core.state import State
from holdfast.errors import DamagedError
from holdfast.registry import transfer
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.transfer import Journey
from holdfast.registry.version_bytes import unless_purged
from holdfast.store import layout
from holdfast.store.metering import Meter, Progress, Step
from holdfast.store.open_store import OpenStore

_AT_ONCE = 4


class Copied(Struct, frozen=True):
    """What a copy did.

    Attributes:
        models: Names, sorted.
        entries: Journal entries that were new to the target.
        files: Blobs that were.
        size_bytes: Their length.
    """

    models: tuple[str, ...]
    entries: int
    files: int
    size_bytes: int


def copy(
    source: Session,
    target: Session,
    models: Sequence[str],
    trust: str | None,
    progress: Progress | None,
) -> Copied:
    """Carry models over: blobs first, then journals, entry by entry; what is there is left out.

    A copy that was stopped goes on where it stood when it is run again. Nothing of a model is seen
    in the target before its blobs are whole there.
    """
    names = sorted(models) or source.journals()
    store = target.writable()
    new_entries = 0
    carried: list[File] = []
    with store.sharing():
        for name in names:
            source.require_known(name)
            state = source.ledger(name).state()
            journal = tuple(source.ledger(name).raw_entries())[: state.seq]
            with unless_purged(source, name, *state.versions.values()):
                files = list(_files(source, state))
                new = _carry(source.open_store, store, files, progress)
            before = target.ledger(name).state().seq
            again = partial(_carry, source.open_store, store, files, None)
            came = Journey(name, journal, state.head or "", again, mirrored=True)
            with store.workplace() as scratch:
                transfer.take_model(target, came, scratch, CommitOptions(trust), trust)
            if before and new:  # some may have been repaired, but not what was derived from them
                target.ledger(name).rebuild()
            new_entries += len(journal) - min(before, len(journal))
            carried += new
    return Copied(
        models=tuple(names),
        entries=new_entries,
        files=len(carried),
        size_bytes=sum(file.size_bytes for file in carried),
    )


def _files(source: Session, state: State) -> Iterator[File]:
    """Go through the blobs a model names, each once; files and losses of those not purged."""
    seen: dict[str, File] = {}
    for record in state.versions.values():
        size_bytes = len(source.open_store.blobs.read(record.manifest))
        seen[record.manifest] = File("manifest.json", record.manifest, size_bytes)
        if record.status != "purged":
            seen |= {file.sha256: file for file in source.manifest(record).files}
        for digest, what in record.attached.items():
            size_bytes = len(source.open_store.blobs.read(digest))
            seen[digest] = File(what, digest, size_bytes)
    for digest in state.runs:
        seen[digest] = File("retraining", digest, len(source.open_store.blobs.read(digest)))
    yield from seen.values()


def _carry(
    source: OpenStore, target: OpenStore, files: Sequence[File], progress: Progress | None
) -> list[File]:
    """Store in the target the blobs it lacks; return them."""
    meter = Meter(progress, sum(file.size_bytes for file in files))

    def carry(file: File) -> bool:
        with meter.part(file.size_bytes, passes(source, target)) as step:
            return not _has(target, file) and take(file, step)

    def take(file: File, step: Step) -> bool:
        taken = target.blobs.add(source.blobs.fetch(file, step), step=step)
        if taken.sha256 != file.sha256:
            raise DamagedError(
                f"{file.path} ({layout.blob(file.sha256)})",
                f"has changed: its bytes are sha256:{taken.sha256}",
                "repair the store to copy from",
            )
        return True

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        carried = zip(files, threads.map(carry, files), strict=True)
        return [file for file, new in carried if new]


def passes(source: OpenStore, target: OpenStore) -> int:
    """Return how often bytes are gone through on their way from one place to another."""
    return target.blobs.passes + (0 if source.store.traits.is_local else 1)


def _has(target: OpenStore, file: File) -> bool:
    """Tell whether the target has a blob, whole: hashed where it is near, else by its length."""
    if target.store.size(layout.blob(file.sha256)) != file.size_bytes:
        return False
    return not target.store.traits.is_local or target.blobs.check(file.sha256) is None
