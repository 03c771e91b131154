"""What a worker serves, shared by those who answer and by the one who swaps."""

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.core.fleet import Held
from holdfast.serving.lineup import Lineup, Loaded

__all__ = ["Served"]


@dataclass(slots=True)
class Served:
    """The line-ups of all models of a worker.

    Values are replaced whole, by plain assignment, from the thread of the event loop or another.
    The models are those of the start: none is added or taken away later.

    Attributes:
        worker: Names the process, as in its reports.
        lineups: By model; what answers now.
        held: By model; what the worker holds or failed to, for `/ready` and metrics.
        restraint: What this process and the trials of versions are under, in words.
        unkept: Tells how many predictions the log has lost if it cannot be written now; None if it
            can, or none is kept.
        draining: True once the worker is told to stop: `/ready` then says so, and goes on serving.
    """

    worker: str
    lineups: dict[str, Lineup]
    held: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    draining: bool = False
    restraint: str = "off"
    unkept: Callable[[], int | None] = field(default=lambda: None)

    def missing(self, version: str | None = None) -> dict[str, str]:
        """Tell what is not ready, and why, by model; of the live versions, or of *version*."""
        return {
            model: self._problem(model, version)
            for model, lineup in self.lineups.items()
            if _ready(lineup, version) is None
        }

    def _problem(self, model: str, version: str | None) -> str:
        wanted = [one for one in self.held.get(model, ()) if version in (None, one.version)]
        for one in wanted:
            if one.problem:
                return f"{one.version} failed: {one.problem}"
        if wanted:
            return f"{wanted[0].version} is loading"
        return "no version is loaded" if version is None else f"{version} is not in memory here"


def _ready(lineup: Lineup, version: str | None) -> Loaded | None:
    if version is None:
        return lineup.active
    return in_memory(lineup).get(version)


def in_memory(lineup: Lineup) -> dict[str, Loaded]:
    """Return every version of a line-up that can answer, by number."""
    named = [one for one in (lineup.candidate, lineup.active) if one is not None]
    return {**lineup.kept, **{one.version: one for one in named}}
