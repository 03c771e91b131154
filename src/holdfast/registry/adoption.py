"""`adopt`: a folder of `model.pkl, model_v2.pkl, model_final.pkl …` becomes a registered model.

The folder is read and never written. Everything is planned first: which file is what, in which
order, with which preprocessor, and what is left out and why.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final, Literal, TypedDict

import msgspec
from msgspec import Struct

from holdfast import formats, scratch
from holdfast.core import names
from holdfast.core.entry import format_timestamp
from holdfast.core.manifest import CODE, clean_metrics
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError, InvalidInputError, UntrustedError
from holdfast.formats import code
from holdfast.registry import legacy_folders, registration
from holdfast.registry.facts import Facts
from holdfast.registry.session import Session

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
_WORDS: Final = re.compile(r"[a-z]+|\d+")
_ROLE_WORDS: Final = _PREPROCESSOR_WORDS | {"model", "clf", "classifier", "regressor", "metrics"}


class AdoptionOptions(TypedDict, total=False):
    """What may be said of an adoption besides where it is from; nothing of it must be.

    Attributes:
        live: The file that is live; it is promoted.
        trust: Why files that run code outside the allow-list, and *code*, are accepted.
        code: A module, a package's folder, or a folder of these: each version keeps it as its own
            code, which only it imports.
        reason: Kept with each entry.
    """

    live: str | None
    trust: str | None
    code: str | PathLike[str] | None
    reason: str | None


class AdoptionRow(Struct, frozen=True):
    """What an adoption does with one file or folder.

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


class AdoptionPlan(Struct, frozen=True):
    """What an adoption would do.

    Attributes:
        rows: Every file, in the order of registration.
        questions: Models whose preprocessor cannot be determined; each must be answered.
        choices: The preprocessors there are.
    """

    model: str
    folder: str
    rows: tuple[AdoptionRow, ...]
    questions: tuple[str, ...]
    choices: tuple[str, ...]

    @property
    def models(self) -> tuple[AdoptionRow, ...]:
        """The rows that become versions, oldest first."""
        return tuple(row for row in self.rows if row.role == "model")


