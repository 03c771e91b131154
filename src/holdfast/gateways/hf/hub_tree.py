"""The files of a version as a repository shows them."""

from typing import Final

from msgspec import Struct

from holdfast.core.cards import Today, markdown
from holdfast.core.manifest import Manifest, digest_of
from holdfast.core.shown_paths import shown_files

__all__ = ["CARD", "TreeFile", "files_of"]

CARD: Final = "README.md"
"""The model card; written from the manifest where a version holds none."""


class TreeFile(Struct, frozen=True):
    """One file of a repository.

    Attributes:
        path: Its place.
        sha256: Of its bytes.
        text: Its bytes, where they are not stored but written from the manifest.
    """

    path: str
    sha256: str
    size_bytes: int
    text: bytes | None = None


def files_of(manifest: Manifest, digest: str) -> dict[str, TreeFile]:
    """Return the files of a version by path, its model card among them.

    What it does not hold is written from the manifest: a card of what was registered, as what was
    learnt later would change its bytes.
    """
    files = {
        path: TreeFile(path, file.sha256, file.size_bytes)
        for path, file in sorted(shown_files(manifest).items())
    }
    if not any(path.lower() == CARD.lower() for path in files):
        text = _card(manifest, digest)
        files[CARD] = TreeFile(CARD, digest_of(text), len(text), text)
    return files


def _card(manifest: Manifest, digest: str) -> bytes:
    today = Today("registered", manifest.registered_at, manifest.metrics, {}, (), (), digest)
    return markdown.render(manifest, today).encode()
