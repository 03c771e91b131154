"""What a rollout that goes on forbids the other verbs."""

from holdfast.core.state import State
from holdfast.errors import ConflictError


def supersedes(state: State, version: str, *, by_force: bool) -> bool:
    """Tell whether a promotion of *version* pushes a rollout of another version aside.

    Raises:
        ConflictError: If it does, and not by force.
    """
    running = state.running
    if running is None or running.version == version:
        return False
    if not by_force:
        raise ConflictError(
            f"{state.model}@{version}",
            f"rollout {running.number} of {running.version} goes on",
            f"end it by `holdfast rollout abort {state.model}`, finish it by `holdfast rollout "
            f"promote {state.model}`, or push it aside with --force --reason …",
        )
    return True


def undone(state: State, live: str) -> int | None:
    """Return the rollout that a rollback from *live* ends or undoes."""
    rollout = state.rollout
    if rollout is None:
        return None
    brought = rollout.outcome == "completed" and rollout.version == live
    return rollout.number if rollout.goes_on or brought else None


def require_no_candidate(state: State, version: str) -> None:
    """Refuse to put away what a rollout brings.

    Raises:
        ConflictError: If *version* is the candidate of a rollout that goes on.
    """
    running = state.running
    if running is not None and running.version == version:
        raise ConflictError(
            f"{state.model}@{version}",
            f"is in rollout {running.number}",
            f"end it first: holdfast rollout abort {state.model}",
        )
