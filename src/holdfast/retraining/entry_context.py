"""What an entry point is given: where to write, what to read, and what for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["LiveChampion", "TrainingContext"]


@dataclass(frozen=True, slots=True)
class LiveChampion:
    """The live version.

    Attributes:
        version: Its number.
        metrics: As they were last measured.
        hyperparameters: As they were recorded.
        paths: Its verified files by role, copies that may be read.
    """

    version: str
    metrics: Mapping[str, float]
    hyperparameters: Mapping[str, Any]
    paths: Mapping[str, Path]
    formats: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> dict[str, Any]:
        """Load its parts by role, for a warm start."""
        from holdfast import formats

        return dict(formats.load_parts(self.formats, self.paths))


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """One run, as its entry point sees it.

    Attributes:
        out: An empty folder; whatever is to be kept is written here.
        data: Paths by name, as `--data` gave them.
        slot: The time that the run stands for, `2026-11-29T02:00:00Z`.
        window: Start and end of the data to train on, half-open; comes from the slot, never from a
            clock. `None` where nobody gave one.
        seed: To seed every generator with.
        champion: The live version, `None` if there is none.
    """

    out: Path
    data: Mapping[str, Path]
    slot: str
    window: tuple[datetime, datetime] | None
    seed: int
    champion: LiveChampion | None

    @property
    def slot_time(self) -> datetime:
        """The slot as a time, aware."""
        return datetime.fromisoformat(self.slot.partition("/")[0])


def read(path: Path) -> TrainingContext:
    """Read the context that the parent wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    window, champion = document["window"], document["champion"]
    return TrainingContext(
        out=Path(document["out"]),
        data={name: Path(source) for name, source in document["data"].items()},
        slot=document["slot"],
        window=(_time(window["start"]), _time(window["end"])) if window else None,
        seed=document["seed"],
        champion=_champion(champion) if champion else None,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _champion(document: dict[str, Any]) -> LiveChampion:
    return LiveChampion(
        version=document["version"],
        metrics=document["metrics"],
        hyperparameters=document["hyperparameters"],
        paths={role: Path(path) for role, path in document["paths"].items()},
        formats=document["formats"],
    )
