"""Learning curves as a picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.drawing.curve_lines import CurveLine, curve_lines

PATH = "{http://www.w3.org/2000/svg}path"
CIRCLE = "{http://www.w3.org/2000/svg}circle"
TRAIN = CurveLine("train", (1, 2, 3), (0.5, 0.25, 0.125))
OTHER = CurveLine("validation", (1, 2, 3, 4), (0.5, None, 0.375, 0.25))

floats = st.floats(allow_nan=False, allow_infinity=False)


def test_each_series_has_a_line_a_legend_and_its_last_value() -> None:
    drawing = curve_lines("loss", [TRAIN, OTHER], 340, 150)
    root = ET.fromstring(drawing)

    assert root.attrib["aria-label"] == "loss: train from 0.5 to 0.125; validation from 0.5 to 0.25"
    assert len(list(root.iter(PATH))) == 4
    assert "train  0.125" in drawing
    assert drawing.height > 150


def test_a_line_has_a_gap_where_there_is_no_number() -> None:
    root = ET.fromstring(curve_lines("loss", [OTHER], 340, 150))
    line = next(path.attrib["d"] for path in root.iter(PATH))

    assert line.count("M") == 2


@pytest.mark.parametrize("lines", [[], [CurveLine("a", (1, 2), (None, None))]])
def test_nothing_to_draw_draws_nothing(lines: list[CurveLine]) -> None:
    assert curve_lines("loss", lines, 340, 150) == ""


def test_a_series_without_values_is_named_all_the_same() -> None:
    drawing = curve_lines("loss", [TRAIN, CurveLine("b", (1,), (None,))], 340, 150)

    assert "b  –" in drawing


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=20))
def test_every_point_lies_within_the_picture(points: list[tuple[float, float]]) -> None:
    points = sorted(points)
    line = CurveLine("<a&", [step for step, _ in points], [value for _, value in points])
    drawing = curve_lines('<m"', [line], 340, 150)
    root = ET.fromstring(drawing)

    for circle in root.iter(CIRCLE):
        assert -1 <= float(circle.attrib["cx"]) <= 341
        assert -1 <= float(circle.attrib["cy"]) <= drawing.height + 1


def test_steps_are_named_where_there_is_room() -> None:
    line = CurveLine("a", (0, 1_000_000), (0.5, 0.25))
    narrow, wide = (curve_lines("loss", [line], width, 150) for width in (120, 700))

    assert narrow.count(">") < wide.count(">")
    assert "7.5e+05" not in narrow
    assert "7.5e+05" in wide


def test_a_fifth_line_is_left_out() -> None:
    root = ET.fromstring(curve_lines("loss", [TRAIN] * 5, 340, 150))

    assert len(list(root.iter(CIRCLE))) == 4
