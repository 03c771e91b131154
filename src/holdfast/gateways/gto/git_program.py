"""The user's own `git`, asked without what a repository configures that would run programs."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from holdfast.calm_git import CALM
from holdfast.errors import InvalidInputError, UnsupportedError

__all__ = ["GitProgram", "checked_address"]

_TRANSPORTS: Final = ("file", "git", "http", "https", "ssh")
"""How a repository may be fetched: others start any program that its address names."""
_CALM: Final = (
    *CALM,
    *("--literal-pathspecs", "-c", "protocol.allow=never"),
    *(word for name in _TRANSPORTS for word in ("-c", f"protocol.{name}.allow=always")),
)
_ADDRESS: Final = re.compile(r"(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_MOST_SHOWN: Final = 300


class GitProgram:
    """Runs `git` in one folder.

    Args:
        folder: Where.
        environment: What it is told beside its words; what this process was, if nothing is given.
        calm: Words that have it run less.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        calm: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self._environment = environment
        self._calm = _CALM + calm

    def at(self, folder: Path) -> "GitProgram":
        """Return the same for another folder."""
        return GitProgram(folder, self._environment)

    def unfiltered(self) -> "GitProgram":
        """Return the same without the filters of files that the repository itself configures.

        Raises:
            InvalidInputError: If one has a name by which it cannot be left out.
        """
        words = ("config", "--includes", "--local", "-z", "--name-only", "--get-regexp")
        listed = self._run((*words, r"^filter\."), None).stdout.decode("utf-8", "replace")
        names = sorted(set(filter(None, listed.split("\0"))))
        for name in names:
            if "=" in name or not name.isprintable():
                problem = f"has the filter {name[:_MOST_SHOWN]!r}, a program that would run"
                raise InvalidInputError(f"repository {str(self.folder)!r}", problem, "remove it")
        none = {name: "false" if name.endswith(".required") else "" for name in names}
        calm = tuple(word for name, value in none.items() for word in ("-c", f"{name}={value}"))
        return GitProgram(self.folder, self._environment, calm)

    def output(self, *words: str, data: bytes | None = None, problem: str = "") -> bytes:
        """Return what `git` prints.

        Raises:
            InvalidInputError: If it refuses.
        """
        done = self._run(words, data)
        self._require(done, problem)
        return done.stdout

    def answer(self, *words: str) -> str | None:
        """Return the answer to a question, `None` if there is none."""
        done = self._run(words, None)
        return None if done.returncode else done.stdout.decode("utf-8", "replace").strip()

    def pipe(self, *words: str, source: IO[bytes] | None = None, target: IO[bytes]) -> None:
        """Read from one open file, or nothing, and write to another.

        Raises:
            InvalidInputError: If `git` refuses.
        """
        done = subprocess.run(  # noqa: S603 - no shell, and fixed words first
            [_found(), *self._calm, "-C", str(self.folder), *words],
            stdin=source or subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.PIPE,
            env=self._environment,
            check=False,
        )
        self._require(done, "")

    def _run(
        self, words: tuple[str, ...], data: bytes | None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - no shell, and fixed words first
            [_found(), *self._calm, "-C", str(self.folder), *words],
            input=data or b"",
            capture_output=True,
            env=self._environment,
            check=False,
        )

    def _require(self, done: "subprocess.CompletedProcess[bytes]", problem: str) -> None:
        if done.returncode:
            told = " ".join(done.stderr.decode("utf-8", "replace").split())[-_MOST_SHOWN:]
            subject = f"repository {str(self.folder)!r}"
            raise InvalidInputError(subject, f"{problem or 'refused this'}: {told}")


def checked_address(address: str) -> str:
    """Return where a repository is as `git` takes it: a folder's whole path, or a URL.

    Raises:
        InvalidInputError: If it is neither.
    """
    if Path(address).is_dir():
        return str(Path(address).absolute())
    if _ADDRESS.fullmatch(address):
        return address
    problem = "is neither a folder nor the address of a Git repository"
    raise InvalidInputError(
        f"repository {address[:200]!r}", problem, "name https://…, ssh://… or a path"
    )


def _found() -> str:
    git = shutil.which("git")
    if git is None:
        raise UnsupportedError("git", "is not installed", "install Git")
    return git
