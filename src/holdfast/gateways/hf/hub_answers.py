"""What the Hub's clients read: models, trees and commits, in the Hub's words."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from holdfast.core.manifest import Manifest
from holdfast.core.state import Record, State
from holdfast.gateways.hf.hub_revisions import commit_of
from holdfast.gateways.hf.hub_tree import TreeFile

__all__ = ["commit", "model", "model_files", "path_entries", "tree_entries", "when"]

_POINTER: Final = 134
"""Length of the file that stands in for a large one in Git, which clients ask for."""
_CARD_KEYS: Final = (
    "license", "language", "library_name", "pipeline_tag", "base_model", "datasets", "tags",
)  # fmt: skip
_LIBRARIES: Final = {"scikit-learn": "sklearn"}


def when(time: str) -> str:
    """Write the time of an entry as clients read it: to the millisecond."""
    return f"{time[:23]}Z"


def model(
    repo: str, state: State, record: Record, manifest: Manifest, first_at: str
) -> dict[str, Any]:
    """Describe a model at one of its versions."""
    card = _card(manifest)
    library = card.get("library_name")
    shown: dict[str, Any] = {
        "_id": hashlib.sha256(state.model.encode()).hexdigest()[:24],
        "id": repo,
        "modelId": repo,
        "author": repo.partition("/")[0] if "/" in repo else None,
        "sha": commit_of(record),
        "createdAt": when(first_at),
        "lastModified": when(record.registered_at),
        "private": True,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": sorted({f"version:{record.version}", f"status:{record.status}", *record.tags}),
        "cardData": card,
    }
    if library:
        shown["library_name"] = library
    if "pipeline_tag" in card:
        shown["pipeline_tag"] = card["pipeline_tag"]
    return shown


def _card(manifest: Manifest) -> dict[str, Any]:
    card: dict[str, Any] = {
        key: manifest.metadata[key] for key in _CARD_KEYS if key in manifest.metadata
    }
    framework = manifest.framework
    if framework and "library_name" not in card:
        card["library_name"] = _LIBRARIES.get(framework, framework)
    return card


def model_files(files: Mapping[str, TreeFile], *, with_sizes: bool) -> list[dict[str, Any]]:
    """List the files of a model, as its page does."""
    if not with_sizes:
        return [{"rfilename": path} for path in files]
    return [
        {
            "rfilename": file.path,
            "size": file.size_bytes,
            "blobId": file.sha256[:40],
            "lfs": {
                "sha256": file.sha256,
                "size": file.size_bytes,
                "pointerSize": _POINTER,
            },
        }
        for file in files.values()
    ]


def tree_entries(
    files: Mapping[str, TreeFile], folder: str, *, below: bool, last: Mapping[str, Any] | None
) -> list[dict[str, Any]] | None:
    """List what lies in a folder, `None` if there is no such folder.

    Args:
        files: All files.
        folder: Its path, empty for the top.
        below: Whether to list what lies in its folders too.
        last: The commit to show with each, if it is asked for.
    """
    prefix = f"{folder}/" if folder else ""
    inside = [path for path in files if path.startswith(prefix)]
    if folder and not inside:
        return None
    folders: dict[str, None] = {}
    listed = []
    for path in inside:
        parts = path.removeprefix(prefix).split("/")
        depths = range(1, len(parts)) if below else range(1, min(2, len(parts)))
        folders |= dict.fromkeys(prefix + "/".join(parts[:depth]) for depth in depths)
        if below or len(parts) == 1:
            listed.append(_file(files[path]))
    entries = [*map(_folder, folders), *listed]
    return _with_commit(entries, last)


def path_entries(
    files: Mapping[str, TreeFile], paths: Iterable[str], last: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Describe the files and folders of these names; what does not exist is left out."""
    return _with_commit(list(_named(files, paths)), last)


def _named(files: Mapping[str, TreeFile], paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    folders: set[str] = set()
    for path in files:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for path in dict.fromkeys(path.strip("/") for path in paths):
        if path in files:
            yield _file(files[path])
        elif path in folders:
            yield _folder(path)


def _file(file: TreeFile) -> dict[str, Any]:
    """Describe a file; each is shown as a large one, so that clients can check its SHA-256."""
    return {
        "type": "file",
        "path": file.path,
        "size": file.size_bytes,
        "oid": file.sha256[:40],
        "lfs": {"oid": file.sha256, "size": file.size_bytes, "pointerSize": _POINTER},
    }


def _folder(path: str) -> dict[str, Any]:
    oid = hashlib.sha256(f"{path}/".encode()).hexdigest()[:40]
    return {"type": "directory", "path": path, "size": 0, "oid": oid}


def _with_commit(
    entries: list[dict[str, Any]], last: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    if last is None:
        return entries
    about = {key: last[key] for key in ("id", "title", "date")}
    return [entry | {"lastCommit": about, "securityFileStatus": None} for entry in entries]


def commit(state: State, record: Record) -> dict[str, Any]:
    """Describe the commit that a version is."""
    return {
        "id": commit_of(record),
        "title": f"{state.model} {record.version}",
        "message": "",
        "date": when(record.registered_at),
        "authors": [{"user": record.registered_by}],
    }
