"""The model card: three views of one manifest and of what is known about it today.

`classic` gives the JSON card, `markdown` a README with Hugging Face front matter, `cyclonedx` an
ML-BOM. Each has one `render`; equal arguments give equal output, key by key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.evaluation import PastEvaluation

__all__ = ["Today"]


@dataclass(frozen=True, slots=True)
class Today:
    """What the journal knows about a version beyond its manifest.

    Attributes:
        status: `registered`, `staging`, `production`, `archived` or `purged`.
        updated_at: RFC 3339; when the last entry about this version was written.
        metrics: The manifest's metrics with later evaluations merged over them.
        tags: Free labels; a label without a value maps to empty text.
        aliases: Movable names that point at this version.
        notes: Texts of the notes, oldest first.
        digest: 64 hex digits, the SHA-256 of the manifest's canonical bytes.
        signed_by: Whose signatures the version bears: names, or `key` and the id of an unknown one.
        approved_by: Who approved it, with `(claimed)` where no signature proves it.
        evaluations: What Holdfast measured itself; other metrics were told.
    """

    status: str
    updated_at: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    notes: tuple[str, ...]
    digest: str
    signed_by: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()
    evaluations: tuple[PastEvaluation, ...] = ()
