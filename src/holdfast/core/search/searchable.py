"""What can be searched for: the fields of a version, their types, and where each is read."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from msgspec import UNSET

from holdfast.core import names, schema
from holdfast.core.manifest import Manifest
from holdfast.core.schema import Side
from holdfast.core.state import Record, State, Status
from holdfast.core.version import order
from holdfast.core.views import signed_by
from holdfast.errors import InvalidInputError

Kind = Literal["number", "text", "choice", "version", "time", "flag", "any"]
"""Type of a field; `any` is whatever JSON a caller stored there."""


@dataclass(frozen=True, slots=True)
class SearchedVersion:
    """A version that is looked at; *manifest* is read only where a condition needs it."""

    state: State
    record: Record
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class SearchField:
    """Something that versions can have.

    Attributes:
        name: As it is written in conditions.
        read: Returns its value, None if the version has none, a tuple if it has several.
        in_manifest: True if the journal does not tell it.
        choices: All values that there are.
        is_list: True if a version may have several.
        metric: Name of the metric it was taken for, where it was written without `metric.`.
    """

    name: str
    kind: Kind
    read: Callable[[SearchedVersion], Any] = dataclasses.field(compare=False, repr=False)
    in_manifest: bool = False
    choices: tuple[str, ...] = ()
    is_list: bool = False
    metric: str | None = None


def _of_manifest(read: Callable[[Manifest], Any]) -> Callable[[SearchedVersion], Any]:
    def cell(searched: SearchedVersion) -> Any:
        if searched.manifest is None:
            raise ValueError("the manifest was not read")
        return read(searched.manifest)

    return cell


def _text(name: str, read: Callable[[Manifest], str | None]) -> SearchField:
    return SearchField(name, "text", _of_manifest(read), in_manifest=True)


def _texts(name: str, read: Callable[[Manifest], tuple[str, ...]]) -> SearchField:
    return SearchField(name, "text", _of_manifest(read), in_manifest=True, is_list=True)


def _columns(manifest: Manifest, side: Side) -> dict[str, tuple[str, ...]]:
    """Return the types of the columns that a version takes or gives, by name."""
    try:
        signature = schema.parse(getattr(manifest, side), side)
    except InvalidInputError:  # whoever wrote it knew a word that is not known here
        return {}
    columns = signature.columns if signature else ()
    return {column.name: tuple(column.type.split("|")) for column in columns if column.name}


def _stage(searched: SearchedVersion) -> str | None:
    status = searched.record.status
    return status if status in ("production", "staging") else None


_FIELDS: Final = (
    SearchField("model", "text", lambda searched: searched.state.model),
    SearchField("version", "version", lambda searched: searched.record.version),
    SearchField("number", "number", lambda searched: searched.record.number),
    SearchField("digest", "text", lambda searched: f"sha256:{searched.record.manifest}"),
    SearchField(
        "status", "choice", lambda searched: searched.record.status, choices=get_args(Status)
    ),
    SearchField("stage", "choice", _stage, choices=("production", "staging")),
    SearchField(
        "alias",
        "text",
        lambda searched: searched.state.aliases_of(searched.record.version),
        is_list=True,
    ),
    SearchField("registered_at", "time", lambda searched: searched.record.registered_at),
    SearchField("registered_by", "text", lambda searched: searched.record.registered_by),
    SearchField("updated_at", "time", lambda searched: searched.record.updated_at),
    SearchField("size_bytes", "number", lambda searched: searched.record.size_bytes),
    SearchField("served", "flag", lambda searched: searched.record.served),
    SearchField("held", "text", lambda searched: searched.record.held),
    SearchField("note", "text", lambda searched: searched.record.notes, is_list=True),
    SearchField("approved_by", "text", lambda searched: searched.record.approvals, is_list=True),
    SearchField(
        "signed_by",
        "text",
        lambda searched: signed_by(searched.state, searched.record),
        is_list=True,
    ),
    _text("author", lambda manifest: manifest.author),
    _text("description", lambda manifest: manifest.description),
    _text("framework", lambda manifest: manifest.framework),
    _text("algorithm", lambda manifest: manifest.algorithm),
    _texts("limitation", lambda manifest: manifest.limitations),
    _texts("role", lambda manifest: tuple(manifest.artifacts)),
    _texts(
        "format",
        lambda manifest: tuple(artifact.format for artifact in manifest.artifacts.values()),
    ),
    SearchField(
        "executes_code",
        "flag",
        _of_manifest(lambda manifest: manifest.executes_code),
        in_manifest=True,
    ),
    _text("git_commit", lambda manifest: manifest.lineage.git_commit),
    SearchField(
        "git_dirty",
        "flag",
        _of_manifest(lambda manifest: manifest.lineage.git_dirty),
        in_manifest=True,
    ),
    _text("code_version", lambda manifest: manifest.lineage.code_version),
    _text("data_window", lambda manifest: manifest.lineage.data_window),
    _text("run_id", lambda manifest: manifest.lineage.run_id),
    _texts("parent", lambda manifest: manifest.lineage.parents),
    _text(
        "base",
        lambda manifest: None if manifest.lineage.base is UNSET else manifest.lineage.base,
    ),
    _text("python", lambda manifest: manifest.environment.python),
    _texts("input", lambda manifest: tuple(_columns(manifest, "input_schema"))),
    _texts("output", lambda manifest: tuple(_columns(manifest, "output_schema"))),
)
FIELDS: Final[Mapping[str, SearchField]] = {field.name: field for field in _FIELDS}


def _metric(name: str, parts: tuple[str, ...]) -> SearchField:
    key = ".".join(parts)
    return SearchField(name, "number", lambda searched: searched.record.metrics.get(key))


def _tag(name: str, parts: tuple[str, ...]) -> SearchField:
    key = ".".join(parts)
    return SearchField(name, "text", lambda searched: searched.record.tags.get(key))


def _package(name: str, parts: tuple[str, ...]) -> SearchField:
    key = ".".join(parts)
    return _text(name, lambda manifest: manifest.environment.packages.get(key))


def _open(read: Callable[[Manifest], dict[str, Any]]) -> "Family":
    def made(name: str, parts: tuple[str, ...]) -> SearchField:
        def cell(manifest: Manifest) -> Any:
            value = _within(read(manifest), parts)
            return tuple(value) if isinstance(value, list) else value

        return SearchField(name, "any", _of_manifest(cell), in_manifest=True)

    return made


def _within(values: Any, parts: tuple[str, ...]) -> Any:
    """Look a name up: as one key with its dots, else part by part."""
    whole = ".".join(parts)
    if isinstance(values, dict) and whole in values:
        return values[whole]
    for part in parts:
        if not isinstance(values, dict):
            return None
        values = values.get(part)
    return values


def _column(side: Side) -> "Family":
    def made(name: str, parts: tuple[str, ...]) -> SearchField:
        key = ".".join(parts)
        return SearchField(
            name,
            "text",
            _of_manifest(lambda manifest: _columns(manifest, side).get(key, ())),
            in_manifest=True,
            is_list=True,
        )

    return made


Family = Callable[[str, tuple[str, ...]], SearchField]
FAMILIES: Final[Mapping[str, Family]] = {
    "metric": _metric,
    "tag": _tag,
    "parameter": _open(lambda manifest: manifest.hyperparameters),
    "training_data": _open(lambda manifest: manifest.training_data),
    "metadata": _open(lambda manifest: manifest.metadata),
    "package": _package,
    "input": _column("input_schema"),
    "output": _column("output_schema"),
}
"""Fields by the word before their dot; what is behind it is a name of the caller's own."""


