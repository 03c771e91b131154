"""A version made ready to score: verified, tried under restraint, loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.errors import UnsupportedError
from holdfast.formats.pair import Pair
from holdfast.registry import Registry, trial_runs
from holdfast.registry.loading import Fetched
from holdfast.rows import predictor
from holdfast.rows.feeding import known_names
from holdfast.rows.loaded_version import Loaded
from holdfast.sandbox import Mode, Nursery, chosen

__all__ = ["ReadyVersion", "ready"]

_WORK: Final = "holdfast.registry.trial_runs:work"


@dataclass(frozen=True, slots=True)
class ReadyVersion:
    """A version in memory.

    Attributes:
        loaded: It, as a server answers with it.
        known_names: The columns that its first part was fitted with; None if it knows no names.
    """

    loaded: Loaded
    known_names: Sequence[str] | None

    @property
    def ref(self) -> str:
        """The exact ref."""
        return f"{self.loaded.model}@{self.loaded.version}"


def ready(registry: Registry, ref: str, sandbox: Mode) -> ReadyVersion:
    """Load a version once every byte of it is verified, and its code is accepted.

    Args:
        ref: Resolved here, once.
        sandbox: Whether it is loaded in a restrained child first.

    Raises:
        NotFoundError: If there is no such version.
        DamagedError: If a byte of it changed.
        UntrustedError: If it runs code that nobody accepted.
        UnsupportedError: If it cannot be loaded, or cannot predict.
    """
    info = registry.resolve(ref)
    fetched = registry.fetch(info)
    _try(fetched, sandbox)
    pair = fetched.load()
    digest = info.digest.removeprefix("sha256:")
    return ReadyVersion(predictor.loaded(info.model, pair, digest), known_names(_first(pair)))


def _first(pair: Pair) -> object:
    return pair.model if pair.preprocessor is None else pair.preprocessor


def _try(fetched: Fetched, sandbox: Mode) -> None:
    restraint = chosen(sandbox)
    if restraint is None or not trial_runs.needed(fetched.manifest):
        return
    with Nursery(restraint) as trials:
        outcome = trials.run(trial_runs.trial(_WORK, fetched, rows=None))
    if outcome.problem is not None:
        problem, advice = f"failed its trial: {outcome.problem}", "name a version that passes it"
        raise UnsupportedError(fetched.ref, problem, advice)
