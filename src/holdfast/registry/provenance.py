"""Facts about the present process that a manifest records by itself."""

import errno
import logging
import os
import platform
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast import scratch
from holdfast.calm_git import CALM
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Environment
from holdfast.core.redaction import recordable
from holdfast.datasets import data_digests
from holdfast.errors import InvalidInputError

_log = logging.getLogger(__name__)
_PATIENCE_S = 10
_SHA256_DIGITS = 64
_MOST_PATCH_BYTES = 1 << 20
_LOCKS = (
    *("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock", "pylock.toml"),
    *("conda-lock.yml", "environment.yml", "requirements.txt", "renv.lock"),
)
_LONGEST_TEXT = 1 << 24  # of packed refs; a repository of a million has more, and Git reads those
_LONGEST_INDEX = 1 << 30
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def tool_version() -> str:
    """Return the version of the Holdfast that is installed."""
    from importlib import metadata

    return metadata.version("holdfast")


def environment(packages: Iterable[str]) -> Environment:
    """Return Python's version and those of the named distributions that are installed."""
    from importlib import metadata

    versions = {}
    for package in sorted(set(packages)):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return Environment(platform.python_version(), versions)


def differing(recorded: Environment) -> dict[str, tuple[str, str | None]]:
    """Return the distributions whose version here differs: recorded and installed, by name.

    Python counts by its minor version, since patch releases keep what pickles rely on.
    """
    from importlib import metadata

    differences: dict[str, tuple[str, str | None]] = {}
    here = platform.python_version()
    if recorded.python and recorded.python.split(".")[:2] != here.split(".")[:2]:
        differences["python"] = (recorded.python, here)
    for name, version in sorted(recorded.packages.items()):
        try:
            installed = metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            differences[name] = (version, None)
            continue
        if installed != version:
            differences[name] = (version, installed)
    return differences


def lineage(folder: Path | None = None) -> Lineage:
    """Return the commit checked out around a folder, and whether tracked files differ.

    Empty where there is no git, no work tree or no commit.
    """
    try:
        folder = folder or Path.cwd()
        checked_out = any((parent / ".git").exists() for parent in (folder, *folder.parents))
    except OSError:  # it was removed, or may not be looked into
        return Lineage()
    if not checked_out:
        return Lineage()
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit:
        return Lineage(git_commit=commit, git_dirty=_is_dirty(folder, commit))
    return Lineage(git_commit=head_commit(folder))  # git is missing, refuses or took too long


def code_place(folder: Path | None = None) -> dict[str, object]:
    """Return where code is, as fields of `Lineage`: repository, folder in it, locks."""
    try:
        folder = folder or Path.cwd()
    except OSError:  # it was removed
        return {}
    top = _git(folder, "rev-parse", "--show-toplevel")
    places = [folder] if not top else [Path(top), folder]
    locks = {
        name: f"sha256:{data_digests.of_file(place / name)}"
        for place in places
        for name in _LOCKS
        if (place / name).is_file()
    }
    fields: dict[str, object] = {"locks": locks} if locks else {}
    if not top:
        return fields
    fields["folder"] = (_git(folder, "rev-parse", "--show-prefix") or "").rstrip("/")
    remotes = (_git(folder, "remote") or "").splitlines()
    name = "origin" if "origin" in remotes else next(iter(remotes), "")
    address = name and _git(folder, "config", "--get", f"remote.{name}.url")
    plain = recordable(address) if address else ""
    return fields | ({"remote": plain} if plain else {})


