"""Pictures that commands draw into files: SVG as it is, PNG by a library."""

import contextlib
import os
from collections.abc import Callable
from typing import Any, Final

from holdfast.cli.declaring import option
from holdfast.errors import InvalidInputError, MissingLibraryError

_OPTION: Final = "--plot"
_KINDS: Final = (".svg", ".png")
_ZOOM: Final = 2.0
"""Pixels of a PNG to a pixel of the picture, so that it is sharp on paper and on good screens."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def plot(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that names a picture to draw."""
    return option(_OPTION, metavar="FILE.svg|FILE.png", help=help_text)


class PlotFile:
    """A file that a picture is drawn into; what is there is replaced, whole."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, picture: str) -> None:
        """Draw SVG text into it.

        Raises:
            InvalidInputError: If it cannot be written.
        """
        data = _png(picture) if _kind(self.path) == ".png" else picture.encode()
        target = os.path.realpath(self.path)  # a link stays one
        try:
            _replace(target, data)
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise InvalidInputError(
                f"{_OPTION} {self.path!r}", problem, "check its path"
            ) from error


def named(path: str | None) -> PlotFile | None:
    """Return the file that an option names, before anything is read for it.

    Raises:
        InvalidInputError: If its name ends otherwise.
        MissingLibraryError: If it is a PNG and nothing here can draw one.
    """
    if path is None:
        return None
    if _kind(path) not in _KINDS:
        raise InvalidInputError(
            f"{_OPTION} {path!r}", "is not named as a picture", "end it with .svg or .png"
        )
    if _kind(path) == ".png":
        try:
            import resvg_py  # noqa: F401 - asked whether it is there
        except ImportError:
            purpose = f"{_OPTION} {path!r} needs it"
            raise MissingLibraryError("resvg-py", "plot", purpose) from None
    return PlotFile(path)


def _kind(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _png(picture: str) -> bytes:
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=picture, zoom=_ZOOM, background="#fff"))


def _replace(path: str, data: bytes) -> None:
    """Write beside it and rename: a reader sees the old picture or the new one."""
    written = os.path.join(os.path.dirname(path), f".plot-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(written, _NEW, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(written, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(written)
        raise
