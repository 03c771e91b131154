"""Losses: read from files and arrays, paired as scipy pairs them, with intervals that cover."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from holdfast.core.paired import LEVEL, RESAMPLES
from holdfast.errors import DamagedError, InvalidInputError, MissingLibraryError
from holdfast.formats import losses

ROWS = [0.25, -1.5, 3.0]
Floats = NDArray[np.float64]


def raw(values: Any) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()


def share(before: Floats, after: Floats, axis: int = -1) -> Floats:
    mean: Floats = before.mean(axis=axis)
    return np.asarray((after.mean(axis=axis) - mean) / np.abs(mean))


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        tuple(ROWS),
        np.array(ROWS),
        np.array(ROWS, dtype="float32"),
        pd.Series(ROWS, index=[5, 6, 7]),
    ],
)
def test_an_array_is_kept_as_eight_bytes_a_row(given: object) -> None:
    assert losses.taken("mae", given) == raw(ROWS)


@pytest.mark.parametrize("head", ["", "mae\n"])
def test_a_column_of_csv_is_read_with_or_without_a_heading(tmp_path: Path, head: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{head}0.25\n-1.5\n\n3\n")

    assert losses.taken("mae", file) == losses.taken("mae", str(file)) == raw(ROWS)


def test_numpys_own_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array(ROWS))

    assert losses.taken("mae", tmp_path / "rows.npy") == raw(ROWS)


def test_a_pickle_in_numpys_file_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(InvalidInputError, match="allow_pickle"):
        losses.taken("mae", tmp_path / "rows.npy")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "0 rows"),
        ([0.5, float("nan")], "no finite number"),
        ([0.5, "0.5"], "no finite number"),
        ([0.5, None], "NoneType"),
        (np.zeros((3, 2)), "list"),
        (7, "int has no rows"),
    ],
)
def test_what_is_not_one_number_a_row_is_refused(given: object, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        losses.taken("mae", given)


@pytest.mark.parametrize(
    ("content", "said"), [("1,2\n", "several columns"), ("1\nx\n", "could not convert"), ("", "0")]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(content)

    with pytest.raises(InvalidInputError, match=said):
        losses.taken("mae", file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"none\.csv' cannot be read"):
        losses.taken("mae", tmp_path / "none.csv")


def test_bytes_that_are_no_rows_are_damage() -> None:
    with pytest.raises(DamagedError, match="eight bytes a row"):
        losses.rows(b"1234567", "losses mae")

    assert losses.rows(raw(ROWS), "losses mae") == 3


def test_a_mean_is_rounded_once() -> None:
    assert losses.mean(raw([1e16, 1.0, -1e16, 1.0])) == 0.5


@pytest.mark.parametrize("rows", [40, 3000])
def test_the_interval_is_scipys_from_the_same_draws(rows: int) -> None:
    generator = np.random.default_rng(5)
    before = generator.gamma(2.0, size=rows)
    after = before * 1.04 + generator.normal(0, 0.3, rows)

    change, low, high, absolute = losses.interval(raw(before), raw(after))
    oracle = stats.bootstrap(
        (before, after),
        share,
        n_resamples=RESAMPLES,
        paired=True,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(losses._SEED),
    ).confidence_interval

    assert change == pytest.approx(float(share(before, after)), rel=1e-12)
    assert (low, high) == pytest.approx((oracle.low, oracle.high), rel=1e-9)
    assert not absolute


def test_figures_of_one_evaluation_do_not_change() -> None:
    before = np.linspace(0.1, 1.1, 200)
    after = before + 0.05 * np.cos(np.arange(200))

    found = losses.interval(raw(before), raw(after))

    assert found == losses.interval(raw(before), raw(after))
    assert found[:3] == pytest.approx((-0.00022620, -0.00833046, 0.00809942), abs=5e-8)


def test_intervals_hold_the_true_change_as_often_as_they_say() -> None:
    generator = np.random.default_rng(11)
    games, rows, hits = 400, 150, 0
    for _ in range(games):
        before = generator.gamma(2.0, size=rows)
        after = before + 0.1 + generator.normal(0, 0.5, rows)  # the mean rises from 2 by 5 %
        _, low, high, _ = losses.interval(raw(before), raw(after))
        hits += low <= 0.05 <= high

    assert 0.92 <= hits / games <= 0.98


def test_rows_beyond_those_drawn_are_taken_together_and_say_the_same() -> None:
    generator = np.random.default_rng(3)
    before = generator.gamma(2.0, size=50_001)
    after = before + 0.1 + generator.normal(0, 0.5, 50_001)

    change, low, high, _ = losses.interval(raw(before), raw(after))
    error = (after - before).std() / before.mean() / np.sqrt(50_001)

    assert change == pytest.approx(float(share(before, after)), rel=1e-12)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


def test_a_champion_without_losses_has_no_relative_change() -> None:
    after = np.zeros(100)
    after[:10] = 1.0

    change, low, high, absolute = losses.interval(raw(np.zeros(100)), raw(after))

    assert absolute
    assert change == 0.1
    assert 0.04 <= low < 0.1 < high <= 0.17


def test_a_resample_whose_champion_lost_nothing_gives_a_finite_interval() -> None:
    before = np.zeros(40)
    before[0] = 1.0

    _, low, high, _ = losses.interval(raw(before), raw(np.ones(40)))

    assert low < high == 1e9


def test_without_numpy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(MissingLibraryError, match="pip install"):
        losses.interval(raw(ROWS), raw(ROWS))
