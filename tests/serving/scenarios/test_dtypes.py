"""Columns by the dtypes that pandas over Arrow and polars write into schemas."""

from typing import Any

import pytest

from holdfast.core import schema
from holdfast.rows import feeding
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal


class First:
    """Goes by names, as a part that was fitted with a frame."""

    feature_names_in_ = ("x",)


def fed(type_: str, dtype: str, value: Any) -> tuple[str, Any]:
    """Return the dtype and the value of a column that a model is fed."""
    column = {"type": type_, "dtype": dtype}
    words = {"type": "object", "properties": {"x": column}, "required": ["x"], "order": ["x"]}
    check = Checker(schema.parse(words, "input_schema"))
    frame = feeding.feeder("m@1.0.0", First(), check.form)(check([{"x": value}]))
    return str(frame["x"].dtype), frame["x"][0]


@pytest.mark.parametrize(
    ("type_", "dtype", "value", "expected_dtype"),
    [
        ("integer", "int64[pyarrow]", 3, "int64"),
        ("integer", "uint8[pyarrow]", 3, "uint8"),
        ("number", "double[pyarrow]", 1.5, "float64"),
        ("number", "float[pyarrow]", 1.5, "float32"),
        ("number", "halffloat[pyarrow]", 1.5, "float16"),
        ("number", "decimal128(5, 2)[pyarrow]", 1.25, "float64"),
        ("boolean", "bool[pyarrow]", True, "bool"),
        ("integer", "interval[int64]", 3, "int64"),
        ("number", "float8_e4m3", 1.5, "float64"),
    ],
)
def test_numbers_have_the_dtype_of_arrows_values(
    type_: str, dtype: str, value: Any, expected_dtype: str
) -> None:
    assert fed(type_, dtype, value) == (expected_dtype, value)


@pytest.mark.parametrize(
    ("dtype", "text", "expected_dtype", "moment"),
    [
        ("timestamp[ns][pyarrow]", "2026-01-31T12:00", "datetime64[ns]", "2026-01-31 12:00:00"),
        (
            "timestamp[us, tz=Europe/Berlin][pyarrow]",
            "2026-01-31T12:00Z",
            "datetime64[us, Europe/Berlin]",
            "2026-01-31 13:00:00+01:00",
        ),
        ("date32[day][pyarrow]", "2026-01-31", "datetime64[ns]", "2026-01-31 00:00:00"),
        (
            "Datetime(time_unit='us', time_zone=None)",
            "2026-01-31T12:00",
            "datetime64[us]",
            "2026-01-31 12:00:00",
        ),
        (
            "Datetime(time_unit='ns', time_zone='UTC')",
            "2026-01-31T12:00Z",
            "datetime64[ns, UTC]",
            "2026-01-31 12:00:00+00:00",
        ),
        ("Date", "2026-01-31", "datetime64[ns]", "2026-01-31 00:00:00"),
    ],
)
def test_times_are_brought_to_the_zone_and_unit_of_the_dtype(
    dtype: str, text: str, expected_dtype: str, moment: str
) -> None:
    actual_dtype, value = fed("string", dtype, text)

    assert (actual_dtype, str(value)) == (expected_dtype, moment)


@pytest.mark.parametrize("value", [300, -1])
def test_arrows_integers_have_their_range(value: int) -> None:
    with pytest.raises(Refusal):
        fed("integer", "uint8[pyarrow]", value)


def test_arrows_times_are_iso_8601_only() -> None:
    with pytest.raises(Refusal, match="must be a time of ISO 8601"):
        fed("string", "timestamp[ns][pyarrow]", "31.01.2026")
