"""Schemas of examples, inferred from real arrays and frames and checked by jsonschema."""

import datetime as dt
import decimal
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.schema import parse
from holdfast.errors import InvalidInputError
from holdfast.formats.example import MAX_EXCERPT_BYTES, Table, describe

Schema = dict[str, Any]


def properties(example: object) -> dict[str, Schema]:
    """Return what is said of each column of a table."""
    return dict(describe(example).schema["properties"])


def test_records_tell_what_is_required_and_nested() -> None:
    example = describe([{"a": 1, "b": {"c": [0.5, 1]}}, {"a": None, "b": {"c": [2, 3]}, "d": "x"}])

    assert example.schema == {
        "type": "object",
        "properties": {
            "a": {"type": ["number", "null"]},
            "b": {
                "type": "object",
                "properties": {"c": {"type": "array", "items": {"type": "number"}, "shape": [2]}},
                "required": ["c"],
            },
            "d": {"type": "string"},
        },
        "required": ["a", "b"],
    }
    assert example.rows == [
        {"a": 1, "b": {"c": [0.5, 1]}},
        {"a": None, "b": {"c": [2, 3]}, "d": "x"},
    ]


def test_a_dict_of_sequences_is_a_table_by_columns() -> None:
    example = describe({"a": [1, 2], "b": np.zeros((2, 3)), "c": ("x", None)})

    assert example.schema["properties"] == {
        "a": {"type": "number"},
        "b": {"type": "array", "items": {"type": "number"}, "dtype": "float64", "shape": [3]},
        "c": {"type": ["string", "null"]},
    }
    assert example.rows[1] == {"a": 2, "b": [0.0, 0.0, 0.0], "c": None}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (list(range(19)), "number"),
        (list(range(20)), "integer"),
        ([1, 2**53 + 1], "integer"),
        ([1, 2**53], "number"),
        ([1, 0.5], "number"),
        ([True, False], "boolean"),
        ([1, None], ["number", "null"]),
    ],
)
def test_few_whole_numbers_do_not_show_that_no_fraction_comes(values: list[Any], kind: Any) -> None:
    assert properties({"a": values})["a"]["type"] == kind
    assert properties([{"a": value} for value in values])["a"]["type"] == kind


def test_a_dtype_and_a_tensor_are_taken_at_their_word() -> None:
    assert properties({"a": np.array([1, 2])})["a"]["type"] == "integer"
    assert describe([[1, 2], [3, 4]]).schema["items"]["items"] == {"type": "integer"}


def test_a_table_with_an_order_may_be_sent_by_position() -> None:
    example = describe(Table({"b": [1.5], "a": ["x"]}, ordered=True))

    assert (example.schema["order"], example.rows) == (["b", "a"], [{"b": 1.5, "a": "x"}])


def test_any_other_dict_is_one_row() -> None:
    example = describe({"a": 1, "b": [0.5, 1.5], "c": None})

    assert example.schema["properties"] == {
        "a": {"type": "number"},
        "b": {"type": "array", "items": {"type": "number"}, "shape": [2]},
        "c": {},
    }
    assert example.rows == [{"a": 1, "b": [0.5, 1.5], "c": None}]


def test_a_list_that_may_be_missing_in_a_record_is_a_nullable_array() -> None:
    column_schemas = properties([{"a": [1, 2]}, {"a": None}])

    assert column_schemas["a"] == {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "shape": [2],
    }


def test_lists_of_lists_and_of_arrays_are_arrays() -> None:
    lists = describe([[1, 2], [3, 4]])
    arrays = describe([np.zeros(2), np.ones(2)])

    assert lists.schema["shape"] == arrays.schema["shape"] == [None, 2]
    assert arrays.rows == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("value", "schema", "rows"),
    [
        (5, {"type": "integer"}, 5),
        (True, {"type": "boolean"}, True),
        ("text", {"type": "string"}, "text"),
        (np.float32(0.5), {"type": "number", "dtype": "float32"}, 0.5),
        (np.array(7), {"type": "integer", "dtype": "int64"}, 7),
        (np.bool_(1), {"type": "boolean", "dtype": "bool"}, True),
        (decimal.Decimal("1.5"), {"type": "number"}, 1.5),
        (dt.time(1, 2), {"type": "string"}, "01:02:00"),
        (dt.timedelta(seconds=1), {"type": "string"}, "0:00:01"),
    ],
    ids=repr,
)
def test_a_lone_value_is_its_own_excerpt(value: object, schema: Schema, rows: object) -> None:
    example = describe(value)

    assert example.schema == schema
    assert example.rows == rows
    assert type(example.rows) is type(rows)


