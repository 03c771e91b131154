"""The bytes of an artifact at a commit: Git's own files by `git`, all others by DVC's client.

A repository may be anybody's. What lies in it is never run; a path that leaves it is refused, and
so is a link.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast.core import names
from holdfast.errors import (
    HoldfastError,
    InvalidInputError,
    StoreError,
    UnsupportedError,
)
from holdfast.gateways.gto.dvc_imports import DvcImports, yaml_document
from holdfast.gateways.gto.git_repository import GitBlob, GitRepository

__all__ = ["ArtifactFiles", "GtoDescription"]

_INDEX: Final = "dvc.yaml"
_MOST_BYTES: Final = 1 << 18
_MOST_SHOWN: Final = 300
_FILE: Final = ("100644", "100755")
_POINTERS: Final = (".dvc", ".gitignore")


class GtoDescription(Struct, frozen=True):
    """What `dvc.yaml` says of an artifact.

    Attributes:
        path: Where it is, from the top of the repository.
    """

    path: str
    description: str | None = None


class ArtifactFiles:
    """Fetches artifacts from a repository.

    Args:
        address: Where it is, for DVC, whose remotes may be relative to it.
        repository: A copy of it.
        path: Where the artifact is, if `dvc.yaml` is not to be asked.
        environment: What DVC is told beside its words.
    """

    def __init__(
        self,
        address: str,
        repository: GitRepository,
        path: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._address = address
        self._repository = repository
        self._path = path
        self._environment = environment
        self._indices: dict[str, Any] = {}
        self._imports = DvcImports(repository)

    def describe(self, artifact: str, commit: str) -> GtoDescription:
        """Say where an artifact is at a commit.

        Raises:
            InvalidInputError: If nothing says so, or the path leaves the repository.
        """
        if self._path is not None:
            return GtoDescription(_checked(self._path))
        folder, _, name = artifact.rpartition(":")
        index = f"{folder}/{_INDEX}" if folder else _INDEX
        blobs = self._repository.files(commit, index)
        if len(blobs) != 1 or blobs[0].path != index or blobs[0].mode not in _FILE:
            advice = "say where it is with --path"
            raise InvalidInputError(f"{artifact} at {commit[:12]}", f"has no {index}", advice)
        entry = _entry(self._document(blobs[0], index), name)
        if entry is None or not isinstance(entry.get("path"), str):
            raise InvalidInputError(
                f"{artifact} at {commit[:12]}",
                f"has no path in {index}",
                "say where it is with --path",
            )
        told = entry.get("desc")
        path = f"{folder}/{entry['path']}" if folder else entry["path"]
        return GtoDescription(_checked(path), told if names.is_text(told) else None)

    def _document(self, blob: GitBlob, index: str) -> Any:
        if blob.oid not in self._indices:
            text = self._repository.text(blob, _MOST_BYTES)
            if text is None:
                raise InvalidInputError(index, f"is not text of up to {_MOST_BYTES} bytes")
            self._indices[blob.oid] = yaml_document(text, index)
        return self._indices[blob.oid]

    def fetch(self, path: str, commit: str, folder: Path) -> Path:
        """Write a file or a folder, as it was at a commit, below *folder*; return where.

        Raises:
            InvalidInputError: If it has links, or is not there.
            StoreError: If DVC cannot fetch it.
        """
        target = folder / path.rpartition("/")[2]
        blobs = self._repository.files(commit, path)
        if not blobs or any(blob.path.endswith(_POINTERS[0]) for blob in blobs):
            self._imports.require_harmless(commit, path)
            self._ask_dvc(path, commit, target)
        else:
            for blob in blobs:
                self._write(blob, path, target)
        _require_plain(target, path)
        return target

    def _write(self, blob: GitBlob, path: str, target: Path) -> None:
        if blob.mode not in _FILE:
            problem = "is a link or another repository, which may lead anywhere"
            raise InvalidInputError(f"file {blob.path!r}", problem, "register its files by hand")
        if blob.path == path:
            place = target
        else:
            below = blob.path.removeprefix(f"{path}/")
            if below.rpartition("/")[2] == _POINTERS[1]:
                return
            names.check_paths([below])
            place = target / below
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            self._repository.copy(blob, file)

    def _ask_dvc(self, path: str, commit: str, target: Path) -> None:
        words = ["get", "--quiet", "--rev", commit, "--out", str(target), "--", self._address, path]
        done = subprocess.run(  # noqa: S603 - DVC's own words, no shell
            [*_dvc(), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=self._environment,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            told = [line for line in lines if line.startswith("ERROR: ")] or lines
            shown = " ".join(" ".join(told).removeprefix("ERROR: ").split())[:_MOST_SHOWN]
            raise StoreError(path, f"cannot be fetched by DVC: {shown}", "try `dvc get` by hand")


def _dvc() -> list[str]:
    found = shutil.which("dvc")
    if found is not None:
        return [found]
    if importlib.util.find_spec("dvc") is not None:
        return [sys.executable, "-m", "dvc"]
    problem = "is not installed, but it has to fetch what Git does not hold"
    raise UnsupportedError("dvc", problem, "pip install dvc")


def _checked(path: str) -> str:
    """Return a path as Git writes it.

    Raises:
        InvalidInputError: If it leaves the repository, or is not plain.
    """
    plain = "/".join(part for part in path.split("/") if part != ".")
    try:
        names.check_paths([plain])
        is_plain = not plain.startswith("-")
    except HoldfastError:
        is_plain = False
    if not is_plain:
        problem = "is not a plain path within the repository"
        raise InvalidInputError(f"path {path[:200]!r}", problem, "name another by --path")
    return plain


def _require_plain(target: Path, path: str) -> None:
    """Refuse what is not files and folders alone."""
    found = [target, *target.rglob("*")] if target.is_dir() else [target]
    for place in found:
        if place.is_symlink() or not (place.is_file() or place.is_dir()):
            raise InvalidInputError(f"path {path!r}", "has what is neither a file nor a folder")
        if place.is_file() and place.name == _POINTERS[1]:
            place.unlink()


def _entry(document: Any, name: str) -> dict[str, Any] | None:
    artifacts = document.get("artifacts") if isinstance(document, dict) else None
    entry = artifacts.get(name) if isinstance(artifacts, dict) else None
    return entry if isinstance(entry, dict) else None
