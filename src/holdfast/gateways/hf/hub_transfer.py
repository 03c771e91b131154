"""Versions to the public Hub and back, by the Hub's own client.

The client checks lengths alone, so that what it brought is hashed here before it is registered.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast import scratch
from holdfast.core.manifest import File
from holdfast.core.shown_paths import shown_files
from holdfast.core.views import RegistrationResult
from holdfast.errors import (
    ConflictError,
    DamagedError,
    ForbiddenError,
    InvalidInputError,
    MissingLibraryError,
    NotFoundError,
    StoreError,
    UnauthenticatedError,
)
from holdfast.gateways import file_roles
from holdfast.gateways.hf import hub_tree
from holdfast.registry import Registry
from holdfast.registry.facts import Facts

__all__ = ["HubPush", "pull", "push"]

_CARD_KEYS: Final = (
    "license", "language", "library_name", "pipeline_tag", "base_model", "datasets",
)  # fmt: skip
_PIECE: Final = 1 << 20
_NETWORK: Final = ("httpx", "httpx2", "httpcore", "requests", "hf_xet")
"""Libraries whose errors are the network's; which one a client uses depends on its age."""


class HubPush(Struct, frozen=True):
    """What was pushed.

    Attributes:
        commit: The Hub's.
        tag: Names the commit there.
    """

    ref: str
    repo: str
    commit: str
    tag: str
    files: int
    size_bytes: int


def push(
    registry: Registry, ref: str, repo: str, endpoint: str | None = None, *, public: bool = False
) -> HubPush:
    """Upload a version's files and card to a repository, and tag the commit with the version.

    Args:
        registry: Where the version is.
        ref: The version.
        repo: `NAMESPACE/NAME`; made where it does not exist, for its owner's eyes unless *public*.
        endpoint: Address of the Hub; `HF_ENDPOINT`, else the public one.
        public: Whether a repository that is made is for everybody.

    Raises:
        ConflictError: If the version is a tag of another commit there.
    """
    hub = _client()
    version = registry.resolve(ref)
    whole = f"{version.model}@{version.version}"
    manifest = registry.manifest(whole)
    api = hub.HfApi(endpoint=endpoint)
    with scratch.folder() as folder, _told(hub, repo):
        out = registry.checkout(whole, folder / "version")
        paths: dict[str, Any] = {
            path: str(out / file.path) for path, file in shown_files(manifest).items()
        }
        if not any(path.lower() == hub_tree.CARD.lower() for path in paths):
            paths[hub_tree.CARD] = str(registry.card(whole, "markdown")).encode()
        api.create_repo(repo, private=not public, exist_ok=True)
        operations = [hub.CommitOperationAdd(path, data) for path, data in sorted(paths.items())]
        title = f"{version.model} {version.version}"
        commit = api.create_commit(repo, operations, commit_message=title).oid
        _tag(api, repo, version.version, commit)
    return HubPush(whole, repo, commit, version.version, len(paths), manifest.size_bytes)


def _tag(api: Any, repo: str, tag: str, commit: str) -> None:
    refs = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).tags}
    if tag not in refs:
        api.create_tag(repo, tag=tag, revision=commit)
    elif refs[tag] != commit:
        raise ConflictError(
            f"tag {tag} of {repo}", f"is of another commit, {refs[tag][:12]}", "push a new version"
        )


def pull(
    registry: Registry,
    repo: str,
    model: str,
    revision: str | None = None,
    endpoint: str | None = None,
    trust: str | None = None,
) -> RegistrationResult:
    """Register the files of a repository as a version, once for each commit.

    Args:
        registry: Where to.
        repo: `NAMESPACE/NAME`.
        model: The registered model.
        revision: A branch, a tag or a commit; else `main`.
        endpoint: Address of the Hub; `HF_ENDPOINT`, else the public one.
        trust: Why files that run code outside the allow-list are accepted anyway.

    Raises:
        DamagedError: If bytes came that are not those that the Hub lists.
        UntrustedError: If a file runs code outside the allow-list and *trust* is not given.
    """
    hub = _client()
    api = hub.HfApi(endpoint=endpoint)
    with scratch.folder() as folder:
        with _told(hub, repo):
            about = api.model_info(repo, revision=revision, files_metadata=True)
            api.snapshot_download(repo, revision=about.sha, local_dir=folder)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        files = {file.path: file for file in _checked(folder, repo, about.siblings)}
        place = (endpoint or hub.constants.ENDPOINT).rstrip("/")
        facts: Facts = {
            "metadata": _metadata(about, f"{place}/{repo}@{about.sha}"),
            "reason": f"pulled from {repo}@{about.sha[:12]}",
            "idempotency_key": f"hub:{place}/{repo}@{about.sha}",
        }
        if trust is not None:
            facts["trust"] = trust
        source, others = file_roles.sources_of(folder, files, "the repository")
        if others:
            facts["artifacts"] = others
        return registry.register(model, source, **facts)


def _checked(folder: Path, repo: str, listed: list[Any]) -> Iterator[File]:
    """Go through the files that came, each once its bytes are what the Hub says of them."""
    for entry in listed:
        path = folder / entry.rfilename
        size = path.stat().st_size
        if entry.lfs is not None:
            digest: Any = hashlib.sha256()
            expected = entry.lfs.sha256
        else:  # Git's own name of a small file
            digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            expected = entry.blob_id
        sha256 = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                sha256.update(piece)
        if digest.hexdigest() != expected:
            raise DamagedError(
                f"{entry.rfilename} of {repo}", "came with other bytes", "pull again"
            )
        yield File(entry.rfilename, sha256.hexdigest(), size)


def _metadata(about: Any, source: str) -> dict[str, Any]:
    card = about.card_data.to_dict() if about.card_data is not None else {}
    return {"source": source} | {key: card[key] for key in _CARD_KEYS if card.get(key)}


def _client() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingLibraryError("huggingface_hub", "hf", "the Hub is reached by it") from error
    return huggingface_hub


@contextmanager
def _told(hub: Any, repo: str) -> Iterator[None]:
    """Turn what the client raises into what Holdfast raises."""
    try:
        yield
    except hub.errors.HfHubHTTPError as error:
        raise _error(error, repo) from error
    except hub.errors.HFValidationError as error:
        raise InvalidInputError(f"repository {repo!r}", f"is invalid: {error}") from error
    except Exception as error:
        if isinstance(error.__cause__, hub.errors.HfHubHTTPError):  # while a file was sent
            raise _error(error.__cause__, repo) from error
        if not isinstance(error, OSError | RuntimeError) and _maker(error) not in _NETWORK:
            raise
        problem = f"cannot be reached: {' '.join(str(error).split())[:300]}"
        raise StoreError(repo, problem, "check HF_ENDPOINT and the network") from error


def _maker(error: Exception) -> str:
    """Return the library that an error is of."""
    return type(error).__module__.partition(".")[0]


def _error(error: Any, repo: str) -> Exception:
    status = getattr(error.response, "status_code", None)
    said = " ".join(str(getattr(error, "server_message", None) or error).split())[:300]
    match status:
        case 401:
            return UnauthenticatedError(repo, f"denied access: {said}", "set HF_TOKEN")
        case 403:
            return ForbiddenError("your token", f"may not do this with {repo}: {said}")
        case 404:
            return NotFoundError(f"repository {repo}", advice=said)
        case 409 | 412:
            return ConflictError(repo, f"refused this: {said}")
    return StoreError(repo, f"refused this: {said}", "look at the message, then repeat")
