"""Figures that a version keeps: PNG or SVG, told by their content and harmless to look at."""

import re
import struct
import zlib
from typing import Any, Final, Literal
from xml.parsers import expat

from holdfast.core import names
from holdfast.errors import InvalidInputError

ROLE: Final = "figures"
"""The role of their folder among a version's artifacts."""

MOST_FIGURES: Final = 50
MOST_BYTES: Final = 2 << 20
LONGEST_NAME: Final = 60

Kind = Literal["png", "svg"]
MEDIA: Final[dict[str, str]] = {"png": "image/png", "svg": "image/svg+xml"}

_ADVICE: Final = "give a figure of matplotlib, or a PNG or SVG picture"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS: Final = 20_000
"""Of each side: a small file can unpack to a picture that fills a browser's memory."""

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XHTML: Final = "http://www.w3.org/1999/xhtml"
_DRAWN: Final = frozenset(
    """svg g defs symbol use path rect circle ellipse line polyline polygon text tspan textPath
    title desc metadata style clipPath mask marker pattern linearGradient radialGradient stop image
    filter feBlend feColorMatrix feComponentTransfer feComposite feFlood feFuncA feFuncB feFuncG
    feFuncR feGaussianBlur feMerge feMergeNode feOffset switch""".split()
)
_EMBEDDED: Final = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]*")
_OUTSIDE: Final = re.compile(r"url\((?!\s*['\"]?\s*#)|@import|javascript:", re.IGNORECASE)
_UNSAFE: Final = frozenset('\\/:*?"<>|%')
_QUOTED: Final = re.compile("%([0-9A-F]{2})")


def kind_of(name: str, content: bytes) -> Kind:
    """Tell whether a figure is a PNG or an SVG, and refuse everything else.

    Raises:
        InvalidInputError: If it is neither, is too large, or is an SVG with script, foreign content
            or references to elsewhere.
    """
    subject = f"figure {shown(name)}"
    if len(content) > MOST_BYTES:
        problem = f"has {len(content):,} bytes, more than {MOST_BYTES:,}"
        raise InvalidInputError(subject, problem, "draw it smaller, or with fewer points")
    try:
        if content.startswith(_PNG):
            _check_png(content)
            return "png"
        _SvgReader().read(content)
    except (ValueError, struct.error, expat.ExpatError) as error:
        kind = "PNG" if content.startswith(_PNG) else "PNG or a harmless SVG"
        raise InvalidInputError(subject, f"is not a {kind}: {error}", _ADVICE) from error
    return "svg"


def _check_png(content: bytes) -> None:
    """Go through the chunks: nothing may stand behind the last one.

    Raises:
        ValueError: If they do not make a picture.
    """
    at, kinds = len(_PNG), []
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if checksum != zlib.crc32(content[at + 4 : end]):
            raise ValueError("a checksum in it is wrong")
        if kind == b"IHDR":
            sides = struct.unpack_from(">II", content, at + 8)
            if not all(0 < side <= _MOST_PIXELS for side in sides):
                raise ValueError(f"its sides are {sides[0]:,} and {sides[1]:,} pixels")
        kinds.append(kind)
        at = end + 4
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or kinds.count(b"IEND") != 1:
        raise ValueError("it is cut short, or something stands behind it")


class _SvgReader:
    """Reads an SVG element by element; what can do more than be drawn is refused."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._styles: list[str] = []

    def read(self, content: bytes) -> None:
        """Read it.

        Raises:
            ValueError: If it is not an SVG, or not harmless.
            ExpatError: If it is not XML.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        parser.ProcessingInstructionHandler = self._refuse_instruction
        parser.Parse(content, True)  # noqa: FBT003 - it is all there is
        styles = "".join(self._styles)
        if _OUTSIDE.search(styles) or "\\" in styles:  # an escape can spell anything
            raise ValueError("its style refers to elsewhere")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._path and (space, local) != (_SVG, "svg"):
            raise ValueError(f"it begins with {local!r}")
        inside_metadata = f"{_SVG} metadata" in self._path
        if space == _SVG and local not in _DRAWN:
            raise ValueError(f"it has the element {local!r}")
        if space == _XHTML or (space != _SVG and not inside_metadata):
            raise ValueError(f"it has the foreign element {local!r}")
        for key, value in attributes.items():
            _check_attribute(key, value)
        self._path.append(name)

    def _end(self, _name: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        if self._path[-1:] == [f"{_SVG} style"]:
            self._styles.append(text)

    def _refuse_entity(self, name: str, *_rest: Any) -> None:
        raise ValueError(f"it declares the entity {name!r}")

    def _refuse_instruction(self, target: str, _data: str) -> None:
        raise ValueError(f"it has the instruction {target!r}")


def _check_attribute(key: str, value: str) -> None:
    space, _, local = key.rpartition(" ")
    if local.lower().startswith("on"):
        raise ValueError(f"it has the attribute {local!r}")
    if local.lower() == "href" and space in ("", _XLINK):
        if not value.startswith("#") and not _EMBEDDED.fullmatch(value):
            raise ValueError("it refers to elsewhere")
    elif _OUTSIDE.search(value) or (local == "style" and "\\" in value):
        raise ValueError(f"its attribute {local!r} refers to elsewhere")


def check_name(what: str, name: object) -> str:
    """Return the name of a figure or a file, if it can be one.

    Raises:
        InvalidInputError: If it is not printable text of a bounded length.
    """
    if not names.is_key(name) or not isinstance(name, str):
        raise InvalidInputError(f"{what} {shown(name)}", "is not a name", "use printable signs")
    if len(name) > LONGEST_NAME:
        problem = f"has {len(name):,} characters, more than {LONGEST_NAME}"
        raise InvalidInputError(f"{what} {shown(name)}", problem, "shorten it")
    return name


def shown(name: object) -> str:
    """Quote a name, however long."""
    text = repr(name)
    return text if len(text) <= LONGEST_NAME + 2 else f"{text[:LONGEST_NAME]}…"


def file_name(name: str) -> str:
    """Return the name of a file that any system takes, from which `named` tells the name again."""
    quoted = "".join(_percent(sign) if sign in _UNSAFE else sign for sign in name.strip())
    stem = quoted if quoted.strip(". ") == quoted else _ends_quoted(quoted)
    try:
        names.check_paths([stem])
    except InvalidInputError:  # the name of a device
        return _percent(stem[0]) + stem[1:]
    return stem


def named(stem: str) -> str:
    """Return the name that a file stands for."""
    return _QUOTED.sub(lambda match: chr(int(match[1], 16)), stem)


def _ends_quoted(text: str) -> str:
    first = _percent(text[0]) if text[0] in ". " else text[0]
    last = _percent(text[-1]) if text[-1] in ". " else text[-1]
    return first + text[1:-1] + last if len(text) > 1 else first


def _percent(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode())
