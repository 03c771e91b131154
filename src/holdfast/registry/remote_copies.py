"""Copying models to a server: each goes as a bundle, which the server checks as any other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from holdfast import scratch
from holdfast.errors import ConflictError
from holdfast.registry.bundles import Bundled, pack
from holdfast.registry.copy_models import Copied
from holdfast.registry.session import Session
from holdfast.store.metering import Progress


class Receiver(Protocol):
    """A server's registry, as far as a copy needs it."""

    def last_entry(self, model: str) -> int:
        """Return the number of a model's last entry."""
        ...

    def has_head(self, model: str, seq: int, head: str | None) -> bool:
        """Tell whether a model's entry has a digest."""
        ...

    def import_(self, file: Path, *, trust: str | None, progress: Progress | None) -> Bundled:
        """Take in a bundle."""
        ...


def send(
    source: Session,
    target: Receiver,
    models: Sequence[str],
    trust: str | None,
    progress: Progress | None,
) -> Copied:
    """Send models, or all of them, with their history; those that are there already are left out.

    Raises:
        ConflictError: If a model has another history there.
    """
    names = sorted(models) or source.journals()
    entries = files = size_bytes = 0
    for name in names:
        source.require_known(name)
        state = source.ledger(name).state()
        before = target.last_entry(name)
        if before >= state.seq and target.has_head(name, state.seq, state.head):
            continue
        with scratch.folder() as folder:
            bundle = folder / "model.tar"
            pack.write(source, name, bundle, None)
            done = target.import_(bundle, trust=trust, progress=progress)
        if not target.has_head(name, state.seq, state.head):
            raise ConflictError(name, "has another history there", "copy it to another server")
        entries += state.seq - min(before, state.seq)
        files += done.files
        size_bytes += done.size_bytes
    return Copied(tuple(names), entries, files, size_bytes)
