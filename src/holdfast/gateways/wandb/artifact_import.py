"""An artifact registered as a version: its bytes hashed, scanned and judged as any others.

Names, aliases, metadata and paths are whatever others wrote.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final, Protocol

from msgspec import Struct

from holdfast import scratch
from holdfast.core import names
from holdfast.core.manifest import plain
from holdfast.core.wording import shortened, size
from holdfast.errors import HoldfastError, InvalidInputError, StoreFullError
from holdfast.gateways import file_roles
from holdfast.gateways.wandb import artifact_entries, artifact_references, wandb_errors
from holdfast.gateways.wandb.artifact_entries import ListedFile
from holdfast.gateways.wandb.shared_facts import without_secrets
from holdfast.registry import Registry
from holdfast.registry.facts import Facts

__all__ = ["ImportedArtifact", "LoggedArtifact", "find", "register"]

_log = logging.getLogger(__name__)
_NAME: Final = re.compile(r"[^/:@\s]+/[^/:@\s]+/[^/:]+:[^/:\s]+")
_THEIR_OWN: Final = re.compile(r"latest|v\d+")
"""Aliases that W&B gives by itself."""
_LIKE_COMMIT: Final = re.compile(r"[0-9a-f]{5,40}")
_COMMITTED: Final = "COMMITTED"
_MOST_ALIASES: Final = 100
_MOST_REFERENCES: Final = 100


class LoggedArtifact(Protocol):
    """What is asked of an artifact; `wandb.Artifact` of the public API has it."""

    type: Any
    state: Any
    digest: Any
    description: Any
    aliases: Any
    metadata: Any
    manifest: Any

    @property
    def qualified_name(self) -> Any:
        """`entity/project/name:v3`."""
        ...

    def download(self, root: str, *, skip_cache: bool) -> Any:
        """Write the files to a folder."""
        ...

    def get_entry(self, name: str) -> Any:
        """Return an entry that writes itself to a folder."""
        ...

    def logged_by(self) -> Any:
        """Return the run that made it."""
        ...


class ImportedArtifact(Struct, frozen=True):
    """What an import came to.

    Attributes:
        source: The artifact with its version.
        created: False if it was imported before.
        aliases: Those that name the version here now.
        left: Why other aliases were left, by alias.
    """

    ref: str
    source: str
    created: bool
    why: str
    aliases: tuple[str, ...]
    left: dict[str, str]


def find(name: str) -> LoggedArtifact:
    """Return an artifact of the server that the SDK is set to.

    Raises:
        InvalidInputError: If *name* is not `ENTITY/PROJECT/ARTIFACT:ALIAS`.
        NotFoundError: If it is not there.
        UnauthenticatedError: If there is no key, or it is refused.
    """
    if not _NAME.fullmatch(name):
        problem = "does not name an artifact"
        raise InvalidInputError(repr(name), problem, "write ENTITY/PROJECT/ARTIFACT:ALIAS")
    wandb = wandb_errors.sdk()
    with wandb_errors.told(f"artifact {name}"):
        artifact: LoggedArtifact = wandb.Api().artifact(name)
    return artifact


def register(
    registry: Registry, artifact: LoggedArtifact, model: str | None = None, trust: str | None = None
) -> ImportedArtifact:
    """Register the files of an artifact as a version, once for each version of it.

    An alias that names nothing here comes along; one that is taken or invalid is left, and said.

    Args:
        registry: Where to.
        artifact: Of the public API.
        model: The registered model; by default the artifact's name.
        trust: Why files that run code outside the allow-list are accepted anyway.

    Raises:
        InvalidInputError: If it is not committed, or lists what cannot be a version's file.
        UnsupportedError: If it refers to bytes elsewhere without a digest of them.
        StoreError: If what it refers to cannot be reached.
        DamagedError: If what came is not what it lists.
        UntrustedError: If a file runs code outside the allow-list and *trust* is not given.
    """
    if model is not None:
        names.check_model(model)
    with wandb_errors.told("the artifact"):
        source, digest = str(artifact.qualified_name), str(artifact.digest)
        state, entries = str(artifact.state), artifact.manifest.entries
    if state != _COMMITTED:
        problem = f"is not committed but {state.lower()[:20]}"
        raise InvalidInputError(f"artifact {source}", problem, "wait for it, or name another")
    listed = artifact_entries.listed(entries)
    with scratch.folder() as folder:
        place = folder / "files"
        place.mkdir()
        _require_room(listed, place)
        _bring(artifact, source, listed, place)
        files = artifact_entries.arrived(listed, place)
        artifact_entries.require_digests(files, artifact.metadata)
        facts = _facts(artifact, source, digest, listed)
        if trust is not None:
            facts["trust"] = trust
        model_file, others = file_roles.sources_of(place, files, "the artifact")
        if others:
            facts["artifacts"] = others
        name = model or source.rpartition("/")[2].partition(":")[0]
        done = registry.register(name, model_file, **facts)
    taken, left = _aliases(registry, name, done.ref, artifact.aliases)
    return ImportedArtifact(done.ref, source, done.created, done.why, tuple(taken), left)


def _bring(
    artifact: LoggedArtifact, source: str, listed: Mapping[str, ListedFile], place: Path
) -> None:
    """Bring the files here: those that are elsewhere from there, and not by the SDK.

    It would take them from its cache unchecked, and reads whatever an address leads to.
    """
    elsewhere = [file for file in listed.values() if file.ref]
    with wandb_errors.told(f"artifact {source}"):
        if not elsewhere:  # where it says it wrote is not asked
            artifact.download(root=str(place), skip_cache=True)
        for path in listed if elsewhere else ():
            if not listed[path].ref:
                artifact.get_entry(path).download(root=str(place), skip_cache=True)
    for file in elsewhere:
        artifact_references.bring(file, place)


def _require_room(listed: Mapping[str, ListedFile], place: Path) -> None:
    """Refuse before the first byte what cannot fit."""
    needed, free = sum(file.size_bytes or 0 for file in listed.values()), disk_usage(place).free
    if needed > free:
        problem = f"has {size(free)} free, and the artifact needs {size(needed)}"
        raise StoreFullError(str(place.parent), problem, "make room, or set TMPDIR")


def _facts(
    artifact: LoggedArtifact, source: str, digest: str, listed: Mapping[str, ListedFile]
) -> Facts:
    told: dict[str, Any] = {
        "source": source,
        "digest": digest,
        "type": str(artifact.type),
        "aliases": [str(alias) for alias in list(artifact.aliases or ())[:_MOST_ALIASES]],
        "metadata": plain(without_secrets(artifact.metadata or {})),
    }
    elsewhere = {path: wandb_errors.shown(file.ref) for path, file in listed.items() if file.ref}
    if elsewhere:
        told["references"] = dict(list(elsewhere.items())[:_MOST_REFERENCES])
    facts: Facts = {
        "metadata": {"wandb": told},
        "reason": shortened(f"imported from {source}", 200),
        "idempotency_key": f"wandb:{source}@{digest}",
    }
    if isinstance(artifact.description, str) and artifact.description.strip():
        facts["description"] = artifact.description
    run = _unless_it_fails(artifact.logged_by, source)
    if run is None:
        return facts
    config = _unless_it_fails(lambda: dict(run.config), source) or {}
    summary = _unless_it_fails(lambda: dict(run.summary_metrics), source) or {}
    facts["lineage"] = {"run_id": str(run.id)}
    facts["hyperparameters"] = {
        key: value
        for key, value in plain(without_secrets(config)).items()
        if not key.startswith("_")
    }
    facts["metrics"] = _metrics(summary)
    return facts


def _metrics(summary: Mapping[Any, Any]) -> dict[str, float]:
    """Return what can be a metric: not steps, times or media."""
    return {
        name: value
        for name, value in summary.items()
        if isinstance(name, str)
        and not name.startswith("_")
        and names.is_key(name)
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }


def _unless_it_fails(ask: Callable[[], Any], source: str) -> Any:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
        _log.warning("the run of %s could not be read: %s", source, wandb_errors.shown(error))
        return None


def _aliases(
    registry: Registry, model: str, ref: str, theirs: Any
) -> tuple[list[str], dict[str, str]]:
    """Give a version the aliases that nothing else here has."""
    version = ref.rpartition("@")[2]
    present = {alias: info.version for info in registry.versions(model) for alias in info.aliases}
    taken, left = [], {}
    for alias in [str(alias) for alias in list(theirs or ())[:_MOST_ALIASES]]:
        why = _why_left(alias, present, version)
        if why is None:
            try:
                registry.alias(ref, alias)
            except HoldfastError as error:
                why = str(error)
        if why is None:
            taken.append(alias)
        elif not _THEIR_OWN.fullmatch(alias):
            left[alias] = why
    return taken, left


def _why_left(alias: str, present: Mapping[str, str], version: str) -> str | None:
    if _LIKE_COMMIT.fullmatch(alias):
        return "looks like the digest of a commit"
    try:
        names.check_alias(alias)
    except InvalidInputError as error:
        return error.problem
    if present.get(alias, version) != version:
        return f"is {present[alias]} here"
    return None