@pytest.mark.parametrize(
    "example",
    [
        [],
        (),
        {},
        [{}],
        [[]],
        None,
        float("nan"),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        pd.DataFrame(),
        pd.DataFrame(index=[1]),
        pd.DataFrame({"a": []}),
        {"a": []},
        {"a": {}},
    ],
    ids=repr,
)
def test_nothing_has_no_schema(example: object) -> None:
    with pytest.raises(InvalidInputError, match=r"is empty|has no columns"):
        describe(example)


@pytest.mark.parametrize(
    "example",
    [
        [[1, 2], [3]],
        [[1, 2], 3],
        [[1, 2], None],
        [[[1], [2]], [[3], None]],
        {"a": [1, 2], "b": [1]},
        [{"a": [1]}, {"a": [1, 2]}],
    ],
    ids=repr,
)
def test_what_is_ragged_is_refused(example: object) -> None:
    with pytest.raises(InvalidInputError, match="ragged"):
        describe(example)


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ({1, 2}, "a value of type set"),
        (object(), "a value of type object"),
        ([b"x"], "a value of type bytes"),
        (np.array([1j]), "a value of type complex"),
        (pd.DataFrame({"a": pd.cut([1, 5], 2)}), "a value of type Interval"),
        ([1.0, float("inf")], "has the value inf"),
        ([10**30], "has the value 1000"),
        ([{"a": 1}, 2], "mixes records and other values"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "has two columns called 'a'"),
        (pd.DataFrame([[1]], columns=[("a", "b")]), "which is not a name"),
        ({"": 1}, "has the column '', which is not a name"),
    ],
    ids=[
        "set",
        "object",
        "bytes",
        "complex",
        "interval",
        "inf",
        "big",
        "mix",
        "twice",
        "tuple",
        "",
    ],
)
def test_what_json_cannot_hold_is_refused(example: object, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as refusal:
        describe(example)

    assert refusal.value.subject.startswith("input_example")
    assert refusal.value.advice


def test_a_refusal_names_the_column() -> None:
    with pytest.raises(InvalidInputError, match=r"input_example\.b\.c has a value of type bytes"):
        describe([{"b": {"c": b"x"}}])


def test_the_excerpt_is_bounded_in_bytes() -> None:
    some = describe(np.zeros((5, 5000)))
    none = describe(np.zeros((5, 100_000)))

    assert 0 < len(some.rows) < 5
    assert len(str(some.rows)) < 2 * MAX_EXCERPT_BYTES
    assert none.rows is None
    assert none.schema["shape"] == [None, 100_000]


def test_no_bounds_and_no_categories_are_invented() -> None:
    words = str(describe(pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})).schema)

    assert not [word for word in ("minimum", "maximum", "enum", "minItems") if word in words]


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(-1e9, 1e9), st.text()
)
FIELDS = {"a": LEAVES, "b": LEAVES, "c": st.lists(LEAVES, min_size=2, max_size=2)}
RECORDS = st.lists(st.fixed_dictionaries({"z": LEAVES}, optional=FIELDS), min_size=1)


@given(RECORDS)
def test_an_inferred_schema_admits_its_own_example(records: list[Schema]) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    example = describe(records)
    validator = Draft202012Validator(example.schema)

    assert parse(example.schema, "input_schema") is not None
    assert [error.message for row in records for error in validator.iter_errors(row)] == []


@pytest.mark.parametrize(
    "example",
    [
        np.array([[1.0, np.nan]]),
        np.zeros((2, 3, 4), dtype="uint8"),
        np.array(["x", "y"]),
        np.array([["x", 1], ["y", None]], dtype=object),
        [1, 2.5, None],
        [["x", 1], ["y", 2]],
    ],
    ids=repr,
)
def test_the_schema_of_an_array_admits_its_excerpt(example: object) -> None:
    from jsonschema import Draft202012Validator

    inferred_example = describe(example)

    assert parse(inferred_example.schema, "input_schema") is not None
    assert [
        error.message
        for error in Draft202012Validator(inferred_example.schema).iter_errors(
            inferred_example.rows
        )
    ] == []


def test_describing_plain_values_imports_no_library() -> None:
    script = (
        "import sys; from holdfast.formats.example import Table, describe; describe([{'a': 1.5}]);"
        "print(sorted({'numpy', 'pandas', 'polars', 'torch', 'sklearn'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert done.stdout.strip() == "[]"
