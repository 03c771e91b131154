"""The bootstrap over losses: as scipy has it from the same draws, and the same every time."""

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from holdfast.core.paired import LEVEL, RESAMPLES
from holdfast.errors import MissingLibraryError
from holdfast.formats import bootstrap

ROWS = [0.25, -1.5, 3.0]
Floats = NDArray[np.float64]


def raw(values: Any) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()


def share(before: Floats, after: Floats, axis: int = -1) -> Floats:
    mean: Floats = before.mean(axis=axis)
    return np.asarray((after.mean(axis=axis) - mean) / np.abs(mean))


@pytest.mark.parametrize("rows", [40, 3000])
def test_the_interval_is_scipys_from_the_same_draws(rows: int) -> None:
    generator = np.random.default_rng(5)
    before = generator.gamma(2.0, size=rows)
    after = before * 1.04 + generator.normal(0, 0.3, rows)

    change, low, high, absolute = bootstrap.interval(raw(before), raw(after))
    oracle = stats.bootstrap(
        (before, after),
        share,
        n_resamples=RESAMPLES,
        paired=True,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(bootstrap._SEED),
    ).confidence_interval

    assert change == pytest.approx(float(share(before, after)), rel=1e-12)
    assert (low, high) == pytest.approx((oracle.low, oracle.high), rel=1e-9)
    assert not absolute


def test_figures_of_one_evaluation_do_not_change() -> None:
    before = np.linspace(0.1, 1.1, 200)
    after = before + 0.05 * np.cos(np.arange(200))

    figures = bootstrap.interval(raw(before), raw(after))

    assert figures == bootstrap.interval(raw(before), raw(after))
    assert figures[:3] == pytest.approx((-0.00022620, -0.00833046, 0.00809942), abs=5e-8)


def test_intervals_hold_the_true_change_as_often_as_they_say() -> None:
    generator = np.random.default_rng(11)
    games, rows, hits = 400, 150, 0
    for _ in range(games):
        before = generator.gamma(2.0, size=rows)
        after = before + 0.1 + generator.normal(0, 0.5, rows)  # the mean rises from 2 by 5 %
        _, low, high, _ = bootstrap.interval(raw(before), raw(after))
        hits += low <= 0.05 <= high

    assert 0.92 <= hits / games <= 0.98


def test_rows_beyond_those_drawn_are_taken_together_and_say_the_same() -> None:
    generator = np.random.default_rng(3)
    before = generator.gamma(2.0, size=50_001)
    after = before + 0.1 + generator.normal(0, 0.5, 50_001)

    change, low, high, _ = bootstrap.interval(raw(before), raw(after))
    error = (after - before).std() / before.mean() / np.sqrt(50_001)

    assert change == pytest.approx(float(share(before, after)), rel=1e-12)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


def test_a_champion_without_losses_has_no_relative_change() -> None:
    after = np.zeros(100)
    after[:10] = 1.0

    change, low, high, absolute = bootstrap.interval(raw(np.zeros(100)), raw(after))

    assert absolute
    assert change == 0.1
    assert 0.04 <= low < 0.1 < high <= 0.17


def test_a_resample_whose_champion_lost_nothing_gives_a_finite_interval() -> None:
    before = np.zeros(40)
    before[0] = 1.0

    _, low, high, _ = bootstrap.interval(raw(before), raw(np.ones(40)))

    assert low < high == 1e9


def test_without_numpy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(MissingLibraryError, match="pip install"):
        bootstrap.interval(raw(ROWS), raw(ROWS))
