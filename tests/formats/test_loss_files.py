"""Losses: read from files and arrays, paired as scipy pairs them, with intervals that cover."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats import loss_files

ROWS = [0.25, -1.5, 3.0]
Floats = NDArray[np.float64]


def raw(values: Any) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()


@pytest.mark.parametrize(
    "values",
    [
        ROWS,
        tuple(ROWS),
        np.array(ROWS),
        np.array(ROWS, dtype="float32"),
        pd.Series(ROWS, index=[5, 6, 7]),
    ],
)
def test_an_array_is_kept_as_eight_bytes_a_row(values: object) -> None:
    assert loss_files.taken("mae", values) == raw(ROWS)


@pytest.mark.parametrize("head", ["", "mae\n"])
def test_a_column_of_csv_is_read_with_or_without_a_heading(tmp_path: Path, head: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{head}0.25\n-1.5\n\n3\n")

    assert loss_files.taken("mae", file) == loss_files.taken("mae", str(file)) == raw(ROWS)


def test_numpys_own_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array(ROWS))

    assert loss_files.taken("mae", tmp_path / "rows.npy") == raw(ROWS)


def test_a_pickle_in_numpys_file_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(InvalidInputError, match="allow_pickle"):
        loss_files.taken("mae", tmp_path / "rows.npy")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "0 rows"),
        ([0.5, float("nan")], "not a finite number"),
        ([0.5, "0.5"], "not a finite number"),
        ([0.5, None], "NoneType"),
        (np.zeros((3, 2)), "list"),
        (7, "int"),
    ],
)
def test_what_is_not_one_number_a_row_is_refused(values: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        loss_files.taken("mae", values)


@pytest.mark.parametrize(
    ("content", "message"),
    [("1,2\n", "several columns"), ("1\nx\n", "could not convert"), ("", "0")],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(content)

    with pytest.raises(InvalidInputError, match=message):
        loss_files.taken("mae", file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'mae' cannot be read"):
        loss_files.taken("mae", tmp_path / "none.csv")


def test_bytes_that_are_no_rows_are_damage() -> None:
    with pytest.raises(DamagedError, match="eight bytes per row"):
        loss_files.rows(b"1234567", "losses mae")

    assert loss_files.rows(raw(ROWS), "losses mae") == 3


def test_a_mean_is_rounded_once() -> None:
    assert loss_files.mean(raw([1e16, 1.0, -1e16, 1.0])) == 0.5
