"""A cache of `huggingface_hub` that links to the store's bytes, without a server.

`HF_HUB_CACHE=DIR HF_HUB_OFFLINE=1` then serves `snapshot_download("team/iris",
revision="production")`. A commit is the first 40 digits of a version's digest; a revision is a file
that is replaced whole, so that a reader has the version before a promotion or the one after it.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from holdfast.core.manifest import Manifest
from holdfast.core.names import BUILT_IN
from holdfast.core.shown_paths import shown_files
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry import Registry
from holdfast.stop_signal import Stop
from holdfast.store import durable

__all__ = ["Linked", "follow", "link"]

_MARK: Final = ".holdfast"
_TEMPORARY: Final = ".tmp-"
_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})?")
_MIXED: Final = ("--", "..")
_COMMIT_DIGITS: Final = 40
_FOLDERS: Final = ("blobs", "refs", "snapshots")


class Linked(Struct, frozen=True):
    """What a cache has after it was brought up to date.

    Attributes:
        folder: Where it is.
        models: How many it has.
        versions: How many.
        left_out: Models whose names the client does not take.
        problems: Versions that were not linked, each with its reason.
    """

    folder: str
    models: int = 0
    versions: int = 0
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def link(registry: Registry, folder: Path) -> Linked:
    """Bring a cache up to what a registry says; a version's bytes are hashed when it is new there.

    Raises:
        InvalidInputError: If the folder has something that is not such a cache of this registry.
    """
    _claim(registry, folder)
    names = [info.model for info in registry.models()]
    kept = [name for name in names if _is_repository(name)]
    versions, problems = 0, []
    for model in kept:
        done, failed = _Repository(registry, model, folder).bring()
        versions += done
        problems += failed
    _remove_others(folder, {_folder_of(model) for model in kept})
    left_out = tuple(name for name in names if not _is_repository(name))
    return Linked(str(folder), len(kept), versions, left_out, tuple(problems))


def follow(registry: Registry, folder: Path, stop: Stop, every_s: float) -> Iterator[Linked]:
    """Go on until *stop* is set; yield what a look changed, or failed at."""
    before: object = None
    while not stop.is_set():
        heads = registry.heads()
        if heads != before:
            try:
                yield link(registry, folder)
                before = heads
            except (HoldfastError, OSError) as error:  # the next look may succeed
                yield Linked(str(folder), problems=(str(error),))
        stop.wait(every_s)


def _is_repository(name: str) -> bool:
    """Tell whether the client takes a model's name for a repository's."""
    return _NAME.fullmatch(name) is not None and not any(text in name for text in _MIXED)


def _folder_of(model: str) -> str:
    return f"models--{model.replace('/', '--')}"


def _claim(registry: Registry, folder: Path) -> None:
    """Make the folder ours; what others put there is never written over."""
    mark = folder / _MARK
    with contextlib.suppress(FileNotFoundError):
        if mark.read_text(encoding="utf-8").strip() == registry.identity:
            return
        problem = "is a cache of another registry"
        raise InvalidInputError(f"folder {str(folder)!r}", problem, "name another folder")
    if folder.exists() and any(folder.iterdir()):
        problem = "has files that `holdfast link` did not write"
        raise InvalidInputError(f"folder {str(folder)!r}", problem, "name a new or empty folder")
    durable.make_folder(str(folder))
    durable.create(str(mark), f"{registry.identity}\n".encode())


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.glob("models--*"):
        if path.name not in kept:
            _remove(path)


def _remove(path: Path) -> None:
    """Remove what a cache has no longer; of a link the link alone, never what it leads to."""
    with durable.translate_errors(str(path)), contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()  # another run may be faster


class _Repository:
    """One model of a cache."""

    def __init__(self, registry: Registry, model: str, cache: Path) -> None:
        self._registry = registry
        self._model = model
        self._folder = cache / _folder_of(model)

    def bring(self) -> tuple[int, list[str]]:
        """Bring it up to date: bytes before names; return how many versions, and what failed.

        Raises:
            InvalidInputError: If a folder of it is a link: what it leads to would be removed.
        """
        for folder in (self._folder, *(self._folder / name for name in _FOLDERS)):
            if folder.is_symlink():
                problem = "is a link, and what it leads to is not the cache's"
                raise InvalidInputError(f"folder {str(folder)!r}", problem, "remove the link")
        versions = {
            info.version: info
            for info in self._registry.versions(self._model)
            if info.status != "purged" and info.reference is None
        }
        linked, problems = set(), []
        for info in versions.values():
            try:
                self._snapshot(info)
                linked.add(_commit(info))
            except HoldfastError as error:
                problems.append(f"{info.ref}: {error}")
        refs = {name: _commit(info) for name, info in self._names(versions).items()}
        self._refer({name: commit for name, commit in refs.items() if commit in linked})
        self._forget(linked)
        return len(linked), problems

    def _names(self, versions: dict[str, VersionInfo]) -> dict[str, VersionInfo]:
        """Map what the client may ask for to versions."""
        names = dict(versions)
        for info in versions.values():
            names |= dict.fromkeys(info.aliases, info)
        for name in sorted(BUILT_IN):
            with contextlib.suppress(NotFoundError):
                info = self._registry.resolve(f"{self._model}@{name}")
                names |= {name: info} if info.version in versions else {}
        if "latest" in names:  # what is asked for where nobody names a revision
            names["main"] = names["latest"]
        return names

    def _snapshot(self, info: VersionInfo) -> None:
        """Link a version's files, all of them or none."""
        target = self._folder / "snapshots" / _commit(info)
        if target.is_dir():
            return
        manifest: Manifest = self._registry.manifest(info.ref)
        paths = self._registry.blob_paths(info.ref)
        made = target.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}")
        with durable.translate_errors(str(made)):
            try:
                for shown, file in shown_files(manifest).items():
                    place = made / shown
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(paths[file.path])
                with contextlib.suppress(FileExistsError):  # another run was faster
                    made.rename(target)
            finally:
                shutil.rmtree(made, ignore_errors=True)

    def _refer(self, refs: dict[str, str]) -> None:
        folder = self._folder / "refs"
        durable.make_folder(str(folder))
        durable.make_folder(str(self._folder / "blobs"))
        for name, commit in refs.items():
            path = folder / name
            if path.is_symlink() or path.is_dir():
                _remove(path)
            if not path.is_file() or path.read_text(encoding="utf-8") != commit:
                durable.replace(str(path), commit.encode())
        for path in folder.iterdir():
            if path.name not in refs and not path.name.startswith(_TEMPORARY):
                _remove(path)

    def _forget(self, linked: set[str]) -> None:
        """Remove versions whose bytes are gone, or are no longer what they were."""
        with contextlib.suppress(FileNotFoundError):
            for path in (self._folder / "snapshots").iterdir():
                if path.name not in linked and not path.name.startswith(_TEMPORARY):
                    _remove(path)


def _commit(info: VersionInfo) -> str:
    return info.digest.removeprefix("sha256:")[:_COMMIT_DIGITS]
