"""What a run left in its folder, read as if a stranger had written it.

`result.json` names files and facts; where it is absent, or says nothing of something, the files
that have a known name count. Nothing outside the folder is read: no absolute path, no `..`, no
link.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast import named_files
from holdfast.core import strict_json
from holdfast.core.manifest import clean_metrics
from holdfast.core.version import Bump, check_bump
from holdfast.errors import InvalidInputError
from holdfast.formats import trees

__all__ = ["RunResult", "read"]

_MOST_BYTES: Final = 64 << 20
_ROLES: Final = ("model", "preprocessor", "postprocessor")
_FACTS: Final = (
    "description", "author", "framework", "algorithm", "hyperparameters", "training_data",
    "input_schema", "output_schema", "input_example", "limitations", "metadata", "formats",
)  # fmt: skip
_TABLES: Final = ("hyperparameters", "training_data", "metadata", "formats")
_KNOWN: Final = (
    *_FACTS, "artifacts", "metrics", "losses", "evaluation", "label", "loss", "reference", "bump",
    "run_log",
)  # fmt: skip


class RunResult(Struct, frozen=True):
    """What a run made, checked as far as it can be without loading anything.

    Attributes:
        sources: File or folder by role.
        facts: As `Registry.register` takes them.
        evaluation: Rows with their labels, on which versions are scored.
        label: The column of labels in it.
        loss: Losses to score, where the run says which.
        losses: Row by row, as the run says them, by name: a path or a list.
        reference: Rows that later ones are compared with, or the Parquet or CSV file they are in.
        bump: How far the run wants the number raised.
        run_log: The log of a training pipeline, in its own words.
    """

    sources: Mapping[str, Path]
    metrics: dict[str, float]
    facts: dict[str, Any]
    evaluation: Path | None
    label: str
    loss: tuple[str, ...]
    losses: dict[str, Any]
    reference: object
    bump: Bump
    run_log: dict[str, Any]


def read(out: Path) -> RunResult:
    """Read what a run left.

    Raises:
        InvalidInputError: If it left no model, or anything in it is not what it must be.
    """
    if out.is_symlink() or not out.is_dir():
        problem, advice = "was removed or replaced by the run", "write into it and leave it"
        raise InvalidInputError("folder `out`", problem, advice)
    document = _document(out)
    unknown = sorted(document.keys() - set(_KNOWN))
    if unknown:
        advice = f"the keys are {', '.join(_KNOWN)}"
        raise InvalidInputError(f"result key {unknown[0]!r}", "is unknown", advice)
    run_log = _run_log(out, document)
    metrics = document.get("metrics", _json(out / "metrics.json"))
    facts = {name: document[name] for name in _FACTS if document.get(name) is not None}
    for name in _TABLES:
        _mapping(f"result {name}", facts.get(name, {}))
    losses = _mapping("losses", document.get("losses") or {})
    evaluation = _named(out, document, "evaluation", "evaluation")
    return RunResult(
        sources=_sources(out, document),
        metrics=clean_metrics({**_logged_metrics(run_log), **_mapping("metrics", metrics or {})}),
        facts=_logged_facts(run_log) | facts,
        evaluation=evaluation,
        label=_text("label", document.get("label", "label")),
        loss=tuple(_text("loss", name) for name in _listed(document.get("loss"))),
        losses={
            name: inside(out, source) if isinstance(source, str) else source
            for name, source in losses.items()
        },
        reference=_reference(out, document),
        bump=check_bump(document.get("bump", "auto")),
        run_log=run_log,
    )


def _reference(out: Path, document: Mapping[str, Any]) -> object:
    path = _named(out, document, "reference", "reference")
    return _json(path) if path is not None and path.suffix == ".json" else path


def inside(out: Path, text: str) -> Path:
    """Return the file or folder that a result names.

    Raises:
        InvalidInputError: If it lies elsewhere, or is a link, a pipe, a device or not there.
    """
    subject = f"result path {text!r}"
    parts = text.split("/")
    if os.path.isabs(text) or "\\" in text or any(part in ("", ".", "..") for part in parts):
        advice = "name it relative to `out`, without `..`"
        raise InvalidInputError(subject, "must be below the folder `out`", advice)
    path, mode = out, 0
    for part in parts:
        path /= part
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            raise InvalidInputError(subject, "does not exist", "write it first") from error
        if stat.S_ISLNK(mode):
            raise InvalidInputError(subject, "leads through a link", "write the file itself")
    if stat.S_ISDIR(mode):
        for name, file in trees.files(path):
            if file.is_symlink():
                raise InvalidInputError(f"{subject} {name}", "is a link", "write the file itself")
    elif not stat.S_ISREG(mode):
        raise InvalidInputError(subject, "is neither a file nor a folder", "write a file")
    return path


def _document(out: Path) -> dict[str, Any]:
    document = _json(out / "result.json")
    return {} if document is None else _mapping("result.json", document)


def _json(path: Path) -> Any:
    """Read a file of JSON, strictly; `None` if there is none."""
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return strict_json.decode(named_files.read(inside(path.parent, path.name), _MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            path.name, f"cannot be read: {error}", "fix what wrote it"
        ) from error


def _sources(out: Path, document: Mapping[str, Any]) -> dict[str, Path]:
    artifacts = _mapping("artifacts", document.get("artifacts") or {})
    sources = {role: inside(out, _text(role, text)) for role, text in artifacts.items()}
    for role in _ROLES:
        if role not in sources:
            for name in _called(out, role):
                sources[role] = inside(out, name)
    if "model" not in sources:
        advice = "return it as 'model', or write out/model.joblib or another file of that name"
        raise InvalidInputError("run", "did not leave a model", advice)
    return sources


def _called(out: Path, stem: str) -> Iterator[str]:
    """Give the one file or folder of *out* that has a name, whatever its extension."""
    names = sorted(entry.name for entry in os.scandir(out) if entry.name.partition(".")[0] == stem)
    if len(names) > 1:
        problem = f"has several files: {', '.join(names[:5])}"
        raise InvalidInputError(f"role {stem!r}", problem, "leave one, or write result.json")
    yield from names


def _named(out: Path, document: Mapping[str, Any], key: str, stem: str) -> Path | None:
    text = document.get(key)
    if text is not None:
        return inside(out, _text(key, text))
    return next((inside(out, name) for name in _called(out, stem)), None)


def _run_log(out: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    name = document.get("run_log", "run_log.json")
    path = out / name if name == "run_log.json" else inside(out, _text("run_log", name))
    return _mapping("run_log.json", _json(path) or {})


def _logged_metrics(run_log: Mapping[str, Any]) -> dict[str, Any]:
    """Take the metrics of a log: those of the validation, and the cross-validated ones."""
    validated = _mapping("run_log.json val_metrics", run_log.get("val_metrics") or {})
    counts = ("n_samples", "n_positive", "fp", "fn", "threshold")
    metrics = {name: value for name, value in validated.items() if name not in counts}
    crossed = ("cv_roc_auc_mean", "cv_roc_auc_std")
    return metrics | {name: run_log[name] for name in crossed if run_log.get(name) is not None}


def _logged_facts(run_log: Mapping[str, Any]) -> dict[str, Any]:
    """Take the facts of a log: its winner, its data, and the whole of it as metadata."""
    if not run_log:
        return {}
    winner = _mapping("run_log.json winner_config", run_log.get("winner_config") or {})
    samples = {name: run_log[name] for name in ("train_samples", "val_samples") if name in run_log}
    facts: dict[str, Any] = {"metadata": {"run_log": dict(run_log)}, "training_data": samples}
    if winner.get("model_class") is not None:
        facts["algorithm"] = _text("run_log.json model_class", winner["model_class"])
    if winner.get("params") is not None:
        facts["hyperparameters"] = _mapping("run_log.json params", winner["params"])
    return facts


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInputError(name, f"must be an object, not {type(value).__name__}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"result {name}", f"must be text, not {type(value).__name__}")
    return value
