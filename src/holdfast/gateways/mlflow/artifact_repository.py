"""The files of a version as MLflow asks for them: verified, judged, and copied out."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from holdfast.core.manifest import Artifact
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.gateways.mlflow import store_uri
from holdfast.gateways.mlflow.mlflow_errors import translated
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.registry.loading import Fetched

_WRITING = "takes no files"


class HoldfastArtifactRepository(ArtifactRepository):
    """One version's model folder, to be read alone.

    Every byte is hashed before any of it is handed out, and what would run code must be allowed or
    trusted still.
    """

    @translated
    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        location, self._ref = store_uri.version_of(artifact_uri)
        self._view = StoreView(_store(location, registry_uri))

    def _artifact(self) -> Artifact:
        artifacts = self._view.registry.manifest(self._ref).artifacts
        if "model" not in artifacts:
            raise InvalidInputError(self._ref, "is a reference, whose files are not here")
        return artifacts["model"]

    def _paths(self) -> dict[str, int]:
        artifact = self._artifact()
        root = f"{artifact.path}/"
        return {file.path.removeprefix(root): file.size_bytes for file in artifact.files}

    @translated
    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List what is directly below a folder of the model."""
        prefix = f"{path.strip('/')}/" if path and path.strip("/") else ""
        found: dict[str, FileInfo] = {}
        for file, size_bytes in self._paths().items():
            if not file.startswith(prefix):
                continue
            name, _, below = file.removeprefix(prefix).partition("/")
            whole = prefix + name
            found.setdefault(whole, FileInfo(whole, bool(below), None if below else size_bytes))
        return sorted(found.values(), key=lambda info: str(info.path))

    @translated
    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Copy the model, or a file or folder of it, out, once every byte of it is verified."""
        fetched = self._view.registry.fetch(self._ref)
        source = _inside(fetched, artifact_path or "")
        target = Path(dst_path or tempfile.mkdtemp(prefix="holdfast-mlflow-"))
        if dst_path is not None and not target.is_dir():
            raise InvalidInputError(f"folder {dst_path!r}", "does not exist", "make it first")
        place = target / (artifact_path or "").strip("/")
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True, copy_function=shutil.copyfile)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
        return str(place)

    @translated
    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        source = _inside(self._view.registry.fetch(self._ref), remote_file_path)
        os.makedirs(os.path.dirname(local_path) or ".", exist_ok=True)
        shutil.copyfile(source, local_path)

    @translated
    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Refuse: a version never changes."""
        del local_file, artifact_path
        raise UnsupportedError(self._ref, _WRITING, "register a new version")

    @translated
    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Refuse: a version never changes."""
        del local_dir, artifact_path
        raise UnsupportedError(self._ref, _WRITING, "register a new version")

    @translated
    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Refuse: a version never changes."""
        del artifact_path
        raise UnsupportedError(self._ref, "does not change", "delete the version")


def _store(location: str, registry_uri: str | None) -> StoreUri:
    """Return the store, with the options that the registry's own address has, if it is the same."""
    uri: Any = registry_uri or ""
    if str(uri).startswith(store_uri.SCHEME):
        known = store_uri.parse(str(uri))
        if known.location == location:
            return known
    return StoreUri(location)


def _inside(fetched: Fetched, path: str) -> Path:
    """Return a file or folder of the model; nothing beyond it has a name here."""
    root = fetched.paths["model"]
    wanted = root / path.strip("/") if path.strip("/") else root
    if ".." in Path(path).parts or not wanted.exists():
        raise InvalidInputError(f"file {path!r}", "is not one of the model's")
    return wanted
