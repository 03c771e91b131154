"""A rollout as pictures."""

from xml.etree import ElementTree as ET

import pytest

from holdfast.core.drawing.rollout_bars import EvidenceBar, RateInterval, evidence, intervals, steps

SVG = "{http://www.w3.org/2000/svg}"
STEPS = ("5 %", "25 %", "100 %")


@pytest.mark.parametrize(
    ("here", "outcome", "colours", "sentence"),
    [
        (-1, "", ["point", "point", "point"], "preparing"),
        (1, "", ["live", "canary", "point"], "on step 2 of 3, 25 %"),
        (1, "halted", ["live", "bad", "point"], "halted on step 2 of 3, 25 %"),
        (2, "completed", ["live", "live", "live"], "completed on step 3 of 3, 100 %"),
        (-1, "aborted", ["point", "point", "point"], "aborted preparing"),
    ],
)
def test_steps_show_what_is_done_and_where_it_stands(
    here: int, outcome: str, colours: list[str], sentence: str
) -> None:
    root = ET.fromstring(steps(STEPS, here, outcome, 600))
    assert [circle.attrib["class"] for circle in root.iter(f"{SVG}circle")] == colours
    assert root.attrib["aria-label"] == sentence


def test_a_plan_of_one_step_is_drawn() -> None:
    assert steps(["100 %"], 0, "", 600).count("<circle") == 1


def test_rates_are_drawn_to_one_scale_and_a_side_without_requests_says_so() -> None:
    rows = (
        RateInterval("canary 1.2.0", "0 of 0 failed", 0.0, None, 1.0, is_canary=True),
        RateInterval("active 1.1.0", "3 of 1,000 failed", 0.001, 0.003, 0.008, is_canary=False),
    )
    drawing = intervals(rows, 600)
    root = ET.fromstring(drawing)
    assert "no requests" in drawing
    assert "0.8 %" in drawing
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    for bar in root.iter(f"{SVG}rect"):
        assert 0 <= float(bar.attrib["x"]) <= 600


@pytest.mark.parametrize("middle", [0.0, 0.5, 1.0])
def test_a_rate_that_may_be_anything_is_drawn_within_the_picture(middle: float) -> None:
    row = RateInterval("canary", "some failed", 0.0, middle, 1.0, is_canary=True)
    root = ET.fromstring(intervals([row], 600))
    circle = next(root.iter(f"{SVG}circle"))
    assert 0 <= float(circle.attrib["cx"]) <= 600


def test_evidence_that_decided_is_marked_and_reaches_beyond_the_bound() -> None:
    rows = [EvidenceBar("errors", 1e9, 1000.0), EvidenceBar("latency p99", 31.6, 1000.0)]
    rows += [EvidenceBar("sample ratio", 0.2, 1000.0), EvidenceBar("odd", 1.0, 1.0)]
    drawing = evidence(rows, 600)
    root = ET.fromstring(drawing)
    bound = float(next(root.iter(f"{SVG}line")).attrib["x1"])
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    ends = [float(bar.attrib["x"]) + float(bar.attrib["width"]) for bar in bars]
    begin = float(bars[0].attrib["x"])
    assert [bar.attrib["class"] for bar in bars] == ["bad", "flat", "bad"]
    assert ends[0] > bound
    assert (ends[1] - begin) / (bound - begin) == pytest.approx(0.5, abs=0.01)
    assert "over 1,000,000 of 1,000" in drawing
    assert "0.2 of 1,000" in drawing


def test_nothing_counted_draws_nothing() -> None:
    assert intervals((), 600) == evidence((), 600) == ""