class Adopted(Struct, frozen=True):
    """The outcome: each file and the version it became."""

    plan: AdoptionPlan
    versions: dict[str, VersionInfo]
    live: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """One entry of the folder, examined."""

    path: Path
    name: str
    sha256: str
    modified: float
    format: str
    algorithm: str | None
    findings: tuple[str, ...]

    @property
    def place(self) -> str:
        """The folder of its version, empty for a file of the folder itself."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def words(self) -> frozenset[str]:
        return frozenset(_WORDS.findall(self.path.stem.lower()))

    @property
    def mark(self) -> tuple[str, ...]:
        """What in the name tells versions apart: `model_v2` and `scaler_v2` share `v 2`."""
        return tuple(
            word for word in _WORDS.findall(self.path.stem.lower()) if word not in _ROLE_WORDS
        )


def plan(
    session: Session, model: str, folder: Path, preprocessors: Mapping[str, str]
) -> AdoptionPlan:
    """Look at a folder and say what would become of each file in it.

    Args:
        session: The store, for the model's allow-list.
        model: Name to register under.
        folder: The folder: files, or a folder for each version, such as `v1` or `2026-01-05`.
        preprocessors: Answers: preprocessor's file by model's file, `none` for none; `*` stands for
            all models.

    Raises:
        InvalidInputError: If the folder cannot be read, holds no model, or an answer names no file.
    """
    paths = legacy_folders.candidates(folder)
    candidates, rows = _look(session, model, folder, paths)
    fitted = [item for item in candidates if _is_preprocessor(item)]
    model_files, repeated = _without_repetition([item for item in candidates if item not in fitted])
    choices = tuple(item.name for item in fitted)
    answers = _answers(preprocessors, {item.name for item in model_files}, choices)
    questions = []
    measured = {
        row.file for row in rows if row.role == "metrics"
    }  # read by name, so none that leads out
    tables = [path for path in paths if path.relative_to(folder).as_posix() in measured]
    for item in model_files:
        beside, asked = _match(item, fitted, answers)
        questions += [item.name] if asked else []
        rows.append(_model_row(item, beside, tables, repeated))
    rows += [_row(item, "preprocessor", "") for item in fitted]
    rows += [_row(item, "duplicate", f"same bytes as {first}") for item, first in repeated]
    if not model_files:
        raise InvalidInputError(f"folder {str(folder)!r}", "holds no model file", "name another")
    names_in_order = [path.relative_to(folder).as_posix() for path in paths]
    order = {name: index for index, name in enumerate(names_in_order)}
    rows.sort(key=lambda row: (row.role != "model", row.role, order[row.file]))
    return AdoptionPlan(model, str(folder), tuple(rows), tuple(questions), choices)


def _look(
    session: Session, model: str, folder: Path, paths: Sequence[Path]
) -> tuple[list[_Found], list[AdoptionRow]]:
    allowed = session.allowed(model)
    candidates: list[_Found] = []
    skipped: list[AdoptionRow] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        modified = format_timestamp(round(legacy_folders.modified(path) * 1e6))
        if legacy_folders.leads_out(path, folder):
            note = "a link that leads out of the folder"
            skipped.append(AdoptionRow(name, modified, "", "skipped", note=note))
            continue
        try:
            packaged = formats.package(path, "model", path.parent)
            if packaged.format in _KEPT_AS_IT_IS:
                role: Role = "metrics" if any(legacy_folders.read_metrics(path)) else "skipped"
                note = "" if role == "metrics" else "not a model format"
                skipped.append(
                    AdoptionRow(name, modified, legacy_folders.digest_of(path), role, note=note)
                )
                continue
            scan = formats.scan(path, allowed)
        except HoldfastError as error:
            skipped.append(AdoptionRow(name, modified, "", "skipped", note=str(error)))
            continue
        algorithm = packaged.description.algorithm
        about = (
            legacy_folders.digest_of(path),
            path.stat().st_mtime,
            packaged.format,
            algorithm,
            scan.unknown,
        )
        candidates.append(_Found(path, name, *about))
    return candidates, skipped


def _is_preprocessor(item: _Found) -> bool:
    has_preprocessor_name = bool(item.words & _PREPROCESSOR_WORDS)
    return has_preprocessor_name or bool(
        item.algorithm and _PREPROCESSOR_CLASS.search(item.algorithm)
    )


def _without_repetition(
    models: Sequence[_Found],
) -> tuple[list[_Found], list[tuple[_Found, str]]]:
    first: dict[str, _Found] = {}
    repeated = []
    for item in models:
        if item.sha256 in first:
            repeated.append((item, first[item.sha256].name))
        else:
            first[item.sha256] = item
    return list(first.values()), repeated


def _answers(
    answers: Mapping[str, str], models: set[str], choices: Sequence[str]
) -> dict[str, str]:
    for model, choice in answers.items():
        if model not in models | {"*"}:
            raise InvalidInputError(
                f"model file {model!r}", "is not in the folder", ", ".join(sorted(models))
            )
        if choice not in (*choices, NO_PREPROCESSOR):
            there = ", ".join((*choices, NO_PREPROCESSOR))
            raise InvalidInputError(f"preprocessor {choice!r}", "is not in the folder", there)
    everywhere = dict.fromkeys(models, answers["*"]) if "*" in answers else {}
    return everywhere | {name: choice for name, choice in answers.items() if name != "*"}


def _match(
    item: _Found, fitted: Sequence[_Found], answers: Mapping[str, str]
) -> tuple[str | None, bool]:
    """Return the preprocessor's file, and whether somebody must be asked for it."""
    if item.name in answers:
        answer = answers[item.name]
        return (None if answer == NO_PREPROCESSOR else answer), False
    if item.place:  # a file beside it was written with it
        fitted = [other for other in fitted if other.place == item.place] or [
            other for other in fitted if not other.place
        ]
    same_mark = [other for other in fitted if other.mark == item.mark]
    if len({other.sha256 for other in same_mark}) == 1:
        return same_mark[0].name, False
    if len({other.sha256 for other in fitted}) == 1:
        return fitted[0].name, False
    return None, bool(fitted)


def _row(item: _Found, role: Role, note: str) -> AdoptionRow:
    modified = format_timestamp(round(item.modified * 1e6))
    return AdoptionRow(item.name, modified, item.sha256, role, note=note, findings=item.findings)


