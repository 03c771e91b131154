"""The artifacts that a client's files make: one rule for all other registries' clients."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from holdfast.core.manifest import CODE, Artifact, File, Manifest
from holdfast.core.shown_paths import PUSHED
from holdfast.errors import InvalidInputError

__all__ = ["MODEL", "artifacts_of", "sources_of"]

MODEL: Final = "model"
_UNKNOWN: Final = ""
"""Format of an artifact that is still to be found out."""
_DOCUMENT: Final = re.compile(r"\.git[a-z]+|[^/]+\.md|licen[cs]e[^/]*|notice[^/]*", re.IGNORECASE)
_BESIDE_MODEL: Final = frozenset(("preprocessor", "postprocessor"))
_TAKEN: Final = (MODEL, CODE, PUSHED, "manifest", "reference")
"""Roles and names that a file cannot have by its own name."""


def _is_folder(artifact: Artifact) -> bool:
    return any(file.path != artifact.path for file in artifact.files)


def artifacts_of(files: Mapping[str, File], base: Manifest | None) -> dict[str, Artifact]:
    """Return the artifacts, by role, that the files of a repository make.

    What a version before had keeps its role. Else a lone file is the model, as is `model.*` beside
    a preprocessor; in any other case all files are the model, a folder.

    Args:
        files: By their path in the repository.
        base: Manifest of the version that was changed.

    Returns:
        The artifacts; the format is empty where it is to be found out.
    """
    lone = _lone_model(files, base)
    known = _known_roles(base)
    grouped: dict[str, dict[str, File]] = {}
    for path in sorted(files):
        role = MODEL if path == lone else known.get(path) or _folder_role(path, base)
        if role is None:
            role = MODEL if lone is None else _new_role(path, grouped)
        grouped.setdefault(role, {})[path] = files[path]
    artifacts = {}
    for role, listed in grouped.items():
        artifact = _artifact(listed, in_folder=role == MODEL and lone is None)
        before = base.artifacts.get(role) if base is not None else None
        same = before is not None and before.files == artifact.files
        artifacts[role] = before if before is not None and same else artifact
    return artifacts


def sources_of(
    folder: Path, files: Mapping[str, File], subject: str
) -> tuple[Path, dict[str, Path]]:
    """Return the model among the files of a folder that was fetched, and the rest by role.

    Raises:
        InvalidInputError: If there is no model among them; it begins with *subject*.
    """
    artifacts = artifacts_of(files, None)
    if MODEL not in artifacts:
        raise InvalidInputError(subject, "has no files of a model", "name another")
    model = artifacts.pop(MODEL)
    if model.path not in files:
        return folder, {}
    return folder / model.path, {
        role: folder / artifact.path for role, artifact in artifacts.items()
    }


def _lone_model(files: Mapping[str, File], base: Manifest | None) -> str | None:
    """Return the path of the file that is the model, `None` if the model is a folder."""
    model = base.artifacts.get(MODEL) if base is not None else None
    if model is not None and not _is_folder(model) and model.path in files:
        return model.path
    core = [path for path in files if not _DOCUMENT.fullmatch(path)]
    if len(core) == 1 and "/" not in core[0]:
        return core[0]
    stems = {path: path.partition(".")[0] for path in core if "/" not in path}
    models = [path for path, stem in stems.items() if stem == MODEL]
    beside = set(stems.values()) - {MODEL}
    if len(models) == 1 and len(stems) == len(core) and beside <= _BESIDE_MODEL:
        return models[0]
    return None


def _known_roles(base: Manifest | None) -> dict[str, str]:
    """Return the role of each path that a version had in another role than the model's."""
    if base is None:
        return {}
    return {
        file.path: role
        for role, artifact in base.artifacts.items()
        if role != MODEL
        for file in artifact.files
    }


def _folder_role(path: str, base: Manifest | None) -> str | None:
    """Return the role of the folder that a new file lies in, if a version had it."""
    for role, artifact in base.artifacts.items() if base is not None else ():
        if role != MODEL and _is_folder(artifact) and path.startswith(f"{artifact.path}/"):
            return role
    return None


def _new_role(path: str, taken: Iterable[str]) -> str:
    """Return the role of a file beside a model of one file: its first name, or its folder's."""
    top, slash, _ = path.partition("/")
    word = re.sub(r"[^a-z0-9_-]+", "-", top.lower().partition(".")[0] or top.lower()).strip("-_")
    word = word if word[:1].isalpha() else f"file-{word}".strip("-")
    role = word[:50]
    if role in _TAKEN:
        role = f"{role}-files"
    if slash:
        return role
    number, free = 2, role
    while free in taken:
        free, number = f"{role}-{number}", number + 1
    return free


def _artifact(files: Mapping[str, File], *, in_folder: bool) -> Artifact:
    before = f"{MODEL}/" if in_folder else ""
    placed = tuple(replace(file, path=before + path) for path, file in sorted(files.items()))
    return Artifact(placed[0].path.partition("/")[0], _UNKNOWN, placed)
