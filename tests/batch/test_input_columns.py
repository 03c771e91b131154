"""Which columns of a table a version takes, and which it cannot."""

from typing import Any

import pyarrow as pa
import pytest

from holdfast.batch.input_columns import InputColumns, TableColumns, found
from holdfast.core import schema
from holdfast.errors import InvalidInputError, UnsupportedError

WORDS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "number"},
        "count": {"type": "integer"},
        "name": {"type": "string"},
        "old": {"type": "boolean"},
        "when": {"type": "string", "dtype": "datetime64[ns]"},
        "tags": {"type": "array", "items": {"type": "number"}},
        "any": {},
    },
    "required": ["age"],
    "order": ["age", "count", "name", "old", "when", "tags", "any"],
}


def find(words: Any, known: Any = None, beside: tuple[str, ...] = (), **types: Any) -> InputColumns:
    table = TableColumns("data", tuple(types), types)
    return found("m@1", schema.parse(words, "input_schema"), known, table, beside)


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("age", pa.float32()),
        ("age", pa.int8()),
        ("age", pa.decimal128(9, 2)),
        ("age", pa.dictionary(pa.int8(), pa.float64())),
        ("age", pa.null()),
        ("count", pa.float64()),
        ("name", pa.large_string()),
        ("name", pa.dictionary(pa.int32(), pa.string())),
        ("old", pa.bool_()),
        ("when", pa.timestamp("ns", "UTC")),
        ("when", pa.date32()),
        ("when", pa.string()),
        ("tags", pa.list_(pa.float64())),
        ("any", pa.bool_()),
        ("any", pa.string()),
    ],
)
def test_types_that_may_hold_what_is_due_are_taken(name: str, held: Any) -> None:
    taken = find(WORDS, **{"age": pa.float64(), "more": pa.int64(), name: held})

    assert name in taken.names
    assert taken.ignored == ("more",)
    assert "when" in {column.name for column in taken.absent} | {name}


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("age", pa.string()),
        ("age", pa.bool_()),
        ("age", pa.list_(pa.float64())),
        ("age", pa.timestamp("s")),
        ("name", pa.int64()),
        ("name", pa.binary()),
        ("old", pa.int8()),
        ("when", pa.int64()),
        ("when", pa.time32("s")),
        ("tags", pa.float64()),
        ("any", pa.struct([("a", pa.int8())])),
        ("any", pa.duration("s")),
    ],
)
def test_types_that_cannot_hold_it_are_refused(name: str, held: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"in the column '{name}', which m@1 takes as"):
        find(WORDS, **{"age": pa.float64(), name: held})


def test_a_column_that_is_missing_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"data has no column 'age', .* it has a, b"):
        find(WORDS, a=pa.int8(), b=pa.int8())


def test_a_name_that_occurs_twice_is_refused_where_it_is_taken() -> None:
    table = TableColumns("data", ("age", "x", "x", "age"), {})
    signature = schema.parse(WORDS, "input_schema")

    with pytest.raises(InvalidInputError, match="has 2 columns called 'age'"):
        found("m@1", signature, None, table)
    assert found("m@1", signature, None, TableColumns("data", ("age", "x", "x"), {})).ignored


def test_texts_cannot_hold_lists() -> None:
    table = TableColumns("data", ("age", "tags"), {}, is_text=True)

    with pytest.raises(InvalidInputError, match="cannot hold the column 'tags'"):
        found("m@1", schema.parse(WORDS, "input_schema"), None, table)


def test_whole_numbers_may_be_absent_as_others_may() -> None:
    words = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a"],
        "order": ["a", "b"],
    }
    taken = find(words, a=pa.int64())

    assert taken.names == ("a",)
    assert [column.name for column in taken.absent] == ["b"]


def test_without_a_schema_the_names_it_was_fitted_with_are_taken() -> None:
    taken = find(None, ["b", "a"], a=pa.int64(), b=pa.int64(), c=pa.int64())

    assert taken.names == ("b", "a")
    assert taken.ignored == ("c",)
    assert taken.remark is None


def test_without_any_names_all_are_taken_but_those_beside() -> None:
    taken = find(None, None, ("id",), id=pa.string(), a=pa.int64(), b=pa.float64())

    assert taken.names == ("a", "b")
    assert "names no columns" in str(taken.remark)


@pytest.mark.parametrize(
    "words",
    [
        {"type": "array", "items": {"type": "number"}, "shape": [None, 3, 4]},
        {"type": "number"},
    ],
)
def test_what_is_not_a_table_is_refused(words: Any) -> None:
    with pytest.raises(UnsupportedError, match="takes no table of rows"):
        find(words, a=pa.int64())
