"""Repositories with an entry point, for tests that go back to a commit."""

import subprocess
from pathlib import Path

__all__ = ["committed", "git"]


def git(folder: Path, *words: str) -> str:
    """Run git there, as somebody."""
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    command = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path, name: str, text: str) -> str:
    """Write a file and commit it; the repository is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", f"write {name}")
    return git(folder, "rev-parse", "HEAD")
