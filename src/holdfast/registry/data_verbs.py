"""The verbs of data: added by a name, listed, shown, and held against what was recorded."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, Unpack

from msgspec import Struct
from msgspec.structs import replace

from holdfast import scratch
from holdfast.core import names
from holdfast.core.entry import Stamp
from holdfast.core.idempotency import check_signing
from holdfast.core.manifest import File, digest_of
from holdfast.core.retraining import slots
from holdfast.datasets import data_source, query_source
from holdfast.datasets.data_journal import DataJournal, names_in
from holdfast.datasets.data_records import (
    DataAdded,
    DataDescription,
    DataRef,
    DataVersion,
    data_added,
    decode_description,
    encode_description,
    parse_data_ref,
    received,
)
from holdfast.errors import AmbiguousRefError, InvalidInputError, NotFoundError, UnsupportedError
from holdfast.registry import presence
from holdfast.registry.session import Session
from holdfast.store import layout

__all__ = ["AddedData", "DataCheck", "DataOptions", "Datasets"]

_NO_DATA: Final = "`holdfast data add NAME PATH` adds some"


class DataOptions(TypedDict, total=False):
    """What may be said of data that is added.

    Attributes:
        sql: A query whose result is the data, in place of a path.
        connect: Where the query runs; `duckdb:`, which reads files of this machine, if left out.
        parameters: Of the query, by name.
        window: The time the data is of, `2026-08-31/2026-11-29`.
        keep: Whether the store keeps the bytes.
        reason: Kept with the entry.
    """

    sql: str
    connect: str
    parameters: Mapping[str, Any]
    window: str | None
    keep: bool
    reason: str | None


class AddedData(Struct, frozen=True):
    """A version of data, and whether it is new: the last one is not added twice."""

    version: DataVersion
    description: DataDescription
    created: bool


class DataCheck(Struct, frozen=True):
    """Data held against its record.

    Attributes:
        state: `missing` if it is neither where it was nor in the store.
        differences: Which digest or file differs, in sentences.
        notes: What else is to be known.
    """

    ref: str
    state: Literal["same", "changed", "missing"]
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Datasets:
    """What can be done about data of one store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, name: str, path: str | None = None, **options: Unpack[DataOptions]) -> AddedData:
        """Add a version of data: its digests, schema and counts; its bytes only if asked for.

        Args:
            name: Of the data; made by its first version.
            path: A file, a folder, a pattern, or `s3://…`; left out where a query is given.
            **options: See `DataOptions`.

        Raises:
            InvalidInputError: If there is nothing, it changes meanwhile, or the query fails.
        """
        check_signing(options.get("reason"), None)
        if (path is None) == (options.get("sql") is None):
            raise InvalidInputError("data", "needs a path or a query", "give one of them")
        window = options.get("window")
        window_text = str(slots.window_of(window)) if window else None
        store = self._session.writable()
        journal = DataJournal(store.store, name)
        with scratch.folder() as home:
            description, sources = _described(path, options, home)
            self._require_elsewhere(sources)
            description = replace(description, window=window_text, kept=bool(options.get("keep")))
            if description.kept:
                names.check_paths([file.path for file in description.files])
            elif (known := self._kept_before(journal, description)) is not None:
                return AddedData(known, self.describe(known), created=False)
            with store.sharing(f"adding data {name}"):
                version, created = self._committed(journal, description, sources, options)
        return AddedData(version, description, created)

    def _kept_before(
        self, journal: DataJournal, description: DataDescription
    ) -> DataVersion | None:
        """Return the last version if it says the same of data whose bytes the store keeps."""
        last = next(iter(journal.versions()[-1:]), None)
        if last is None or not last.added.kept:
            return None
        raw = encode_description(replace(description, kept=True))
        return last if digest_of(raw) == last.added.description else None

    def _require_elsewhere(self, sources: Mapping[str, Path]) -> None:
        """Refuse files of the store itself: adding them changes them.

        Raises:
            InvalidInputError: If one is.
        """
        location = self._session.site.location
        if not isinstance(location, Path):
            return
        store = location.resolve()
        inside = [name for name, file in sources.items() if file.resolve().is_relative_to(store)]
        if inside:
            problem = f"is a file of the store {str(location)!r}, which adding it changes"
            raise InvalidInputError(f"data file {inside[0]!r}", problem, "name another folder")

    def _committed(
        self,
        journal: DataJournal,
        description: DataDescription,
        sources: Mapping[str, Path],
        options: DataOptions,
    ) -> tuple[DataVersion, bool]:
        """Store the blobs, then write the entry that names them."""
        blobs, raw = self._session.open_store.blobs, encode_description(description)

        def stored() -> list[str]:
            if description.kept:
                for file in description.files:
                    taken = blobs.add(sources[file.path])
                    if taken.sha256 != file.sha256:
                        subject, problem = f"data file {file.path!r}", "changed while it was read"
                        raise InvalidInputError(subject, problem, "repeat when nobody writes to it")
            kept_digests = [file.sha256 for file in description.files] if description.kept else []
            return [blobs.add_bytes(raw), *kept_digests]

        digests = stored()
        added = data_added(digests[0], description)
        return self._written(journal, added, (digests, stored), options.get("reason"))

    def _written(
        self,
        journal: DataJournal,
        added: DataAdded,
        blobs: tuple[list[str], Callable[[], object]],
        reason: str | None,
    ) -> tuple[DataVersion, bool]:
        """Write the entry, whose blobs are there or are stored again."""
        session, (digests, stored) = self._session, blobs
        session.open_store.rescue(digests)
        session.require_same()

        def stamp() -> Stamp:
            author = (session.by, session.new_id(), reason)
            return Stamp(session.clock(), *author, pen=session.keyring.key, auth=session.auth)

        version, created = journal.append(added, stamp)
        presence.ensure(session.open_store, digests, stored)
        return version, created

    def kept_files(self, name: str, sha256: str) -> tuple[File, ...]:
        """Return the files that a description says it keeps, before it is believed.

        Raises:
            InvalidInputError: If it is not a description.
        """
        description = received(self._session.open_store.blobs.read(sha256), name)
        return description.files if description.kept else ()

    def receive(self, name: str, sha256: str, *, reason: str | None = None) -> AddedData:
        """Add data as another machine described it; its blobs were sent before.

        Args:
            name: Of the data.
            sha256: Digest of the description.
            reason: Kept with the entry.

        Raises:
            InvalidInputError: If it is not a description, or names files that are not here.
        """
        check_signing(reason, None)
        store = self._session.writable()
        journal = DataJournal(store.store, name)
        raw = store.blobs.read(sha256)
        description = received(raw, name)
        with store.sharing(f"adding data {name}"):
            kept_digests = [file.sha256 for file in description.files] if description.kept else []

            def stored() -> list[str]:
                for file in description.files if description.kept else ():
                    if store.store.size(layout.blob(file.sha256)) != file.size_bytes:
                        subject, problem = f"data file {file.path!r}", "was not sent"
                        raise InvalidInputError(subject, problem, "send it first")
                return [store.blobs.add_bytes(raw), *kept_digests]

            digests = stored()
            added = data_added(sha256, description)
            version, created = self._written(journal, added, (digests, stored), reason)
        return AddedData(version, description, created)

    def names(self) -> list[str]:
        """Return the names of all data, sorted."""
        return names_in(self._session.open_store.store) if self._session.exists else []

    def versions(self, name: str) -> list[DataVersion]:
        """Return the versions of data, the oldest first.

        Raises:
            NotFoundError: If there is none of that name.
        """
        versions: list[DataVersion] = []
        if self._session.exists:
            journal = DataJournal(self._session.open_store.store, name)
            versions = journal.versions()
            self._session.open_store.accepted(journal.owner, len(versions))
        if not versions:
            raise NotFoundError(f"data {name}", names.nearest(name, self.names()), _NO_DATA)
        return versions

    def find(self, ref: str) -> DataVersion:
        """Return the version that `NAME`, `NAME@v3`, `NAME@latest` or `NAME@sha256:…` names.

        Raises:
            NotFoundError: If there is none.
            AmbiguousRefError: If a digest fits several.
        """
        parsed = parse_data_ref(ref if "@" in ref else f"{ref}@latest")
        if parsed is None:
            advice = "write NAME@v3, NAME@latest or NAME@sha256:…"
            raise InvalidInputError(f"data {ref!r}", "cannot be read as a version", advice)
        versions = self.versions(parsed.name)
        if parsed.selector == "latest":
            return versions[-1]
        fitting = list(_fitting(versions, parsed))
        if not fitting:
            raise NotFoundError(f"data {ref}", advice=f"the last one is {versions[-1].ref}")
        if len({(one.added.digest, one.added.rows) for one in fitting}) > 1:
            raise AmbiguousRefError(ref, [one.ref for one in fitting])
        return fitting[-1]

    def describe(self, version: DataVersion) -> DataDescription:
        """Return all that was recorded of a version.

        Raises:
            DamagedError: If it is gone or changed.
        """
        raw = self._session.open_store.blobs.read(version.added.description)
        return decode_description(raw, version.ref)

    def verify(self, ref: str, *, connect: str | None = None) -> DataCheck:
        """Hold data against what was recorded of it; a query is run again.

        Args:
            ref: As `find` takes it.
            connect: Where a query runs, with the credentials that were not recorded.
        """
        version = self.find(ref)
        recorded = self.describe(version)
        notes = ("the store has its bytes",) if recorded.kept else ()
        with scratch.folder() as home:
            try:
                now = self._looked(recorded, home, connect)
            except InvalidInputError as error:
                text = str(error)
                return DataCheck(version.ref, "same" if notes else "missing", (), (text, *notes))
        differing = tuple(differences(recorded, now))
        return DataCheck(version.ref, "changed" if differing else "same", differing, notes)

    def _looked(
        self, recorded: DataDescription, home: Path, connect: str | None
    ) -> DataDescription:
        if recorded.query is None:
            return data_source.described(data_source.find(recorded.source, home))
        query = recorded.query
        keep = home / query_source.KEPT_NAME if recorded.digest else None
        return query_source.described(
            query.text, query.parameters, connect or query.connection, keep
        )

    def located(self, ref: str, folder: Path) -> tuple[DataVersion, Path]:
        """Bring the files of a version to where they can be read: copies of what the store keeps.

        Whether they still have their digest is for the caller to look at.

        Args:
            ref: As `find` takes it.
            folder: A folder that does not exist yet, for files that are not at their own place.

        Raises:
            InvalidInputError: If the files are not where they were, and not in the store.
            UnsupportedError: If it is the result of a query that was not kept.
        """
        version = self.find(ref)
        recorded = self.describe(version)
        folder.mkdir(parents=True)
        if recorded.kept:
            for file in recorded.files:
                target = folder / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                self._session.open_store.blobs.copy_out(file, target)
            alone = recorded.kind in ("file", "query")
            return version, folder / recorded.files[0].path if alone else folder
        if recorded.query is not None:
            problem = "is the result of a query, which was not kept"
            raise UnsupportedError(f"data {version.ref}", problem, "add it with --keep")
        data = data_source.find(recorded.source, folder)
        if data.kind != "pattern":
            return version, data.root
        for name, path in data.files:
            _placed(path, folder / name)
        return version, folder


