"""Below the keeper: calls the entry point and writes what it returns as files, for the parent.

The parent reads these as if a stranger had written them (`run_results`); nothing else of this
process reaches it.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast.retraining import entry_context, labelled_rows
from holdfast.retraining.entry_context import TrainingContext
from holdfast.retraining.training_process import OUT_OF_MEMORY

__all__ = ["RESULT", "main"]

RESULT: Final = "result.json"
_ROLES: Final = ("model", "preprocessor", "postprocessor")
_FILES: Final = ("evaluation", "reference", "run_log")


def main() -> None:
    """Run the entry point that the second argument names with the context in the first."""
    context = entry_context.read(Path(sys.argv[1]))
    try:
        module, _, name = sys.argv[2].partition(":")
        returned = getattr(importlib.import_module(module), name)(context)
        _write(context, returned)
    except MemoryError:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(OUT_OF_MEMORY)


def _write(context: TrainingContext, returned: object) -> None:
    if returned is None:  # it left its files
        return
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"the entry point must return a dict or nothing, not {type(returned).__name__}"
        )
    document = dict(returned)
    if "winner_config" in document:  # a run's log itself
        document = {"run_log": document}
    roles = {role: document.pop(role) for role in _ROLES if document.get(role) is not None}
    roles |= document.pop("artifacts", {})
    formats = document.get("formats", {})
    document["artifacts"] = {
        role: _placed(context, role, source, formats.get(role), document)
        for role, source in roles.items()
    }
    for name in _FILES:
        if document.get(name) is not None:
            document[name] = _file(context, name, document)
    losses = document.get("losses")
    if isinstance(losses, Mapping):
        document["losses"] = {
            name: _relative(context, source) if _is_path(source) else _plain(source)
            for name, source in losses.items()
        }
    example = document.get("input_example")
    if example is not None:
        document["input_example"] = _records(example)
    _dump(context.out / RESULT, document)


def _placed(
    context: TrainingContext,
    role: str,
    source: Any,
    format_name: str | None,
    document: dict[str, Any],
) -> str:
    """Return where a role's files are, once an object is written there."""
    if _is_path(source):
        return _relative(context, source)
    from holdfast import formats

    packaged = formats.package(source, role, context.out, format_name)
    if role == "model":
        described = packaged.description
        document.setdefault("framework", described.framework)
        document.setdefault("algorithm", described.algorithm)
        document.setdefault("hyperparameters", described.hyperparameters)
    return _relative(context, packaged.path)


def _file(context: TrainingContext, name: str, document: dict[str, Any]) -> str:
    source = document[name]
    if _is_path(source):
        return _relative(context, source)
    if name == "evaluation":
        path = context.out / "evaluation.jsonl"
        rows, labels = source
        names = _names(document.get("input_example"))
        document["label"] = labelled_rows.write(path, rows, labels, names)
        return _relative(context, path)
    path = context.out / f"{name}.json"
    _dump(path, source if name == "run_log" else _records(source))
    return _relative(context, path)


def _names(example: Any) -> Sequence[str]:
    """Return the names that an example gives to columns, none where it gives none."""
    records = _records(example)
    if isinstance(records, list) and records and isinstance(records[0], Mapping):
        return tuple(map(str, records[0]))
    return ()


def _records(source: Any) -> Any:
    """Return a frame's rows as dicts, which keep its columns' names; anything else as it is."""
    to_dict = getattr(source, "to_dict", None)
    is_frame = callable(to_dict) and hasattr(source, "columns")
    return to_dict("records") if is_frame and to_dict is not None else source


def _is_path(source: object) -> bool:
    return isinstance(source, str | os.PathLike)


def _relative(context: TrainingContext, source: Any) -> str:
    """Return a path as it lies below `out`; the parent checks that it does."""
    path = Path(source)
    return path.relative_to(context.out).as_posix() if path.is_absolute() else path.as_posix()


def _plain(value: Any) -> Any:
    from holdfast.core.manifest import plain

    return plain(value)


def _dump(path: Path, document: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(_plain(document), file)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
