"""Versions of data: what is written of each for ever, and how people name them."""

import re
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from holdfast.core import names, strict_json
from holdfast.core.event import Event
from holdfast.core.manifest import File, is_digest
from holdfast.datasets import data_digests
from holdfast.datasets.row_digest import DataColumn
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError

__all__ = [
    "DATA_OPERATIONS",
    "DATA_WORDS",
    "DataAdded",
    "DataDescription",
    "DataQuery",
    "DataRef",
    "DataVersion",
    "data_added",
    "decode_description",
    "encode_description",
    "parse_data_ref",
    "received",
]

MOST_FILES: Final = 200_000
_FORMAT: Final = 1
_REF: Final = re.compile(r"([^@]+)@(v?[1-9][0-9]{0,8}|latest|sha256:[0-9a-f]{6,64})")
_LEAST_DIGITS: Final = 6

DataKind = Literal["file", "folder", "pattern", "query"]


class DataQuery(Struct, frozen=True):
    """A query whose result is the data.

    Attributes:
        text: The SQL.
        parameters: By name.
        connection: Where it ran, without credentials.
        engine: What ran it, with its version.
    """

    text: str
    parameters: dict[str, Any]
    connection: str
    engine: str


class DataDescription(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of a version of data, as canonical JSON in a blob.

    Attributes:
        format: Of this record.
        kind: A file, all files of a folder, those that fit a pattern, or the result of a query.
        source: Where it was: an absolute path or the address of a bucket; empty for a query.
        digest: `sha256:` and 64 hex digits of its bytes; of many files over sorted lines of
            `sha256  path`. `None` for a query whose result is not kept.
        rows: The digest of its rows; `None` if they were not read.
        row_count: How many there are.
        size_bytes: Of all files.
        files: Sorted by path; of a lone file its name.
        columns: In order.
        reader: What read the rows.
        window: The time they are of, `FROM/TO`.
        kept: Whether the store has the files.
        remark: Why rows were not read, or may come in another order.
    """

    format: int = _FORMAT
    kind: DataKind
    source: str
    digest: str | None = None
    rows: str | None = None
    row_count: int | None = None
    size_bytes: int = 0
    files: tuple[File, ...] = ()
    columns: tuple[DataColumn, ...] = ()
    reader: str = ""
    window: str | None = None
    query: DataQuery | None = None
    kept: bool = False
    remark: str = ""


class DataAdded(Event, frozen=True, kw_only=True):
    """Data was added under a name; the number of the entry is that of the version.

    Attributes:
        description: 64 hex digits of the blob with the description.
        digest: As the description has it, and so are *rows*, *row_count*, *size_bytes* and *kept*.
    """

    description: str
    digest: str | None
    rows: str | None
    row_count: int | None
    size_bytes: int
    kept: bool


DATA_OPERATIONS: Final = {"data_added": DataAdded}
DATA_WORDS: Final = {event: word for word, event in DATA_OPERATIONS.items()}


class DataVersion(Struct, frozen=True):
    """A version of data as its journal tells it."""

    name: str
    number: int
    at: str
    by: str
    reason: str | None
    added: DataAdded

    @property
    def ref(self) -> str:
        """How it is named: `sales@v3`."""
        return f"{self.name}@v{self.number}"

    def has(self, digest: str) -> bool:
        """Tell whether its bytes or rows have a digest, or one that begins so."""
        digests = (self.added.digest, self.added.rows)
        return any(one is not None and one.startswith(digest) for one in digests)


class DataRef(Struct, frozen=True):
    """A version of data as a person names it: by number, `latest`, or a digest."""

    name: str
    selector: str

    @property
    def number(self) -> int | None:
        """The number, `None` for anything else."""
        digits = self.selector.removeprefix("v")
        return int(digits) if digits.isdigit() else None


def parse_data_ref(text: str) -> DataRef | None:
    """Read `NAME@v3`, `NAME@3`, `NAME@latest` or `NAME@sha256:…`; `None` for a path.

    A file of such a name is written `./NAME@v3`.
    """
    match = _REF.fullmatch(text)
    if match is None or text.startswith((".", "/")):
        return None
    try:
        names.check_model(match[1])
    except InvalidInputError:
        return None
    return DataRef(match[1], match[2])


def check_name(name: str) -> str:
    """Check a name of data, for which the rules for names of models hold.

    Raises:
        InvalidInputError: If it breaks one.
    """
    try:
        return names.check_model(name)
    except InvalidInputError as error:
        raise InvalidInputError(f"data name {name!r}", error.problem, error.advice) from error


def encode_description(description: DataDescription) -> bytes:
    """Write a description: equal ones give equal bytes.

    Raises:
        InvalidInputError: If it has more files than one may.
    """
    subject = f"data {description.source!r}"
    if len(description.files) > MOST_FILES:
        problem = f"has {len(description.files):,} files, more than {MOST_FILES:,}"
        raise InvalidInputError(subject, problem, "pack them, or add parts by names of their own")
    try:
        return msgspec.json.encode(description, order="sorted") + b"\n"
    except (UnicodeEncodeError, TypeError) as error:
        problem = f"has names that are not text: {error}"
        raise InvalidInputError(subject, problem, "rename those files") from error


def decode_description(raw: bytes, ref: str) -> DataDescription:
    """Read a description whose bytes were checked against their digest.

    Raises:
        NewerFormatError: If a newer Holdfast wrote it.
        DamagedError: If it is not one that `add` writes.
    """
    subject = f"description of {ref}"
    try:
        document = strict_json.decode(raw)
        newer = isinstance(document, dict) and document.get("format", 1) != _FORMAT
        if newer:
            raise NewerFormatError(subject, f"format {document['format']}", f"{_FORMAT}")
        description = msgspec.convert(document, DataDescription)
        if description.kept:
            names.check_paths([file.path for file in description.files])
    except (ValueError, InvalidInputError) as error:
        advice = "add the data again, or restore it from a copy of the store"
        raise DamagedError(subject, f"cannot be true: {error}", advice) from error
    if not all(is_digest(file.sha256) for file in description.files):
        raise DamagedError(subject, "names a file without a digest", "add the data again")
    return description


def data_added(sha256: str, description: DataDescription) -> DataAdded:
    """Return the event that adds what a description says; *sha256* is the description's own."""
    return DataAdded(
        description=sha256,
        digest=description.digest,
        rows=description.rows,
        row_count=description.row_count,
        size_bytes=description.size_bytes,
        kept=description.kept,
    )


def received(raw: bytes, name: str) -> DataDescription:
    """Read a description that another machine wrote, and hold its digests against its files.

    Raises:
        InvalidInputError: If it is not one, or says what cannot be.
    """
    subject = f"description of data {name}"
    try:
        description = decode_description(raw, name)
    except (DamagedError, NewerFormatError) as error:
        raise InvalidInputError(subject, f"is refused: {error}", "add the data again") from error
    problem = _contradiction(description)
    if problem is None and encode_description(description) != raw:
        problem = "is not written as descriptions are"
    if problem is not None:
        raise InvalidInputError(subject, problem, "add the data again")
    return description


def _contradiction(description: DataDescription) -> str | None:
    """Say what cannot be true of a description, `None` if all of it can."""
    files = description.files
    if description.kind in ("file", "folder", "pattern"):
        pairs = [(file.path, file.sha256) for file in files]
        is_lone = description.kind == "file" and len(files) == 1
        digest = f"sha256:{files[0].sha256}" if is_lone else data_digests.of_lines(pairs)
        if not files or description.digest != digest:
            return "has another digest than its files"
    elif description.query is None:
        return "has no query"
    if description.size_bytes != sum(file.size_bytes for file in files):
        return "has another size than its files"
    for name, value in (("digest", description.digest), ("rows", description.rows)):
        if value is not None and not is_digest(value.removeprefix("sha256:")):
            return f"has {name} that are not a digest"
    if description.kept and not files:
        return "keeps no files"
    return None