def _placed(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)


def _fitting(versions: list[DataVersion], asked: DataRef) -> Iterator[DataVersion]:
    for version in versions:
        if version.number == asked.number or (asked.number is None and version.has(asked.selector)):
            yield version


def _described(
    path: str | None, options: DataOptions, home: Path
) -> tuple[DataDescription, Mapping[str, Path]]:
    """Describe what is to be added, and return its files by their paths in it."""
    if path is not None:
        data = data_source.find(path, home)
        return data_source.described(data), dict(data.files)
    result = home / query_source.KEPT_NAME if options.get("keep") else None
    description = query_source.described(
        options.get("sql", ""),
        options.get("parameters", {}),
        options.get("connect") or "duckdb:",
        result,
    )
    if result is None:
        return description, {}
    if not result.exists():
        raise InvalidInputError("query", "has no result", "write a SELECT")
    file = data_source.described(data_source.find(str(result), home))
    files = tuple(File(query_source.KEPT_NAME, one.sha256, one.size_bytes) for one in file.files)
    description = replace(description, digest=file.digest, size_bytes=file.size_bytes, files=files)
    return description, {query_source.KEPT_NAME: result}


def differences(recorded: DataDescription, now: DataDescription) -> Iterator[str]:
    """Say which digest of data differs, and in which files."""
    if recorded.query is not None and recorded.rows == now.rows:
        return  # other bytes of the same rows
    if recorded.digest != now.digest and recorded.query is None:
        yield f"bytes: {recorded.digest} was recorded, {now.digest} is there"
    if recorded.rows is not None and recorded.rows != now.rows:
        there = f"{now.rows} is there" if now.rows else now.remark
        yield f"rows: {recorded.rows} was recorded, {there}"
    elif recorded.rows is not None and recorded.digest != now.digest:
        yield "rows: the same, in other bytes"
    if recorded.kind not in ("folder", "pattern"):
        return
    before = {file.path: file.sha256 for file in recorded.files}
    after = {file.path: file.sha256 for file in now.files}
    paths = sorted(path for path in before | after if before.get(path) != after.get(path))
    for path in paths[:10]:
        how = "is gone" if path not in after else "is new" if path not in before else "changed"
        yield f"file {path!r} {how}"
    if len(paths) > 10:  # noqa: PLR2004 - enough to go by
        yield f"{len(paths) - 10} more files"
