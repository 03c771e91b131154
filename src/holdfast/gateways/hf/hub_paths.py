"""Paths of the Hub's API: what a request is about, read from the path as it was sent.

Clients send a revision as one part with its slashes escaped (`refs%2Ftags%2F1.2.0`), so that only
the raw path says where a revision ends and a file's path begins.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from holdfast.core.manifest import is_digest
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError

__all__ = ["NAMESPACE", "HubTarget", "claims", "model_of", "parse", "repo_of"]

NAMESPACE: Final = "registry"
"""Stands before a model's name that has one part, where clients demand two."""
OWN: Final = "/api/hub"
"""Where bytes are sent to, at addresses that only this server gives out."""

_PREFIXES: Final = (b"/api/models", b"/api/repos/", b"/api/hub/", b"/api/whoami-v2")
_MORE: Final = (b"/api/validate-yaml", b"/api/agent-harnesses")
_PAGES: Final = (b"/models/", b"/static/", b"/login/", b"/api/")
_LFS: Final = ("info", "lfs", "objects")
_VERBS: Final = frozenset(
    "revision tree paths-info refs commits preupload commit tag branch settings xet-write-token "
    "xet-read-token discussions resolve treesize".split()
)
_PART: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_MOST: Final = 4096


class HubTarget(Struct, frozen=True):
    """What a request is about.

    Attributes:
        verb: What is asked, such as `tree`; a model's own page is `info`.
        model: Of which model, empty where it is about none.
        revision: Of which revision, `main` if none is named.
        path: Of which file or folder, or whatever else stands behind.
    """

    verb: str
    model: str = ""
    revision: str = "main"
    path: str = ""

    @property
    def template(self) -> str:
        """The path with names left out, for logs and figures."""
        return f"/hub/{{model}}/{self.verb}" if self.model else f"/hub/{self.verb}"


def claims(raw: bytes) -> bool:
    """Tell whether a path, as it was sent, is one of the Hub's."""
    if raw.startswith(_PREFIXES) or raw in _MORE:
        return True
    if raw.startswith(_PAGES):
        return False
    parts = raw.split(b"/", 4)
    return b"resolve" in parts[2:4] or b".git/info/lfs/" in raw


def parse(raw: bytes) -> HubTarget:
    """Read a path that is claimed.

    Raises:
        InvalidInputError: If a part of it is not UTF-8, or could leave its folder.
        NotFoundError: If the Hub's API has no such path.
    """
    if len(raw) > _MOST:
        raise InvalidInputError("the path", "is too long", "shorten it")
    parts = [_decoded(part) for part in raw.removeprefix(b"/").split(b"/")]
    if parts[0] != "api":
        return _of_files(parts, raw)
    match parts[1:]:
        case ["whoami-v2" | "validate-yaml" | "agent-harnesses" as verb]:
            return HubTarget(verb)
        case ["models"] | ["models", ""]:
            return HubTarget("models")
        case ["repos", "create" | "delete" | "move" as verb]:
            return HubTarget(f"{verb}-repo")
        case ["hub", "lfs", sha256]:
            return HubTarget("lfs-object", path=sha256)
        case ["hub", "xet", *rest] if len(rest) > _XET_PARTS:
            return _of_xet(rest)
        case ["models", *rest]:
            return _of_model(rest, raw)
    raise _absent(raw)


_XET_PARTS: Final = 4


def _of_xet(parts: list[str]) -> HubTarget:
    """Read `NAMESPACE/NAME/SESSION/v1/xorbs/default/HASH` and its like."""
    namespace, name, session, *rest = parts
    return HubTarget("xet", model_of(f"{namespace}/{name}"), session, "/".join(rest))


def _of_files(parts: list[str], raw: bytes) -> HubTarget:
    for count in (1, 2):
        before, verb = parts[:count], parts[count : count + 1]
        if verb == ["resolve"] and len(parts) > count + 2:
            path = _path(parts[count + 2 :])
            return HubTarget("resolve", model_of("/".join(before)), parts[count + 1], path)
        name = "/".join(before)
        if tuple(parts[count : count + 3]) == _LFS and name.endswith(".git"):
            verb_name = "/".join(parts[count + 3 :])
            model = model_of(name.removesuffix(".git"))
            if verb_name in ("batch", "verify"):
                return HubTarget(f"lfs-{verb_name}", model)
            if is_digest(verb_name):
                return HubTarget("lfs-file", model, path=verb_name)
    raise _absent(raw)


def _of_model(parts: list[str], raw: bytes) -> HubTarget:
    for count in (1, 2):
        name = "/".join(parts[:count])
        if len(parts) == count and (count > 1 or parts[0] not in _VERBS):
            return HubTarget("info", model_of(name))
        if len(parts) > count and parts[count] in _VERBS:
            verb, behind = parts[count], parts[count + 1 :]
            target = HubTarget(verb, model_of(name))
            if verb == "revision":
                verb = "info"
            return HubTarget(verb, target.model, behind[0] if behind else "main", _path(behind[1:]))
    raise _absent(raw)


def _path(parts: Iterable[str]) -> str:
    """Put the parts of a file's path together; each may hold slashes that were escaped."""
    path = "/".join(parts).rstrip("/")
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInputError(f"path {path[:200]!r}", "could leave its folder", "name a file")
    return path


def _decoded(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise InvalidInputError(
            "the path", "is not valid UTF-8", "escape it by its bytes"
        ) from None
    if not text.isprintable() or "\\" in text:
        raise InvalidInputError(f"path {text[:200]!r}", "has a backslash or unprintable characters")
    return text


def _absent(raw: bytes) -> HoldfastError:
    shown = quote(unquote_to_bytes(raw[:200]), safe="/")
    return NotFoundError(f"path {shown!r}", advice="this server has models alone")


def model_of(repo: str) -> str:
    """Return the model that a repository's name stands for.

    Raises:
        InvalidInputError: If no repository can have that name.
    """
    parts = repo.split("/")
    sound = len(parts) in (1, 2) and all(
        _PART.fullmatch(part) and ".." not in part and "--" not in part for part in parts
    )
    if not sound or parts[-1] in _VERBS or repo.endswith(".git"):
        problem = "must be NAME or NAMESPACE/NAME of letters, digits and single . _ -"
        raise InvalidInputError(f"repository {repo[:200]!r}", problem)
    return parts[1] if len(parts) > 1 and parts[0] == NAMESPACE else repo


def repo_of(model: str) -> str | None:
    """Return the name by which clients ask for a model; `None` if none can have it."""
    try:
        return model if model_of(model) == model else None
    except InvalidInputError:
        return None
