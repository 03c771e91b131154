"""What MLflow would run for a folder: its `MLmodel` read as data, every word of it doubted.

An `MLmodel` names the module that loads the folder, and that module reads further names: classes,
files, ways to unpickle. Five of MLflow's own loaders are understood here, each with the settings
that make them do no more than the scan of the files tells. Whatever else a folder says is a doubt.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.errors import InvalidInputError
from holdfast.formats.libraries import library
from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.byte_sources import of_file
from holdfast.formats.scanner.file_references import leads_outside
from holdfast.formats.scanner.findings import Budget, Findings
from holdfast.formats.scanner.judge import judge

__all__ = ["MLMODEL", "doubts", "function", "mapping", "read", "require_inside"]

MLMODEL: Final = "MLmodel"
_MOST_BYTES: Final = 1 << 20
_LONGEST: Final = 80
_LONGEST_PATH: Final = 250
_BREAKS: Final = frozenset("\x85\u2028\u2029")
"""Ends of lines for YAML, and in other encodings something else."""

_PICKLES: Final = {"pickle": "pickle", "cloudpickle": "pickle", "skops": "skops"}
"""How a model is written -> the kind that its file must be. A plain unpickler reads on where joblib
puts arrays, which the scan passes over: so no file of that kind."""

_METHODS: Final = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba")
_XGBOOST_CLASSES: Final = frozenset(
    (
        "xgboost.core.Booster",
        *(
            f"xgboost.sklearn.XGB{name}"
            for name in (
                "Classifier", "Model", "Ranker", "RFClassifier", "RFRegressor", "Regressor",
            )
        ),
    )
)  # fmt: skip
_PROVIDERS: Final = frozenset(("CPUExecutionProvider", "CUDAExecutionProvider"))
_SESSION: Final = frozenset(
    (
        "execution_mode", "graph_optimization_level", "inter_op_num_threads",
        "intra_op_num_threads",
    )
)  # fmt: skip
_UNUSUAL: Final = ("code", "config", "model_config", "streamable")
"""Settings of a folder with code of its own, or read by such code."""

_PATHS: Final = ("code", "data", "model_data", "model_path", "pickled_model", "python_model")

Words = Mapping[str, Any]


def read(folder: Path) -> Words:
    """Read a folder's `MLmodel` as MLflow does; what is not a mapping counts as an empty one.

    Raises:
        InvalidInputError: If it is not YAML, or too long to be an `MLmodel`.
        MissingLibraryError: If PyYAML, which comes with MLflow, is not installed.
    """
    yaml = library("yaml", "mlflow")
    path = folder / MLMODEL
    subject, advice = f"file {str(path)!r}", "log the model again"
    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise InvalidInputError(subject, "is too long to be an MLmodel", advice)
    try:
        text = raw.decode("utf-8")
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInputError(subject, f"is not YAML: {first}", advice) from error
    if not _BREAKS.isdisjoint(text):
        raise InvalidInputError(subject, "has characters that end lines in YAML alone", advice)
    return mapping(document)


def mapping(value: object) -> Words:
    """Return a mapping as it is, and nothing in place of anything else."""
    return value if isinstance(value, dict) else {}


def function(document: Words) -> Words:
    """Return what an `MLmodel` says of loading its folder as a function."""
    return mapping(mapping(document.get("flavors")).get("python_function"))


def require_inside(folder: Path, document: Words) -> None:
    """Check that a folder names no files beyond itself, whoever trusts it.

    Only what is in the folder was hashed and looked into.

    Raises:
        InvalidInputError: If it does.
    """
    for word, text in _named_paths(document):
        if len(text) > _LONGEST_PATH or leads_outside(text) or _is_linked_out(folder, text):
            problem = f"names a file outside its folder: {word} {text[:_LONGEST]!r}"
            raise InvalidInputError(f"{MLMODEL!r}", problem, "log the model again")


def _is_linked_out(folder: Path, text: str) -> bool:
    return not (folder / text).resolve().is_relative_to(folder.resolve())


def _named_paths(document: Words) -> Iterator[tuple[str, str]]:
    flavors = [mapping(flavor) for flavor in mapping(document.get("flavors")).values()]
    artifacts = [
        mapping(artifact)
        for flavor in flavors
        for artifact in mapping(flavor.get("artifacts")).values()
    ]
    example = mapping(document.get("saved_input_example_info"))
    places: list[tuple[Words, tuple[str, ...]]] = [(flavor, _PATHS) for flavor in flavors]
    places += [(artifact, ("path",)) for artifact in artifacts]
    places.append((example, ("artifact_path", "serving_input_path")))
    for words, names in places:
        for name in names:
            value = words.get(name)
            if isinstance(value, str):
                yield name, value


def doubts(folder: Path, document: Words) -> tuple[str, ...]:
    """Return what loading a folder by MLflow may run beyond what the scan of its files tells."""
    words = function(document)
    loader = words.get("loader_module")
    rule = _RULES.get(loader) if isinstance(loader, str) else None
    if rule is None:
        return (f"MLmodel: loader_module {_shown(loader)}, which may run any code",)
    name = str(loader).rpartition(".")[2]
    flavor = mapping(mapping(document.get("flavors")).get(name))
    found = [
        f"MLmodel: {word} {_shown(part[word])}"
        for part in (words, flavor)
        for word in _UNUSUAL
        if part.get(word)
    ]
    if words.get("predict_fn", "predict") not in _METHODS:
        found.append(f"MLmodel: predict_fn {_shown(words.get('predict_fn'))}")
    return (*found, *rule(folder, words, flavor))


def _shown(value: object) -> str:
    return (repr(value) if isinstance(value, str | None) else type(value).__name__)[:_LONGEST]


def _pickled(folder: Path, name: object, written: object) -> Iterator[str]:
    kind = _PICKLES.get(written) if isinstance(written, str) else None
    if kind is None:
        yield f"MLmodel: serialization_format {_shown(written)}"
    else:
        yield from _file(folder, name, kind)


def _file(folder: Path, name: object, *kinds: str) -> Iterator[str]:
    """Doubt a file that is not of the kind that its loader reads, or not right in the folder.

    Loaders look for an `MLmodel` beside the file: deeper down it would be another one.
    """
    if not isinstance(name, str) or "/" in name or "\\" in name or not (folder / name).is_file():
        yield f"MLmodel: no file of the folder is {_shown(name)}"
        return
    path = folder / name
    findings = Findings(AllowList(), Budget.of_size(path.stat().st_size))
    kind = judge(of_file(path), findings)
    if kind not in kinds:
        yield f"MLmodel: {_shown(name)} is {kind}, not {' or '.join(kinds)}"
    if any(found.startswith("joblib.numpy_pickle") for found in findings.names):
        yield f"MLmodel: {_shown(name)} was written by joblib"


def _beside(folder: Path, words: Words) -> Iterator[str]:
    """Doubt `data` that is not a file right in the folder, where the flavour names its own."""
    if "data" in words and next(_file(folder, words["data"]), "").startswith("MLmodel: no file"):
        yield f"MLmodel: data {_shown(words['data'])}"


def _sklearn(folder: Path, words: Words, flavor: Words) -> Iterator[str]:
    name = words["data"] if "data" in words else words.get("model_path")
    yield from _pickled(folder, name, flavor.get("serialization_format", "pickle"))


def _xgboost(folder: Path, words: Words, flavor: Words) -> Iterator[str]:
    yield from _beside(folder, words)
    made = flavor.get("model_class", "xgboost.core.Booster")
    if not isinstance(made, str) or made not in _XGBOOST_CLASSES:
        yield f"MLmodel: model_class {_shown(made)}"
    yield from _file(folder, flavor.get("data"), "xgboost-ubj", "xgboost-json")


def _lightgbm(folder: Path, words: Words, flavor: Words) -> Iterator[str]:
    yield from _beside(folder, words)
    if flavor.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        yield from _file(folder, flavor.get("data"), "lightgbm")
    else:
        written = flavor.get("serialization_format", "cloudpickle")
        yield from _pickled(folder, flavor.get("data"), written)


def _catboost(folder: Path, words: Words, flavor: Words) -> Iterator[str]:
    if flavor.get("save_format") != "cbm":
        yield f"MLmodel: save_format {_shown(flavor.get('save_format'))}"
    yield from _file(folder, words.get("data"), "catboost")


def _onnx(folder: Path, words: Words, flavor: Words) -> Iterator[str]:
    providers = flavor.get("providers") or []
    listed = providers if isinstance(providers, list) else [providers]
    for provider in listed:
        if not isinstance(provider, str) or provider not in _PROVIDERS:
            yield f"MLmodel: providers {_shown(provider)}"
    options = flavor.get("onnx_session_options")
    for name in mapping(options).keys() - _SESSION:
        yield f"MLmodel: onnx_session_options {_shown(name)}"
    if options and not isinstance(options, dict):
        yield f"MLmodel: onnx_session_options {_shown(options)}"
    yield from _file(folder, words.get("data"), "onnx")


_RULES: Final[dict[str, Callable[[Path, Words, Words], Iterator[str]]]] = {
    "mlflow.catboost": _catboost,
    "mlflow.lightgbm": _lightgbm,
    "mlflow.onnx": _onnx,
    "mlflow.sklearn": _sklearn,
    "mlflow.xgboost": _xgboost,
}
