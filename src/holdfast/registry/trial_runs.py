"""Trials of versions under restraint: which versions, with which limits, and the child's part."""

import importlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.core.manifest import Manifest
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.formats.pair import Pair
from holdfast.registry.loading import Fetched
from holdfast.registry.verdicts import DATA_ONLY
from holdfast.sandbox import Mode, Nursery, Trial, TrialLimits, Trials, chosen

if TYPE_CHECKING:
    from holdfast.registry.reader import Reader

__all__ = [
    "begun", "libraries", "libraries_of", "limits", "needed", "pair", "trial", "try_load", "work",
]  # fmt: skip

_WORK: Final = "holdfast.registry.trial_runs:work"
_PREDICTIONS_BYTES: Final = 16 << 20
_CHEAP_BYTES: Final = 16 << 20
_BYTES_A_SECOND: Final = 20e6
_LIBRARIES: Final = {
    "scikit-learn": ("sklearn.pipeline", "sklearn.ensemble"),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "keras": ("keras",),
    "pytorch": ("torch",),
    "onnx": ("onnxruntime",),
}
_ALSO: Final = {
    "joblib": ("joblib",),
    "mlflow": ("mlflow.pyfunc",),
    "safetensors": ("safetensors",),
    "skops": ("skops.io",),
}


def needed(manifest: Manifest) -> bool:
    """Tell whether a version is to be tried out before it is loaded.

    It is if its format runs code, and also if it is small: the libraries that read data may crash
    over a malformed file. A large file of data is read once.
    """
    artifacts = manifest.artifacts.values()
    runs = any(artifact.format not in DATA_ONLY for artifact in artifacts)
    return runs or sum(artifact.size_bytes for artifact in artifacts) <= _CHEAP_BYTES


def libraries(manifest: Manifest) -> tuple[str, ...]:
    """Name the modules that a version will need, as far as its framework and formats tell."""
    used = [artifact.format for artifact in manifest.artifacts.values()]
    return libraries_of(manifest.framework, used)


def libraries_of(framework: str | None, format_names: Iterable[str]) -> tuple[str, ...]:
    """Name the modules that a framework and formats need, as far as they are known."""
    modules = list(_LIBRARIES.get(framework or "", ()))
    for name in format_names:
        modules += _ALSO.get(name, ())
        modules += _LIBRARIES.get(name, ())
    return tuple(dict.fromkeys(modules))


def begun(registry: "Reader", models: Iterable[str], mode: Mode, work: str) -> Nursery | None:
    """Begin the process that versions are tried out in, and have it import what they need.

    Importing takes longer than all else of a first trial, so this is done before anything else is.

    Args:
        registry: Where models are.
        models: Those whose live versions will be tried out.
        mode: Whether there is to be a sandbox.
        work: The module of what is done with them.

    Returns:
        None where nothing is to be, or can be, restrained.

    Raises:
        UnsupportedError: If it is required, and something of it is missing.
    """
    restraint = chosen(mode)
    if restraint is None:
        return None
    nursery = Nursery(restraint)
    modules = [work]
    for model in models:
        with suppress(HoldfastError):  # whoever loads it reports that
            modules += libraries(registry.manifest(f"{model}@production"))
    nursery.prepare(modules)
    return nursery


def trial(work: str, fetched: Fetched, answer_bytes: int = 64 << 10, **further: Any) -> Trial:
    """Make a trial of a version whose bytes are verified.

    Args:
        work: What is done with it, as `module:name`.
        fetched: The version; the very files that it is loaded from afterwards are tried.
        answer_bytes: How much it may answer.
        further: Further arguments of the work, as plain JSON.
    """
    manifest = fetched.manifest
    roles = {role: str(path.resolve()) for role, path in fetched.paths.items()}
    argument = {"manifest": msgspec.to_builtins(manifest), "paths": roles, **further}
    size_bytes = sum(artifact.size_bytes for artifact in manifest.artifacts.values())
    files = [Path(path) for path in roles.values()]
    limited = replace(limits(size_bytes), answer_bytes=answer_bytes)
    return Trial(work, argument, files, libraries(manifest), limited)


def limits(size_bytes: int) -> TrialLimits:
    """Return what a trial of artifacts of this size may take."""
    base = TrialLimits()
    return TrialLimits(
        time_s=base.time_s + size_bytes / _BYTES_A_SECOND,
        memory_bytes=base.memory_bytes + 4 * size_bytes,
    )


def pair(argument: Mapping[str, Any]) -> Pair:
    """Load what a trial is about; in the child."""
    manifest = msgspec.convert(argument["manifest"], Manifest)
    paths = {role: Path(path) for role, path in argument["paths"].items()}
    return Fetched(f"{manifest.name}@{manifest.version}", manifest, paths).load()


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Load a version in the child, and have it predict if rows are given."""
    made = pair(argument)
    result: dict[str, Any] = {
        "parts": {role: type(part).__name__ for role, part in made.parts.items()}
    }
    if argument["rows"] is not None:
        predicted = made.predict(_array(argument["rows"]))
        result["predictions"] = getattr(predicted, "tolist", lambda: predicted)()
    return result


def _array(rows: Any) -> Any:
    """Return rows as numpy arrays where numpy is installed, as most preprocessors want them."""
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        return rows
    return numpy.asarray(rows) if rows and isinstance(rows[0], list) else rows


def try_load(
    registry: "Reader", ref: str, trials: Trials, rows: Any = None, work: str = _WORK
) -> dict[str, Any]:
    """Load a version in a child under restraint; nothing of it comes to this process.

    Args:
        registry: Where it is.
        ref: Which.
        trials: Where it is tried out.
        rows: What it is to predict, as plain JSON.
        work: What is done with them in the child, as `module:name`.

    Returns:
        `parts`, the type of each role's object, and `predictions`; both as the child tells them.

    Raises:
        UnsupportedError: If it cannot be loaded, cannot predict, or ends its process.
    """
    fetched = registry.fetch(ref)
    outcome = trials.run(trial(work, fetched, _PREDICTIONS_BYTES, rows=rows))
    if outcome.problem is not None:
        advice = "check the file, or name another version"
        raise UnsupportedError(fetched.ref, f"failed in the sandbox: {outcome.problem}", advice)
    return _checked(fetched.ref, outcome.result)


def _checked(ref: str, result: Any) -> dict[str, Any]:
    parts = result.get("parts") if isinstance(result, dict) else None
    if not isinstance(parts, dict) or not all(isinstance(name, str) for name in parts.values()):
        raise UnsupportedError(ref, "did not report its parts", "check the file")
    return dict(result)
