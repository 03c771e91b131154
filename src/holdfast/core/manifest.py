"""What a version records, for ever: the manifest, its canonical bytes and its digest."""

import hashlib
import math
import re
from collections.abc import Mapping
from numbers import Integral, Rational, Real
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from holdfast.core import names, strict_json, version
from holdfast.core.lineage_record import Lineage
from holdfast.core.metrics import float_of
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError

FORMAT = 1
"""The newest manifest format this code reads and the one it writes."""

CODE = "code"
"""Role and format of a version's own Python code."""

PATCH = "patch"
"""Role of what the work tree of the training had changed since its commit."""

ENTRY = "entry"
"""Format of a model that a class of that code makes."""

MAX_BYTES = 64 << 20
"""Length of a manifest, of a folder of half a million files."""

_MOST_NESTED = 100
_OF_EACH_VERSION = "manifest.json"
_DIGEST = re.compile("[0-9a-f]{64}")

# of the act of registering: manifests that differ in these alone hold the same bytes and facts
CIRCUMSTANCES = ("version", "number", "registered_at", "registered_by", "environment", "scan")


class File(Struct, frozen=True):
    """One stored file.

    Attributes:
        path: Place in the version's folder, `/`-separated, such as `model.joblib`.
        sha256: 64 hex digits, lower case; the name of the blob.
        size_bytes: Length, at least 1 for an artifact of one file.
    """

    path: str
    sha256: str
    size_bytes: int


