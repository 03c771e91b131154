"""A curve while it grows."""

import math

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import curves
from holdfast.core.curves import MOST_POINTS, Curve, Curves
from holdfast.recording.curve_points import CurvePoints


def grown(values: list[float | None]) -> Curve | None:
    points = CurvePoints()
    for step, value in enumerate(values):
        points.add(step, value)
    return points.finished()


def test_of_a_thousand_points_all_stay() -> None:
    values: list[float | None] = [float(step) for step in range(MOST_POINTS)]

    assert grown(values) == Curve(tuple(range(MOST_POINTS)), tuple(values), MOST_POINTS)


def test_of_a_million_the_first_last_least_and_greatest_stay() -> None:
    values: list[float | None] = [math.sin(step / 90_000) for step in range(1_000_000)]
    values[777_777], values[333_333] = 9.0, -9.0
    curve = grown(values)

    assert curve is not None
    assert MOST_POINTS / 3 < len(curve.steps) <= MOST_POINTS
    assert curve.given == 1_000_000
    assert (curve.steps[0], curve.steps[-1]) == (0, 999_999)
    assert {9.0, -9.0} < set(curve.values)


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=40), st.integers(1, 120))
def test_any_curve_is_one_that_can_be_kept(values: list[float | None], times: int) -> None:
    curve = grown(values * times)

    if curve is None:
        assert not values
        return
    kept = Curves(curves={"a": curve})
    assert curves.unpacked(curves.packed(kept), "a") == kept
    assert curve.given == len(values) * times


def test_points_are_kept_in_the_order_of_their_steps() -> None:
    points = CurvePoints()
    for step in (3, 1, 2, 1):
        points.add(step, float(10 * step))

    assert points.finished() == Curve((1, 1, 2, 3), (10.0, 10.0, 20.0, 30.0), 4)


def test_no_points_are_no_curve() -> None:
    assert CurvePoints().finished() is None
