"""What the journal says of one slot: how often it was tried, and what became of it."""

from typing import Final, Literal

from msgspec import Struct

from holdfast.core.paired import Losses

Outcome = Literal["registered", "unchanged", "blocked", "failed", "limit", "missed", "held"]
"""What became of a slot: a version that passed the gate and is staged; the bytes of one that there
was; a version that the gate refused; a run that failed or met a limit; no run in time; a run that a
finding asked for and the cooldown kept back."""

FINAL: Final = ("registered", "unchanged", "blocked")
"""A slot has one of these, once and for all."""

TRIED: Final = ("failed", "limit")
"""After these a slot may be tried again."""

REMARKS: Final = ("missed", "held")
"""These say of a slot that there was no run, once each."""


class ChampionScores(Struct, frozen=True):
    """The live version as it was measured anew on the evaluation rows of a run.

    Attributes:
        metrics: What was measured, by name; they are merged over those it has.
        losses: Row by row; their means are among *metrics*.
    """

    version: str
    metrics: dict[str, float]
    losses: tuple[Losses, ...] = ()


class SlotRecord(Struct, frozen=True, omit_defaults=True, gc=False):
    """One slot of one entry point, as its journal tells it.

    Attributes:
        attempts: How often it was tried, the final one included.
        outcome: Of the last attempt; `None` if it never was.
        version: What it led to.
        seq: Entry that says so.
        why: A sentence of the last attempt.
        marks: `missed` and `held`, where an entry says so.
        began: Time of the last attempt's entry; `None` if it never was tried.
        blobs: Digests of the records and logs of its runs that led to no new version.
    """

    slot: str
    entry: str
    attempts: int = 0
    outcome: Outcome | None = None
    version: str | None = None
    seq: int = 0
    why: str = ""
    marks: tuple[str, ...] = ()
    began: str | None = None
    blobs: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """True once the slot is done."""
        return self.outcome in FINAL


def name_of(slot: str, entry: str) -> str:
    """Return what a slot of an entry point is kept under."""
    return f"{slot} {entry}"
