"""`adopt`: a folder of `model.pkl, model_v2.pkl, model_final.pkl …` becomes a registered model.

The folder is read and never written. Everything is planned first: which file is what, in which
order, with which preprocessor, and what is left out and why.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from holdfast import formats
from holdfast.core import names
from holdfast.core.entry import format_time
from holdfast.core.manifest import clean_metrics
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError, InvalidInputError, UntrustedError
from holdfast.registry import intake, moves
from holdfast.registry.facts import Facts
from holdfast.registry.session import Session, Signing

Role = Literal["model", "preprocessor", "duplicate", "metrics", "skipped"]

NO_PREPROCESSOR: Final = "none"
_KEPT_AS_IT_IS: Final = frozenset(("file", "folder"))
_PREPROCESSOR_WORDS: Final = frozenset(
    """encoder encoders featurizer imputer pre prep preproc preprocess preprocessing preprocessor
    scaler scalers tokenizer transformer transforms vectorizer""".split()
)
_PREPROCESSOR_CLASS: Final = re.compile(
    r"(Scaler|Encoder|Imputer|Vectorizer|Transformer|Binarizer|Discretizer|Normalizer|Features)$"
)
_MOST_METRICS: Final = 1 << 20  # bytes; a longer file is no table of metrics
_WORDS: Final = re.compile(r"[a-z]+|\d+")
_ROLE_WORDS: Final = _PREPROCESSOR_WORDS | {"model", "clf", "classifier", "regressor", "metrics"}


class Row(Struct, frozen=True):
    """What becomes of one file or folder.

    Attributes:
        file: Its name in the adopted folder.
        modified: RFC 3339, UTC.
        sha256: Of its content.
        role: What it is taken for.
        preprocessor: For a model: the file registered beside it, `None` for none.
        metrics: For a model: the file its metrics come from.
        note: Why, or which file it repeats.
        findings: What the scan found outside the allow-list.
    """

    file: str
    modified: str
    sha256: str
    role: Role
    preprocessor: str | None = None
    metrics: str | None = None
    note: str = ""
    findings: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """What an adoption would do.

    Attributes:
        rows: Every file, in the order of registration.
        questions: Models for which the preprocessor cannot be told; each must be answered.
        choices: The preprocessors there are.
    """

    model: str
    folder: str
    rows: tuple[Row, ...]
    questions: tuple[str, ...]
    choices: tuple[str, ...]

    @property
    def models(self) -> tuple[Row, ...]:
        """The rows that become versions, oldest first."""
        return tuple(row for row in self.rows if row.role == "model")


class Adopted(Struct, frozen=True):
    """The outcome: each file and the version it became."""

    plan: Plan
    versions: dict[str, VersionInfo]
    live: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """One entry of the folder, looked at."""

    path: Path
    sha256: str
    modified: float
    format: str
    algorithm: str | None
    findings: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        return frozenset(_WORDS.findall(self.path.stem.lower()))

    @property
    def mark(self) -> tuple[str, ...]:
        """What of the name tells versions apart: `model_v2` and `scaler_v2` share `v 2`."""
        return tuple(
            word for word in _WORDS.findall(self.path.stem.lower()) if word not in _ROLE_WORDS
        )


def plan(session: Session, model: str, folder: Path, preprocessors: Mapping[str, str]) -> Plan:
    """Look at a folder and say what would become of each file in it.

    Args:
        session: The store, for the model's allow-list.
        model: Name to register under.
        folder: The folder; only its direct content counts.
        preprocessors: Answers: preprocessor's file by model's file, `none` for none; `*` stands for
            all models.

    Raises:
        InvalidInputError: If the folder cannot be read, holds no model, or an answer names no file.
    """
    paths = _listed(folder)
    found, rows = _look(session, model, paths)
    fitted = [item for item in found if _is_preprocessor(item)]
    kept, repeated = _without_repetition([item for item in found if item not in fitted])
    choices = tuple(item.path.name for item in fitted)
    answers = _answers(preprocessors, {item.path.name for item in kept}, choices)
    questions = []
    for item in kept:
        beside, asked = _match(item, fitted, answers)
        questions += [item.path.name] if asked else []
        rows.append(_model_row(item, beside, paths, repeated))
    rows += [_row(item, "preprocessor", "") for item in fitted]
    rows += [_row(item, "duplicate", f"same bytes as {first}") for item, first in repeated]
    if not kept:
        raise InvalidInputError(f"folder {str(folder)!r}", "holds no model file", "name another")
    order = {name: place for place, name in enumerate(path.name for path in paths)}
    rows.sort(key=lambda row: (row.role != "model", row.role, order[row.file]))
    return Plan(model, str(folder), tuple(rows), tuple(questions), choices)


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, oldest first; files of one time in natural order of names."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
        return sorted(paths, key=lambda path: (_modified(path), _natural(path.name)))
    except OSError as error:
        raise InvalidInputError(
            f"folder {str(folder)!r}",
            f"cannot be read: {error.strerror}",
            "check its path and mode",
        ) from error


def _modified(path: Path) -> float:
    """Return when a file was changed; of a link that leads nowhere, the link itself."""
    try:
        return path.stat().st_mtime
    except OSError:
        return path.lstat().st_mtime


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Order `v10` after `v9`, and a bare `model` before `model_v2`."""
    pieces = re.findall(r"\d+|\D+", Path(name).stem)
    return [(1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces]


def _look(session: Session, model: str, paths: Sequence[Path]) -> tuple[list[_Found], list[Row]]:
    allowed = session.allowed(model)
    found: list[_Found] = []
    skipped: list[Row] = []
    for path in paths:
        modified = format_time(datetime.fromtimestamp(_modified(path), UTC))
        try:
            packaged = formats.package(path, "model", path.parent)
            if packaged.format in _KEPT_AS_IT_IS:
                role: Role = "metrics" if any(_read_metrics(path)) else "skipped"
                note = "" if role == "metrics" else "no model format"
                skipped.append(Row(path.name, modified, _digest(path), role, note=note))
                continue
            scan = formats.scan(path, allowed)
        except HoldfastError as error:
            skipped.append(Row(path.name, modified, "", "skipped", note=str(error)))
            continue
        algorithm = packaged.description.algorithm
        found.append(
            _Found(
                path, _digest(path), path.stat().st_mtime, packaged.format, algorithm, scan.unknown
            )
        )
    return found, skipped


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if path.is_file():
        return digests[0]
    named = zip(digests, (file.relative_to(path).as_posix() for file in files), strict=True)
    lines = "".join(f"{digest}  {name}\n" for digest, name in named)
    return hashlib.sha256(lines.encode()).hexdigest()


def _is_preprocessor(item: _Found) -> bool:
    named = bool(item.words & _PREPROCESSOR_WORDS)
    return named or bool(item.algorithm and _PREPROCESSOR_CLASS.search(item.algorithm))


def _without_repetition(
    models: Sequence[_Found],
) -> tuple[list[_Found], list[tuple[_Found, str]]]:
    first: dict[str, _Found] = {}
    repeated = []
    for item in models:
        if item.sha256 in first:
            repeated.append((item, first[item.sha256].path.name))
        else:
            first[item.sha256] = item
    return list(first.values()), repeated


def _answers(given: Mapping[str, str], models: set[str], choices: Sequence[str]) -> dict[str, str]:
    for model, choice in given.items():
        if model not in models | {"*"}:
            raise InvalidInputError(
                f"model file {model!r}", "is not in the folder", ", ".join(sorted(models))
            )
        if choice not in (*choices, NO_PREPROCESSOR):
            there = ", ".join((*choices, NO_PREPROCESSOR))
            raise InvalidInputError(f"preprocessor {choice!r}", "is not in the folder", there)
    everywhere = dict.fromkeys(models, given["*"]) if "*" in given else {}
    return everywhere | {name: choice for name, choice in given.items() if name != "*"}


def _match(
    item: _Found, fitted: Sequence[_Found], answers: Mapping[str, str]
) -> tuple[str | None, bool]:
    """Return the preprocessor's file, and whether somebody must be asked for it."""
    if item.path.name in answers:
        answer = answers[item.path.name]
        return (None if answer == NO_PREPROCESSOR else answer), False
    same_mark = [other for other in fitted if other.mark == item.mark]
    if len({other.sha256 for other in same_mark}) == 1:
        return same_mark[0].path.name, False
    if len({other.sha256 for other in fitted}) == 1:
        return fitted[0].path.name, False
    return None, bool(fitted)


def _row(item: _Found, role: Role, note: str) -> Row:
    modified = format_time(datetime.fromtimestamp(item.modified, UTC))
    return Row(item.path.name, modified, item.sha256, role, note=note, findings=item.findings)


def _model_row(
    item: _Found,
    beside: str | None,
    paths: Sequence[Path],
    repeated: Sequence[tuple[_Found, str]],
) -> Row:
    stem = item.path.stem
    wanted = {f"{stem}.json", f"{stem}_metrics.json", f"{stem}.metrics.json"}
    beside_it = [p for p in paths if p.name in wanted and any(_read_metrics(p))]
    metrics = beside_it[0].name if beside_it else None
    also = [other.path.name for other, first in repeated if first == item.path.name]
    note = f"also found as {', '.join(also)}" if also else item.algorithm or ""
    lost = _read_metrics(beside_it[0])[1] if beside_it else ()
    if lost:
        note = f"{note}; not finite, left out: {', '.join(lost)}".removeprefix("; ")
    row = _row(item, "model", note)
    return msgspec.structs.replace(row, preprocessor=beside, metrics=metrics)


def _metrics_of(path: Path) -> dict[str, float]:
    """Return the numbers of a small JSON object, empty if the file is none."""
    return _read_metrics(path)[0]


def _read_metrics(path: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the finite numbers of a small JSON object, and the names of those that are not."""
    if path.suffix != ".json" or not path.is_file():
        return {}, ()
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_METRICS).decode("utf-8-sig")  # Windows puts a mark before it
        document: Any = json.loads(text)  # which reads NaN and Infinity, as Python writes them
    except (ValueError, RecursionError):
        return {}, ()
    inner = document.get("metrics", document) if isinstance(document, dict) else {}
    if not isinstance(inner, dict):
        return {}, ()
    numbers = {
        key: value
        for key, value in inner.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
    return finite, tuple(sorted(numbers.keys() - finite.keys()))


def run(
    session: Session, planned: Plan, live: str | None, trust: str | None, signing: Signing
) -> Adopted:
    """Register what the plan says, oldest first, and promote *live* if one is named.

    Raises:
        InvalidInputError: If a question is unanswered or *live* is not among the files.
        UntrustedError: If a file runs code outside the allow-list and no reason to trust is given.
    """
    wanted = _original(planned, live) if live is not None else None
    _check(planned, trust)
    folder = Path(planned.folder)
    versions: dict[str, VersionInfo] = {}
    for row in planned.models:
        sources: dict[str, object] = {"model": folder / row.file}
        if row.preprocessor:
            sources["preprocessor"] = folder / row.preprocessor
        facts = _facts(planned, row, trust, signing)
        registered = intake.register(session, planned.model, sources, "minor", facts)
        versions[row.file] = registered.version
    if wanted is not None:
        reason = signing.reason or f"adopted as live: {live}"
        moves.promote(session, versions[wanted].ref, Signing(reason), expect=None, by_force=True)
    return Adopted(planned, versions, versions[wanted].version if wanted else None)


def _original(planned: Plan, live: str) -> str:
    """Return the model's file that is registered for *live*, which may be a copy of it."""
    digests = {row.file: row.sha256 for row in planned.rows if row.role in ("model", "duplicate")}
    for row in planned.models:
        if row.sha256 == digests.get(live):
            return row.file
    there = ", ".join(digests)
    raise InvalidInputError(f"live file {live!r}", "is none of the models", there)


def _check(planned: Plan, trust: str | None) -> None:
    if planned.questions:
        raise InvalidInputError(
            f"preprocessor of {', '.join(planned.questions)}",
            "cannot be told from the names",
            f"say --preprocessor {planned.questions[0]}={'|'.join((*planned.choices, 'none'))}",
        )
    if not names.is_text(trust):
        for row in planned.rows:
            if row.role in ("model", "preprocessor") and row.findings:
                raise UntrustedError(row.file, row.findings)


def _facts(planned: Plan, row: Row, trust: str | None, signing: Signing) -> Facts:
    folder = Path(planned.folder)
    beside = next((other.sha256 for other in planned.rows if other.file == row.preprocessor), "")
    facts: Facts = {
        "metadata": {"adopted": {"file": row.file, "modified": row.modified, "note": row.note}},
        "lineage": {"git_commit": None, "git_dirty": None},  # of this process, not of the training
        "reason": signing.reason or f"adopted from {folder.name}/{row.file}",
        "key": f"adopt {row.sha256} {beside}",  # an adoption cut short can be run again
    }
    if row.metrics:
        facts["metrics"] = clean_metrics(_metrics_of(folder / row.metrics))
    if trust:
        facts["trust"] = trust
    return facts
