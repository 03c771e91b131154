"""A Git repository, by the user's own `git`: what tags say, what commits hold, new ones of both."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from holdfast import scratch
from holdfast.errors import ConflictError, InvalidInputError, StoreError, UnsupportedError

__all__ = ["GitBlob", "GitCommit", "GitRepository", "GitTag", "NewTag"]

_CALM: Final = ("--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false")
_TRANSPORTS: Final = "file:git:http:https:ssh"
"""How a repository may be fetched: others start any program that its address names."""
_ADDRESS: Final = re.compile(r"(?:https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_FIELDS: Final = (
    "refname:strip=2", "objecttype", "*objecttype", "*objectname", "taggerdate:unix",
    "taggername", "contents",
)  # fmt: skip
_EXPORT: Final = "refs/holdfast/export"
"""Holds new commits until names are given to them."""
_MOST_SHOWN: Final = 300


class GitTag(Struct, frozen=True):
    """An annotated tag of a commit.

    Attributes:
        second: When it was made, in seconds since 1970.
    """

    name: str
    commit: str
    second: int
    tagger: str
    message: str


class GitBlob(Struct, frozen=True):
    """A file of a commit: its mode as Git writes it, and the name of its content."""

    path: str
    mode: str
    oid: str


class GitCommit(Struct, frozen=True):
    """A commit that is to be made on a branch.

    Attributes:
        removed: Folders that go before *files* come.
        files: Texts by path.
    """

    by: str
    second: int
    message: str
    removed: tuple[str, ...]
    files: dict[str, str]


class NewTag(Struct, frozen=True):
    """An annotated tag that is to be made; *commit* is its id."""

    name: str
    commit: str
    by: str
    second: int
    message: str


class GitRepository:
    """A repository in a folder, bare or not.

    Raises:
        InvalidInputError: If there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise InvalidInputError(f"{str(folder)!r}", "is not a folder", "name a Git repository")
        found = self._output("rev-parse", "--git-dir", problem="is not a Git repository")
        if not found.strip():
            raise InvalidInputError(f"{str(folder)!r}", "is not a Git repository")

    @classmethod
    @contextlib.contextmanager
    def cloned(cls, address: str) -> Iterator["GitRepository"]:
        """Give a bare copy of a repository for a while: nothing that it configures runs here.

        Args:
            address: A folder, or a URL.

        Raises:
            InvalidInputError: If it is neither, or cannot be fetched.
        """
        source = checked_address(address)
        with scratch.folder() as folder:
            target = str(folder / "clone.git")
            words = ["clone", "--quiet", "--bare", "--no-local", "--template=", "--", source, target]
            cls._run(folder, words, address, "cannot be cloned")
            yield cls(Path(target))

    # What is there

    def tags(self) -> dict[str, GitTag]:
        """Return the annotated tags of commits, by name."""
        return {tag.name: tag for tag in self._all_tags() if isinstance(tag, GitTag)}

    def tag_names(self) -> set[str]:
        """Return the names of all tags, light ones and those of no commit too."""
        return {tag.name if isinstance(tag, GitTag) else tag for tag in self._all_tags()}

    def _all_tags(self) -> Iterator[GitTag | str]:
        form = "".join(f"%({field})%00" for field in _FIELDS)
        raw = self._output("for-each-ref", f"--format={form}", "refs/tags")
        fields = raw.decode("utf-8", "replace").split("\0")
        for at in range(0, len(fields) - len(_FIELDS), len(_FIELDS)):
            name, kind, target, commit, second, tagger, message = fields[at : at + len(_FIELDS)]
            name = name.removeprefix("\n")
            if kind == "tag" and target == "commit" and re.fullmatch(r"-?\d{1,15}", second):
                yield GitTag(name, commit, int(second), tagger, message.strip())
            else:
                yield name

    def branch(self, name: str) -> str | None:
        """Return the commit that a branch is at, `None` if there is no such branch."""
        ref = f"refs/heads/{name}"
        raw = self._output("for-each-ref", "--format=%(refname)%00%(objectname)", "refs/heads")
        for line in raw.decode("utf-8", "replace").splitlines():
            found, _, commit = line.partition("\0")
            if found == ref:
                return commit
        return None

    def is_checked_out(self, name: str) -> bool:
        """Tell whether a work tree shows a branch, and would not follow it."""
        listed = self._output("worktree", "list", "--porcelain", "-z").decode("utf-8", "replace")
        return any(
            f"branch refs/heads/{name}" in tree.split("\0") for tree in listed.split("\0\0")
        )

    def files(self, commit: str, path: str) -> list[GitBlob]:
        """List what a commit has at a path: one file, all files below a folder, or nothing."""
        raw = self._output("ls-tree", "-r", "-z", "--full-tree", commit, "--", path)
        listed = []
        for line in filter(None, raw.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, _kind, oid = about.decode().split()
            listed.append(GitBlob(os.fsdecode(name), mode, oid))
        return listed

    def text(self, blob: GitBlob, most_bytes: int) -> str | None:
        """Read a short text file; `None` if it is longer, or is not UTF-8."""
        size = int(self._output("cat-file", "-s", blob.oid))
        if size > most_bytes:
            return None
        try:
            return self._output("cat-file", "blob", blob.oid).decode()
        except UnicodeDecodeError:
            return None

    def copy(self, blob: GitBlob, target: IO[bytes]) -> None:
        """Write a file's content to an open file."""
        self._run(self.folder, ["cat-file", "blob", blob.oid], str(self.folder), "", target)

    # What is made

    def commit(self, tip: str | None, commits: Sequence[GitCommit]) -> list[str]:
        """Make commits on top of *tip*, which no branch has yet; return their ids in order."""
        with scratch.folder() as folder:
            marks, stream = folder / "marks", folder / "stream"
            with stream.open("wb") as file:
                for number, commit in enumerate(commits, 1):
                    before = f":{number - 1}" if number > 1 else tip
                    file.writelines(_told(number, commit, before))
            words = ["fast-import", "--quiet", "--force", f"--export-marks={marks}"]
            with stream.open("rb") as file:
                self._run(self.folder, words, str(self.folder), "took no commits", source=file)
            pairs = dict(line.split() for line in marks.read_text().splitlines())
        return [pairs[f":{number}"] for number in range(1, len(commits) + 1)]

    def name(self, branch: str, tip: str | None, new_tip: str | None, tags: list[NewTag]) -> None:
        """Give names to what was made: all of them, or none if one is taken meanwhile.

        Raises:
            ConflictError: If a name is taken, or the branch moved.
        """
        with scratch.folder() as folder:
            paths = []
            for number, tag in enumerate(tags):
                path = folder / str(number)
                path.write_bytes(_tag_object(tag))
                paths.append(str(path))
            listed = "".join(f"{path}\n" for path in paths).encode()
            oids = self._fed(["hash-object", "-t", "tag", "-w", "--stdin-paths"], listed).split()
        zero = b"\0"
        steps = [
            b"create refs/tags/" + tag.name.encode() + zero + oid + zero
            for tag, oid in zip(tags, oids, strict=True)
        ]
        if new_tip is not None:
            old = tip or "0" * len(new_tip)
            head = f"update refs/heads/{branch}\0{new_tip}\0{old}\0"
            steps += [head.encode(), f"delete {_EXPORT}\0\0".encode()]
        self._fed(["update-ref", "--stdin", "-z"], b"".join(steps))

    def _fed(self, words: list[str], data: bytes) -> bytes:
        done = subprocess.run(  # noqa: S603 - git's own words
            [_git(), *_CALM, "-C", str(self.folder), *words],
            input=data, capture_output=True, env=_environment(), check=False,
        )  # fmt: skip
        if done.returncode:
            subject = f"repository {str(self.folder)!r}"
            raise ConflictError(subject, f"refused a name: {_last(done.stderr)}", "export again")
        return done.stdout

    def _output(self, *words: str, problem: str = "cannot be read") -> bytes:
        return self._run(self.folder, list(words), str(self.folder), problem)

    @staticmethod
    def _run(
        folder: Path,
        words: list[str],
        subject: str,
        problem: str,
        target: IO[bytes] | None = None,
        source: IO[bytes] | None = None,
    ) -> bytes:
        done = subprocess.run(  # noqa: S603 - git's own words
            [_git(), *_CALM, "-C", str(folder), *words],
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            check=False,
        )
        if done.returncode:
            shown = f"{problem or 'cannot be read'}: {_last(done.stderr)}"
            raise InvalidInputError(f"repository {subject!r}", shown, "name a Git repository")
        return done.stdout or b""


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
    raise InvalidInputError(f"repository {address!r}", problem, "name https://…, ssh://… or a path")


def _git() -> str:
    git = shutil.which("git")
    if git is None:
        raise UnsupportedError("git", "is not installed", "install Git")
    return git


def _environment() -> dict[str, str]:
    """Return what `git` is to know: nothing of a repository that a hook is run for."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_DIR")}
    for name in ("GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        kept.pop(name, None)
    calm = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": _TRANSPORTS, "LC_ALL": "C"}
    return kept | calm


def _last(told: bytes) -> str:
    lines = told.decode("utf-8", "replace").split("\n")
    return " ".join(" ".join(lines).split())[-_MOST_SHOWN:]


def _told(number: int, commit: GitCommit, before: str | None) -> Iterator[bytes]:
    """Tell `git fast-import` of a commit."""
    who = f"{_person(commit.by)} {commit.second} +0000"
    yield f"commit {_EXPORT}\nmark :{number}\nauthor {who}\ncommitter {who}\n".encode()
    yield from _data(commit.message)
    if before is not None:
        yield f"from {before}\n".encode()
    for path in commit.removed:
        yield f"D {_quoted(path)}\n".encode()
    for path, text in sorted(commit.files.items()):
        yield f"M 100644 inline {_quoted(path)}\n".encode()
        yield from _data(text)
    yield b"\n"


def _data(text: str) -> Iterable[bytes]:
    raw = text.encode("utf-8", "replace")
    return f"data {len(raw)}\n".encode(), raw, b"\n"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _tag_object(tag: NewTag) -> bytes:
    head = f"object {tag.commit}\ntype commit\ntag {tag.name}\n"
    text = f"{head}tagger {_person(tag.by)} {tag.second} +0000\n\n{tag.message}\n"
    return text.encode("utf-8", "replace")


def _person(by: str) -> str:
    """Write an author as Git does; readers of tags demand something where an address stands."""
    name = " ".join(re.sub(r"[<>\x00-\x1f\x7f]", " ", by).split()).strip(".,:;'\"") or "unknown"
    return f"{name} <{name.replace(' ', '-')}>"
