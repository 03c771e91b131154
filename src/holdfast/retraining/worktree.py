"""A work tree of the commit that a version was made by, beside the one that people work in."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.calm_git import CALM
from holdfast.errors import InvalidInputError

__all__ = ["has_commit", "has_submodules", "worktree"]

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PATIENCE_S: Final = 600


def has_commit(folder: Path, commit: str | None) -> bool:
    """Tell whether the repository around a folder has a commit; what is not one, it has not."""
    if commit is None or _COMMIT.fullmatch(commit) is None:
        return False
    return _git(folder, "cat-file", "-e", f"{commit}^{{commit}}")[0]


def has_submodules(folder: Path, commit: str) -> bool:
    """Tell whether a commit has submodules, which a work tree of it leaves empty."""
    return _git(folder, "cat-file", "-e", f"{commit}:.gitmodules")[0]


@contextlib.contextmanager
def worktree(folder: Path, commit: str, patch: bytes | None, home: Path) -> Iterator[Path]:
    """Give a work tree of a commit with a patch, and remove it at the end of the block.

    Args:
        folder: In the repository.
        commit: One that it has.
        patch: As `git diff --binary` wrote it.
        home: A folder for it.

    Raises:
        InvalidInputError: If it cannot be made, or the patch does not fit.
    """
    tree = home / "tree"
    made = _git(folder, "worktree", "add", "--detach", "--quiet", str(tree), commit)
    _require("work tree", *made)
    try:
        if patch is not None:
            applied = _git(tree, "apply", "--binary", "--whitespace=nowarn", "-", sent=patch)
            _require("patch", *applied)
        yield tree
    finally:
        _git(folder, "worktree", "remove", "--force", str(tree))


def _require(subject: str, done: bool, said: str) -> None:  # noqa: FBT001 - both of one answer
    if not done:
        problem = f"cannot be made: {said}" if subject == "work tree" else f"does not fit: {said}"
        raise InvalidInputError(subject, problem, "see what git says")


def _git(folder: Path, *words: str, sent: bytes = b"") -> tuple[bool, str]:
    """Run git, without its hooks; return whether it did it, and the last line of what it said."""
    git = shutil.which("git")
    if git is None:
        return False, "git is not installed"
    try:
        done = subprocess.run(  # noqa: S603 - a commit is hex digits, all else is ours
            [git, *CALM, "-C", str(folder), *words],
            capture_output=True,
            check=False,
            input=sent,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return False, str(error)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else ""