class Artifact(Struct, frozen=True):
    """The bytes behind one role (`model`, `preprocessor`, ...), a file or a folder.

    Attributes:
        path: The file's or the folder's name in the version's folder.
        format: Name of the format that loads it; `file` or `folder` where none does.
        files: All files, sorted by path.
    """

    path: str
    format: str
    files: tuple[File, ...]

    @property
    def size_bytes(self) -> int:
        """Total length of the files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """64 hex digits that change when any byte or path does; a lone file's own SHA-256."""
        if len(self.files) == 1 and self.files[0].path == self.path:
            return self.files[0].sha256
        lines = "".join(f"{file.sha256}  {file.path}\n" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()


class Evidence(Struct, frozen=True):
    """What another scanner said of an artifact.

    Attributes:
        tool: Its name.
        version: Its version.
        findings: Each as `severity: message`, as many as are kept.
        problem: Why it said nothing, or not all.
    """

    tool: str
    version: str
    findings: tuple[str, ...] = ()
    problem: str | None = None


class Scan(Struct, frozen=True):
    """What reading an artifact's content, without loading it, found.

    Attributes:
        kind: What the bytes are, whatever the file's name: `pickle`, `zip`, `onnx`, ...
        executes_code: True if loading it can run code.
        globals: Every constructor and function that loading would call, sorted, as `module.name`.
        unknown: Those of *globals* outside the allow-list, and whatever could not be read.
        trusted: The reason given for registering it in spite of *unknown*.
        evidence: What other scanners said; not written where none was asked.
    """

    kind: str
    executes_code: bool = False
    globals: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    trusted: str | None = None
    evidence: tuple[Evidence, ...] | UnsetType = UNSET


class Environment(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it was registered: Python's version and the packages that matter to the model."""

    python: str | None = None
    packages: dict[str, str] = {}


class Manifest(Struct, frozen=True, kw_only=True):
    """One version, whole and immutable; the SHA-256 of its canonical bytes is its identity.

    Attributes:
        format: Of this record.
        name: The registered model.
        version: SemVer, such as `1.2.0`.
        number: Count of registrations, from 1; `v3` in refs.
        registered_at: RFC 3339, UTC, microseconds.
        metrics: Finite numbers by name.
        training_data: Open keys; usual ones are source, samples, features, window, digests.
        input_schema: JSON Schema of what `predict` takes, see `core/schema/`.
        output_schema: JSON Schema of what it returns.
        input_example: A few rows, as plain JSON.
        metadata: Open keys of the caller's own.
        reference: Of a version without files, where they are said to be; else not written.
    """

    format: int = FORMAT
    name: str
    version: str
    number: int
    registered_at: str
    registered_by: str
    description: str | None = None
    author: str | None = None
    framework: str | None = None
    algorithm: str | None = None
    artifacts: dict[str, Artifact]
    metrics: dict[str, float] = {}
    hyperparameters: dict[str, Any] = {}
    training_data: dict[str, Any] = {}
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    input_example: Any = None
    limitations: tuple[str, ...] = ()
    lineage: Lineage = Lineage()
    environment: Environment = Environment()
    metadata: dict[str, Any] = {}
    scan: dict[str, Scan] = {}
    reference: str | UnsetType = UNSET

    @property
    def size_bytes(self) -> int:
        """Total length of all artifacts."""
        return sum(artifact.size_bytes for artifact in self.artifacts.values())

    @property
    def files(self) -> tuple[File, ...]:
        """All files of all artifacts."""
        return tuple(file for artifact in self.artifacts.values() for file in artifact.files)

    @property
    def executes_code(self) -> bool:
        """True if loading any artifact can run code; code does, whatever is said of it."""
        is_flagged = any(scan.executes_code for scan in self.scan.values())
        return is_flagged or any(artifact.format == CODE for artifact in self.artifacts.values())


def encode(manifest: Manifest) -> bytes:
    """Write the canonical bytes: UTF-8 JSON, sorted keys, no white space, a newline at the end.

    Raises:
        InvalidInputError: If a reader would refuse them.
    """
    subject = f"facts of {manifest.name}"
    try:
        raw = msgspec.json.encode(manifest, order="sorted") + b"\n"
    except (UnicodeEncodeError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidInputError(subject, f"cannot be written: {error}") from error
    if len(raw) > MAX_BYTES:
        problem = f"have {len(raw):,} bytes, more than {MAX_BYTES:,}"
        raise InvalidInputError(subject, problem, "put them into a separate file")
    return raw


def decode(raw: bytes, digest: str) -> Manifest:
    """Read a manifest whose bytes were checked against *digest* already.

    Whoever may write to a store may have made it: nothing in it is taken for a path, a digest or
    a length before it was held against the rules for them.

    Raises:
        NewerFormatError: If a newer Holdfast wrote it.
        DamagedError: If it is not a manifest, or none that a registration writes.
    """
    subject = f"manifest sha256:{digest[:12]}"
    advice = "`holdfast repair --from` fetches it from a copy of the store"
    try:
        head = strict_json.decode(raw, _Head)
        if head.format > FORMAT:
            raise NewerFormatError(subject, f"manifest format {head.format}", f"up to {FORMAT}")
        manifest = strict_json.decode(raw, Manifest)
        check(manifest)
    except (ValueError, InvalidInputError) as error:
        raise DamagedError(subject, f"is not a manifest: {error}", advice) from error
    return manifest


def check(manifest: Manifest) -> None:
    """Check the texts of a manifest that become folders, file names or keys of blobs.

    Raises:
        InvalidInputError: If a name, version, role, path, digest or length in it is invalid, or if
            it nests deeper than those who go through it can.
    """
    names.check_model(manifest.name)
    version.parse(manifest.version)
    names.check_paths([_OF_EACH_VERSION, *(file.path for file in manifest.files)])
    for role, artifact in manifest.artifacts.items():
        _check_artifact(names.check_role(role), artifact)
    _check_code(manifest)
    if manifest.reference is not UNSET and manifest.artifacts:
        raise InvalidInputError("reference", "is given beside files")
    if manifest.lineage.base is not UNSET:
        base_digest(manifest.lineage.base)
    values = msgspec.structs.astuple(manifest)
    if any(_is_nested(value) for value in values if isinstance(value, dict | list | tuple)):
        raise InvalidInputError("manifest", f"nests over {_MOST_NESTED} levels", "flatten it")


def base_digest(base: str) -> str:
    """Return the digest of the version that an adapter names, 64 hex digits.

    Raises:
        InvalidInputError: If it is not named by its digest.
    """
    model, _, digest = base.partition("@sha256:")
    if not is_digest(digest):
        advice = "name it with --base MODEL@REF (base=…), which records its digest"
        raise InvalidInputError(f"base {base!r}", "is not model@sha256: and 64 hex digits", advice)
    names.check_model(model)
    return digest


def _check_code(manifest: Manifest) -> None:
    for role, artifact in manifest.artifacts.items():
        if artifact.format == CODE and (role != CODE or artifact.path != CODE):
            raise InvalidInputError(f"artifact {role}", "is code, but its role is not 'code'")
        if artifact.format == ENTRY:
            code = manifest.artifacts.get(CODE)
            if role != "model" or code is None or code.format != CODE:
                raise InvalidInputError(f"artifact {role}", "names a class but has no code")


def _check_artifact(role: str, artifact: Artifact) -> None:
    paths = [file.path for file in artifact.files]
    below = bool(paths) and all(path.startswith(f"{artifact.path}/") for path in paths)
    if paths != [artifact.path] and not below:
        raise InvalidInputError(f"artifact {role}", f"has no files at {artifact.path!r}")
    for file in artifact.files:
        if not is_digest(file.sha256) or file.size_bytes < 0:
            raise InvalidInputError(f"file {file.path!r}", "has no digest or length")


def _is_nested(value: object) -> bool:
    level = [value]
    for _ in range(_MOST_NESTED):
        tables = [list(item.values()) for item in level if isinstance(item, dict)]
        lists = [item for item in level if isinstance(item, list | tuple)]
        level = [inner for items in (*tables, *lists) for inner in items]
        if not level:
            return False
    return True


class _Head(Struct):
    format: int


def digest_of(raw: bytes) -> str:
    """Return the 64 hex digits that name *raw*."""
    return hashlib.sha256(raw).hexdigest()


def is_digest(text: str) -> bool:
    """Tell whether *text* is 64 lower-case hex digits."""
    return _DIGEST.fullmatch(text) is not None


def same_content(manifest: Manifest, other: Manifest) -> bool:
    """Tell whether two manifests hold the same bytes and facts, whoever registered them when."""
    return not differing_fields(manifest, other)


def differing_fields(manifest: Manifest, other: Manifest) -> tuple[str, ...]:
    """Name the fields, circumstances aside, in which two manifests differ."""
    return tuple(
        field
        for field in Manifest.__struct_fields__
        if field not in CIRCUMSTANCES and _content(manifest, field) != _content(other, field)
    )


def _content(manifest: Manifest, field: str) -> object:
    if field == "lineage":  # the same bytes may be registered again from a later commit
        return msgspec.structs.replace(
            manifest.lineage,
            git_commit=None,
            git_dirty=None,
            folder=UNSET,
            locks=UNSET,
            remote=UNSET,
        )
    return getattr(manifest, field)


def clean_metrics(metrics: Mapping[str, object]) -> dict[str, float]:
    """Check that every metric is a finite number and return them as plain numbers, sorted.

    Raises:
        InvalidInputError: If a name is empty or not text, or a value is not a finite number.
    """
    if not isinstance(metrics, Mapping):
        raise InvalidInputError("metrics", f"must map names to numbers, not {metrics!r}")
    return dict(sorted((name, _clean_metric(name, metrics[name])) for name in metrics))


def _clean_metric(name: str, value: object) -> float:
    subject = f"metric {name!r}"
    if not names.is_key(name):
        raise InvalidInputError(subject, "is not a valid name", "use printable characters")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInputError(subject, f"must be a finite number, not {value!r}")
    number = float_of(value)
    if not math.isfinite(number):
        raise InvalidInputError(subject, f"must be a finite number, not {value!r}")
    return int(value) if isinstance(value, Integral) else number


def plain(value: object, subject: str = "") -> Any:
    """Turn *value* into plain JSON: what JSON cannot hold becomes its `repr`, and keys text.

    Estimator parameters hold NaN, classes, arrays and other estimators; none may be lost.

    Raises:
        InvalidInputError: If it is nested too deeply even for that.
    """
    try:
        return _plain(value)
    except RecursionError:  # it holds itself, or is nested more deeply than any reader takes
        pass
    try:
        return repr(value)
    except RecursionError:
        what, advice = subject or type(value).__name__, "flatten it, or keep it as a file"
        raise InvalidInputError(what, "is nested too deeply", advice) from None


def _plain(value: object) -> Any:
    match value:
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Rational() if math.isinf(float_of(value)):
            return str(value)
        case Real():
            number = float_of(value)
            return number if math.isfinite(number) else repr(number)
        case Mapping():
            return {str(key): _plain(value[key]) for key in value}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted((_plain(item) for item in value), key=repr)
    tolist = getattr(value, "tolist", None)  # numpy scalars and arrays
    return _plain(cast("object", tolist())) if callable(tolist) else repr(value)
