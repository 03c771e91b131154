"""Names as OCI registries have them: repositories, tags, and which of ours can be such."""

import re
from typing import Final

from holdfast.core.version import Version

__all__ = ["is_repository", "is_tag", "tag_of", "version_of"]

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LONGEST: Final = 250


def is_repository(name: str) -> bool:
    """Tell whether a model's name can be a repository's."""
    return len(name) <= _LONGEST and _REPOSITORY.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Tell whether text can be a tag."""
    return _TAG.fullmatch(text) is not None


def tag_of(version: str) -> str | None:
    """Return a version's tag, with `_` for the `+` of build metadata; `None` if it is too long."""
    tag = version.replace("+", "_")
    return tag if is_tag(tag) else None


def version_of(tag: str) -> str | None:
    """Return the version that a tag names, `None` if it names something that moves."""
    text = tag.replace("_", "+", 1)
    return text if Version.is_valid(text) else None
