"""Tags as GTO reads them: `iris@v1.2.0` registers, `iris#production#3` assigns a stage.

The grammar is GTO's. Counters tell assignments apart and say nothing of their order: that is the
second at which a tag was made.
"""

import re
from typing import Final, Literal

from msgspec import Struct

__all__ = ["Action", "GtoTag", "is_name", "parse", "tag_name"]

Action = Literal["register", "deregister", "assign", "unassign", "deprecate"]

_NAME: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,17})"
_SEMVER: Final = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-[0-9a-zA-Z.-]+)?(?:\+[0-9a-zA-Z.-]+)?"
_TAG: Final = re.compile(
    rf"(?:(?P<folder>[a-zA-Z0-9_./-]+)=)?(?P<name>{_NAME})"
    rf"(?:(?:@v(?P<version>{_SEMVER})|#(?P<stage>{_NAME}))(?P<cancel>!?)|@(?P<word>deprecated))"
    r"(?:#[0-9]{1,18})?"
)
_LONGEST: Final = 1000


class GtoTag(Struct, frozen=True):
    """What one tag says.

    Attributes:
        artifact: Its name, behind the folder of its `dvc.yaml` if that is not the top: `sub:iris`.
        version: That is registered, without the `v`.
        stage: That is assigned.
    """

    artifact: str
    action: Action
    version: str | None = None
    stage: str | None = None


def parse(name: str) -> GtoTag | None:
    """Read a tag's name; `None` if GTO would pass it over, or its folder is outside."""
    match = _TAG.fullmatch(name) if len(name) <= _LONGEST else None
    if match is None:
        return None
    folder = match["folder"]
    if folder is not None and any(part in ("", ".", "..") for part in folder.split("/")):
        return None
    artifact = f"{folder}:{match['name']}" if folder else match["name"]
    if match["version"] is not None:
        action: Action = "deregister" if match["cancel"] else "register"
        return GtoTag(artifact, action, version=match["version"])
    if match["stage"] is not None:
        return GtoTag(artifact, "unassign" if match["cancel"] else "assign", stage=match["stage"])
    return GtoTag(artifact, "deprecate")


def tag_name(tag: GtoTag, counter: int) -> str:
    """Write a tag's name; one that registers has no counter."""
    artifact = tag.artifact.replace(":", "=")
    match tag.action:
        case "register":
            return f"{artifact}@v{tag.version}"
        case "deregister":
            return f"{artifact}@v{tag.version}!#{counter}"
        case "assign":
            return f"{artifact}#{tag.stage}#{counter}"
        case "unassign":
            return f"{artifact}#{tag.stage}!#{counter}"
        case "deprecate":
            return f"{artifact}@deprecated#{counter}"


def is_name(text: str) -> bool:
    """Tell whether GTO takes a text for an artifact's or a stage's name."""
    return re.fullmatch(_NAME, text) is not None
