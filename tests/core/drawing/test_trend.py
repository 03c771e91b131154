"""A metric by version as a picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core.drawing.trend import TrendPoint, spark, trend

POINTS = (
    TrendPoint("1.0.0", 0.7),
    TrendPoint("1.1.0", None),
    TrendPoint("1.2.0", 0.5, live=True),
    TrendPoint("1.3.0", 0.72),
)


def test_a_trend_has_a_point_for_each_value_the_gate_and_a_sentence() -> None:
    drawing = trend("recall", POINTS, 0.6, 600, 220)
    root = ET.fromstring(drawing)
    assert root.attrib["aria-label"] == (
        "recall from 0.7 in 1.0.0 to 0.72 in 1.3.0; the live 1.2.0 has 0.5"
    )
    assert drawing.count("<circle") == 3
    assert "gate 0.6" in drawing
    assert drawing.count("M") == 2  # the line has a gap where nothing was measured


@pytest.mark.parametrize("points", [(), (TrendPoint("1.0.0", None),)])
def test_nothing_measured_draws_nothing(points: tuple[TrendPoint, ...]) -> None:
    assert trend("recall", points, None, 600, 220) == spark("recall", points, 60, 18) == ""


@pytest.mark.parametrize("value", [0.0, 0.5, 1e300, -3.0])
def test_equal_values_are_drawn_within_the_picture(value: float) -> None:
    points = [TrendPoint(f"1.{minor}.0", value) for minor in range(40)]
    root = ET.fromstring(trend("m", points, None, 300, 200))
    heights = [
        float(circle.attrib["cy"]) for circle in root.iter("{http://www.w3.org/2000/svg}circle")
    ]
    assert heights
    assert all(0 < height < 200 for height in heights)


def test_one_version_stands_in_the_middle() -> None:
    assert "<circle" in trend("m", [TrendPoint("1.0.0", 1.0, live=True)], None, 300, 200)


def test_a_spark_marks_the_last_value() -> None:
    assert spark("m", POINTS, 60, 18).count("<circle") == 1


def test_names_are_escaped() -> None:
    ET.fromstring(trend('<m"&', [TrendPoint("1.0.0<", 1.0)], None, 300, 200))


LINE = "{http://www.w3.org/2000/svg}line"
TEXT = "{http://www.w3.org/2000/svg}text"


def boxes(drawing: str) -> list[tuple[str, float, float, float]]:
    """Return each text with its left and right end and its base line."""
    found = []
    for text in ET.fromstring(drawing).iter(TEXT):
        words, x = str(text.text), float(text.attrib["x"])
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib.get("text-anchor", "start")]
        left = x - shift * len(words) * 6.6
        found.append((words, left, left + len(words) * 6.6, float(text.attrib["y"])))
    return found


@pytest.mark.parametrize("width", [330, 700])
@pytest.mark.parametrize("name", ["1.{}.0", "10.{}.0-rc.1+build.2026.11.30"])
@pytest.mark.parametrize("count", [1, 2, 8, 40, 200])
@pytest.mark.parametrize("gate", [None, 0.45, 0.66])
def test_no_label_lies_on_another_or_outside(
    width: int, name: str, count: int, gate: float | None
) -> None:
    points = [
        TrendPoint(name.format(at), 0.6 + (at * 37 % 11) / 50, live=at == count // 2)
        for at in range(count)
    ]
    texts = boxes(trend("recall", points, gate, width, 220))
    for at, (words, left, right, y) in enumerate(texts):
        assert left >= -1, words
        assert right <= width + 1, words
        for others, other_left, other_right, other_y in texts[at + 1 :]:
            apart = right <= other_left or other_right <= left or abs(y - other_y) >= 8
            assert apart, (words, others)


def test_the_label_of_the_gate_makes_way_for_the_line() -> None:
    low_left = [TrendPoint(f"1.{at}.0", 0.66 + at * 0.004) for at in range(12)]
    gate = next(box for box in boxes(trend("m", low_left, 0.664, 330, 220)) if "gate" in box[0])
    assert gate[1] > 60  # not at the left end, where the line is


def test_many_points_are_small_and_the_live_one_is_on_top() -> None:
    points = [TrendPoint(f"1.{at}.0", float(at % 7), live=at == 20) for at in range(200)]
    circles = list(
        ET.fromstring(trend("m", points, None, 600, 200)).iter("{http://www.w3.org/2000/svg}circle")
    )
    assert {circle.attrib["r"] for circle in circles[:-1]} == {"2"}
    assert circles[-1].attrib["class"] == "point live"


@pytest.mark.parametrize(
    ("values", "label"),
    [([1e300, -3e299], "1e+300"), ([1e-9, 3e-9], "2e-09"), ([0.0, 0.0], "0.5"), ([51.2, 57], "54")],
)
def test_values_of_any_size_have_short_labels(values: list[float], label: str) -> None:
    points = [TrendPoint(f"1.{at}.0", value) for at, value in enumerate(values)]
    drawing = trend("m", points, None, 600, 200)
    assert f">{label}<" in drawing
    assert max(len(words) for words, *_ in boxes(drawing)) < 12


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=9))
@example([0.0, 4e-323])
@example([-1.0, -1.0000000000000002])
@example([1e9, 1e9 + 2])
def test_lines_across_have_distinct_round_labels_in_order(values: list[float]) -> None:
    points = [TrendPoint(f"1.{at}.0", value) for at, value in enumerate(values)]
    drawing = trend("m", points, None, 600, 200)
    labels = [words for words, _, right, y in boxes(drawing) if right < 150 and y < 180]
    heights = [float(line.attrib["y1"]) for line in ET.fromstring(drawing).iter(LINE)]

    assert 1 <= len(heights) <= 6
    assert len(set(labels)) >= len(heights)
    assert heights == sorted(heights, reverse=True)


def test_the_axis_of_shares_ends_at_one() -> None:
    points = [TrendPoint("1.0.0", 0.98), TrendPoint("1.1.0", 1.0)]
    words = [box[0] for box in boxes(trend("accuracy", points, None, 600, 200))]
    assert words[:5] == ["0.980", "0.985", "0.990", "0.995", "1.000"]


def test_the_greatest_float_is_drawn() -> None:
    points = [TrendPoint("1.0.0", 1.7e308), TrendPoint("1.1.0", -1.7e308)]
    assert "nan" not in trend("m", points, None, 600, 200)
