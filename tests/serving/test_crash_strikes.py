"""Versions that workers ended with, and what those after them may load."""

import pytest

from holdfast.errors import UnsupportedError
from holdfast.serving.crash_strikes import Strikes, require

IRIS = ("iris", "1.1.0")


def test_a_version_that_ended_three_workers_within_an_hour_is_set_aside() -> None:
    strikes = Strikes()
    versions_aside = []
    for now_s in (0.0, 1800.0, 3500.0):
        strikes.note([IRIS], now_s)
        versions_aside.append(strikes.aside(now_s))
    strikes.note([("iris", "1.0.0")], 3500.0)

    assert versions_aside == [frozenset(), frozenset(), frozenset({IRIS})]
    assert strikes.aside(3500.0) == {IRIS}
    assert strikes.aside(3601.0) == frozenset()


def test_the_last_three_count_and_each_worker_once() -> None:
    strikes = Strikes()
    for now_s in (0.0, 7200.0, 7300.0):
        strikes.note([IRIS, IRIS, IRIS], now_s)
    early = strikes.aside(7300.0)
    strikes.note([IRIS], 7400.0)

    assert early == frozenset()
    assert strikes.aside(7400.0) == {IRIS}


def test_what_is_set_aside_is_refused_with_the_way_on() -> None:
    with pytest.raises(UnsupportedError, match=r"iris@1\.1\.0 killed 3 workers within an hour"):
        require({IRIS}, *IRIS)
    require({IRIS}, "iris", "1.0.0")
    require({IRIS}, "other", "1.1.0")
