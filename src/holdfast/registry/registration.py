"""Registration: from files or objects in memory to a version, blobs first, then the entry."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from holdfast import formats
from holdfast.core import names, numbering
from holdfast.core.drift import drift_reference
from holdfast.core.events import AnyEvent, Registered
from holdfast.core.idempotency import Unchanged, repeated
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import (
    CODE,
    ENTRY,
    PATCH,
    Artifact,
    Environment,
    File,
    Manifest,
    Scan,
    clean_metrics,
    plain,
)
from holdfast.core.state import Record, State
from holdfast.core.version import Bump, Version
from holdfast.core.views import RegistrationResult as RegisteredView
from holdfast.core.views import version_info
from holdfast.errors import InvalidInputError, UntrustedError
from holdfast.formats import Packaged, code, external_scanners, trees
from holdfast.formats.code import EntryPoint
from holdfast.formats.loaded_parts import PREDICTING
from holdfast.formats.opaque import KeptFile
from holdfast.registry import (
    duplicates,
    importable,
    mlflow_facts,
    presence,
    provenance,
    round_trip,
    verdicts,
    version_schemas,
)
from holdfast.registry.facts import Facts
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import layout
from holdfast.store.metering import Meter
from holdfast.store.open_store import OpenStore

_Fields = TypeVar("_Fields", Lineage, Environment)
Label = Callable[[State, Registered], Registered]
STORED = "stored"
"""Folder below the scratch folder where what was stored lies under its own names."""
_WORTH_HASHING_FIRST = 32 << 20
"""Bytes from which a file is hashed before it is copied, if one of its length is stored."""


def unlabelled(_state: State, event: Registered) -> Registered:
    """Leave a registration as it is."""
    return event


@dataclass(frozen=True, slots=True)
class _Part:
    """One role, packaged."""

    role: str
    packaged: Packaged
    sources: Mapping[str, Path]
    """Path in the version's folder -> file to read."""
    ours: bool
    """True if the file was written here, from an object."""

    @property
    def path(self) -> str:
        return self.role + _suffix(self.packaged.path)

    @property
    def said(self) -> Path:
        """How the caller knows it: the caller's own file, or the name it will have."""
        return Path(self.path) if self.ours else self.packaged.path


def register(
    session: Session,
    name: str,
    sources: Mapping[str, object],
    asked: Version | Bump,
    facts: Facts,
    finish: Callable[[Manifest, Path], RegisteredView] | None = None,
) -> RegisteredView:
    """Store the bytes behind each role and commit the version that holds them.

    Args:
        finish: Commits in place of this, given the draft and the folder that has its files.
    """
    names.check_model(name)
    facts = mlflow_facts.completed(sources, facts)
    metrics = clean_metrics(facts.get("metrics", {}))
    store = session.writable()
    options = CommitOptions(facts.get("reason"), facts.get("idempotency_key"))
    state = session.ledger(name).state()
    exact = str(asked) if isinstance(asked, Version) else None
    stored_key = options.idempotency_key and session.stored_key(options.idempotency_key)
    done = repeated(state, stored_key, Registered, exact)
    scanners = external_scanners.check(facts.get("scanners", ()))
    with ThreadPoolExecutor(1) as threads, store.workplace() as scratch:
        commit_of_code = threads.submit(provenance.lineage)
        parts = [_part(role, source, scratch, facts) for role, source in sources.items()]
        trust = (facts.get("trust") or "").strip()
        judge = Judge(state.policy.allowed_globals, trust, scanners, _own_modules(parts))
        if done is None:  # what was accepted once may be forbidden now, and is not accepted again
            for part in parts:
                judge.scan(part.packaged, part.said)
            _prove(name, sources, parts, facts)
        draft = _draft(session, name, sources, parts, facts)
        lineage = _lineage(session, facts, commit_of_code.result())
        draft = replace(draft, metrics=metrics, lineage=lineage)
        if done is not None:
            hashed = {part.role: _hashed(part) for part in parts}
            draft = replace(draft, artifacts=hashed)
            return as_before(session, state, done, draft, stored_key)
        with store.sharing():
            sizes = [path.stat().st_size for part in parts for path in part.sources.values()]
            meter = Meter(facts.get("progress"), sum(sizes))
            artifacts = {part.role: _store(store, part, meter) for part in parts}
            scans = {
                part.role: _scan_stored(session, part, artifacts[part.role], scratch, judge)
                for part in parts
            }
            draft = replace(draft, artifacts=artifacts, scan=scans)
            if finish is not None:
                return finish(draft, scratch / STORED)
            if session.publish is not None:
                return session.publish(draft, asked, options, trust or None)
            return commit(session, draft, asked, options, scratch / STORED)


