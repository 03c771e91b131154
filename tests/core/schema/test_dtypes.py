"""Names of dtypes from every library, and the JSON types of their values."""

import pytest

from holdfast.core.schema import dtypes


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("float64", "float64"),
        ("<f4", "float32"),
        ("f", "float64"),
        ("|u1", "uint8"),
        ("<U8", "object"),
        ("|S5", "object"),
        ("Int64", "int64"),
        ("torch.bfloat16", "bfloat16"),
        ("Boolean", "bool"),
        ("bool_", "bool"),
        ("category", "object"),
        ("Enum(categories=['x'])", "object"),
        ("string[pyarrow]", "object"),
        ("str_", "object"),
        ("datetime64[ns]", "datetime64"),
        ("datetime64[us, Europe/Vienna]", "datetime64[Europe/Vienna]"),
        ("datetime64[UTC]", "datetime64[UTC]"),
        ("datetime64[Mars/Olympus]", "datetime64[Mars/Olympus]"),
        ("datetime64[m]", "datetime64"),
        ("timedelta64[s]", "timedelta64"),
        ("int64[pyarrow]", "int64"),
        ("double[pyarrow]", "float64"),
        ("bool[pyarrow]", "bool"),
        ("large_string[pyarrow]", "object"),
        ("timestamp[us][pyarrow]", "datetime64"),
        ("timestamp[ns, tz=Europe/Vienna][pyarrow]", "datetime64[Europe/Vienna]"),
        ("Datetime(time_unit='us', time_zone=None)", "datetime64"),
        ("Datetime(time_unit='ms', time_zone='UTC')", "datetime64[UTC]"),
        ("float8_e4m3fn", "float8_e4m3fn"),
    ],
)
def test_every_spelling_has_one_name(spelling: str, name: str) -> None:
    assert dtypes.canonical(spelling) == name
    assert dtypes.canonical(name) == name


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", "number"),
        ("bfloat16", "number"),
        ("uint8", "integer"),
        ("bool", "boolean"),
        ("datetime64[UTC]", "string"),
        ("object", None),
        ("complex128", None),
    ],
)
def test_a_dtype_tells_the_json_type_where_it_can(dtype: str, expected: str | None) -> None:
    assert dtypes.json_type(dtype) == expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("object", "complex128", True),
        ("complex128", "float64", False),
        ("complex128", "complex128", True),
        ("float64", "bool", False),
        ("float128", "uint64", True),
        ("float32", "bfloat16", True),
        ("bfloat16", "float16", False),
        ("bfloat16", "int8", True),
        ("bfloat16", "int16", False),
        ("float8_e4m3fn", "int8", False),
        ("float9", "int8", False),
    ],
)
def test_a_dtype_holds_what_it_can_represent(wide: str, narrow: str, *, expected: bool) -> None:
    assert dtypes.holds(wide, narrow) is expected
