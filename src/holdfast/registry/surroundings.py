"""Facts about the present process that a manifest records by itself."""

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from holdfast.core.manifest import Environment, Lineage

_PATIENCE_S = 10


def author() -> str:
    """Return the name of the user this process runs as, `unknown` if the system has none."""
    try:
        import pwd  # noqa: PLC0415 - POSIX alone

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:
        return os.getlogin()
    except KeyError:
        return "unknown"


def tool_version() -> str:
    """Return the version of the Holdfast that is installed."""
    from importlib import metadata  # noqa: PLC0415 - slow to import

    return metadata.version("holdfast")


def environment(packages: Iterable[str]) -> Environment:
    """Return Python's version and those of the named distributions that are installed."""
    from importlib import metadata  # noqa: PLC0415 - slow to import, and needed here alone

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
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Lineage(git_commit=commit, git_dirty=None if changed is None else bool(changed))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            check=True,
            text=True,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
