"""The files of a version as MLflow asks for them: verified, judged, and copied out."""

import contextlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.gateways.mlflow import model_folders, pair_folder, store_uri
from holdfast.gateways.mlflow.mlflow_exceptions import translated
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import StoreView

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
        if "registry_uri" in inspect.signature(ArtifactRepository).parameters:
            super().__init__(artifact_uri, tracking_uri, registry_uri)
        else:  # MLflow 2 tells nobody where the registry is
            super().__init__(artifact_uri)
        location, self._ref = store_uri.version_of(artifact_uri)
        self._view = StoreView(_store(location, registry_uri or mlflow.get_registry_uri()))

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        """Have the version as a folder that MLflow loads, for a moment.

        What MLflow logged is so already; what Holdfast registered comes as a pair.
        """
        fetched = self._view.registry.fetch(self._ref)
        if not fetched.paths:
            raise InvalidInputError(self._ref, "has no files")
        model = fetched.paths.get("model")
        if model is not None and model_folders.is_one(model):
            yield model
            return
        with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
            folder = Path(scratch) / "model"
            run_id = fetched.manifest.lineage.run_id
            pair_folder.write(folder, fetched.manifest, fetched.paths, run_id)
            yield folder

    @translated
    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List what is directly below a folder of the model."""
        with self._folder() as root:
            folder = _inside(root, path or "")
            listed = sorted(folder.iterdir()) if folder.is_dir() else []
            return [
                FileInfo(
                    entry.relative_to(root).as_posix(),
                    entry.is_dir(),
                    None if entry.is_dir() else entry.stat().st_size,
                )
                for entry in listed
            ]

    @translated
    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Copy the model, or a file or folder of it, out, once every byte of it is verified."""
        if dst_path is not None and not Path(dst_path).is_dir():
            raise InvalidInputError(f"folder {dst_path!r}", "does not exist", "make it first")
        with self._folder() as root:
            source = _inside(root, artifact_path or "")
            target = Path(dst_path or tempfile.mkdtemp(prefix="holdfast-mlflow-"))
            place = target / (artifact_path or "").strip("/")
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True, copy_function=shutil.copyfile)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
        return str(place)

    @translated
    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with self._folder() as root:
            os.makedirs(os.path.dirname(local_path) or ".", exist_ok=True)
            shutil.copyfile(_inside(root, remote_file_path), local_path)

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


def _inside(root: Path, path: str) -> Path:
    """Return a file or folder of the model; nothing beyond it has a name here."""
    wanted = root / path.strip("/") if path.strip("/") else root
    if ".." in Path(path).parts or not wanted.exists():
        raise InvalidInputError(f"file {path!r}", "is not one of the model's")
    return wanted
