"""A model as a GTO registry: a commit for each version, annotated tags for each move of a name.

Commits hold files of DVC, so that `dvc artifacts get` and `dvc pull` fetch a version's bytes from
`holdfast web`, held to their SHA-256. What was exported stays; the next export adds to it.
"""

import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.manifest import Manifest
from holdfast.core.shown_paths import shown_files
from holdfast.core.state import State, empty
from holdfast.errors import ConflictError, HoldfastError, InvalidInputError
from holdfast.gateways import dvc_files
from holdfast.gateways.gto import gto_moves, gto_tags
from holdfast.gateways.gto.git_repository import GitCommit, GitRepository, GitTag, NewTag
from holdfast.gateways.gto.gto_moves import GtoMove
from holdfast.registry import Registry

__all__ = ["BRANCH", "GtoExport", "export"]

BRANCH: Final = "holdfast"
_REMOTE: Final = "holdfast"
_INDEX: Final = "dvc.yaml"
_MOST_INDEX_BYTES: Final = 1 << 20
_MOST_WHY: Final = 2000
_SPECIAL: Final = re.compile(r"[*?\[\\ !#]")
_ESCAPED: Final = r"\\\g<0>"
_BRANCH_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_/-]*[A-Za-z0-9_])?")


class GtoExport(Struct, frozen=True):
    """What an export did.

    Attributes:
        versions: How many versions the repository has now.
        tags: How many tags are new.
        left_out: What GTO cannot say, or no client could fetch, each with its reason.
    """

    repository: str
    model: str
    branch: str
    versions: int
    tags: int
    left_out: tuple[str, ...] = ()


def export(
    registry: Registry, model: str, repository: GitRepository, url: str, branch: str = BRANCH
) -> GtoExport:
    """Bring a Git repository up to what a model's journal says.

    Args:
        registry: Where the model is.
        model: Its name, which GTO must take for one of an artifact.
        repository: Where the tags are to be.
        url: Address of the server that DVC is to ask.
        branch: Gets the commits; a work tree that shows it follows.

    Raises:
        InvalidInputError: If the model's name or an argument does not fit.
        ConflictError: If the repository has a tag of that name that says something else, or the
            branch holds files that are not an export.
    """
    _check(model, url, branch)
    return _Export(registry, model, repository, url, branch).run()


