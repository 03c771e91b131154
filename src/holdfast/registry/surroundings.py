"""Facts about the present process that a manifest records by itself."""

import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast import scratch
from holdfast.core.manifest import Environment, Lineage

_log = logging.getLogger(__name__)
_PATIENCE_S = 10
_CALM = ("--no-optional-locks", "-c", "core.fsmonitor=false")
_SHA256_DIGITS = 64


def tool_version() -> str:
    """Return the version of the Holdfast that is installed."""
    from importlib import metadata

    return metadata.version("holdfast")


def environment(packages: Iterable[str]) -> Environment:
    """Return Python's version and those of the named distributions that are installed."""
    from importlib import metadata

    found = {}
    for package in sorted(set(packages)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return Environment(platform.python_version(), found)


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
    if not commit:
        return Lineage()
    return Lineage(git_commit=commit, git_dirty=_is_dirty(folder, commit))


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
    """Make the least folder that git takes for a repository at *commit*."""
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
                "the commit of %s is not recorded: git refuses a repository of another user "
                "(git config --global --add safe.directory %s)",
                folder,
                folder,
            )
        return None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
