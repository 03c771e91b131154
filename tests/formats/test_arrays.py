"""Schemas of arrays, frames, series and tensors, each from its own library."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from holdfast.formats.example import describe

Schema = dict[str, Any]


def properties(example: object) -> dict[str, Schema]:
    """Return what is said of each column of a table."""
    return dict(describe(example).schema["properties"])


def test_an_array_has_free_rows_and_fixed_columns() -> None:
    example = describe(np.arange(14, dtype="float32").reshape(7, 2))

    assert example.schema == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "number"}},
        "dtype": "float32",
        "shape": [None, 2],
    }
    assert example.rows == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]


def test_a_frame_has_its_columns_in_order_with_their_dtypes() -> None:
    frame = pd.DataFrame({"b": [1, 2], "a": [0.5, 1.5], "c": [True, False], "d": ["x", "y"]})

    example = describe(frame)

    assert example.schema == {
        "type": "object",
        "properties": {
            "b": {"type": "integer", "dtype": "int64"},
            "a": {"type": "number", "dtype": "float64"},
            "c": {"type": "boolean", "dtype": "bool"},
            "d": {"type": "string", "dtype": "object"},
        },
        "required": ["b", "a", "c", "d"],
        "order": ["b", "a", "c", "d"],
    }
    assert example.rows == [
        {"b": 1, "a": 0.5, "c": True, "d": "x"},
        {"b": 2, "a": 1.5, "c": False, "d": "y"},
    ]


def test_nan_is_null_in_the_excerpt_and_makes_the_column_nullable() -> None:
    example = describe(pd.DataFrame({"a": [0.5, np.nan]}))

    assert example.schema["properties"]["a"] == {"type": ["number", "null"], "dtype": "float64"}
    assert example.rows == [{"a": 0.5}, {"a": None}]


def test_a_null_far_below_the_excerpt_is_seen() -> None:
    frame = pd.DataFrame({"a": [0.5] * 100 + [np.nan], "b": ["x"] * 100 + [None]})

    column_schemas = properties(frame)

    assert column_schemas["a"]["type"] == ["number", "null"]
    assert column_schemas["b"]["type"] == ["string", "null"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.array([1, None], dtype="Int64"), {"type": ["integer", "null"], "dtype": "int64"}),
        (pd.array([True, None], dtype="boolean"), {"type": ["boolean", "null"], "dtype": "bool"}),
        (pd.array(["x", None], dtype="string"), {"type": ["string", "null"], "dtype": "object"}),
        (pd.Series(["x", 1], dtype="object"), {"type": ["integer", "string"], "dtype": "object"}),
        (pd.Series([1, 2.5], dtype="object"), {"type": "number", "dtype": "object"}),
        (
            pd.Series([[1, 2], [3, 4]]),
            {"type": "array", "items": {"type": "integer"}, "shape": [2]},
        ),
        (pd.Series([None, None], dtype="object"), {"dtype": "object"}),
        (
            pd.Series([{"x": 1}, {"x": 2}]),
            {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        ),
        (
            pd.Series(["u", None], dtype=pd.CategoricalDtype(["u", "v"])),
            {"type": ["string", "null"], "enum": ["u", "v", None], "dtype": "category"},
        ),
        (
            pd.Series([1, 2], dtype=pd.CategoricalDtype([2, 1, 3])),
            {"type": "integer", "enum": [2, 1, 3], "dtype": "category"},
        ),
    ],
    ids=str,
)
def test_a_column_of_a_frame_is_told_by_dtype_and_values(values: Any, expected: Schema) -> None:
    assert properties(pd.DataFrame({"a": values}))["a"] == expected


def test_dates_are_texts_whoever_holds_them() -> None:
    day = dt.date(2026, 1, 2)
    frame = pd.DataFrame(
        {
            "local": pd.to_datetime(["2026-01-02", None]),
            "zoned": pd.to_datetime(["2026-01-02T10:00Z"] * 2),
            "days": [day, day],
            "spans": pd.to_timedelta([1, 2], unit="s"),
        }
    )

    example = describe(frame)

    assert [column["type"] for column in example.schema["properties"].values()] == [
        ["string", "null"],
        "string",
        "string",
        "string",
    ]
    assert example.rows == [
        {
            "local": "2026-01-02T00:00:00",
            "zoned": "2026-01-02T10:00:00+00:00",
            "days": "2026-01-02",
            "spans": "P0DT0H0M1S",
        },
        {
            "local": None,
            "zoned": "2026-01-02T10:00:00+00:00",
            "days": "2026-01-02",
            "spans": "P0DT0H0M2S",
        },
    ]


def test_numpy_dates_are_texts_and_its_missing_dates_null() -> None:
    dates = describe(np.array(["2026-01-02", "NaT"], dtype="datetime64[ns]"))
    spans = describe(np.array([90], dtype="timedelta64[s]"))

    assert dates.rows == ["2026-01-02T00:00:00", None]
    assert dates.schema["items"] == {"type": ["string", "null"]}
    assert spans.rows == ["0:01:30"]


def test_a_series_is_an_array_even_if_its_labels_are_numbers() -> None:
    series = pd.Series([1.5, 2.5], index=[7.5, 3.5])

    example = describe(series)

    assert example.schema["shape"] == [None]
    assert example.rows == [1.5, 2.5]


def test_columns_called_by_numbers_are_called_by_texts() -> None:
    assert list(properties(pd.DataFrame(np.zeros((2, 2))))) == ["0", "1"]


def test_a_structured_array_is_a_table() -> None:
    array = np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f8")])

    example = describe(array)

    assert example.schema["order"] == ["a", "b"]
    assert example.rows == [{"a": 1, "b": 0.5}]


def test_polars_frames_and_series_are_understood() -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = pl.DataFrame(
        {
            "i": [1, None],
            "f": [0.5, float("nan")],
            "s": ["x", "y"],
            "d": [dt.date(2026, 1, 2)] * 2,
            "l": [[1, 2], [3, 4]],
            "e": pl.Series(["u", "v"], dtype=pl.Enum(["u", "v", "w"])),
        }
    )

    example = describe(frame)

    assert example.schema["properties"] == {
        "i": {"type": ["integer", "null"], "dtype": "int64"},
        "f": {"type": ["number", "null"], "dtype": "float64"},
        "s": {"type": "string", "dtype": "object"},
        "d": {"type": "string"},
        "l": {"type": "array", "items": {"type": "integer"}, "shape": [2]},
        "e": {"type": "string", "enum": ["u", "v", "w"], "dtype": "category"},
    }
    assert example.rows[1] == {
        "i": None,
        "f": None,
        "s": "y",
        "d": "2026-01-02",
        "l": [3, 4],
        "e": "v",
    }
    assert describe(frame["s"]).rows == ["x", "y"]


def test_tensors_are_arrays() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.tensor([[0.5, float("nan")]], requires_grad=True)

    example = describe(tensor)

    assert example.schema == {
        "type": "array",
        "items": {"type": "array", "items": {"type": ["number", "null"]}},
        "dtype": "float32",
        "shape": [None, 2],
    }
    assert example.rows == [[0.5, None]]
    assert describe(torch.zeros(2, dtype=torch.bfloat16)).schema["dtype"] == "bfloat16"


def test_the_categories_of_an_array_belong_to_its_elements() -> None:
    example = describe(pd.Categorical(["u"], categories=["u", "v"]))

    assert example.schema["items"] == {"type": "string", "enum": ["u", "v"]}
    assert example.rows == ["u"]
