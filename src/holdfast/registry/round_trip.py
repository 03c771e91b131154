"""Checks that artifacts written from objects answer as the objects do; refuses others.

A file may keep less than the object it was made from: an estimator's parameters, the code of a
subclass, the type of an output. Nobody sees that by looking at the file. So the artifacts are
loaded again in a process apart, under restraint where the system has it, and asked what the objects
are asked here. That costs the start of a process, once for each process that registers, and one
load of the artifacts; without an `input_example` there is nothing to ask, and nothing is done.
"""

import base64
import importlib
import importlib.util
import math
import os
import pickle
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from holdfast import formats
from holdfast.core.manifest import Manifest
from holdfast.errors import RefusedError
from holdfast.formats import Packaged
from holdfast.formats.example import dense, is_sparse
from holdfast.formats.loaded_parts import PREDICTING
from holdfast.formats.pair import Pair
from holdfast.registry import trial_runs
from holdfast.sandbox import Nursery, Trial, TrialOutcome, Trials, chosen

__all__ = ["NURSERIES", "Nurseries", "answer", "ask", "prove", "try_graph", "try_out"]

_WORK: Final = "holdfast.registry.round_trip:answer"
_TRIED: Final = "holdfast.registry.round_trip:ask"
_ASKED: Final = ("predict", "predict_proba")
_GRAPH: Final = "onnx"
_NEWER: Final = ("opset", "ir version")
"""What onnxruntime says of a graph that a newer one may open."""

_MOST_BYTES: Final = 4 << 30
"""Artifacts beyond this are not loaded a second time."""

_MOST_ROWS: Final = 1000
_MOST_EXAMPLE_BYTES: Final = 64 << 20
_MOST_ANSWER_BYTES: Final = 64 << 20
_RELATIVE: Final = 1e-5
_ABSOLUTE: Final = 1e-6
_LONGEST: Final = 120


def prove(
    name: str, sources: Mapping[str, object], packaged: Mapping[str, Packaged], example: object
) -> None:
    """Check that the artifacts written from objects answer an example as the objects do.

    Args:
        name: The registered model.
        sources: The objects by role.
        packaged: What each was written to, and the code they are loaded with.
        example: Rows as the caller has them.

    Raises:
        RefusedError: If the objects do not answer it, or the artifacts cannot be loaded in another
            process or answer something else.
    """
    size_bytes = sum(_size(part.path) for part in packaged.values())
    if size_bytes > _MOST_BYTES:
        return
    objects = {role: part.format for role, part in packaged.items() if role in PREDICTING}
    faces = {role: formats.face(form, sources[role]) for role, form in objects.items()}
    rows = _answered(name, faces, _first(example))
    if is_sparse(example):
        _prove_zeros(name, faces, example, rows)
    raw = _pickled(rows)
    if rows is None or raw is None:
        return
    expected = _given_answers(faces, rows)
    outcome = _run(_trial(_WORK, packaged, raw, list(expected)))
    if outcome.problem is not None:
        problem = f"the written file cannot be loaded and asked again: {outcome.problem}"
        raise _refused(name, problem, "register objects whose classes can be imported anywhere")
    answers = outcome.result if isinstance(outcome.result, dict) else {}
    for method, expected_answer in expected.items():
        difference = _difference(expected_answer, answers.get(method))
        if difference:
            problem = f"the written file answers differently: {method}, {difference}"
            raise _refused(name, problem, "name another format, such as joblib")


def try_out(name: str, packaged: Mapping[str, Packaged], example: object) -> None:
    """Check that artifacts can be loaded with the code that comes with them, and answer.

    Args:
        name: The registered model.
        packaged: The artifacts by role.
        example: Rows as the caller has them, None for none.

    Raises:
        RefusedError: If they cannot be loaded, or do not answer the example.
    """
    if sum(_size(part.path) for part in packaged.values()) > _MOST_BYTES:
        return
    raw = None if example is None else _pickled(_first(example))
    outcome = _run(_trial(_TRIED, packaged, raw, []))
    if outcome.problem is not None:
        problem = f"it cannot be loaded with its code and asked: {outcome.problem}"
        raise _refused(name, problem, "give all modules that it needs as code, or install them")


def try_graph(name: str, packaged: Mapping[str, Packaged]) -> None:
    """Check that a graph of ONNX can be opened, where there is what opens it.

    Whether its types and operators fit together only the library knows that computes it, and other
    libraries write graphs that do not. One of a newer standard than the library here is let pass.

    Raises:
        RefusedError: If it cannot.
    """
    graphs = [part for part in packaged.values() if part.format == _GRAPH]
    trials = NURSERIES.trials() if graphs else None
    if trials is None or importlib.util.find_spec("onnxruntime") is None:
        return
    for graph in graphs:
        if _size(graph.path) > _MOST_BYTES:
            continue
        problem = trials.run(_trial(_TRIED, {"model": graph}, None, [])).problem
        if problem is not None and not any(word in problem.lower() for word in _NEWER):
            advice = "export it again; what it is refused for is the library's own word"
            raise _refused(name, f"the graph cannot be opened: {problem}", advice)