def _prove(name: str, sources: Mapping[str, object], parts: Sequence[_Part], facts: Facts) -> None:
    """Prove that objects come back as they are, and that code of a version's own loads it."""
    own_code = any(part.role == CODE for part in parts)
    trial_parts = [part for part in parts if own_code or part.role in PREDICTING]
    packaged = {part.role: part.packaged for part in trial_parts}
    objects = all(part.ours for part in trial_parts if part.role in PREDICTING)
    example = facts.get("input_example")
    if example is not None and objects and packaged["model"].format != ENTRY:
        round_trip.prove(name, sources, packaged, example)
    elif own_code:
        round_trip.try_out(name, packaged, example)
    else:
        round_trip.try_graph(name, packaged)


def _own_modules(parts: Sequence[_Part]) -> tuple[str, ...]:
    """Name the modules at the top of the code that comes with a version."""
    folders = [part.packaged.path for part in parts if part.role == CODE]
    return code.top_modules(folders[0]) if folders else ()


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides whether files are accepted: what they would run is allowed, or trusted."""

    allowed: Sequence[str]
    trust: str
    scanners: tuple[str, ...] = ()
    own_modules: tuple[str, ...] = ()

    def scan(self, packaged: Packaged, shown: Path) -> Scan:
        """Read what loading it would run.

        Raises:
            UntrustedError: If it is neither allowed nor trusted.
        """
        path = packaged.path
        if not path.exists():
            raise InvalidInputError(f"file {str(shown)!r}", "disappeared", "name a file that stays")
        return self.accept(verdicts.found(packaged.format, path, self.allowed), shown)

    def accept(self, scan: Scan, shown: Path) -> Scan:
        """Return what was found, with the reason why it is trusted.

        Raises:
            UntrustedError: If it is neither allowed nor trusted.
        """
        importable.check(str(shown), scan.globals, self.own_modules)
        if not scan.unknown:
            return scan
        if not self.trust:
            raise UntrustedError(str(shown), scan.unknown)
        return replace(scan, trusted=self.trust)


def _scan_stored(
    session: Session, part: _Part, artifact: Artifact, scratch: Path, judge: Judge
) -> Scan:
    """Judge what was stored: the source was, but it may have changed until it was copied."""
    stored = session.open_store.blobs.materialize(artifact, scratch / STORED)
    scan = judge.accept(verdicts.of_stored(session, artifact, stored, judge.allowed), part.said)
    if not judge.scanners:
        return scan
    return replace(scan, evidence=external_scanners.gather(stored, judge.scanners))


def commit(
    session: Session,
    draft: Manifest,
    asked: Version | Bump,
    options: CommitOptions,
    stored: Path,
    label: Label = unlabelled,
) -> RegisteredView:
    """Write the entry, and make sure that what it names exists; *stored* has the files.

    Args:
        label: Adds what is known of the version beside its manifest, or refuses.
    """
    blobs = session.open_store.blobs
    files = [file.sha256 for file in draft.files]
    manifests: list[bytes] = []

    def store_again() -> None:
        for raw in manifests[-1:]:
            blobs.add_bytes(raw)
        for file in draft.files:
            blobs.add(stored / file.path)

    def decide(state: State, at: str) -> AnyEvent | Unchanged:
        taken = numbering.taken_by(state, asked)
        if taken is not None:
            return numbering.again(state, taken, session.manifest(taken), draft)
        before = base_of(session, state, asked)
        planned = numbering.register(state, draft, asked, before, at)
        manifests.append(planned.raw)
        session.open_store.rescue([blobs.add_bytes(planned.raw), *files])
        return label(state, planned.event)

    outcome = session.commit(draft.name, decide, Registered, options)
    event = outcome.entry.event if outcome.entry else None
    if not isinstance(event, Registered):
        assert outcome.unchanged is not None  # noqa: S101 - one of the two is set
        presence.ensure(session.open_store, files, store_again)
        return as_before(session, outcome.state, outcome.unchanged, draft, options.idempotency_key)
    presence.ensure(session.open_store, [event.manifest, *files], store_again)
    return registered(session, outcome.state, event, draft)


def registered(
    session: Session, state: State, event: Registered, draft: Manifest
) -> RegisteredView:
    """Tell what became of a registration that wrote an entry."""
    info = version_info(state, state.versions[event.version])
    twin = duplicates.find(session, state, event.version, draft)
    return RegisteredView(info, created=True, why=event.why, same_bytes=twin)


def as_before(
    session: Session, state: State, unchanged: Unchanged, draft: Manifest, key: str | None
) -> RegisteredView:
    """Return the result of an earlier registration, if it was the same one."""
    record = state.versions[unchanged.version or ""]
    if key is not None and key in state.keys:
        ref, existing = f"{state.model}@{record.version}", session.manifest(record)
        numbering.require_same_deed(key, ref, existing, draft)
    info = version_info(state, record)
    return RegisteredView(info, created=False, why=unchanged.why)


def base_of(session: Session, state: State, asked: Version | Bump) -> Manifest | None:
    """Return the manifest to measure against, with the last schemas declared up to it."""
    return base_among(session.manifest, state, asked)


def base_among(
    read: Callable[[Record], Manifest], state: State, asked: Version | Bump
) -> Manifest | None:
    """Return it as `base_of` does, of versions whose manifests *read* gives."""
    base = None
    for record in numbering.bases_of(state, asked):
        manifest = read(record)
        base = base or manifest
        base = replace(
            base,
            input_schema=base.input_schema or manifest.input_schema,
            output_schema=base.output_schema or manifest.output_schema,
        )
        if base.input_schema and base.output_schema:
            break
    return base


def _part(role: str, source: object, scratch: Path, facts: Facts) -> _Part:
    names.check_role(role)
    if role == drift_reference.ROLE and role not in facts.get("artifacts", {}):
        return _reference_part(source, scratch)
    if role == PATCH and isinstance(source, bytes):
        return _patch_part(source, scratch)
    format_name = facts.get("formats", {}).get(role)
    if source is None:
        raise InvalidInputError(role, "must be a path or an object, not None")
    opened = Path(source) if isinstance(source, str | os.PathLike) else source
    if role == CODE:
        return _code_part(opened, scratch, format_name)
    if isinstance(opened, EntryPoint):
        format_name = format_name or ENTRY
    packaged = formats.package(opened, role, scratch, format_name)
    ours = not isinstance(opened, Path)
    return _Part(role, packaged, dict(_files(role, packaged.path)), ours)


def _reference_part(source: object, scratch: Path) -> _Part:
    """Count the training data, and keep the counts alone."""
    from holdfast.formats import reference_building

    path = scratch / "reference.json.z"
    path.write_bytes(drift_reference.packed(reference_building.built(source)))
    packaged = Packaged(path, KeptFile.name, KeptFile().describe(path))
    role = drift_reference.ROLE
    return _Part(role, packaged, dict(_files(role, path)), ours=True)


def _patch_part(source: bytes, scratch: Path) -> _Part:
    path = scratch / "patch.diff"
    path.write_bytes(source)
    packaged = Packaged(path, KeptFile.name, KeptFile().describe(path))
    return _Part(PATCH, packaged, dict(_files(PATCH, path)), ours=True)


def _code_part(source: object, scratch: Path, format_name: str | None) -> _Part:
    """Copy a version's own code to where it is looked at, stored and tried from."""
    if not isinstance(source, Path):
        raise InvalidInputError(CODE, f"must be a path, not {source!r}", "give its folder")
    if format_name not in (None, CODE):
        advice = "leave the format out, or give the files another role"
        raise InvalidInputError(f"format {format_name!r}", "is not a format of code", advice)
    folder = code.stage(source, scratch)
    packaged = Packaged(folder, CODE, code.Code().describe(folder))
    return _Part(CODE, packaged, dict(_files(CODE, folder)), ours=True)