def field(name: str, parts: tuple[str, ...], *, quoted: bool) -> SearchField | None:
    """Find a field by the parts of its name; what else it may be is a metric's bare name.

    Args:
        name: As it was written.
        parts: What stands between its dots.
        quoted: True if it was in quotes as a whole, which only a metric's can be.

    Returns:
        None if a family's word has nothing behind its dot, or a name is empty.
    """
    if not all(parts):
        return None
    if len(parts) == 1 and not quoted:
        if name in FIELDS:
            return FIELDS[name]
        if name in FAMILIES:
            return None
    elif parts[0] in FAMILIES and not quoted:
        return FAMILIES[parts[0]](name, parts[1:])
    key = ".".join(parts)
    return SearchField(
        name, "number", lambda searched: searched.record.metrics.get(key), metric=key
    )


def likely(name: str, metrics: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names that may be meant by one that is unknown, the nearest first."""
    near = names.nearest(name, [*FIELDS, *metrics])
    family, dot, key = name.partition(".")
    words = names.nearest(family, FAMILIES) if dot else ()
    return (*(f"{word}.{key}" for word in words[:1]), *near)


def rank(field: SearchField, cell: Any) -> Any:
    """Return what sorts the values of a field: numbers, then texts, then flags."""
    if field.kind == "version":
        return order(cell)
    if field.kind != "any":
        return cell
    if isinstance(cell, bool):
        return 2, cell
    if isinstance(cell, int | float):
        return 0, cell
    return (1, cell) if isinstance(cell, str) else (3, repr(cell))
