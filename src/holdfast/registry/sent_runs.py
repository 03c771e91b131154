"""What a client sends of a retraining that it ran; `received_retrainings` judges it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from holdfast.core.evaluation import MOST_ROWS
from holdfast.core.version import Bump

__all__ = ["SentRun", "SentScores"]

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class SentScores(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client measured of a new version, and of the champion beside it.

    Attributes:
        on: SHA-256 of the rows that they were measured on.
        rows: How many; 0 where nothing was measured.
        kept: Blobs of the losses by metric.
        champion: The version that was live, whose figures come with it.
    """

    on: str = ""
    rows: Annotated[int, Meta(ge=0, le=MOST_ROWS)] = 0
    metrics: dict[str, float] = {}
    kept: dict[str, Sha256] = {}
    champion: str | None = None
    champion_metrics: dict[str, float] = {}
    champion_kept: dict[str, Sha256] = {}
    remarks: tuple[str, ...] = ()


class SentRun(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a slot came to, as whoever ran it says.

    Attributes:
        outcome: `made` if there is a version to judge; the others stand in the entry as they are.
        term: Of the lease; 0 where nothing ran.
        run: Blob of the record of the run, and `log` of the end of what it wrote.
        draft: A manifest without what a registration decides.
    """

    slot: str
    entry: str
    outcome: Literal["made", "failed", "limit", "missed", "held"]
    term: Annotated[int, Meta(ge=0)] = 0
    why: Annotated[str, Meta(max_length=1_000)] = ""
    run: Sha256 | None = None
    log: Sha256 | None = None
    draft: dict[str, Any] = {}
    bump: Bump = "auto"
    trust: Annotated[str, Meta(max_length=10_000)] | None = None
    scores: SentScores = SentScores()
