"""Copying models to a server: each goes as a bundle, which the server checks as any other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from holdfast import scratch
from holdfast.core.entry import digest
from holdfast.errors import ConflictError
from holdfast.registry.bundles import Bundled, pack
from holdfast.registry.copy_models import Copied
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.journal import Journal
from holdfast.store.metering import Progress


class Receiver(Protocol):
    """A server's registry, as far as a copy needs it."""

    def import_(self, file: Path, *, trust: str | None, progress: Progress | None) -> Bundled:
        """Take in a bundle."""
        ...


def send(
    source: Session,
    target: Session,
    receiver: Receiver,
    models: Sequence[str],
    trust: str | None,
    progress: Progress | None,
) -> Copied:
    """Send models, or all of them, with their history; those that are there already are left out.

    Args:
        source: The store they are in.
        target: The server, to look at what it has.
        receiver: The same, which takes them in.
        models: All if there are none.
        trust: Why code outside the allow-list is accepted anyway.
        progress: Told the bytes that are sent.

    Raises:
        ConflictError: If a model has another history there.
    """
    names = sorted(models) or source.journals()
    entries = files = size_bytes = 0
    for name in names:
        source.require_known(name)
        state = source.ledger(name).state()
        before = target.ledger(name).state().seq
        if before >= state.seq and _has_head(target, name, state.seq, state.head):
            continue
        with scratch.folder() as folder:
            bundle = folder / "model.tar"
            pack.write(source, name, bundle, None)
            done = receiver.import_(bundle, trust=trust, progress=progress)
        if not _has_head(target, name, state.seq, state.head):
            raise ConflictError(name, "has another history there", "copy it to another server")
        entries += state.seq - min(before, state.seq)
        files += done.files
        size_bytes += done.size_bytes
    return Copied(tuple(names), entries, files, size_bytes)


def _has_head(target: Session, model: str, seq: int, head: str | None) -> bool:
    """Tell whether a model's entry *seq* has the digest *head* there."""
    raw = Journal(target.open_store.store, layout.model(model)).read(seq)
    return raw is not None and digest(raw) == head
