"""What a running rollout forbids other verbs."""

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
            f"cannot move while rollout {running.number} of {running.version} is running",
            f"end it with `holdfast rollout abort {state.model}`, finish it with `holdfast rollout "
            f"promote {state.model}`, or override it with --force --reason …",
        )
    return True


def undone(state: State, live: str) -> int | None:
    """Return the entry of the rollout that a rollback from *live* ends or undoes."""
    rollout = state.rollout
    if rollout is None:
        return None
    brought = rollout.outcome == "completed" and rollout.version == live
    return rollout.seq if rollout.goes_on or brought else None


def require_no_candidate(state: State, version: str) -> None:
    """Refuse to archive or purge the candidate of a rollout.

    Raises:
        ConflictError: If *version* is the candidate of a running rollout.
    """
    running = state.running
    if running is not None and running.version == version:
        raise ConflictError(
            f"{state.model}@{version}",
            f"is in rollout {running.number}",
            f"end it first: holdfast rollout abort {state.model}",
        )
