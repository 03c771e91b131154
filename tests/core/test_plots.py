"""Comparisons, histories and rollouts as files."""

from xml.etree import ElementTree as ET

from msgspec.structs import replace
from tests.core.rollout.test_rollout_state import HALT, ROLLOUT

from holdfast.core import plots
from holdfast.core.compare import Comparison, MetricRow
from holdfast.core.drawing.curve_lines import CurveLine
from holdfast.core.drawing.trend import TrendPoint
from holdfast.core.period import Period
from holdfast.core.stage_matrix import Trend

NOW = "2026-03-01T12:00:00Z"
SVG = "{http://www.w3.org/2000/svg}"
BESIDE = Comparison(
    "iris", "1.0.0", "1.1.0",
    (MetricRow("auc", "higher", 0.9, 0.8, -0.1, -0.1111, "worse"),), (), (), (), (), (),
)  # fmt: skip
SERVED = (
    Period("1.0.0", "2026-01-01T00:00:00Z", None, "ana", None, "promoted", None, forced=False),
)


def shown(file: str) -> list[str]:
    """Return the texts of a file."""
    return [str(text.text) for text in ET.fromstring(file).iter(f"{SVG}text")]


def test_a_comparison_is_drawn() -> None:
    texts = shown(plots.comparison(BESIDE))
    assert texts[0] == "iris 1.1.0 beside 1.0.0"
    assert {"auc", "0.9", "0.8", "-11.1 %"} <= set(texts)


def test_a_comparison_without_metrics_says_so() -> None:
    assert "neither version has metrics" in shown(plots.comparison(replace(BESIDE, metrics=())))


def test_a_history_shows_what_served_and_the_metric() -> None:
    points = (TrendPoint("1.0.0", 0.9, live=True),)
    texts = shown(plots.history("iris", SERVED, Trend("auc", points), NOW))
    assert texts[0] == "iris, as of 2026-03-01 12:00 UTC"
    assert {"what served when", "1.0.0 live", "auc by version"} <= set(texts)


def test_a_history_of_nothing_says_so() -> None:
    texts = shown(plots.history("iris", (), Trend(None), NOW))
    assert texts == ["iris, as of 2026-03-01 12:00 UTC", "nothing was ever live"]


def test_a_rollout_shows_steps_verdict_and_evidence() -> None:
    texts = shown(plots.rollout("iris", ROLLOUT, HALT))
    assert texts[0] == "iris: rollout 3 of 1.2.0 beside 1.1.0"
    assert "running, started 2026-03-01 12:00 UTC by ana" in texts
    assert "halt: 31 of 410 <failed>" in texts
    assert "31 of 410 failed" in texts
    assert "1,204 of 1,000" in texts


def test_a_rollout_that_nothing_was_counted_of_shows_its_steps() -> None:
    bare = replace(HALT, canary=None, active=None, readings=())
    assert "halt: 31 of 410 <failed>" in shown(plots.rollout("iris", ROLLOUT, bare))
    assert "5 %" in shown(plots.rollout("iris", ROLLOUT, None))


def test_no_rollout_says_so() -> None:
    assert shown(plots.rollout("iris", None, None)) == ["iris: no rollout", "there was none"]


def test_a_curve_of_two_versions_is_drawn_over_each_other() -> None:
    lines = [CurveLine("1.0.0", (1, 2), (0.5, 0.25)), CurveLine("1.1.0", (1, 2), (0.5, 0.125))]
    texts = shown(plots.curve("iris", "loss", lines))
    assert texts[0] == "iris: loss"
    assert {"1.0.0  0.25", "1.1.0  0.125"} <= set(texts)
