"""The block of a training: checked before, registered after, and a failure is told."""

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Unpack, cast

from msgspec import Struct

from holdfast import scratch
from holdfast.core import curves, figure_content, training_commands
from holdfast.core.curves import Curves
from holdfast.core.training_record import FACTS
from holdfast.core.version import Bump, check_bump
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.recording import data_facts, fit_hooks
from holdfast.recording.run_facts import RunFacts
from holdfast.recording.training_run import GatheredRun, TrainingRun
from holdfast.registry import Registry, open_registry, trained_on
from holdfast.registry import facts as known_facts
from holdfast.registry.facts import Facts
from holdfast.registry.training_verbs import CURVES_FILE

__all__ = ["TrainingBlock", "training"]

FILES: Final = "files"
"""Role of the files that a run keeps."""

_log: Final = logging.getLogger(__name__)
_OWN_ROLES: Final = (curves.ROLE, figure_content.ROLE, FILES)


class _Asked(Struct, frozen=True):
    """What a caller wants of the registration."""

    model: str
    bump: Bump
    version: str | None
    facts: Facts


def training(
    model: str,
    *,
    store: str | os.PathLike[str] | Registry = "store",
    bump: Bump = "auto",
    version: str | None = None,
    seed: int | None = None,
    **facts: Unpack[Facts],
) -> "TrainingBlock":
    """Record a training, and register what it made as one version when the block ends.

    ```python
    with holdfast.training("fraud", reason="new merchants") as run:
        run.parameters(max_depth=6)
        run.metric("roc_auc", 0.97)
        run.model(model, preprocessor, input_example=rows)
    run.version  # fraud@1.3.0
    ```

    An exception that leaves the block, `KeyboardInterrupt` and `SystemExit` too, registers nothing:
    the history of the model says that a training failed, and the exception goes on.

    Args:
        model: The registered model; made by its first version.
        store: The folder, the address of a bucket or a server, or an opened registry.
        bump: How far to raise the highest release; by default the least that the schemas demand.
        version: An exact version instead.
        seed: Recorded, and not set anywhere.
        **facts: As `Registry.register` takes them; parameters and metrics are added to these.
    """
    return TrainingBlock(store, _Asked(model, bump, version, facts), seed)