def _suffix(path: Path) -> str:
    """Return a file's extension, with the one before where the last says how it is compressed."""
    if path.is_dir():
        return ""
    packed = path.suffix in {".gz", ".bz2", ".xz", ".lzma", ".z", ".zst", ".lz4"}
    return "".join(path.suffixes[-2 if packed else -1 :])


def _files(role: str, path: Path) -> Iterator[tuple[str, Path]]:
    """Go through a source's files, each with its path in the version's folder."""
    if not path.is_dir():
        yield role + _suffix(path), path
        return
    for name, source in trees.files(path):
        yield f"{role}/{name}", source


def _store(store: OpenStore, part: _Part, meter: Meter) -> Artifact:
    names.check_paths(part.sources)
    sizes = _stored_sizes(store, part)
    files = []
    for path, source in sorted(part.sources.items()):
        before = source.stat()
        with meter.part(before.st_size, store.blobs.passes) as step:
            taken = store.blobs.add(source, sizes, step)
        _require_unchanged(source, before, taken.sha256)
        files.append(File(path, taken.sha256, taken.size_bytes))
    return Artifact(part.path, part.packaged.format, tuple(files))


def _require_unchanged(source: Path, before: os.stat_result, sha256: str) -> None:
    """Refuse a file that somebody still writes; a link to a stored blob has its time renewed."""
    after = source.stat()
    if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
        return
    with source.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
            return
    problem, advice = "changed while it was read", "repeat when it is finished"
    raise InvalidInputError(f"file {str(source)!r}", problem, advice)


