"""References of training data: exact counts, few values, nothing of any single row."""

import gzip
import io
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from holdfast.core.drift.drift_reference import CategoryReference, NumberReference
from holdfast.core.drift.feature_values import counted
from holdfast.errors import InvalidInputError
from holdfast.formats.reference_building import built

ROWS = 5000


def training(rows: int = ROWS, seed: int = 1) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    age = chance.normal(40, 12, rows)
    age[::50] = np.nan
    return {
        "age": age,
        "visits": chance.poisson(30, rows),
        "zeros": np.where(chance.random(rows) < 0.6, 0.0, chance.exponential(5, rows)),
        "plan": chance.choice(["basic", "plus", "pro"], rows, p=[0.7, 0.25, 0.05]).tolist(),
        "active": (chance.random(rows) < 0.5).tolist(),
        "rooms": chance.integers(1, 7, rows),
    }


def number(reference: Any, name: str) -> NumberReference:
    feature = reference.features[name]
    assert isinstance(feature, NumberReference)
    return feature


def category(reference: Any, name: str) -> CategoryReference:
    feature = reference.features[name]
    assert isinstance(feature, CategoryReference)
    return feature


def test_numbers_are_cut_at_eleven_quantiles_and_counted_again() -> None:
    reference = built(training())
    age = number(reference, "age")

    assert len(age.cuts) == 11
    assert age.nulls == 100
    assert [float(f"{cut:.7g}") for cut in age.cuts] == list(age.cuts)
    assert [round(sum(age.counts[: cut + 1]) / 4900, 2) for cut in range(11)] == [
        *(0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99),
    ]


def test_the_counts_of_training_are_what_counting_it_gives() -> None:
    columns = training()
    reference = built(columns)

    for name, feature in reference.features.items():
        column = columns[name]
        counts = counted(feature, column.tolist() if hasattr(column, "tolist") else column)
        bins = feature.counts
        assert counts.bins == (tuple(bins.values()) if isinstance(bins, dict) else bins)
        assert (counts.nulls, counts.strange) == (feature.nulls, feature.strange)


def test_equal_cuts_are_one() -> None:
    zeros = number(built(training()), "zeros")

    assert zeros.cuts[0] == 0
    assert len(zeros.cuts) < 8


def test_numbers_of_few_values_are_categories() -> None:
    assert set(category(built(training()), "rooms").counts) == {"1", "2", "3", "4", "5", "6"}
    assert set(category(built(training()), "active").counts) == {"true", "false"}
    assert list(category(built(training()), "plan").counts) == ['"basic"', '"plus"', '"pro"']


def test_rare_values_are_counted_and_not_kept() -> None:
    names = ["common"] * 4980 + [f"person-{index}" for index in range(20)]
    feature = category(built({"name": names}), "name")

    assert feature.counts == {'"common"': 4980}
    assert (feature.strange, feature.others) == (20, 20)


def test_at_most_twenty_values_are_kept() -> None:
    feature = category(built({"code": [f"c{row % 40}" for row in range(8000)]}), "code")

    assert len(feature.counts) == 20
    assert feature.others == 20


@pytest.mark.parametrize("rows", [500, 999, 1000, 1001, 4000])
def test_no_cut_is_the_value_of_a_single_row(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=rows)
    feature = number(built({"x": values}), "x")
    single = {float(f"{value:.7g}") for value in values}

    assert len(feature.cuts) == (11 if rows >= 1000 else 9)
    assert not single & set(feature.cuts)
    assert min(values) < feature.cuts[0]
    assert feature.cuts[-1] < max(values)
    assert min(feature.counts) >= 5


def frames(folder: Path) -> dict[str, Any]:
    columns = training()
    frame = pd.DataFrame(columns)
    frame.to_parquet(folder / "train.parquet")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pyarrow.csv.write_csv(table, folder / "train.csv")
    (folder / "train.csv.gz").write_bytes(gzip.compress((folder / "train.csv").read_bytes()))
    return {
        "frame": frame,
        "table": table,
        "parquet": folder / "train.parquet",
        "csv": str(folder / "train.csv"),
        "packed": folder / "train.csv.gz",
        "rows": frame.astype(object).where(frame.notna(), None).to_dict("records"),
        "reference": built(columns),
    }


@pytest.mark.parametrize(
    "kind", ["frame", "table", "parquet", "csv", "packed", "rows", "reference"]
)
def test_the_same_data_gives_the_same_reference_in_every_form(kind: str, tmp_path: Path) -> None:
    reference = built(frames(tmp_path)[kind])

    assert replace(reference, source=UNSET) == built(training())
    assert isinstance(reference.source, str) == (kind in ("parquet", "csv", "packed"))


def test_text_that_reads_like_nothing_is_text(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("region,age\n" + "NA,1.5\n" * 20 + ",NA\n" * 10 + "EU,2.5\n" * 20)
    reference = built(path)

    assert replace(reference, source=UNSET) == built({
        "region": ["NA"] * 20 + [None] * 10 + ["EU"] * 20,
        "age": [1.5] * 20 + [None] * 10 + [2.5] * 20,
    })  # fmt: skip


def test_nullable_and_missing_values_of_pandas_are_null() -> None:
    frame = pd.DataFrame({
        "n": pd.array([1.5, None] * 50 + [3.25] * 10, dtype="Float64"),
        "s": pd.array(["a", None] * 55, dtype="string"),
    })  # fmt: skip
    reference = built(frame)

    assert reference.features["n"].nulls == 50
    assert reference.features["s"].nulls == 55


def test_a_column_that_is_neither_numbers_nor_text_is_named_unmeasured() -> None:
    reference = built({"day": [date(2026, 1, 1)] * 20, "x": [0.5] * 20})

    assert reference.unmeasured == {"day": "it holds date: neither numbers nor text"}
    assert list(reference.features) == ["x"]


def test_infinite_and_enormous_numbers_are_counted_beyond_every_cut() -> None:
    values: list[Any] = [float(row) for row in range(98)] + [10**400, float("inf")]
    feature = number(built({"x": values}), "x")

    assert all(np.isfinite(feature.cuts))
    assert feature.counts[-1] >= 2


def test_an_empty_column_has_no_cuts() -> None:
    reference = built({"x": [None] * 30, "y": [1.5] * 30})

    assert reference.features["x"] == CategoryReference({}, nulls=30) or number(
        reference, "x"
    ) == NumberReference((), (0,), nulls=30)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ([], "no columns"),
        ({}, "no columns"),
        (np.zeros((3, 2)), "no columns"),
        ([[1, 2]], "no columns"),
        ({"a": []}, "no rows"),
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        ({"day": [date(2026, 1, 1)]}, "can be measured"),
        ({f"c{index}": [1] for index in range(10_001)}, "10,001 columns"),
        ("train.txt", "is not Parquet or CSV"),
        ("missing.csv", "cannot be read"),
        ("missing.parquet", "cannot be read"),
    ],
)
def test_what_is_not_a_table_is_refused(source: Any, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        built(source)


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])

    with pytest.raises(InvalidInputError, match="same name"):
        built(frame)


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(io.BytesIO(b"not parquet at all").getvalue())

    with pytest.raises(InvalidInputError, match="cannot be read"):
        built(path)
