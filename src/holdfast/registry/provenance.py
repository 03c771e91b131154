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
from holdfast.core.manifest import Environment, Lineage
from holdfast.core.wording import without_credentials

_log = logging.getLogger(__name__)
_PATIENCE_S = 10
_CALM = ("--no-optional-locks", "-c", "core.fsmonitor=false")
_SHA256_DIGITS = 64
_LONGEST_TEXT = 1 << 24  # of packed refs; a repository of a million has more, and Git reads those
_LONGEST_INDEX = 1 << 30
_SCP = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9.-]+):(?!//)([^\s]+)")
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


def lineage() -> Lineage:
    """Return the commit checked out around the current folder, and whether tracked files differ.

    Empty where there is no git, no work tree or no commit.
    """
    try:
        folder = Path.cwd()
        checked_out = any((parent / ".git").exists() for parent in (folder, *folder.parents))
    except OSError:  # it was removed, or may not be looked into
        return Lineage()
    if not checked_out:
        return Lineage()
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit:
        return Lineage(git_commit=commit, git_dirty=_is_dirty(folder, commit))
    return Lineage(git_commit=head_commit(folder))  # git is missing, refuses or took too long


def remote() -> str | None:
    """Return the address that the work tree around the current folder came from, as it is safe.

    User, password and query are left out: a token in it would be kept for ever. So are paths of
    this machine.
    """
    try:
        address = _git(Path.cwd(), "config", "--get", "remote.origin.url")
    except OSError:  # the folder was removed
        return None
    if not address or "://" not in address:
        match = _SCP.fullmatch(address or "")
        return f"ssh://{match[1]}/{match[2]}" if match else None
    scheme = address.partition("://")[0]
    return None if scheme == "file" else without_credentials(address)


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
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [git, *_CALM, "-C", str(folder), *arguments],
            capture_output=True,
            check=True,
            text=True,
            timeout=_PATIENCE_S,
            env=None if alone is None else dict(alone),
        )
    except subprocess.CalledProcessError as error:
        if "dubious ownership" in error.stderr:
            _log.warning(
                "whether %s differs from its commit is not recorded: git refuses a repository "
                "of another user (git config --global --add safe.directory %s)",
                folder,
                folder,
            )
        return None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
