"""A version logged as an artifact: its bytes, or references to where a server hands them out.

`WANDB_MODE=offline` writes a run to this folder that `wandb sync` uploads later.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from holdfast import scratch
from holdfast.core.manifest import File, Manifest
from holdfast.core.redaction import without_credentials
from holdfast.core.shown_paths import shown_files
from holdfast.core.views import VersionInfo
from holdfast.errors import DamagedError, InvalidInputError, StoreError
from holdfast.gateways.cloud_names import name_within, text_of
from holdfast.gateways.hf import hub_paths
from holdfast.gateways.wandb import wandb_errors
from holdfast.gateways.wandb.shared_facts import without_secrets
from holdfast.registry import Registry

__all__ = ["ExportTarget", "ExportedArtifact", "aliases_of", "artifact_of", "export"]

_KIND: Final = "model"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PROJECT: Final = re.compile(r"(?:[^/:@\s]+/)?[^/\\#?%:\s]{1,128}")
_MOST_NAME: Final = 128
_MOST_TEXT: Final = 1024
_MOST_DIGESTS: Final = 1000
"""Beyond so many files the version's digest alone is told, which covers them."""
_TIMEOUT_S: Final = 10.0
_FIRST_REFUSAL: Final = 400
_PUBLIC: Final = "references are read without a token: name a server that hands it out to all"


class ExportTarget(Struct, frozen=True):
    """Where a version goes.

    Attributes:
        project: `PROJECT` or `ENTITY/PROJECT`.
        name: The artifact; by default named for the model.
        url: Address of a server that hands the version's files out to everybody: the artifact then
            has references instead of bytes.
    """

    project: str
    name: str | None = None
    url: str | None = None


class ExportedArtifact(Struct, frozen=True):
    """An artifact that was logged.

    Attributes:
        version: There, `None` offline, where the server has not numbered it yet.
        folder: What `wandb sync` uploads, `None` online.
        digests: SHA-256 of each file by its path.
    """

    ref: str
    artifact: str
    aliases: tuple[str, ...]
    version: str | None
    folder: str | None
    digests: dict[str, str]


def export(registry: Registry, ref: str, target: ExportTarget) -> ExportedArtifact:
    """Log a version as an artifact of the type `model`, with its aliases.

    Raises:
        InvalidInputError: If a name or the address is invalid.
        DamagedError: If a file's bytes have changed, or an address leads to others.
        UnauthenticatedError: If there is no key, or it is refused.
    """
    info = registry.resolve(ref)
    manifest = registry.manifest(info.ref)
    if not _PROJECT.fullmatch(target.project):
        problem = "does not name a project"
        raise InvalidInputError(repr(target.project), problem, "write PROJECT or ENTITY/PROJECT")
    entity, _, project = target.project.rpartition("/")
    aliases = aliases_of(info)
    with _artifact(registry, info, manifest, target) as artifact:
        version, folder = _logged(artifact, aliases, entity or None, project)
    digests = _digests(shown_files(manifest))
    return ExportedArtifact(info.ref, artifact.name, aliases, version, folder, digests)


def _digests(files: Mapping[str, File]) -> dict[str, str]:
    return {path: file.sha256 for path, file in files.items()}


def _logged(
    artifact: Any, aliases: tuple[str, ...], entity: str | None, project: str
) -> tuple[str | None, str | None]:
    """Log an artifact; return its version, or the folder that is to be uploaded."""
    wandb = wandb_errors.sdk()
    with (
        wandb_errors.told(f"project {project}"),
        wandb.init(
            entity=entity, project=project, job_type="export", settings=_quiet(wandb)
        ) as run,
    ):
        done = run.log_artifact(artifact, aliases=list(aliases))
        if run.offline:
            return None, str(Path(run.dir).parent)
        return str(done.wait().version), None


def _quiet(wandb: Any) -> Any:
    """Keep the SDK from recording this machine, this folder and this command."""
    return wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )


