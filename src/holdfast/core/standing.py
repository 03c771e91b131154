"""A one-line summary of each of many models; those that need attention come first."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from holdfast.core.drift import drift_sentences
from holdfast.core.drift_fold import latched
from holdfast.core.fleet import Serving
from holdfast.core.state import State

_DAMAGED: Final = 0
_SERVING: Final = 1
_ROLLOUT: Final = 2
_DRIFT: Final = 3
_FORCED: Final = 4
_EMPTY: Final = 5
_CALM: Final = 9


class ModelSummary(Struct, frozen=True):
    """One model among many.

    Attributes:
        since: When the live version became live, and *by* whom and why.
        previous: What a rollback goes to; its bytes were not looked at.
        latest: The newest version.
        concerns: What needs attention, the gravest first; empty if nothing does.
        gravity: Of the gravest concern, 0 the worst; 9 if there is none.
        drift: Findings about the live version that nobody acknowledged; they are concerns, too.
    """

    model: str
    production: str | None = None
    since: str | None = None
    by: str | None = None
    reason: str | None = None
    previous: str | None = None
    latest: str | None = None
    concerns: tuple[str, ...] = ()
    gravity: int = _CALM
    drift: tuple[str, ...] = ()


def standing(state: State, serving: Serving | None) -> ModelSummary:
    """Summarise a model.

    Args:
        state: The model.
        serving: How far its servers are; `None` where none ever reported.
    """
    drift = tuple(map(drift_sentences.standing, latched(state.findings, state.production)))
    concerns = sorted([*_concerns(state, serving), *((_DRIFT, found) for found in drift)])
    live = state.live if state.production else None
    return ModelSummary(
        model=state.model,
        production=state.production,
        since=live.at if live else None,
        by=live.by if live else None,
        reason=live.reason if live else None,
        previous=state.previous,
        latest=state.latest(),
        concerns=tuple(text for _, text in concerns),
        gravity=concerns[0][0] if concerns else _CALM,
        drift=drift,
    )


def damaged(model: str, problem: str) -> ModelSummary:
    """Summarise a model whose journal cannot be read."""
    return ModelSummary(model, concerns=(problem,), gravity=_DAMAGED)


def worst_first(standings: Iterable[ModelSummary]) -> list[ModelSummary]:
    """Order models by how much attention they need, then by name."""
    return sorted(standings, key=lambda standing: (standing.gravity, standing.model))


def _concerns(state: State, serving: Serving | None) -> Iterator[tuple[int, str]]:
    if serving is not None and not serving.whole:
        yield _SERVING, f"serving {serving}"
    rollout = state.rollout
    if rollout is not None and rollout.outcome == "halted":
        yield _ROLLOUT, f"rollout of {rollout.version} halted"
    elif rollout is not None and rollout.goes_on:
        is_held = rollout.verdict is not None and rollout.verdict.outcome == "hold"
        word = "is held" if is_held else rollout.phase
        yield _ROLLOUT, f"rollout of {rollout.version} {word} at {rollout.weight:.0%}"
    if state.production is None and state.latest() is not None:
        yield _EMPTY, "nothing is live"
    elif state.production and state.live and state.live.forced:
        yield _FORCED, "promoted by force"
