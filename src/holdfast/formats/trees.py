"""A folder's files, links followed inside its own tree and refused beyond it."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import InvalidInputError

__all__ = ["files", "require_readable", "walk"]

_KINDS = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def files(folder: Path) -> list[tuple[str, Path]]:
    """List every file below a folder, with its path relative to it, sorted.

    A link to a file or folder of the same tree counts as what it leads to. A file is itself.

    Raises:
        InvalidInputError: If a link leads nowhere, out of the tree or in a circle, or if something
            is neither file nor folder: its bytes would be passed over.
    """
    return [(folder.name, folder)] if folder.is_file() else list(walk(folder, lambda _: False))


def walk(folder: Path, leaves_out: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """Go through a folder as `files` does, without what has a name that *leaves_out* is true of.

    Raises:
        InvalidInputError: As `files` says.
    """
    try:
        root = folder.resolve(strict=True)
        yield from _Walk(root, leaves_out).below(folder, "", frozenset((root,)))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"{error.filename!r}", problem, "check its mode") from error


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Path
    leaves_out: Callable[[str], bool]

    def below(
        self, folder: Path, prefix: str, above: frozenset[Path]
    ) -> Iterator[tuple[str, Path]]:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
        for entry in entries:
            if not self.leaves_out(entry.name):
                yield from self._entry(entry, prefix, above)

    def _entry(
        self, entry: "os.DirEntry[str]", prefix: str, above: frozenset[Path]
    ) -> Iterator[tuple[str, Path]]:
        path = Path(entry.path)
        if entry.is_symlink():
            _require_inside(path, self.root)
        if not entry.is_dir():
            require_readable(path)
            yield prefix + entry.name, path
            return
        true = path.resolve()
        if true in above:
            raise InvalidInputError(
                f"link {str(path)!r}", "leads to a folder that holds it", "remove the link"
            )
        yield from self.below(path, f"{prefix}{entry.name}/", above | {true})


def _require_inside(link: Path, root: Path) -> None:
    subject, target = f"link {str(link)!r}", os.readlink(link)
    try:
        true = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        problem = f"leads nowhere: {target}"
        raise InvalidInputError(subject, problem, "remove it, or put the file there") from error
    if not true.is_relative_to(root):
        advice = "copy the folder with `cp -rL`, which puts files in place of links"
        raise InvalidInputError(subject, f"leads out of the folder: {target}", advice)


def require_readable(path: Path) -> None:
    """Check that a path is a regular file that can be opened.

    Raises:
        InvalidInputError: If it is not; it is not waited for.
    """
    subject = f"{str(path)!r}"
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS.items() if is_kind(mode)), "not a file")
            raise InvalidInputError(subject, f"is {kind}", "give regular files and folders")
        path.open("rb").close()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its mode") from error