@contextlib.contextmanager
def _artifact(
    registry: Registry, info: VersionInfo, manifest: Manifest, target: ExportTarget
) -> Iterator[Any]:
    """Make the artifact of a version; its files live as long as this."""
    if target.url is not None:
        artifact = artifact_of(info, manifest, target)
        _refer(artifact, manifest, _checked(target.url))
        yield artifact
        return
    with scratch.folder() as folder:
        registry.checkout(info.ref, folder / "version")
        artifact = artifact_of(info, manifest, target)
        with wandb_errors.told(f"artifact {artifact.name}"):
            for path, file in shown_files(manifest).items():
                artifact.add_file(str(folder / "version" / file.path), name=path, skip_cache=True)
        yield artifact


def artifact_of(info: VersionInfo, manifest: Manifest, target: ExportTarget) -> Any:
    """Return the artifact of a version, still without files: its name, its facts."""
    name = target.name or _name(info.model)
    if not _NAME.fullmatch(name):
        problem = "must be 1 to 128 letters, digits and . _ -"
        raise InvalidInputError(f"artifact {name!r}", problem, "name another with --name")
    files = shown_files(manifest)
    ours = {
        "ref": info.ref,
        "model": info.model,
        "version": info.version,
        "digest": info.digest,
        "status": info.status,
        "commit": manifest.lineage.git_commit,
        "sha256": _digests(files) if len(files) <= _MOST_DIGESTS else None,
    }
    facts = {
        "holdfast": {key: value for key, value in ours.items() if value is not None},
        "metrics": info.metrics,
        "hyperparameters": without_secrets(manifest.hyperparameters),
    }
    description = manifest.description and text_of(manifest.description, _MOST_TEXT)
    with wandb_errors.told(f"artifact {name}"):
        return wandb_errors.sdk().Artifact(
            name, _KIND, description=description, metadata={k: v for k, v in facts.items() if v}
        )


def _name(model: str) -> str:
    return model if _NAME.fullmatch(model) else name_within(model, _MOST_NAME)


def aliases_of(info: VersionInfo) -> tuple[str, ...]:
    """Return the aliases that a version gets there: its number, its stage, and its own."""
    staged = [info.status] if info.status in ("production", "staging") else []
    return (info.version, *staged, *info.aliases)


def _checked(url: str) -> str:
    """Return an address that may be written down where others read it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInputError("--url", "must begin with http:// or https:// and have a host")
    if without_credentials(url) != url or parts.query or parts.fragment:
        problem = "holds what gives access, which everybody could read in the artifact"
        raise InvalidInputError("--url", problem, "name a server that hands the files out to all")
    return url.rstrip("/")


def _refer(artifact: Any, manifest: Manifest, url: str) -> None:
    """Add a reference for each file; the SDK asks for each, and its `ETag` must be our digest."""
    repo = hub_paths.repo_of(manifest.name)
    if repo is None:
        problem = "cannot be part of an address: it is not NAME or NAMESPACE/NAME"
        raise InvalidInputError(f"model {manifest.name!r}", problem, "copy it under another name")
    base = f"{url}/{repo}/resolve/{quote(manifest.version, safe='')}"
    files = shown_files(manifest)
    _require_public(url, base, next(iter(files)))
    for path, file in files.items():
        with wandb_errors.told(url):
            entries = artifact.add_reference(f"{base}/{quote(path)}", name=path)
        _hold_against(entries, path, file, url)


def _require_public(url: str, base: str, path: str) -> None:
    """Ask for a file once: the SDK asks a server that does not answer for hours."""
    import urllib3

    try:
        answer = urllib3.request(
            "GET",
            f"{base}/{quote(path)}",
            timeout=_TIMEOUT_S,
            retries=False,
            preload_content=False,
        )
    except urllib3.exceptions.HTTPError as error:
        problem = f"cannot be reached: {wandb_errors.shown(error)}"
        raise StoreError(url, problem, "check the address and the network") from None
    answer.close()
    if answer.status >= _FIRST_REFUSAL:
        raise StoreError(url, f"answered {answer.status} for {path}", _PUBLIC)


def _hold_against(entries: Any, path: str, file: File, url: str) -> None:
    facts: list[Mapping[str, Any]] = [
        {"digest": entry.digest, "size": entry.size} for entry in entries
    ]
    if facts != [{"digest": file.sha256, "size": file.size_bytes}]:
        problem = f"does not hand out {path} with the version's digest"
        raise DamagedError(url, problem, "name the server of this registry")
