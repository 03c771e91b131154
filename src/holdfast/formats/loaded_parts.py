"""A version's parts in memory, its own code beside them where it has any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdfast.formats import catalogue
from holdfast.formats.code.entry_point import EntryPoint
from holdfast.formats.code.module_space import ModuleSpace
from holdfast.formats.code.tree import CODE
from holdfast.formats.libraries import loading

__all__ = ["PREDICTING", "load_parts"]

PREDICTING: Final = ("model", "preprocessor", "postprocessor")
"""Roles that answer together."""

_ENTRY: Final = "entry"


def load_parts(formats: Mapping[str, str], paths: Mapping[str, Path]) -> dict[str, object]:
    """Load every role's object; bytes are verified and let in already.

    Args:
        formats: Name of the format by role.
        paths: Where each is.

    Raises:
        MissingLibraryError: If a format's library is not installed.
        UnsupportedError: If it cannot be loaded here.
    """
    if formats.get(CODE) != CODE:
        return {role: catalogue.load(name, paths[role]) for role, name in formats.items()}
    space = ModuleSpace(paths[CODE])
    try:
        with space.named():
            parts = _loaded(space, formats, paths)
    except BaseException:
        space.hide()
        raise
    space.last_as_long_as(part for part in parts.values() if not isinstance(part, Path))
    return parts


def _loaded(
    space: ModuleSpace, formats: Mapping[str, str], paths: Mapping[str, Path]
) -> dict[str, object]:
    """Load the parts; files for an entry point stay files, for its class reads them."""
    made = formats.get("model") == _ENTRY
    further = {role: path for role, path in paths.items() if role not in (*PREDICTING, CODE)}
    parts: dict[str, object] = {}
    for role, name in formats.items():
        if made and role in further:
            parts[role] = paths[role]
            continue
        part = catalogue.load(name, paths[role])
        if isinstance(part, EntryPoint):
            with loading(f"entry {part}"):
                part = part.make(space.module, further)
        parts[role] = part
    return parts
