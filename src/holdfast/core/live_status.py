"""The screen for 11 pm: what is live, since when and why, and how to go back."""

from typing import Final

from msgspec import Struct

from holdfast.core import wording
from holdfast.core.clocks import seconds_between
from holdfast.core.compare import Comparison
from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.events import Past
from holdfast.core.fleet import Serving
from holdfast.core.moves import Move
from holdfast.core.period import Period
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.views import Damage, VersionInfo

_DAYS: Final = 90
_WIDE: Final = 760.0
"""Pixels of pictures in a notebook."""


class Before(Struct, frozen=True):
    """The version a rollback goes to.

    Attributes:
        served_s: Seconds it was live in all.
        damages: What is wrong with its bytes; empty means whole, hashed just now.
    """

    version: str
    served_s: float
    damages: tuple[Damage, ...]


class Status(Struct, frozen=True):
    """The screen for whoever is on call.

    Attributes:
        at: The moment it describes.
        since: When the live version became live.
        before: What a rollback goes to, `None` if there is nothing.
        comparison: From the version before to the live one.
        moves: The last lines of history, newest first.
        command: What to type to go back, `None` if there is nothing to go back to.
        undo: What to type to take the last rollback back, `None` if the live version came by none.
        rollout: The running one, or the last one.
        serving: How far the servers are; `None` where none ever reported, and of past times.
        remarks: What is odd and no damage: times that cannot be right.
        damage: What is wrong with the one entry of the journal that cannot be read, and the remedy;
            all else is what the others still prove, and nothing can be written.
        findings: Of drift, about the live version, that nobody acknowledged.
        served: What was live when, the last stretches of it, oldest first.
    """

    model: str
    at: str
    live: VersionInfo | None
    since: str | None
    by: str | None
    reason: str | None
    how: str | None
    forced: bool
    before: Before | None
    comparison: Comparison | None
    staging: str | None
    latest: str | None
    versions: int
    moves: tuple[Past, ...]
    command: str | None
    rollout: Rollout | None = None
    serving: Serving | None = None
    undo: str | None = None
    remarks: tuple[str, ...] = ()
    damage: str | None = None
    served: tuple[Period, ...] = ()
    findings: tuple[DriftFinding, ...] = ()

    def _repr_html_(self) -> str:
        """Show what is live, what it changed and what served when in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it
        from holdfast.core.compare import tables  # noqa: PLC0415 - the same
        from holdfast.core.drawing.ribbon import ribbon  # noqa: PLC0415 - the same

        parts: list[str] = [notebook.heading(self.model, f"as of {notebook.moment(self.at)}")]
        parts += [notebook.line(text, "b") for text in (self.damage, *self.remarks) if text]
        parts += [
            notebook.line(f"● {self.live.version} live", "t g")
            if self.live
            else notebook.line("nothing live", "t m"),
            notebook.facts(self._facts()),
        ]
        if self.comparison is not None:
            parts.append(notebook.heading(f"against {self.comparison.a}"))
            parts += tables(self.comparison)
        served = ribbon(self.served, self.at, _DAYS, _WIDE)
        if served:
            parts += [notebook.heading("what served when"), served]
        moves = [(notebook.when(past.at), past.by, past.what, past.reason) for past in self.moves]
        if moves:
            parts.append(notebook.heading("last moves"))
            parts.append(notebook.table(("when (UTC)", "who", "what", "why"), moves))
        return notebook.view(*parts)

    def _facts(self) -> list[tuple[str, object]]:
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        forced = ", by force" if self.forced else ""
        rollout = self.rollout if self.rollout and self.rollout.goes_on else None
        by = f"{notebook.moment(self.since)} by {self.by}{forced}"
        rolling = f"{rollout.version}, {wording.share(rollout.weight)}" if rollout else ""
        return [
            ("since", by if self.live else None),
            ("why", self.reason),
            ("before it", _safe(self.before) if self.before else None),
            ("rolling out", notebook.span(rolling, "c") if rollout else None),
            ("staging", self.staging),
            ("servers", str(self.serving) if self.serving else None),
            ("to go back", notebook.code(self.command) if self.command else None),
        ]


def _safe(before: Before) -> str:
    """Say whether a rollback would find what it goes to whole."""
    if before.damages:
        return f"{before.version}, damaged: {before.damages[0].problem}"
    return f"{before.version}, served {wording.span(before.served_s)}, every byte verified"


def served_s(moves: list[Move], version: str, now: str) -> float:
    """Return how many seconds *version* was live in all, up to *now*.

    A period whose ends were read from differing clocks does not count.
    """
    ends = [*(move.at for move in moves[1:]), now][: len(moves)]
    return sum(
        max(0.0, seconds_between(move.at, end))
        for move, end in zip(moves, ends, strict=True)
        if move.version == version
    )