class TrainingBlock:
    """One training, from its beginning to its version; made by `training`, and used once."""

    def __init__(
        self, store: str | os.PathLike[str] | Registry, asked: _Asked, seed: int | None
    ) -> None:
        self._store, self._asked, self._seed = store, asked, seed
        self._ending = ExitStack()
        self._run: TrainingRun | None = None
        self._registry: Registry
        self._facts: RunFacts
        self._tell_watched: Callable[[], None]

    def __enter__(self) -> TrainingRun:
        """Begin, once it is sure that a version could be written.

        Raises:
            InvalidInputError: If a name or fact is not usable, or the block was used before.
            StoreError: If the store cannot be reached or written.
        """
        asked = self._asked
        if self._run is not None:
            problem, advice = "was begun before", "call holdfast.training again"
            raise InvalidInputError(f"training of {asked.model}", problem, advice)
        _check(asked, self._seed)
        self._registry = _opened(self._store)
        is_new = self._registry.trainings.require_room(asked.model, asked.version)
        if near := self._registry.mistakable(asked.model) if is_new else ():
            _log.warning("%s will be a new model; there is %s", asked.model, ", ".join(near))
        self._facts = RunFacts(self._seed)
        with ExitStack() as failing:
            folder = failing.enter_context(scratch.folder())
            describe = self._registry.trainings.data_use
            named = asked.facts.get("formats") or {}
            run = TrainingRun(asked.model, folder, describe, named)
            for name, source in asked.facts.get("data", {}).items():
                run.data(name, source)
            self._tell_watched = failing.enter_context(fit_hooks.watching(run))
            self._ending = failing.pop_all()
        self._run = run
        return run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Register the version, or write that the training failed.

        Raises:
            HoldfastError: If the version cannot be registered; the history tells that, too.
        """
        run = cast("TrainingRun", self._run)
        if not run.is_own:  # a forked child: the block is its parent's
            return
        with self._ending:
            if error is None:
                self._register(run)
            else:
                run.end()
                self._tell_failure(error, run.folder)

    def _register(self, run: TrainingRun) -> None:
        try:
            self._tell_watched()
            gathered = run.gather()
            run.result = self._registry.register(
                self._asked.model,
                gathered.model,
                gathered.preprocessor,
                bump=self._asked.bump,
                version=self._asked.version,
                **self._told(gathered, run.folder),
            )
        except BaseException as error:
            run.end()
            self._tell_failure(error, run.folder)
            raise

    def _told(self, gathered: GatheredRun, folder: Path) -> Facts:
        """Return the facts of the registration: the caller's, and what the run adds to them."""
        asked = cast("dict[str, Any]", self._asked.facts)
        uses = {name: data.use for name, data in gathered.data.items() if data.use is not None}
        of_lineage, of_training = trained_on.as_facts(uses)
        changed = [name for name, data in gathered.data.items() if data_facts.has_changed(data)]
        if changed:
            _log.warning("data %s changed during the training", ", ".join(changed))
        frames = {
            name: {"rows": data.rows, "columns": list(data.columns)}
            for name, data in gathered.data.items()
            if data.rows is not None
        }
        told: dict[str, Any] = {
            **{name: fact for name, fact in asked.items() if name != "data"},  # the run has them
            "metrics": {**asked.get("metrics", {}), **gathered.metrics},
            "artifacts": {**asked.get("artifacts", {}), **_artifacts(gathered, folder)},
            "lineage": {**self._facts.lineage(), **of_lineage, **asked.get("lineage", {})},
            "training_data": {
                **of_training,
                **({"changed_during_training": changed} if changed else {}),
                **frames,
                **asked.get("training_data", {}),
            },
            "metadata": {FACTS: self._facts.told(), **asked.get("metadata", {})},
        }
        parameters = {**asked.get("hyperparameters", {}), **gathered.parameters}
        if parameters:
            told["hyperparameters"] = parameters
        if gathered.example is not None:
            told["input_example"] = gathered.example
        return cast("Facts", told)

    def _tell_failure(self, error: BaseException, folder: Path) -> None:
        """Write that the training failed; that must hide the error by no other."""
        said = _text(error).replace(f"{folder}{os.sep}", "")
        failure = training_commands.failure(type(error).__name__, said, self._facts.took_s)
        reason = self._asked.facts.get("reason")
        try:
            self._registry.trainings.fail(self._asked.model, failure, reason=reason)
        except HoldfastError as problem:
            _log.warning("the history does not tell that the training failed: %s", problem)


def _check(asked: _Asked, seed: object) -> None:
    """Refuse what no registration could take: better before the training than after it."""
    if not isinstance(asked.model, str):
        raise InvalidInputError("model name", f"must be text, not {asked.model!r}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise InvalidInputError("seed", f"must be a whole number, not {seed!r}")
    check_bump(asked.bump)
    known_facts.check(asked.facts)
    if "idempotency_key" in asked.facts:
        problem = "cannot be kept by a training, whose duration differs each time"
        raise InvalidInputError("idempotency_key", problem, "leave it out")
    for role in _OWN_ROLES:
        if role in asked.facts.get("artifacts", {}):
            advice = "tell the run: run.curve, run.figure, run.file"
            raise InvalidInputError(f"role {role!r}", "belongs to the run", advice)


def _opened(store: object) -> Registry:
    if isinstance(store, Registry):
        return store
    if isinstance(store, str | os.PathLike):
        return open_registry(os.fspath(store))
    problem = f"must be a folder, an address or a registry, not {store!r}"
    raise InvalidInputError("store", problem)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - of somebody else's exception
        return ""


def _artifacts(gathered: GatheredRun, folder: Path) -> dict[str, object]:
    """Return curves, figures and files as artifacts of roles of their own."""
    made: dict[str, object] = {}
    if gathered.curves:
        path = folder / CURVES_FILE
        path.write_bytes(curves.packed(Curves(curves=gathered.curves)))
        made[curves.ROLE] = path
    if gathered.figures:
        made[figure_content.ROLE] = folder / figure_content.ROLE
    if gathered.files:
        made[FILES] = folder / FILES
    return made