def _check(model: str, url: str, branch: str) -> None:
    if not gto_tags.is_name(model):
        problem = "is not a name of GTO's: letters, digits, _, - and /, and no other at its ends"
        raise InvalidInputError(f"model {model!r}", problem, "copy it under another name")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise InvalidInputError(f"address {url!r}", "must begin with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        problem = "is committed as it is, so it must be without credentials and query"
        raise InvalidInputError(f"address of {parts.hostname}", problem, "set them in DVC")
    if not _BRANCH_NAME.fullmatch(branch) or "//" in branch:
        raise InvalidInputError(f"branch {branch!r}", "is not a plain name")


class _Export:
    """One export: what is there, what is to be made."""

    def __init__(
        self, registry: Registry, model: str, repository: GitRepository, url: str, branch: str
    ) -> None:
        self._registry = registry
        self._model = model
        self._repository = repository
        self._url = url
        self._branch = branch
        self._tip = repository.branch(branch)
        self._there = repository.tags()
        self._taken = repository.tag_names()
        self._index = self._read_index()
        self._commits: dict[str, str] = {}
        self._new: dict[str, GitCommit] = {}
        self._left_out: dict[str, None] = {}
        self._state: State = empty(model)

    def run(self) -> GtoExport:
        moves, self._state = gto_moves.moves(self._model, self._registry.entries(self._model))
        follows = self._repository.settle(self._branch)
        made = [planned for move in moves if (planned := self._planned(move)) is not None]
        ids = self._repository.commit(self._tip, list(self._new.values())) if self._new else []
        self._commits |= dict(zip(self._new, ids, strict=True))
        tags = [
            NewTag(
                name, self._commits[move.version], move.by, move.second, _message(self._state, move)
            )
            for name, move in made
        ]
        new_tip = ids[-1] if ids else None
        if tags:
            self._repository.name(self._branch, self._tip, new_tip, tags)
        if follows and new_tip is not None:
            self._repository.follow(self._tip, new_tip)
        return GtoExport(
            str(self._repository.folder),
            self._model,
            self._branch,
            len(self._commits),
            len(tags),
            tuple(self._left_out),
        )

    def _planned(self, move: GtoMove) -> tuple[str, GtoMove] | None:
        """Return the name of the tag that a move needs; `None` if it is there or cannot be."""
        name = gto_tags.tag_name(move.tag, move.seq)
        if move.tag.stage is not None and not gto_tags.is_name(move.tag.stage):
            self._leave_out(move.tag.stage, "is not a name of GTO's")
            return None
        there = self._there.get(name)
        if there is not None and self._is_same(there, move):
            self._commits.setdefault(move.version, there.commit)
            return None
        if name in self._taken:
            subject = f"tag {name} of {self._repository.folder}"
            advice = "export to a repository where nobody else tags this artifact"
            raise ConflictError(subject, "is there, and says something else", advice)
        if move.tag.action == "register":
            return (name, move) if self._is_made(move, name) else None
        has_commit = move.version in self._commits or move.version in self._new
        return (name, move) if has_commit else None

    def _is_same(self, there: GitTag, move: GtoMove) -> bool:
        """Tell whether a tag is what this move made at an earlier export."""
        own = _message(self._state, move).rpartition("\n\n")[2]
        at = self._commits.get(move.version, there.commit)
        return there.message.rpartition("\n\n")[2] == own and there.commit == at

    def _is_made(self, move: GtoMove, name: str) -> bool:
        """Plan the commit of a version, unless its bytes cannot be fetched."""
        record = self._state.record(move.version)
        problem = ""
        if record.status == "purged" or record.reference is not None:
            problem = "has no bytes here"
        elif self._state.deleted:
            problem = "was deleted before it was exported"
        elif name.endswith(".lock"):
            problem = "is not a name that Git takes"
        else:
            try:
                self._new[move.version] = self._commit(move)
            except HoldfastError as error:
                problem = f"cannot be fetched by DVC: {error}"
        if problem:
            self._leave_out(move.version, problem)
        return not problem

    def _leave_out(self, name: str, problem: str) -> None:
        self._left_out[f"{self._model}@{name} {problem}"] = None

    def _commit(self, move: GtoMove) -> GitCommit:
        manifest = self._registry.manifest(f"{self._model}@{move.version}")
        folder = self._model.replace("/", ".")  # no name of GTO's has a dot, so no two are equal
        address = f"remote://{_REMOTE}"
        texts = dvc_files.dvc_files(manifest, address)
        files = {f"{folder}/{path}": text for path, text in texts.items()}
        files |= _ignored(manifest, folder)
        self._index["artifacts"][self._model] = _artifact(manifest, folder)
        files[_INDEX] = f"{json.dumps(self._index, indent=2, sort_keys=True)}\n"
        files[".dvc/config"] = f"['remote \"{_REMOTE}\"']\n    url = {self._url.rstrip('/')}\n"
        files[".dvc/.gitignore"] = "/config.local\n/tmp\n/cache\n"
        message = f"{self._model} {move.version}\n\n{_shortened(move.why)}\n"
        return GitCommit(move.by, move.second, message, (folder,), files)

    def _read_index(self) -> dict[str, dict[str, Any]]:
        """Return the artifacts of the branch as they are.

        Raises:
            ConflictError: If somebody else wrote the file that lists them.
        """
        empty: dict[str, dict[str, Any]] = {"artifacts": {}}
        if self._tip is None:
            return empty
        texts = [
            self._repository.text(blob, _MOST_INDEX_BYTES)
            for blob in self._repository.files(self._tip, _INDEX)
        ]
        try:
            document = strict_json.decode(texts[0] or "") if texts else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("artifacts"), dict):
            advice = "name another with --branch"
            raise ConflictError(f"branch {self._branch}", "is not an export of Holdfast's", advice)
        return {"artifacts": document["artifacts"]}


def _message(state: State, move: GtoMove) -> str:
    """Write what a tag says: why, and in the last paragraph what it was made from."""
    digest = state.record(move.version).manifest
    marks = f"Holdfast-Version: {move.version} sha256:{digest}\nHoldfast-Entry: {move.seq}"
    return f"{_shortened(move.why)}\n\n{marks}"


def _shortened(why: str) -> str:
    """Put a reason into one paragraph of printable signs, of bounded length."""
    text = "".join(sign if sign.isprintable() else " " for sign in why)
    return " ".join(text.split())[:_MOST_WHY] or "no reason"


def _artifact(manifest: Manifest, folder: str) -> dict[str, Any]:
    paths = list(shown_files(manifest))
    path = f"{folder}/{paths[0]}" if len(paths) == 1 else folder
    told = {"path": path, "type": "model"}
    return told | ({"desc": _shortened(manifest.description)} if manifest.description else {})


def _ignored(manifest: Manifest, folder: str) -> dict[str, str]:
    """Keep what DVC fetches out of Git, as DVC does itself."""
    lines: dict[str, list[str]] = {}
    for path in shown_files(manifest):
        parts = path.casefold().split("/")
        if not {".git", ".dvc", ".gitignore"}.isdisjoint(parts):
            raise InvalidInputError(f"file {path!r}", "has a name that Git or DVC needs")
        above, _, name = f"{folder}/{path}".rpartition("/")
        lines.setdefault(above, []).append(f"/{_SPECIAL.sub(_ESCAPED, name)}\n")
    return {f"{above}/.gitignore": "".join(names) for above, names in lines.items()}