def patch(folder: Path | None = None) -> bytes | None:
    """Return what tracked files have changed since the commit, `None` if nothing.

    Raises:
        InvalidInputError: If there is no commit to compare with, or it has more than 1 MB.
    """
    folder = folder or Path.cwd()
    top = _git(folder, "rev-parse", "--show-toplevel")
    arguments = ("diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    changed = _output(Path(top), (*arguments, "--"), None) if top else None
    if changed is None:
        problem, advice = "cannot be told from a commit", "commit first, or leave the patch out"
        raise InvalidInputError(f"work tree {str(folder)!r}", problem, advice)
    if len(changed) > _MOST_PATCH_BYTES:
        problem = f"has {len(changed):,} bytes, more than {_MOST_PATCH_BYTES:,}"
        raise InvalidInputError("patch", problem, "commit the changes first")
    return changed or None


def head_commit(folder: Path) -> str | None:
    """Read the commit checked out around a folder from Git's own files, without running it.

    Returns:
        40 or 64 hex digits; `None` where there is no repository, no commit, or refs are kept in
        another form than files.
    """
    top = next(
        (ancestor for ancestor in (folder, *folder.parents) if (ancestor / ".git").exists()), None
    )
    if top is None:
        return None
    try:
        private = top / ".git"
        if private.is_file():  # of a work tree or a submodule
            private = top / _text(private).removeprefix("gitdir:").strip()
        shared = private / _text(private / "commondir").strip()
        head = _text(private / "HEAD").strip()
        commit = _resolved(head, (private, shared)) if head.startswith("ref: ") else head
    except (OSError, ValueError):
        return None
    return commit if commit and _COMMIT.fullmatch(commit) else None


def _resolved(head: str, places: Iterable[Path]) -> str | None:
    name = head.removeprefix("ref: ")
    if ".." in name or not name.startswith("refs/"):
        return None
    for git_folder in places:
        if (git_folder / name).is_file():
            return _text(git_folder / name).strip()
        for line in _text(git_folder / "packed-refs").splitlines():
            commit, _, ref = line.partition(" ")
            if ref == name:
                return commit
    return None


def _text(path: Path) -> str:
    """Read a file of Git's, empty where there is none; a pipe or a device has no end.

    Raises:
        ValueError: If it is longer than Git writes it, or no text.
    """
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        content = file.read(_LONGEST_TEXT + 1)
    if len(content) > _LONGEST_TEXT:
        raise ValueError(path)
    return content.decode()


def _is_dirty(folder: Path, commit: str) -> bool | None:
    """Compare tracked files with the commit; `None` where git cannot tell.

    Comparing may run programs that a configuration names: monitors, filters, fetches. Git therefore
    works from a folder of ours that borrows index and objects, and reads no configuration at all.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    objects = _git(folder, "rev-parse", "--git-path", "objects")
    index = _git(folder, "rev-parse", "--git-path", "index")
    if not top or not objects or not index:
        return None
    with scratch.folder() as private:
        try:
            _borrow(private, folder / index, commit)
        except OSError:
            return None
        alone = {
            "GIT_DIR": str(private),
            "GIT_WORK_TREE": top,
            "GIT_INDEX_FILE": str(private / "index"),
            "GIT_OBJECT_DIRECTORY": str(folder / objects),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "HOME": str(private),
            "XDG_CONFIG_HOME": str(private),
        }
        # a submodule has a configuration of its own
        arguments = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        changed = _git(Path(top), *arguments, alone=alone)
    return None if changed is None else bool(changed)


def _borrow(private: Path, index: Path, commit: str) -> None:
    """Make the least folder that git takes for a repository at *commit*.

    Raises:
        OSError: If the index is not a file of a usual size: copying a device would never end.
    """
    status = index.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST_INDEX:
        raise OSError(errno.EINVAL, "not an index", str(index))
    for name in ("objects", "refs"):
        (private / name).mkdir()
    (private / "HEAD").write_text(f"{commit}\n", encoding="ascii")
    lines = ["[core]", "repositoryformatversion = 1", "bare = false"]
    if len(commit) == _SHA256_DIGITS:
        lines += ["[extensions]", "objectFormat = sha256"]
    (private / "config").write_text("\n".join(lines) + "\n", encoding="ascii")
    # its time tells git which files may have changed within the same tick
    shutil.copy2(index, private / "index")


def _git(folder: Path, *arguments: str, alone: Mapping[str, str] | None = None) -> str | None:
    output = _output(folder, arguments, alone)
    try:
        return None if output is None else output.decode().strip()
    except ValueError:
        return None


def _output(
    folder: Path, arguments: Iterable[str], alone: Mapping[str, str] | None
) -> bytes | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [git, *CALM, "-C", str(folder), *arguments],
            capture_output=True,
            check=True,
            timeout=_PATIENCE_S,
            env=None if alone is None else dict(alone),
        )
    except subprocess.CalledProcessError as error:
        if b"dubious ownership" in error.stderr:
            _log.warning(
                "whether %s differs from its commit is not recorded: git refuses a repository "
                "of another user (git config --global --add safe.directory %s)",
                folder,
                folder,
            )
        return None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return bytes(done.stdout)
