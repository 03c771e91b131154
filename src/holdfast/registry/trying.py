"""A version tried out under restraint: which are, with what, and what runs in the child."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast import formats
from holdfast.core.manifest import Manifest
from holdfast.errors import UnsupportedError
from holdfast.formats.pair import Pair
from holdfast.sandbox import Limits, Trial, Trials

if TYPE_CHECKING:
    from holdfast.registry.reader import Reader

__all__ = ["libraries", "libraries_of", "limits", "needed", "pair", "trial", "try_load", "work"]

_WORK: Final = "holdfast.registry.trying:work"
_DATA_ONLY: Final = frozenset(
    ("catboost", "onnx", "safetensors", "xgboost", "lightgbm", "file", "folder")
)
"""Formats whose reading runs nothing of the file's; all others do, plug-ins' included."""

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
_ALSO: Final = {"joblib": ("joblib",), "skops": ("skops.io",), "safetensors": ("safetensors",)}


def needed(manifest: Manifest) -> bool:
    """Tell whether a version is to be tried out before it is loaded.

    It is if its format runs code, and also if it is small: the libraries that read data may crash
    over a malformed file. A large file of data is read once.
    """
    artifacts = manifest.artifacts.values()
    runs = any(artifact.format not in _DATA_ONLY for artifact in artifacts)
    return runs or sum(artifact.size_bytes for artifact in artifacts) <= _CHEAP_BYTES


def libraries(manifest: Manifest) -> tuple[str, ...]:
    """Name the modules that a version will need, as far as its framework and formats tell."""
    used = [artifact.format for artifact in manifest.artifacts.values()]
    return libraries_of(manifest.framework, used)


def libraries_of(framework: str | None, format_names: Iterable[str]) -> tuple[str, ...]:
    """Name the modules that a framework and formats need, as far as they are known."""
    named = list(_LIBRARIES.get(framework or "", ()))
    for name in format_names:
        named += _ALSO.get(name, ())
        named += _LIBRARIES.get(name, ())
    return tuple(dict.fromkeys(named))


def trial(work: str, manifest: Manifest, paths: Mapping[str, Path], **further: Any) -> Trial:
    """Make a trial of a version whose bytes are verified.

    Args:
        work: What is done with it, as `module:name`.
        manifest: Its record.
        paths: Where each role's artifact lies.
        further: What else the work is told, as plain JSON.
    """
    roles = {role: str(paths[role].resolve()) for role in manifest.artifacts}
    argument = {"manifest": msgspec.to_builtins(manifest), "paths": roles, **further}
    size_bytes = sum(artifact.size_bytes for artifact in manifest.artifacts.values())
    files = [Path(path) for path in roles.values()]
    return Trial(work, argument, files, libraries(manifest), limits(size_bytes))


def limits(size_bytes: int) -> Limits:
    """Return what a trial of artifacts of this size may take."""
    base = Limits()
    return Limits(
        time_s=base.time_s + size_bytes / _BYTES_A_SECOND,
        memory_bytes=base.memory_bytes + 4 * size_bytes,
    )


def pair(argument: Mapping[str, Any]) -> Pair:
    """Load what a trial is about; in the child."""
    manifest = msgspec.convert(argument["manifest"], Manifest)
    parts = {
        role: formats.load(artifact.format, Path(argument["paths"][role]))
        for role, artifact in manifest.artifacts.items()
    }
    return Pair(f"{manifest.name}@{manifest.version}", manifest, parts)


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
    """Give rows as numpy arrays where numpy is, for most preprocessors want them so."""
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        return rows
    return numpy.asarray(rows) if rows and isinstance(rows[0], list) else rows


def try_load(registry: "Reader", ref: str, trials: Trials, rows: Any = None) -> dict[str, Any]:
    """Load a version in a child under restraint; nothing of it comes to this process.

    Args:
        registry: Where it is.
        ref: Which.
        trials: Where it is tried out.
        rows: What it is to predict, as plain JSON.

    Returns:
        `parts`, the type of each role's object, and `predictions`; both as the child tells them.

    Raises:
        UnsupportedError: If it cannot be loaded, cannot predict, or ends its process.
    """
    info = registry.resolve(ref)
    manifest = registry.manifest(info.ref)
    outcome = trials.run(trial(_WORK, manifest, registry.paths(info.ref), rows=rows))
    if outcome.problem is not None:
        advice = "look at the file, or ask for another version"
        raise UnsupportedError(info.ref, f"failed under restraint: {outcome.problem}", advice)
    return _checked(info.ref, outcome.result)


def _checked(ref: str, result: Any) -> dict[str, Any]:
    parts = result.get("parts") if isinstance(result, dict) else None
    if not isinstance(parts, dict) or not all(isinstance(name, str) for name in parts.values()):
        raise UnsupportedError(ref, "gave no account of its parts", "look at the file")
    return dict(result)