def _trial(work: str, packaged: Mapping[str, Packaged], raw: bytes | None, asked: Any) -> Trial:
    paths = {role: part.path.resolve() for role, part in packaged.items()}
    argument = {
        "parts": {role: [part.format, str(paths[role])] for role, part in packaged.items()},
        "example": None if raw is None else base64.b64encode(raw).decode("ascii"),
        "asked": asked,
    }
    framework = packaged["model"].description.framework
    modules = trial_runs.libraries_of(framework, [part.format for part in packaged.values()])
    base = trial_runs.limits(sum(map(_size, paths.values())))
    limits = replace(base, answer_bytes=_MOST_ANSWER_BYTES)
    return Trial(work, argument, list(paths.values()), modules, limits)


def ask(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Load artifacts and see that they answer their example, if they have one; in the child."""
    parts = _loaded(argument)
    if argument["example"] is not None:
        rows = pickle.loads(base64.b64decode(argument["example"]))  # noqa: S301 - as below
        _answered("the artifact", parts, rows)
    return {}


def _loaded(argument: Mapping[str, Any]) -> dict[str, object]:
    formats_by_role = {role: form for role, (form, _) in argument["parts"].items()}
    paths = {role: Path(path) for role, (_, path) in argument["parts"].items()}
    return formats.load_parts(formats_by_role, paths)


def answer(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Load artifacts and have them answer; in the child."""
    rows = pickle.loads(base64.b64decode(argument["example"]))  # noqa: S301 - the caller's own rows
    return _answers(_loaded(argument), rows, argument["asked"])


def _answers(parts: Mapping[str, object], rows: Any, asked: list[str]) -> dict[str, Any]:
    made = Pair("the artifact", _NOBODY, parts)
    return {method: _told(getattr(made, method)(rows)) for method in asked}


_NOBODY: Final = Manifest(
    name="artifact", version="", number=0, registered_at="", registered_by="", artifacts={}
)


def _answered(name: str, faces: Mapping[str, object], rows: Any) -> Any:
    """Return the example in the form that the objects answer; None if they take none of them.

    Records and lists are what callers send. A server lays them out for the model, by the schema: so
    objects that take only arrays or frames are asked these, and are not refused over it.

    Raises:
        RefusedError: If the example is an array or a frame, and the objects do not answer it.
    """
    if not callable(getattr(faces["model"], "predict", None)):
        return rows
    forms, problem = _forms(rows), ""
    for form in forms:
        try:
            _answers(faces, form, ["predict"])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a model raises anything
            problem = f"it does not answer its input_example: {type(error).__name__}: {error}"
        else:
            return form
    if len(forms) > 1:
        return None
    advice = "give rows as the model, or the preprocessor before it, takes them"
    raise _refused(name, problem, advice)


def _prove_zeros(name: str, faces: Mapping[str, object], example: Any, rows: Any) -> None:
    """Check that a sparse example means the same with its zeros, as requests have them.

    Raises:
        RefusedError: If the objects take what a sparse matrix leaves out for missing.
    """
    answers = _given_answers(faces, rows)
    try:
        sparse_answers = _given_answers(faces, example.tocsr()[: len(rows)])
    except (Exception, SystemExit):  # noqa: BLE001 - it takes none that are sparse
        return
    for method, answer_to_sparse in sparse_answers.items():
        if _difference(answer_to_sparse, answers.get(method)):
            problem = f"its {method} takes what the sparse input_example leaves out for missing"
            advice = "train it with missing=0, since requests have zeros, or leave the example out"
            raise _refused(name, problem, advice)


def _forms(rows: Any) -> list[Any]:
    if not isinstance(rows, list | dict):
        return [rows]
    records = rows if isinstance(rows, list) else [rows]
    by_name = bool(records) and all(isinstance(row, Mapping) for row in records)
    forms = [rows]
    with suppress(ImportError, ValueError, TypeError):
        if by_name:
            columns = isinstance(rows, dict) and all(
                isinstance(column, list) for column in rows.values()
            )
            frame = importlib.import_module("pandas").DataFrame(rows if columns else records)
            forms += [frame, frame.to_numpy()]
        else:
            forms.append(importlib.import_module("numpy").asarray(rows))
    return forms if len(forms) > 1 else [rows, rows]


def _given_answers(faces: Mapping[str, object], rows: Any) -> dict[str, Any]:
    """Ask the objects, twice: what an object answers otherwise by itself proves nothing."""
    asked = [method for method in _ASKED if callable(getattr(faces["model"], method, None))]
    first, again = (_answers(faces, rows, asked[:1]) for _ in range(2))
    with suppress(Exception, SystemExit):  # some have the method and no probabilities
        first |= _answers(faces, rows, asked[1:])
        again |= _answers(faces, rows, asked[1:])
    return {
        method: first_answer
        for method, first_answer in first.items()
        if method in again and _difference(first_answer, again[method]) is None
    }


def _refused(name: str, problem: str, advice: str) -> RefusedError:
    return RefusedError(name, "registration", [problem], advice)


def _first(example: Any) -> Any:
    """Return the first rows of an example, which may be a whole set of training data."""
    if is_sparse(example):
        row_bytes = 8 * (1 + example.shape[1])
        return dense(example, min(_MOST_ROWS, 1 + _MOST_EXAMPLE_BYTES // row_bytes))
    if not hasattr(example, "__len__") or isinstance(example, dict | str):
        return example
    if len(example) <= _MOST_ROWS:
        return example
    head = getattr(example, "head", None)
    return head(_MOST_ROWS) if callable(head) else example[:_MOST_ROWS]


def _pickled(rows: Any) -> bytes | None:
    try:
        raw = pickle.dumps(rows, protocol=5)
    except Exception:  # noqa: BLE001 - whatever cannot be carried cannot be asked there
        return None
    return raw if len(raw) <= _MOST_EXAMPLE_BYTES else None


def _size(path: Path) -> int:
    return sum(file.stat().st_size for _, file in formats.files(path))


class Nurseries:
    """A separate process for each one that registers; its libraries stay loaded for next time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery: Nursery | None = None
        self._mark: tuple[object, ...] = ()

    def trials(self) -> Trials | None:
        """Return trials begun by this very process with its present path; None if it has none."""
        mark = (os.getpid(), tuple(sys.path), Path.cwd())
        with self._lock:
            if self._nursery is not None and self._mark == mark:
                return self._nursery
            restraint = chosen("auto")
            if restraint is None:
                return None
            if self._nursery is not None and self._mark[0] == mark[0]:
                self._nursery.close()
            self._nursery, self._mark = Nursery(restraint), mark
            return self._nursery


NURSERIES: Final = Nurseries()


def _run(trial: Trial) -> TrialOutcome:
    trials = NURSERIES.trials()
    return _here(trial) if trials is None else trials.run(trial)


def _here(trial: Trial) -> TrialOutcome:
    """Load what this process wrote itself, on systems without restraint."""
    try:
        return TrialOutcome(None, (ask if trial.work == _TRIED else answer)(trial.argument))
    except Exception as error:  # noqa: BLE001 - as in the child
        return TrialOutcome(f"{type(error).__name__}: {error}")


def _told(value: Any) -> Any:
    """Describe an answer as plain JSON, with type and shape where it has them."""
    if hasattr(value, "detach"):  # a tensor; numpy knows no gradients and no short floats
        value = value.detach().cpu()
    if hasattr(value, "toarray"):  # sparse
        value = value.toarray()
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return {str(name): _told(value[name]) for name in value.columns}
    if isinstance(value, Mapping):
        return {str(name): _told(part) for name, part in value.items()}
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist"):
        shape = [int(size) for size in value.shape]
        return {"dtype": str(value.dtype), "shape": shape, "values": _plain(value.tolist())}
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _difference(expected: Any, actual: Any) -> str | None:
    """Say where two answers differ, with both; None if they are the same within tolerance."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        differences = (_difference(expected[name], actual[name]) for name in expected)
        return next(filter(None, differences), None)
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (value, other) in enumerate(zip(expected, actual, strict=True)):
            if not _same(value, other):
                return f"row {index + 1}: {_both(value, other)}"
        return None
    nested = isinstance(expected, list | dict)
    return None if not nested and _same(expected, actual) else _both(expected, actual)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, list | dict):
        return _difference(value, other) is None
    if isinstance(value, float) and isinstance(other, float):
        alike = math.isclose(value, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        return alike or (math.isnan(value) and math.isnan(other))
    return type(value) is type(other) and bool(value == other)


def _both(value: Any, other: Any) -> str:
    shown = [
        text if len(text) < _LONGEST else f"{text[:_LONGEST]} …"
        for text in map(str, (value, other))
    ]
    return f"the object answers {shown[0]}, the file {shown[1]}"
