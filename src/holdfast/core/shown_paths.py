"""A version's files under the paths by which other registries' clients know a model's files."""

from typing import Final

from holdfast.core.manifest import File, Manifest

__all__ = ["FACTS", "PUSHED", "shown_files"]

PUSHED: Final = "oci"
"""Role of the documents that a version had when a client of OCI registries pushed it."""
FACTS: Final = "manifest.json"
"""The path that the manifest itself has there; no file of a version has it."""


def shown_files(manifest: Manifest) -> dict[str, File]:
    """Map the paths that clients see to files.

    A model that is a folder stands at the top, where libraries look for its `config.json`, unless a
    file of another role has such a path; all others keep the paths of the version's folder.
    """
    others = [
        file
        for role, artifact in manifest.artifacts.items()
        for file in artifact.files
        if role not in ("model", PUSHED)
    ]
    model = manifest.artifacts.get("model")
    own = model.files if model is not None else ()
    shown = {file.path: file for file in others}
    prefix = f"{model.path}/" if model is not None else ""
    lifted = {file.path.removeprefix(prefix): file for file in own}
    if _collide(lifted, [*shown, FACTS]):
        lifted = {file.path: file for file in own}
    return dict(sorted((shown | lifted).items()))


def _collide(lifted: dict[str, File], taken: list[str]) -> bool:
    """Tell whether a path is taken, or would be a file and a folder, on any file system."""
    heads = {path.casefold().partition("/")[0] for path in lifted}
    return any(path.casefold().partition("/")[0] in heads for path in taken)
