"""`autolog`: methods that fit are watched while a block goes on, and let alone after it.

Loops of torch have none, so what they call instead is watched: `torch_loops`.

- Nothing is imported: what is watched is what is imported when the block begins.
- Only the outermost call counts: the hundred fits inside a search are the search's own affair.
- No argument of the caller is changed, no score is computed and no model is kept: what a fitted
  object tells is read from it once it is fitted.
- What is recorded is what the registered model tells. Of fits that led elsewhere nothing stays.
- A mistake in here is logged once, and the caller's code goes on as if nothing had been.
"""

import functools
import inspect
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from holdfast.recording import fit_reports
from holdfast.recording.fit_reports import FitReport
from holdfast.recording.torch_loops import TorchLoop, TorchWatch
from holdfast.recording.training_run import TrainingRun

__all__ = ["autolog", "watching"]

_log: Final = logging.getLogger(__name__)

_METHODS: Final = (
    ("sklearn.model_selection", ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV")),
    ("sklearn.ensemble", ("GradientBoostingClassifier", "HistGradientBoostingClassifier")),
    ("sklearn.neural_network", ("MLPClassifier",)),
    ("xgboost", ("XGBModel", "XGBClassifier", "XGBRanker")),
    ("lightgbm", ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")),
)
"""Modules, and classes whose `fit` is watched, with all that inherit it."""

_MOST_FITS: Final = 20
_FUNCTIONS: Final = (("xgboost", ("training",)), ("lightgbm", ("engine",)))
"""Modules that have `train`, which returns a booster, also in these below them."""


class _Fit:
    """One call that was watched: what it told, and of which objects."""

    def __init__(self, report: FitReport, fitted: Sequence[object]) -> None:
        self.report = report
        self._fitted = [weakref.ref(one) for one in fitted if _can_be_watched(one)]

    @property
    def is_alive(self) -> bool:
        return any(one() is not None for one in self._fitted)

    def is_of(self, models: Sequence[object]) -> bool:
        return any(one() is model for one in self._fitted for model in models)


class _Watched:
    """A block that goes on."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.thread = threading.get_ident()
        self.fits: list[_Fit | TorchLoop] = []

    def note(self, fit: _Fit | TorchLoop) -> None:
        """Keep what was told; of very many fits those alone whose objects are still there."""
        if len(self.fits) >= _MOST_FITS:
            self.fits = [other for other in self.fits if other.is_alive]
        self.fits.append(fit)


class FitHooks:
    """What is put around methods while blocks go on; there is one for the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_on = False
        self._blocks: list[_Watched] = []
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._depth = 0
        self._torch = TorchWatch(self._chosen, self._harmless)
        self._warned: set[str] = set()

    def switch(self, *, on: bool) -> None:
        """Watch from now on, blocks that go on too; or watch nothing any more."""
        with self._lock:
            self._is_on = on
            if not on:
                self._restore()
            elif self._blocks:
                self._replace()

    def enter(self, run: TrainingRun) -> None:
        """Take note that a block began."""
        with self._lock:
            self._blocks.append(_Watched(run))
            if self._is_on:
                self._replace()

    def leave(self, run: TrainingRun) -> None:
        """Take note that a block ended; after the last one everything is as it was."""
        with self._lock:
            self._blocks = [block for block in self._blocks if block.run is not run]
            if not self._blocks:
                self._restore()

    def tell(self, run: TrainingRun) -> None:
        """Record what was watched of the model that a run is about to register."""
        with self._lock:
            fits = [fit for block in self._blocks if block.run is run for fit in block.fits]
        if fits:
            self._harmless("what was fitted", functools.partial(self._tell, run, fits))

    def _tell(self, run: TrainingRun, fits: Sequence[_Fit | TorchLoop]) -> None:
        models = [part for model in run.models for part in fit_reports.parts(model)]
        own = [fit for fit in fits if fit.is_of(models)]
        if len(fits) == 1:  # it may be exported, or registered by its path
            own = list(fits)
        if not own:
            text = "autolog records nothing: none of %d fits made the model that is registered"
            _log.warning(text, len(fits))
        for fit in reversed(own):  # what was fitted again tells what it is now
            run.absorb(fit.report)

    # Around methods

    def _replace(self) -> None:
        self._harmless("torch", self._torch.replace)
        if self._replaced:
            return
        for owner, name, takes in _watchable():
            before = vars(owner)[name]
            around = self._around_train(before) if takes == "train" else self._around_fit(before)
            self._harmless(name, functools.partial(setattr, owner, name, around))
            self._replaced.append((owner, name, before, around))

    def _restore(self) -> None:
        self._harmless("torch", self._torch.restore)
        for owner, name, before, around in reversed(self._replaced):
            if vars(owner).get(name) is around:  # another tool may have put its own around ours
                self._harmless(name, functools.partial(setattr, owner, name, before))
        self._replaced = []

    def _around_fit(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fit)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self._outermost() as block:
                fitted = fit(*args, **kwargs)
            if block is not None and args:
                self._harmless("fit", functools.partial(_note_fit, block, args[0]))
            return fitted

        return watched

    def _around_train(self, train: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(train)
        def watched(*args: Any, **kwargs: Any) -> Any:
            history: dict[str, Any] = {}
            with self._outermost() as block:
                more: dict[str, Any] = {}
                if block is not None:
                    self._harmless(
                        "train", lambda: more.update(_with_history(train, args, kwargs, history))
                    )
                booster = train(*args, **{**kwargs, **more})
            if block is not None:
                call = train, args, kwargs
                self._harmless("train", lambda: _note_train(block, booster, call, history))
            return booster

        return watched

    @contextmanager
    def _outermost(self) -> Iterator[_Watched | None]:
        """Give the block that a call belongs to, `None` for calls within one or of no block."""
        with self._lock:
            block = self._chosen()
            self._depth += 1
        try:
            yield block
        finally:
            with self._lock:
                self._depth -= 1

    def _chosen(self) -> _Watched | None:
        """Return the block that a call now belongs to, `None` within another call."""
        with self._lock:
            return self._block() if self._is_on and not self._depth else None

    def _block(self) -> _Watched | None:
        """Return this thread's innermost block, else the only one that there is."""
        own = [block for block in self._blocks if block.thread == threading.get_ident()]
        chosen = own[-1:] or (self._blocks if len(self._blocks) == 1 else [])
        return chosen[0] if chosen and chosen[0].run.is_own else None

    def _harmless(self, what: str, do: Callable[[], object]) -> None:
        """Do what must break nobody's training."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - libraries differ in what their objects raise
            if what not in self._warned:
                self._warned.add(what)
                _log.warning("autolog could not record %s: %s", what, error)

    def after_fork(self) -> None:
        """Have a lock that no thread of the parent holds."""
        self._lock, self._depth = threading.RLock(), 0


_hooks: Final = FitHooks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_hooks.after_fork)


def autolog(*, disable: bool = False) -> None:
    """Record by themselves, inside blocks of `holdfast.training`, what fits tell.

    Searches of scikit-learn, its gradient boosting and multi-layer perceptrons, XGBoost and
    LightGBM, by their estimators or `train`: best parameters, scores, learning curves. Of loops of
    torch the loss before each step and the optimizer's settings. What a run is told by hand counts
    over it.

    Args:
        disable: Watch nothing any more.
    """
    _hooks.switch(on=not disable)


@contextmanager
def watching(run: TrainingRun) -> Iterator[Callable[[], None]]:
    """Watch for a run, if `autolog` is on; gives what records what was seen."""
    _hooks.enter(run)
    try:
        yield functools.partial(_hooks.tell, run)
    finally:
        _hooks.leave(run)


def _watchable() -> Iterator[tuple[Any, str, str]]:
    """Go through what can be watched: its owner, its name there, and how it is called."""
    for owner in dict.fromkeys(_fitting()):
        yield owner, "fit", "fit"
    for module_name, below in _FUNCTIONS:
        train = getattr(sys.modules.get(module_name), "train", None)
        for name in ("", *(f".{part}" for part in below)):
            module = sys.modules.get(f"{module_name}{name}")
            if train is not None and getattr(module, "train", None) is train:
                yield module, "train", "train"


def _fitting() -> Iterator[type]:
    """Go through the classes that have a `fit` of their own; one may come twice."""
    for module_name, classes in _METHODS:
        module = sys.modules.get(module_name)
        known = vars(module) if module is not None else {}  # a lazy one would import more
        kinds = [known[name] for name in classes if name in known]
        yield from (owner for kind in kinds for owner in kind.__mro__ if "fit" in vars(owner))


def _note_fit(block: _Watched, fitted: object) -> None:
    block.note(_Fit(fit_reports.of(fitted), list(fit_reports.parts(fitted))))


def _note_train(
    block: _Watched,
    booster: object,
    call: tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]],
    history: Mapping[str, Any],
) -> None:
    told = _given(*call).get("evals_result") or history
    block.note(_Fit(FitReport(series=fit_reports.of_history(told)), [booster]))


def _with_history(
    train: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    history: dict[str, Any],
) -> dict[str, Any]:
    """Return what is to be given to `train` so that it fills *history*, the caller's own aside."""
    given = _given(train, args, kwargs)
    known = inspect.signature(train).parameters
    free = set(known) - set(list(known)[: len(args)])
    if given.get("evals") and given.get("evals_result") is None and "evals_result" in free:
        return {"evals_result": history}
    if given.get("valid_sets") and "callbacks" in free:
        keeps = sys.modules["lightgbm"].record_evaluation(history)
        return {"callbacks": [*(given.get("callbacks") or ()), keeps]}
    return {}


def _given(
    train: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    return inspect.signature(train).bind_partial(*args, **kwargs).arguments


def _can_be_watched(one: object) -> bool:
    try:
        weakref.ref(one)
    except TypeError:
        return False
    return True