def _hashed(part: _Part) -> Artifact:
    """Return what `_store` would store, and store nothing."""
    names.check_paths(part.sources)
    files = []
    for path, source in sorted(part.sources.items()):
        with source.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        files.append(File(path, sha256, source.stat().st_size))
    return Artifact(part.path, part.packaged.format, tuple(files))


def _stored_sizes(store: OpenStore, part: _Part) -> frozenset[int]:
    """Return lengths of stored blobs, where looking for the same bytes may spare a long copy."""
    sizes = {source.stat().st_size for source in part.sources.values()}
    if max(sizes, default=0) < _WORTH_HASHING_FIRST:
        return frozenset()
    return frozenset(item.size_bytes for item in store.store.items(layout.BLOBS))


def _draft(
    session: Session,
    name: str,
    sources: Mapping[str, object],
    parts: Sequence[_Part],
    facts: Facts,
) -> Manifest:
    """Gather all facts but the files and what only the commit knows."""
    model = next(part.packaged.description for part in parts if part.role == "model")
    packages = {package for part in parts for package in part.packaged.description.packages}
    input_schema, output_schema, rows = version_schemas.schemas(sources, facts)
    hyperparameters, described = (
        facts.get("hyperparameters"),
        dict(sorted(model.hyperparameters.items())),
    )
    limitations = facts.get("limitations", ())
    return Manifest(
        name=name,
        version="",
        number=0,
        registered_at="",
        registered_by=session.by,
        description=facts.get("description"),
        author=facts.get("author"),
        framework=facts.get("framework", model.framework),
        algorithm=facts.get("algorithm", model.algorithm),
        artifacts={},
        hyperparameters=plain(hyperparameters, "hyperparameters")
        if hyperparameters is not None
        else described,
        training_data=plain(facts.get("training_data", {}), "training_data"),
        input_schema=input_schema,
        output_schema=output_schema,
        input_example=rows,
        limitations=(limitations,) if isinstance(limitations, str) else tuple(limitations),
        environment=_environment(facts, packages),
        metadata=plain(facts.get("metadata", {}), "metadata"),
    )


def _lineage(session: Session, facts: Facts, lineage: Lineage) -> Lineage:
    fields = dict(facts.get("lineage", {}))
    if "base" in facts:
        state, record = session.find(facts["base"])
        if record.status == "purged":
            problem, advice = "was purged", "name a version whose files are kept"
            raise InvalidInputError(f"base {facts['base']!r}", problem, advice)
        fields["base"] = f"{state.model}@sha256:{record.manifest}"
    if {"data", "entry"} & fields.keys():
        fields = provenance.code_place() | fields
    return _checked("lineage", msgspec.to_builtins(lineage) | fields, Lineage)


def _environment(facts: Facts, packages: set[str]) -> Environment:
    if "environment" in facts:
        return _checked("environment", dict(facts["environment"]), Environment)
    return provenance.environment(packages)


def _checked(field: str, value: dict[str, object], kind: type[_Fields]) -> _Fields:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise InvalidInputError(
            field, f"is invalid: {str(error).lower()}", f"its fields are {known}"
        ) from error
