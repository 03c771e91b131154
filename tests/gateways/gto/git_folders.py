"""Git repositories for tests, made by the user's own `git`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org"}


def git(folder: Path, *words: str, second: int = 1_700_000_000, data: bytes = b"") -> str:
    """Run git, as Ada, at a second."""
    named = {
        f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in _WHO.items()
    }
    at = {f"GIT_{role}_DATE": f"{second} +0000" for role in ("AUTHOR", "COMMITTER")}
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-C", str(folder), *words],
        input=data,
        capture_output=True,
        env=os.environ | named | at,
        check=True,
    )
    return done.stdout.decode("utf-8", "replace").strip()


def repository(folder: Path, *options: str) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet", *options)
    return folder


def commit(folder: Path, files: dict[str, str], second: int = 1_700_000_000) -> str:
    """Commit files; return the commit."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change", second=second)
    return git(folder, "rev-parse", "HEAD")


def tag(folder: Path, name: str, commit: str, second: int, message: str = "why") -> None:
    """Make an annotated tag."""
    git(folder, "tag", "--annotate", "--message", message, name, commit, second=second)


def tags(folder: Path) -> dict[str, tuple[str, int]]:
    """Return commit and second of each annotated tag."""
    form = "%(refname:strip=2)%09%(*objectname)%09%(taggerdate:unix)"
    rows = git(folder, "for-each-ref", f"--format={form}", "refs/tags").splitlines()
    return {name: (commit, int(second)) for name, commit, second in (r.split("\t") for r in rows)}
