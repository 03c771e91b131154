"""Metrics of two versions as bars."""

from xml.etree import ElementTree as ET

import pytest

from holdfast.core.drawing.change_bars import Change, change_bar, change_bars, scale

SVG = "{http://www.w3.org/2000/svg}"
ROWS = (
    Change("recall", 0.699, 0.75, 0.0729, "better"),
    Change("latency_ms", 12.6, 12.2, -0.0317, "better"),
    Change("roc_auc", 0.948, 0.9325, -0.0164, "worse"),
    Change("rows", 10.0, 10.0, 0.0, "equal"),
    Change("f1", None, 0.3, None, "added"),
)


def test_each_metric_has_its_values_and_what_changed() -> None:
    root = ET.fromstring(change_bars(ROWS, "1.1.0", "1.2.0", 760))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"recall", "0.699", "0.75", "+7.29 %", "-1.64 %", "added", "–"} <= set(texts)
    assert root.attrib["aria-label"].startswith(
        "1.2.0 beside 1.1.0: recall 0.699 to 0.75 (+7.29 %), better; "
    )


def test_bars_go_to_the_side_of_the_change_in_the_colour_of_the_verdict() -> None:
    root = ET.fromstring(change_bars(ROWS, "1.1.0", "1.2.0", 760))
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    axis = float(next(bar for bar in root.iter(f"{SVG}rect") if bar not in bars).attrib["x"]) + 0.5
    sides = [float(bar.attrib["x"]) >= axis for bar in bars]
    assert [bar.attrib["class"] for bar in bars] == ["good", "good", "bad"]
    assert sides == [True, False, False]


@pytest.mark.parametrize("share", [0.01, 0.5, 30.0, -1e9])
def test_a_bar_stays_within_its_picture(share: float) -> None:
    change = Change("m", 1.0, 2.0, share, "changed")
    root = ET.fromstring(change_bar(change, scale([change]), 90, 12))
    for bar in root.iter(f"{SVG}rect"):
        assert 0 <= float(bar.attrib["x"]) <= 90
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= 90.1


def test_noise_looks_small() -> None:
    noise = Change("m", 1.0, 1.0001, 0.0001, "better")
    root = ET.fromstring(change_bar(noise, scale([noise]), 90, 12))
    assert float(next(root.iter(f"{SVG}rect")).attrib["width"]) <= 2


def test_no_metrics_draw_nothing() -> None:
    assert change_bars((), "1.1.0", "1.2.0", 760) == ""
