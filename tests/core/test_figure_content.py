"""Figures: told by their content, and harmless to look at."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import figure_content, names
from holdfast.core.figure_content import check_name, file_name, kind_of, named
from holdfast.errors import InvalidInputError

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">%s</svg>'


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(*chunks: bytes, wide: int = 1, high: int = 1) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0))
    body = chunks or (chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(body)


DRAWN = b"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">
<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
  rdf:about=""/></rdf:RDF></metadata>
<defs><style type="text/css">*{stroke-linejoin: round} a{fill:url(#g)}</style></defs>
<g clip-path="url( '#p')" style="fill: #ffffff"><path d="M 0 0 L 1 1"/><use xlink:href="#m"/>
<image xlink:href="data:image/png;base64,iVBORw0KGgo=" width="1" height="1"/></g></svg>"""


def test_pictures_are_told_by_their_content() -> None:
    assert kind_of("a", png()) == "png"
    assert kind_of("a", DRAWN) == "svg"
    assert kind_of("a", SVG % b"") == "svg"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><script>alert(1)</script></html>",
        b"<!doctype html><title>x</title>",
        b"GIF89a",
        png()[:-1],
        png() + b"<script>",
        png(chunk(b"IEND", b""), chunk(b"IEND", b"")),
        png(chunk(b"IDAT", b"")),
        png()[:20] + b"\xff" + png()[21:],
        png(wide=20_001),
        png(high=0),
        b"\x89PNG\r\n\x1a\n",
        b"<svg/>",
        SVG % b"<script>alert(1)</script>",
        SVG % b"<foreignObject/>",
        SVG % b"<a xlink:href='https://example.org'/>",
        SVG % b"<animate/>",
        SVG % b"<set/>",
        SVG % b"<path onclick='x'/>",
        SVG % b"<use href='https://example.org/x.svg#a'/>",
        SVG % b"<image xlink:href='javascript:alert(1)'/>",
        SVG % b"<image href='data:image/svg+xml;base64,AAAA'/>",
        SVG % b"<image href='data:text/html,x'/>",
        SVG % b"<path style='fill:url(https://example.org/x)'/>",
        SVG % b"<path style='fill:\\75rl(https://example.org/x)'/>",
        SVG % b"<path fill='url(https://example.org/x)'/>",
        SVG % b"<style>@import 'https://example.org/x.css'</style>",
        SVG % b"<style>a{fill:u\\72l(https://example.org)}</style>",
        SVG % b"<p xmlns='http://www.w3.org/1999/xhtml'/>",
        SVG % b"<metadata><p xmlns='http://www.w3.org/1999/xhtml'/></metadata>",
        SVG % b"<b xmlns='urn:other'/>",
        b"<?xml-stylesheet href='x'?>" + SVG % b"",
        b"<!DOCTYPE svg [<!ENTITY a 'b'>]>" + SVG % b"&a;",
        SVG % b"<unclosed>",
    ],
)
def test_what_could_do_more_than_be_looked_at_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="figure 'a' is not a "):
        kind_of("a", content)


def test_a_large_figure_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="more than 2,097,152"):
        kind_of("a", png() + bytes(figure_content.MOST_BYTES))


@given(st.text(min_size=1, max_size=figure_content.LONGEST_NAME))
def test_every_name_becomes_a_file_and_back(name: str) -> None:
    if not names.is_key(name):
        with pytest.raises(InvalidInputError):
            check_name("figure", name)
        return
    stem = file_name(check_name("figure", name))

    names.check_paths([f"figures/{stem}.png"])
    assert named(stem) == name.strip()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../x", "%2E.%2Fx"),
        ("a/b", "a%2Fb"),
        (".", "%2E"),
        ("con", "%63on"),
        ("50 %", "50 %25"),
        ("x.", "x%2E"),
        ("Größe", "Größe"),
    ],
)
def test_hostile_names_stay_in_their_folder(name: str, stem: str) -> None:
    assert file_name(name) == stem
    assert named(stem) == name


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 10_000, 5, None])
def test_a_name_is_short_printable_text(name: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_name("figure", name)

    assert len(str(caught.value)) < 200
