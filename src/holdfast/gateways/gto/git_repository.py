"""A Git repository: what tags say, what commits hold, new ones of both."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from holdfast import scratch
from holdfast.core.redaction import recordable
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.gateways.gto.git_program import GitProgram, checked_address

__all__ = ["GitBlob", "GitCommit", "GitRepository", "GitTag", "NewTag"]

_FIELDS: Final = (
    "refname:strip=2", "objecttype", "*objecttype", "*objectname", "taggerdate:unix",
    "taggername", "contents",
)  # fmt: skip
_STATUS: Final = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
_EXPORT: Final = "refs/holdfast/export"
"""Holds new commits until names are given to them."""


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

    Args:
        folder: Where it is.
        environment: What `git` is told; what this process was, if nothing is given.

    Raises:
        InvalidInputError: If there is none.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._git = GitProgram(folder, environment)
        if not folder.is_dir():
            raise InvalidInputError(f"{str(folder)!r}", "is not a folder", "name a Git repository")
        self._git.output("rev-parse", "--git-dir", problem="is not a Git repository")
        self._git = self._git.unfiltered()

    @classmethod
    @contextlib.contextmanager
    def cloned(
        cls, address: str, environment: Mapping[str, str] | None = None
    ) -> Iterator["GitRepository"]:
        """Give a bare copy of a repository for a while: nothing that it configures runs here.

        Args:
            address: A folder, or a URL.
            environment: What `git` is told.

        Raises:
            InvalidInputError: If it is neither, or cannot be fetched.
        """
        source = checked_address(address)
        with scratch.folder() as folder:
            target = str(folder / "clone.git")
            words = ("--quiet", "--bare", "--no-local", "--template=", "--", source, target)
            problem = f"cannot be made from {recordable(address) or 'that address'}"
            GitProgram(folder, environment).output("clone", *words, problem=problem)
            yield cls(Path(target), environment)

    # What is there

    def tags(self) -> dict[str, GitTag]:
        """Return the annotated tags of commits, by name."""
        return {tag.name: tag for tag in self._all_tags() if isinstance(tag, GitTag)}

    def tag_names(self) -> set[str]:
        """Return the names of all tags, light ones and those of no commit too."""
        return {tag.name if isinstance(tag, GitTag) else tag for tag in self._all_tags()}

    def _all_tags(self) -> Iterator[GitTag | str]:
        form = "".join(f"%({field})%00" for field in _FIELDS)
        raw = self._git.output("for-each-ref", f"--format={form}", "refs/tags")
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
        return self._git.answer("rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{commit}}")

    def files(self, commit: str, path: str) -> list[GitBlob]:
        """List what a commit has at a path: one file, all files below a folder, or nothing."""
        raw = self._git.output("ls-tree", "-r", "-z", "--full-tree", commit, "--", path)
        listed = []
        for line in filter(None, raw.split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, _kind, oid = about.decode().split()
            listed.append(GitBlob(os.fsdecode(name), mode, oid))
        return listed

    def text(self, blob: GitBlob, most_bytes: int) -> str | None:
        """Read a short text file; `None` if it is longer, or is not UTF-8."""
        if int(self._git.output("cat-file", "-s", blob.oid)) > most_bytes:
            return None
        try:
            return self._git.output("cat-file", "blob", blob.oid).decode()
        except UnicodeDecodeError:
            return None

    def copy(self, blob: GitBlob, target: IO[bytes]) -> None:
        """Write a file's content to an open file."""
        self._git.pipe("cat-file", "blob", blob.oid, target=target)

    # What is made

    def settle(self, branch: str) -> bool:
        """Prepare for new commits on a branch; tell whether this work tree is to follow them.

        A repository without any commit begins with that branch.

        Raises:
            InvalidInputError: If the work tree has changes, or another one shows the branch.
        """
        ref = f"refs/heads/{branch}"
        if self._git.answer("rev-parse", "--verify", "--quiet", "HEAD") is None:
            self._git.output("symbolic-ref", "HEAD", ref)
        if self._git.answer("rev-parse", "--is-bare-repository") == "true":
            return False
        is_here = self._git.answer("symbolic-ref", "--quiet", "HEAD") == ref
        listed = self._git.output("worktree", "list", "--porcelain").decode("utf-8", "replace")
        if listed.split("\n").count(f"branch {ref}") > is_here:
            advice = "name another with --branch, or check another one out there"
            raise InvalidInputError(f"branch {branch}", "is checked out elsewhere", advice)
        if is_here and self._git.output(*_STATUS):
            problem = "has changes that are not committed"
            raise InvalidInputError(f"work tree {str(self.folder)!r}", problem, "commit them")
        return is_here

    def commit(self, tip: str | None, commits: Sequence[GitCommit]) -> list[str]:
        """Make commits on top of *tip*, which no branch has yet; return their ids in order."""
        with scratch.folder() as folder:
            marks, stream = folder / "marks", folder / "stream"
            with stream.open("wb") as file:
                for number, commit in enumerate(commits, 1):
                    before = f":{number - 1}" if number > 1 else tip
                    file.writelines(_told(number, commit, before))
            words = ("fast-import", "--quiet", "--force", f"--export-marks={marks}")
            with stream.open("rb") as file, (folder / "said").open("wb") as said:
                self._git.pipe(*words, source=file, target=said)
            pairs = dict(line.split() for line in marks.read_text(encoding="ascii").splitlines())
        return [pairs[f":{number}"] for number in range(1, len(commits) + 1)]

    def name(self, branch: str, tip: str | None, new_tip: str | None, tags: list[NewTag]) -> None:
        """Give names to what was made: all of them, or none if one is taken meanwhile.

        Raises:
            ConflictError: If a name is taken, or the branch moved.
        """
        steps = [
            f"create refs/tags/{tag.name}\0{oid}\0"
            for tag, oid in zip(tags, self._tag_objects(tags), strict=True)
        ]
        if new_tip is not None:
            old = tip or "0" * len(new_tip)
            steps.append(f"update refs/heads/{branch}\0{new_tip}\0{old}\0delete {_EXPORT}\0\0")
        try:
            self._git.output("update-ref", "--stdin", "-z", data="".join(steps).encode())
        except InvalidInputError as error:
            advice = "look at its tags and branches, then export again"
            raise ConflictError(
                error.subject, f"did not take all names: {error.problem}", advice
            ) from error

    def _tag_objects(self, tags: Sequence[NewTag]) -> list[str]:
        """Make tags that have no name yet."""
        with scratch.folder() as folder:
            paths = [folder / str(number) for number in range(len(tags))]
            for path, tag in zip(paths, tags, strict=True):
                path.write_bytes(_tag_object(tag))
            listed = "".join(f"{path}\n" for path in paths).encode()
            words = ("hash-object", "-t", "tag", "-w", "--stdin-paths")
            return self._git.output(*words, data=listed).decode().split()

    def follow(self, tip: str | None, new_tip: str) -> None:
        """Bring the work tree from one commit to the next.

        Raises:
            ConflictError: If a file is in the way; the commits are there.
        """
        before = [tip] if tip is not None else []
        try:
            self._git.output("read-tree", "-m", "-u", *before, new_tip)
        except InvalidInputError as error:
            subject = f"work tree {str(self.folder)!r}"
            advice = "move what is in the way, then `git reset --hard`"
            raise ConflictError(subject, "could not follow the branch", advice) from error


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
