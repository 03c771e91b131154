"""A version on its way from the store to answering: verified, loaded, tried out."""

import importlib
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from time import perf_counter_ns
from typing import Final

from holdfast.errors import UnsupportedError
from holdfast.formats.libraries import importing
from holdfast.registry import trial_runs
from holdfast.registry.loading import Fetched
from holdfast.registry.reader import Reader
from holdfast.rows import predictor
from holdfast.rows.checking import Checker
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.outcome import OutputChecker
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows
from holdfast.sandbox import TrialOutcome, Trials

__all__ = ["answer", "load", "try_out"]

_TRIAL: Final = "holdfast.serving.deployment.trial_load:work"
_WARM_CALLS: Final = 50
_WARM_NS: Final = 50_000_000


def load(registry: Reader, model: str, version: str, trials: Trials | None = None) -> Loaded:
    """Make a version ready to answer.

    Args:
        registry: Where it is.
        model: The registered model.
        version: Of it.
        trials: Where it is loaded and asked first, so that what it does there is not done here.

    Raises:
        HoldfastError: If a byte of it changed, it cannot be loaded here, it cannot predict, or it
            fails on its own `input_example`.
    """
    info = registry.resolve(f"{model}@{version}")
    digest = info.digest.removeprefix("sha256:")
    fetched = registry.fetch(info)
    if trials is not None and trial_runs.needed(fetched.manifest):
        _try_elsewhere(fetched, digest, trials)
    loaded = predictor.loaded(model, fetched.load(), digest)
    return replace(loaded, call_us=try_out(loaded))


def _try_elsewhere(fetched: Fetched, digest: str, trials: Trials) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(trials.run, trial_runs.trial(_TRIAL, fetched, digest=digest))
        for module in trial_runs.libraries(fetched.manifest):  # needed here as well, meanwhile
            with suppress(Exception), importing():
                importlib.import_module(module)
        outcome: TrialOutcome = future.result()
    if outcome.problem is not None:
        raise UnsupportedError(
            fetched.ref, f"failed its trial: {outcome.problem}", "register a version that passes it"
        )


def try_out(loaded: Loaded) -> float | None:
    """Have a version answer its own `input_example`, if it has one, as `answer` does.

    It is asked some times more, for at most 50 ms: first calls are slow, and are not to be held
    against it once it has traffic.

    Returns:
        The median time of a call, in microseconds; `None` without an example.

    Raises:
        UnsupportedError: As `answer` says.
    """
    rows = answer(loaded)
    return None if rows is None else _warmed(loaded, rows)


def answer(loaded: Loaded) -> Rows | None:
    """Have a version answer its own `input_example`, if it has one, as a request would.

    Returns:
        The example's rows.

    Raises:
        UnsupportedError: If it does not, or the answer is not what its output schema says.
    """
    example = loaded.manifest.input_example
    if example is None:
        return None
    check = Checker(loaded.input_schema)
    outputs = OutputChecker(loaded.output_schema, counted=check.form.kind != "whole")
    try:
        rows = check(example)
        problem = outputs.problem(loaded.predict(rows), len(rows))
    except Refusal as refusal:
        raise _failed(loaded, refusal.message) from refusal
    except (Exception, SystemExit) as error:
        raise _failed(loaded, f"{type(error).__name__}: {error}") from error
    if problem:
        raise _failed(loaded, f"the output {problem}")
    return rows


def _failed(loaded: Loaded, problem: str) -> UnsupportedError:
    return UnsupportedError(
        f"{loaded.model}@{loaded.version}",
        f"failed on its own input_example: {problem}",
        "register a version that answers it",
    )


def _warmed(loaded: Loaded, rows: Rows) -> float:
    took_ns: list[int] = []
    begun = perf_counter_ns()
    while len(took_ns) < _WARM_CALLS and (not took_ns or perf_counter_ns() - begun < _WARM_NS):
        started = perf_counter_ns()
        loaded.predict(rows)
        took_ns.append(perf_counter_ns() - started)
    return statistics.median(took_ns) / 1000
