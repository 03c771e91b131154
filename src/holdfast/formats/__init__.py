"""Formats: how models are written, recognised, scanned, described and loaded.

One file holds each format; its library is imported when it is used. `scanner` tells what loading
a file would run without loading it, `catalogue` chooses, `pair` is what loading gives.
"""

from holdfast.formats.catalogue import (
    check_home,
    face,
    is_sound,
    judged,
    load,
    names,
    package,
    require,
)
from holdfast.formats.contract import Description, Format, Packaged
from holdfast.formats.loaded_parts import load_parts
from holdfast.formats.scanner import scan
from holdfast.formats.trees import files

__all__ = [
    "Description",
    "Format",
    "Packaged",
    "check_home",
    "face",
    "files",
    "is_sound",
    "judged",
    "load",
    "load_parts",
    "names",
    "package",
    "require",
    "scan",
]
