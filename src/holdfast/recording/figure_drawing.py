"""What a run calls a figure, as the bytes that are kept."""

import io
import os
from pathlib import Path
from typing import Any, Final

from holdfast import named_files
from holdfast.core import figure_content
from holdfast.errors import InvalidInputError

__all__ = ["content_of"]

_SHARP: Final = 144
_COARSE: Final = 60
"""Dots per inch of a figure, and of one that would be too large so."""


def content_of(name: str, source: object) -> bytes:
    """Return the bytes of a figure: one of matplotlib as a PNG.

    Raises:
        InvalidInputError: If it is neither a figure, nor bytes, nor the path of a file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return _file(name, Path(source))
    savefig = getattr(source, "savefig", None) or getattr(
        getattr(source, "figure", None), "savefig", None
    )
    if callable(savefig):
        return _drawn(savefig)
    problem = f"must be a figure of matplotlib, bytes or a path, not {type(source).__name__}"
    raise InvalidInputError(f"figure {figure_content.shown(name)}", problem)


def _drawn(savefig: Any) -> bytes:
    png = b""
    for dpi in (_SHARP, _COARSE):
        drawn = io.BytesIO()
        savefig(drawn, format="png", bbox_inches="tight", dpi=dpi)
        png = drawn.getvalue()
        if len(png) <= figure_content.MOST_BYTES:
            break
    return png


def _file(name: str, path: Path) -> bytes:
    try:
        return named_files.read(path, figure_content.MOST_BYTES)
    except OSError as error:
        subject = f"figure {figure_content.shown(name)}"
        problem = f"cannot be read from {str(path)!r}: {error.strerror or error}"
        raise InvalidInputError(subject, problem, "check the path") from error