def _model_row(
    item: _Found,
    beside: str | None,
    tables: Sequence[Path],
    repeated: Sequence[tuple[_Found, str]],
) -> AdoptionRow:
    stem = item.path.stem
    file_names = {f"{stem}.json", f"{stem}_metrics.json", f"{stem}.metrics.json"}
    if item.place:
        file_names |= {"metrics.json", "eval.json", "evaluation.json", "scores.json"}
    near = [path for path in tables if path.parent == item.path.parent]
    beside_it = [path for path in near if path.name in file_names]
    prefix = item.name.removesuffix(item.path.name)
    metrics = prefix + beside_it[0].name if beside_it else None
    also = [other.name for other, first in repeated if first == item.name]
    note = f"also found as {', '.join(also)}" if also else item.algorithm or ""
    lost = legacy_folders.read_metrics(beside_it[0])[1] if beside_it else ()
    if lost:
        note = f"{note}; not finite, left out: {', '.join(lost)}".removeprefix("; ")
    row = _row(item, "model", note)
    return msgspec.structs.replace(row, preprocessor=beside, metrics=metrics)


Promote = Callable[[str, str], object]
"""Makes a version live by force, given its ref and a reason."""


def check(options: AdoptionOptions) -> None:
    """Check that everything that is said of an adoption is known.

    Raises:
        InvalidInputError: If something is misspelt.
    """
    for name in options:
        if name not in AdoptionOptions.__annotations__:
            there = ", ".join(AdoptionOptions.__annotations__)
            raise InvalidInputError(f"option {name!r}", "is unknown", f"there are {there}")


def run(
    session: Session, planned: AdoptionPlan, options: AdoptionOptions, promote: Promote
) -> Adopted:
    """Register what the plan says, oldest first, and *promote* the live file if one is named.

    Raises:
        InvalidInputError: If a question is unanswered, the live file is not among the files, or
            the code cannot be kept.
        UntrustedError: If code would run that is outside the allow-list, and no reason to trust it
            is given.
    """
    live, reason = options.get("live"), options.get("reason")
    live_file = _original(planned, live) if live is not None else None
    _check(planned, options.get("trust"))
    folder = Path(planned.folder)
    versions: dict[str, VersionInfo] = {}
    with scratch.folder(session.scratch()) as place:
        staged = _staged(options.get("code"), place)
        for row in planned.models:
            sources: dict[str, object] = {"model": folder / row.file}
            if row.preprocessor:
                sources["preprocessor"] = folder / row.preprocessor
            if staged is not None:
                sources[CODE] = staged
            facts = _facts(planned, row, staged, options)
            registered = registration.register(session, planned.model, sources, "minor", facts)
            versions[row.file] = registered.version
    if live_file is not None:
        promote(versions[live_file].ref, reason or f"adopted as live: {live}")
    return Adopted(planned, versions, versions[live_file].version if live_file else None)


def _staged(source: str | PathLike[str] | None, place: Path) -> Path | None:
    """Copy code that all versions are to keep: the same for each, whoever edits it meanwhile."""
    return None if source is None else code.stage(Path(source), place)


def _original(planned: AdoptionPlan, live: str) -> str:
    """Return the model's file that is registered for *live*, which may be a copy of it."""
    digests = {row.file: row.sha256 for row in planned.rows if row.role in ("model", "duplicate")}
    for row in planned.models:
        if row.sha256 == digests.get(live):
            return row.file
    there = ", ".join(digests)
    raise InvalidInputError(f"live file {live!r}", "is not one of the models", there)


def _check(planned: AdoptionPlan, trust: str | None) -> None:
    if planned.questions:
        raise InvalidInputError(
            f"preprocessor of {', '.join(planned.questions)}",
            "cannot be guessed from the names",
            f"give --preprocessor {planned.questions[0]}={'|'.join((*planned.choices, 'none'))}",
        )
    if not names.is_text(trust):
        for row in planned.rows:
            if row.role in ("model", "preprocessor") and row.findings:
                raise UntrustedError(row.file, row.findings)


def _facts(
    planned: AdoptionPlan, row: AdoptionRow, staged: Path | None, options: AdoptionOptions
) -> Facts:
    folder = Path(planned.folder)
    beside = next((other.sha256 for other in planned.rows if other.file == row.preprocessor), "")
    own_code = f" {legacy_folders.digest_of(staged)}" if staged is not None else ""
    facts: Facts = {
        "metadata": {"adopted": {"file": row.file, "modified": row.modified, "note": row.note}},
        "lineage": {"git_commit": None, "git_dirty": None},  # of this process, not of the training
        "reason": options.get("reason") or f"adopted from {folder.name}/{row.file}",
        # an adoption cut short can be run again
        "idempotency_key": f"adopt {row.sha256} {beside}{own_code}",
    }
    if row.metrics:
        facts["metrics"] = clean_metrics(legacy_folders.metrics_of(folder / row.metrics))
    trust = options.get("trust")
    if trust:
        facts["trust"] = trust
    return facts
