"""Import: the versions of a GTO registry as versions, its stages as what they are here.

Each version is registered once, by a key made of its tag, so that an import that was stopped goes
on where it was and one that is repeated adds what is new. Stages are history and state: what was
live is promoted in order, through the gate; other names are set once.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from holdfast import scratch
from holdfast.core import names
from holdfast.core.redaction import recordable
from holdfast.core.version import Version
from holdfast.errors import (
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    StoreError,
)
from holdfast.gateways.gto.git_program import checked_address
from holdfast.gateways.gto.git_repository import GitRepository, GitTag
from holdfast.gateways.gto.gto_files import ArtifactFiles
from holdfast.gateways.gto.gto_registry import (
    GtoArtifact,
    GtoStage,
    GtoVersion,
    artifacts_of,
)
from holdfast.registry import Registry
from holdfast.registry.facts import Facts
from holdfast.store.metering import Progress

__all__ = ["LIVE", "GtoImport", "ImportOptions", "plan", "run"]

LIVE: Final = ("production", "prod")
_MOST_TOLD: Final = 400
_UNFIT: Final = (InvalidInputError, DamagedError, StoreError)


class ImportOptions(Struct, frozen=True):
    """How a registry is imported.

    Attributes:
        artifacts: Their names; all that are not deprecated if there are none.
        model: Registers as this model, of one artifact.
        path: Where the artifact is in the repository, if not as `dvc.yaml` says.
        live: Stages that mean `production`; the first that an artifact has counts.
        trust: Why files that run code outside the allow-list are accepted.
        environment: What `git` and DVC are told; what this process was, if nothing is given.
    """

    artifacts: tuple[str, ...] = ()
    model: str | None = None
    path: str | None = None
    live: tuple[str, ...] = LIVE
    trust: str | None = None
    environment: dict[str, str] | None = None


class GtoPlanned(Struct, frozen=True):
    """What becomes of one version; *stages* it holds there, *done* if it is here."""

    model: str
    version: str
    tag: str
    stages: tuple[str, ...] = ()
    done: bool = False


class GtoImport(Struct, frozen=True):
    """What an import did, or would do.

    Attributes:
        versions: All that the chosen artifacts have.
        new: How many were registered.
        moves: How many names were moved.
        left_out: What was not taken over, each with its reason.
    """

    versions: tuple[GtoPlanned, ...]
    new: int = 0
    moves: int = 0
    left_out: tuple[str, ...] = ()


def plan(registry: Registry, address: str, options: ImportOptions) -> GtoImport:
    """Say what an import would do; nothing is written."""
    with GitRepository.cloned(address, options.environment) as repository:
        chosen, left_out = _chosen(repository, options)
    rows = [row for artifact in chosen for row in _rows(registry, artifact, options)]
    return GtoImport(tuple(rows), left_out=tuple(left_out))


def run(
    registry: Registry, address: str, options: ImportOptions, progress: Progress | None = None
) -> GtoImport:
    """Import what is not here yet.

    Args:
        registry: Where to.
        address: A folder with a Git repository, or its URL.
        options: What of it, and how.
        progress: Receives versions done and versions to do.

    Raises:
        NotFoundError: If an artifact that is named is not there.
        VersionTakenError: If a version here has that number and other bytes.
        UntrustedError: If a file runs code outside the allow-list and no trust is given.
    """
    with GitRepository.cloned(address, options.environment) as repository:
        chosen, left_out = _chosen(repository, options)
        where = checked_address(address)
        files = ArtifactFiles(where, repository, options.path, options.environment)
        tell = progress or _silent
        total = sum(len(artifact.versions) for artifact in chosen)
        rows: list[GtoPlanned] = []
        new = moves = 0
        for artifact in chosen:
            one = _Import(registry, artifact, options, files, _source(address))
            rows += _rows(registry, artifact, options)
            for count in one.versions():
                new += count
                tell(one.done + len(rows) - len(artifact.versions), total)
            moves += one.stages()
            left_out += one.left_out
    return GtoImport(tuple(rows), new, moves, tuple(left_out))


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""


def _chosen(
    repository: GitRepository, options: ImportOptions
) -> tuple[list[GtoArtifact], list[str]]:
    found = artifacts_of(repository.tags().values())
    for name in options.artifacts:
        if name not in found:
            raise NotFoundError(f"artifact {name!r}", names.nearest(name, found))
    chosen = [found[name] for name in options.artifacts] or [
        artifact for artifact in found.values() if not artifact.is_deprecated
    ]
    if not chosen:
        raise NotFoundError(
            "tag of GTO's", advice="name a repository with tags such as iris@v1.0.0"
        )
    if options.model is not None and len(chosen) > 1:
        listed = ", ".join(artifact.name for artifact in chosen[:5])
        raise InvalidInputError("--as", f"is for one artifact, and there are {listed}", "name one")
    left_out = [
        f"{artifact.name}: is deprecated; name it to import it"
        for artifact in found.values()
        if artifact.is_deprecated and not options.artifacts
    ]
    return chosen, left_out


def _model(artifact: GtoArtifact, options: ImportOptions) -> str:
    return options.model or artifact.name.replace(":", "/")


def _key(tag: GitTag) -> str:
    return f"gto:{tag.name}@{tag.commit}"


def _keys(registry: Registry, model: str) -> set[str]:
    try:
        return {entry.key for entry in registry.entries(model) if entry.key is not None}
    except NotFoundError:
        return set()


def _rows(
    registry: Registry, artifact: GtoArtifact, options: ImportOptions
) -> Iterator[GtoPlanned]:
    model = _model(artifact, options)
    keys = _keys(registry, model)
    stages: dict[str, list[str]] = {}
    for stage, holder in artifact.holders.items():
        stages.setdefault(holder, []).append(stage)
    for version in artifact.versions.values():
        held = tuple(stages.get(version.version, ()))
        done = _key(version.tag) in keys
        yield GtoPlanned(model, version.version, version.tag.name, held, done)


class _Import:
    """The import of one artifact."""

    def __init__(
        self,
        registry: Registry,
        artifact: GtoArtifact,
        options: ImportOptions,
        files: ArtifactFiles,
        source: str,
    ) -> None:
        self._registry = registry
        self._artifact = artifact
        self._options = options
        self._files = files
        self._source = source
        self._model = names.check_model(_model(artifact, options))
        self._keys = _keys(registry, self._model)
        self._here: set[str] = set()
        self.done = 0
        self.left_out = [f"{self._model}: {what}" for what in artifact.passed_over]

    def versions(self) -> Iterator[int]:
        """Register what is not here; give 1 for each new version, 0 for each other."""
        for version in self._artifact.versions.values():
            self.done += 1
            if _key(version.tag) in self._keys:
                self._here.add(version.version)
                yield 0
                continue
            try:
                self._register(version)
            except _UNFIT as error:
                self.left_out.append(f"{self._model}@{version.version}: {error}")
                yield 0
                continue
            self._here.add(version.version)
            yield 1

    def _register(self, version: GtoVersion) -> None:
        tag = version.tag
        try:
            Version.parse(version.version)
        except ValueError as error:
            raise InvalidInputError(f"version {version.version!r}", "is not SemVer") from error
        about = self._files.describe(self._artifact.name, tag.commit)
        facts: Facts = {
            "lineage": {"git_commit": tag.commit, "git_dirty": False},
            "metadata": {"source": f"{self._source}#{tag.name}"},
            "reason": _told(f"registered in GTO as {tag.name}", tag),
            "idempotency_key": _key(tag),
        }
        if about.description is not None:
            facts["description"] = about.description
        if self._options.trust is not None:
            facts["trust"] = self._options.trust
        with scratch.folder() as folder:
            fetched = self._files.fetch(about.path, tag.commit, folder)
            self._registry.register(self._model, fetched, version=version.version, **facts)

    def stages(self) -> int:
        """Move names to what they name there; return how many moved."""
        if not self._here:
            return 0
        live = next((name for name in self._options.live if name in self._artifact.holders), None)
        moves = self._promote(live) if live is not None else 0
        others = {
            stage: version
            for stage, version in self._artifact.holders.items()
            if stage not in (live, *self._options.live) and version in self._here
        }
        return moves + self._name(others)

    def _promote(self, stage: str) -> int:
        """Promote in order what was live, and at last what is."""
        holder = self._artifact.holders[stage]
        past = [move for move in self._artifact.assignments[stage] if move.version in self._here]
        if past and past[-1].version != holder:
            past += [move for move in past if move.version == holder][-1:]
        moves = 0
        for number, move in enumerate(past):
            key = f"{_key(move.tag)}{'' if number == past.index(move) else '#again'}"
            if key in self._keys:
                continue
            moves += self._is_promoted(move, key)
        return moves

    def _is_promoted(self, move: GtoStage, key: str) -> bool:
        ref = f"{self._model}@{move.version}"
        reason = _told(f"assigned in GTO as {move.tag.name}", move.tag)
        try:
            self._registry.promote(ref, reason=reason, idempotency_key=key)
        except (RefusedError, ConflictError) as error:
            self.left_out.append(f"{ref}: is not live: {error}")
            return False
        return True

    def _name(self, holders: Mapping[str, str]) -> int:
        """Stage and alias what no name here says yet."""
        present = self._registry.versions(self._model)
        taken = {alias for version in present for alias in version.aliases}
        is_staged = any(version.status == names.STAGING for version in present)
        moves = 0
        for stage, version in sorted(holders.items()):
            ref = f"{self._model}@{version}"
            if (stage == names.STAGING and is_staged) or stage in taken:
                continue
            try:
                if stage == names.STAGING:
                    self._registry.stage(ref, reason="as in GTO")
                else:
                    self._registry.alias(ref, names.check_alias(stage), reason="as in GTO")
            except HoldfastError as error:
                self.left_out.append(f"{self._model}: stage {stage}: {error}")
                continue
            moves += 1
        return moves


def _source(address: str) -> str:
    """Say where a registry was: a folder by its name alone, for its path says where people work."""
    folder = Path(address)
    return folder.absolute().name if folder.is_dir() else recordable(address)


def _told(what: str, tag: GitTag) -> str:
    """Say who did something there, when and why; what others wrote is shortened and made plain."""
    try:
        at = datetime.fromtimestamp(tag.second, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        at = "a time unknown"
    text = f"{what} by {tag.tagger} at {at}: {tag.message}"
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(plain.split())[:_MOST_TOLD]
