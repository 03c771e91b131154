"""What a repository would have DVC fetch from elsewhere: this machine's files, other repositories.

DVC follows a `.dvc` file that names a path of this machine, and asks a bucket for a path by the
importer's credentials. Whoever wrote the repository would choose what is registered here, so only
what DVC holds to a checksum, or fetches from the web, is left to it.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.gateways.gto.git_repository import GitBlob, GitRepository

__all__ = ["DvcImports", "yaml_document"]

_MOST_BYTES: Final = 1 << 18
_WEB: Final = ("https://", "http://")
_FILE: Final = ("100644", "100755")
_BY_PATH: Final = re.compile("version_aware|worktree", re.IGNORECASE)
_MD5: Final = re.compile(r"[0-9a-f]{32}(\.dir)?")
_NOT_PLAIN: Final = re.compile(r"<<|(?:^|[\s\[\]{},:?-])!", re.MULTILINE)
"""Merges and tags, by which one reader finds keys that another does not."""
_ADVICE: Final = "look at it, then fetch it by `dvc pull` and register it by hand"


class DvcImports:
    """Looks at the files of DVC in the commits of a repository."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._read: dict[str, Any] = {}

    def require_harmless(self, commit: str, path: str) -> None:
        """Check that DVC fetches a path from where its content decides.

        Raises:
            InvalidInputError: If the repository says otherwise, or cannot be understood.
        """
        blobs = self._repository.files(commit, ".")
        for blob in blobs:
            name = posixpath.basename(blob.path)
            if blob.mode not in _FILE and path.startswith(f"{blob.path}/"):
                problem = "is behind a link, or in another repository"
                raise InvalidInputError(f"path {path!r}", problem, _ADVICE)
            if posixpath.basename(posixpath.dirname(blob.path)) == ".dvc" and name == "config":
                self._require_by_content(blob)
            elif name.endswith(".dvc") or name == "Dvcfile":
                self._require_no_import(blob, path)

    def _require_by_content(self, blob: GitBlob) -> None:
        text = self._text(blob)
        if _BY_PATH.search(text):
            problem = "has DVC fetch files by their path, not by their content"
            raise InvalidInputError(f"file {blob.path!r}", problem, _ADVICE)

    def _require_no_import(self, blob: GitBlob, path: str) -> None:
        if blob.oid not in self._read:
            text = self._text(blob)
            is_plain = not _NOT_PLAIN.search(text) and blob.mode in _FILE
            self._read[blob.oid] = yaml_document(text, blob.path) if is_plain else None
        document = self._read[blob.oid]
        if not isinstance(document, dict):
            raise InvalidInputError(f"file {blob.path!r}", "is not a plain file of DVC's", _ADVICE)
        outs, deps = document.get("outs") or [], document.get("deps") or []
        if not deps or not any(_overlap(out, path) for out in _paths(blob.path, document)):
            return
        if not all(_is_harmless(dep, outs) for dep in deps):
            problem = "takes what this machine, or another repository, has"
            raise InvalidInputError(f"file {blob.path!r}", problem, _ADVICE)

    def _text(self, blob: GitBlob) -> str:
        text = self._repository.text(blob, _MOST_BYTES)
        if text is None:
            raise InvalidInputError(f"file {blob.path!r}", "is too long, or not text", _ADVICE)
        return text


def _paths(place: str, document: dict[str, Any]) -> Iterator[str]:
    """Go through the paths that a file of DVC stands for, from the top of the repository."""
    folder = posixpath.join("/", posixpath.dirname(place), str(document.get("wdir") or "."))
    for out in document.get("outs") or []:
        named = out.get("path") if isinstance(out, dict) else out
        # the top is `/` to DVC, and nothing lies above it
        yield posixpath.normpath(posixpath.join(folder, str(named))).lstrip("/")


def _overlap(one: str, other: str) -> bool:
    """Tell whether one path is the other, or lies below it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/") or not one


def _is_harmless(dependency: Any, outs: Any) -> bool:
    """Tell whether what a dependency names is on the web, or is asked for by its checksum alone."""
    if not isinstance(dependency, dict) or "repo" in dependency or "db" in dependency:
        return False
    if str(dependency.get("path")).startswith(_WEB):
        return True
    return all(isinstance(out, dict) and _MD5.fullmatch(str(out.get("md5"))) for out in outs)


def yaml_document(text: str, name: str) -> Any:
    """Read YAML as texts, lists and mappings: no tag makes an object, and no merge multiplies.

    The parser in C overruns its stack where lists nest deeply; this one says so.

    Raises:
        InvalidInputError: If it is not YAML.
        MissingLibraryError: If nothing here reads YAML.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingLibraryError("PyYAML", "gto", f"{name} has to be read") from error
    try:
        return yaml.load(text, yaml.BaseLoader)  # noqa: S506 - makes no objects
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInputError(name, "is not YAML", "say where it is with --path") from error
