"""The facts that a caller may give about a version, checked before any bytes are moved."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Final, TypedDict

from holdfast.core import names
from holdfast.core.drift.drift_reference import ROLE
from holdfast.core.idempotency import check_signing
from holdfast.core.manifest import CODE, PATCH, clean_metrics
from holdfast.errors import InvalidInputError
from holdfast.formats.code import EntryPoint
from holdfast.registry import provenance
from holdfast.store.metering import Progress


class Facts(TypedDict, total=False):
    """Facts that a caller may give about a version; what is left out is filled in if possible.

    Attributes:
        metrics: Finite numbers by name.
        input_example: A few rows, as numpy, scipy, pandas or lists: gives the input schema.
        limitations: One sentence or several.
        lineage: Fields of `core.manifest.Lineage`.
        environment: Fields of `core.manifest.Environment`.
        artifacts: Further roles, each a path or an object.
        formats: Format by role, where the default one is not wanted.
        postprocessor: A path or an object that turns the model's predictions into answers: decodes
            labels, applies thresholds.
        code: A module, a package's folder, or a folder of these: the version's own code, which only
            it imports.
        entry: `module:Class` of that code, which makes the model; there is then no model file.
        reference: The rows it was trained on, before any preprocessing, by which drift is measured:
            a `.parquet` or `.csv` file or a frame, of which counts alone are kept.
        data: What it was trained on, by the training's name for it: a path, a pattern, or a version
            of data that was added, `sales@v3`; digests of bytes and rows are kept.
        patch: Whether to keep what the work tree has changed since its commit, at most 1 MB; it may
            hold secrets.
        base: The version that an adapter is put on, such as `llama@1.2.0`; its digest is kept.
        trust: Why files that run code outside the allow-list are accepted anyway.
        scanners: Other scanners to ask, `picklescan` or `modelaudit`: evidence, not the verdict.
        losses: One value a row by metric, as `Registry.evaluate` takes them: an entry of its own
            after the registration.
        evaluation_set: What *losses* are of: its file, or `sha256:…`.
        reason: Kept with the entry.
        idempotency_key: The same registration under the same key is done once.
        progress: Receives bytes stored and bytes to store, within a long file, too.
    """

    description: str
    author: str
    framework: str
    algorithm: str
    metrics: Mapping[str, object]
    hyperparameters: Mapping[str, object]
    training_data: Mapping[str, object]
    input_schema: Mapping[str, Any] | None
    output_schema: Mapping[str, Any] | None
    input_example: object
    limitations: str | Sequence[str]
    lineage: Mapping[str, object]
    environment: Mapping[str, object]
    metadata: Mapping[str, object]
    artifacts: Mapping[str, object]
    formats: Mapping[str, str]
    postprocessor: object
    code: str | PathLike[str]
    entry: str
    reference: object
    data: Mapping[str, str | PathLike[str]]
    patch: bool
    base: str
    trust: str
    scanners: Sequence[str]
    losses: Mapping[str, object]
    evaluation_set: str | PathLike[str]
    reason: str
    idempotency_key: str
    progress: Progress


_LONGEST_PARAMETER: Final = 1 << 20
_TEXTS: Final = ("description", "author", "framework", "algorithm", "base", "trust")
_MAPPINGS: Final = (
    "hyperparameters",
    "training_data",
    "lineage",
    "environment",
    "metadata",
    "artifacts",
    "losses",
    "formats",
    "data",
)


def check(facts: Facts) -> None:
    """Check that every fact is known and of its kind.

    Raises:
        InvalidInputError: If one is misspelt, or no text, mapping or number where it must be.
    """
    known = Facts.__annotations__
    for name in facts:
        if name not in known:
            near = ", ".join(names.nearest(name, known) or known)
            raise InvalidInputError(f"fact {name!r}", "is unknown", f"there are {near}")
    for name in _TEXTS:
        _check_kind(name, facts.get(name), str, "text")
    for name in _MAPPINGS:
        _check_kind(name, facts.get(name, {}), Mapping, "a mapping")
    check_parameters(facts.get("hyperparameters", {}))
    _check_kind("limitations", facts.get("limitations", ()), Sequence, "a list of sentences")
    check_signing(facts.get("reason"), facts.get("idempotency_key"))
    clean_metrics(facts.get("metrics", {}))


def check_parameters(values: Mapping[str, object]) -> None:
    """Check that no hyperparameter is what belongs into a file.

    Raises:
        InvalidInputError: If one is a text, or a list of texts and numbers, of more than 1 MiB.
    """
    for name, value in values.items():
        if _length(value) > _LONGEST_PARAMETER:
            problem = f"has more than {_LONGEST_PARAMETER:,} characters"
            advice = "keep it as a file: artifacts={…}, or run.file"
            raise InvalidInputError(f"parameter {str(name)[:80]!r}", problem, advice)


def _length(value: object) -> int:
    """Return about how long a text, or a list of what is short, would be when it is written."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple | set | frozenset):
        return sum(len(one) if isinstance(one, str | bytes) else 2 for one in value)
    return 0


def _check_kind(name: str, value: object, kind: type, called: str) -> None:
    text_or_none = kind is str and value is None
    if not text_or_none and not isinstance(value, kind):
        raise InvalidInputError(name, f"must be {called}, not {value!r}")


def roles(model: object, preprocessor: object, facts: Facts) -> dict[str, object]:
    """Return all sources by role.

    Raises:
        InvalidInputError: If a role is given twice, or a format for a role that is not given, or
            an entry point beside a model or without code.
    """
    sources = {"model": _model(model, facts)}
    optional_sources = {
        "preprocessor": preprocessor,
        "postprocessor": facts.get("postprocessor"),
        CODE: _code(facts),
        ROLE: facts.get("reference"),
        PATCH: provenance.patch() if facts.get("patch") else None,
    }
    sources |= {role: source for role, source in optional_sources.items() if source is not None}
    further = facts.get("artifacts", {})
    twice = sorted(sources.keys() & further.keys())
    if twice:
        raise InvalidInputError(f"role {twice[0]!r}", "is given twice", "give each role once")
    sources |= further
    for role in facts.get("formats", {}):
        if role not in sources:
            there = ", ".join(map(str, sources))
            raise InvalidInputError(f"format of {role!r}", "has no such role", f"there are {there}")
    return sources


def _model(model: object, facts: Facts) -> object:
    entry = facts.get("entry")
    if entry is None:
        return model
    point = EntryPoint.parse(entry)
    if model is not None:
        advice = "leave the model out; files that the class reads are artifacts"
        raise InvalidInputError(f"entry {entry!r}", "is given beside a model", advice)
    if CODE not in facts and CODE not in facts.get("artifacts", {}):
        advice = "give the package that has the class as code"
        raise InvalidInputError(f"entry {entry!r}", "is given without code", advice)
    return point


def _code(facts: Facts) -> object:
    code = facts.get("code")
    if code is not None and not isinstance(code, str | PathLike):
        raise InvalidInputError("code", f"must be a path, not {code!r}", "give its folder")
    return code
