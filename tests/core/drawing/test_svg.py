"""The parts of pictures: escaped, equal for equal arguments, with their own colours in files."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.drawing import svg
from holdfast.core.drawing.svg import Drawing

SVG = "{http://www.w3.org/2000/svg}"


@given(st.text())
def test_any_text_makes_xml_that_shows_it(words: str) -> None:
    root = ET.fromstring(svg.picture(10, 10, words, [svg.text(words, 1, 2)], "x"))
    assert root.tag == f"{SVG}svg"


def test_what_would_turn_text_around_is_replaced() -> None:
    assert "\u202e" not in svg.text("a\u202eb", 1, 2)
    assert "a\ufffdb" in svg.element("g", aria_label="a\x00b")


def test_a_file_has_colours_a_white_ground_and_its_pictures_below_each_other() -> None:
    first, second = (svg.picture(100, high, "s", [], "x") for high in (40, 60))
    file = svg.standalone("<title>", [("one", first), ("none", Drawing()), ("two", second)], 100)
    root = ET.fromstring(file)
    style = root.find(f"{SVG}style")
    pictures = root.findall(f"{SVG}svg")
    assert style is not None
    assert "var(" not in str(style.text)  # rasterisers know no variables
    assert [picture.attrib["height"] for picture in pictures] == ["40", "60"]
    assert float(pictures[1].attrib["y"]) >= float(pictures[0].attrib["y"]) + 40
    assert float(root.attrib["height"]) > float(pictures[1].attrib["y"]) + 60
    assert [text.text for text in root.findall(f"{SVG}text")] == ["<title>", "one", "two"]


def test_an_empty_drawing_is_false_and_has_no_height() -> None:
    assert not Drawing()
    assert Drawing().height == 0
