"""Parts of tables held against a schema: the same rows pass as at a server."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.batch.input_columns import TableColumns, found
from holdfast.batch.row_checks import CheckedPart, RowChecker
from holdfast.core import schema
from holdfast.errors import InvalidInputError
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal


def checked(words: Any, *, is_text: bool = False, **columns: Any) -> CheckedPart:
    signature = schema.parse(words, "input_schema")
    types = {name: array.type for name, array in columns.items() if hasattr(array, "type")}
    table = TableColumns("data", tuple(columns), {} if is_text else types, is_text)
    inputs = found("m@1", signature, None, table)
    count = len(next(iter(columns.values())))
    return RowChecker(signature, inputs, is_text=is_text)(count, columns)


def table(**properties: Any) -> Any:
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names, "order": names}


NUMBER = table(a={"type": "number"})
INTEGER = table(a={"type": "integer"})
SMALL = table(a={"type": "number", "dtype": "float32"})


@pytest.mark.parametrize(
    ("words", "array", "errors"),
    [
        (NUMBER, pa.array([1.0, None, np.nan, 2]),
         {1: "a is null", 2: "a is nan, which is not finite"}),
        (NUMBER, pa.array([1, None, 3]), {1: "a is null"}),
        (INTEGER, pa.array([1, None, 3]), {1: "a is null"}),
        (INTEGER, pa.array([1.0, 2.5]), {1: "a must be a whole number, not 2.5"}),
        (INTEGER, pa.array([2**63], pa.uint64()),
         {0: "a is 9.22337e+18, which does not fit int64"}),
        (SMALL, pa.array([1.0, 1e39]), {1: "a is 1e+39, which does not fit float32"}),
        (table(a={"type": "number", "exclusiveMinimum": 0}), pa.array([0.0, 1.0]),
         {0: "a is 0, not above 0"}),
        (table(a={"type": "integer", "dtype": "int8"}), pa.array([127, 128]),
         {1: "a is 128, which does not fit int8"}),
        (table(a={"type": "boolean"}), pa.array([True, None]), {1: "a is null"}),
        (table(a={"type": "string"}), pa.array(["x", None]), {1: "a is null"}),
        (table(a={"type": "string", "dtype": "datetime64[ns]"}), pa.array(["2026-01-01", "May"]),
         {1: "a must be a time of ISO 8601, such as 2026-01-31T12:00:00, not 'May'"}),
        (table(a={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
         pa.array([[1.0, 2.0], [1.0], [3.0, 4.0]]), {1: "a has 1 values, but needs 2"}),
        (NUMBER, [1, "x", True, 2.5],
         {1: "a must be a number, not 'x'", 2: "a must be a number, not True"}),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_told(words: Any, array: Any, errors: dict[int, str]) -> None:
    part = checked(words, a=array)

    assert dict(part.errors) == errors
    assert part.rows is None or len(part.rows) == len(array) - len(errors)


@pytest.mark.parametrize(
    ("words", "texts", "rows", "errors"),
    [
        (NUMBER, ["1", "1.5", " 2", None], [[1.0], [1.5], [2.0]], {3: "a is null"}),
        (NUMBER, ["1", "x"], [[1.0]], {1: "a must be a number, not 'x'"}),
        (INTEGER, ["1", "2.0"], [[1], [2]], {}),
        (table(a={"type": "boolean"}), ["true", "0", "maybe"], [[True], [False]],
         {2: "a must be of type boolean, not 'maybe'"}),
        (table(a={"type": "string"}), ["x", None], [["x"], [""]], {}),
        (table(a={"type": ["string", "null"]}), ["x", None], [["x"], [None]], {}),
    ],
)  # fmt: skip
def test_texts_of_csv_are_read_as_what_is_due(
    words: Any, texts: list[Any], rows: Any, errors: dict[int, str]
) -> None:
    part = checked(words, is_text=True, a=pa.array(texts, pa.string()))

    assert dict(part.errors) == errors
    assert np.asarray(part.rows).tolist() == rows


def test_nan_stands_for_null_where_that_is_admitted() -> None:
    words = table(a={"type": ["number", "null"]}, b={"type": "string"})
    part = checked(words, a=pa.array([1.0, np.nan, None]), b=pa.array(["x", "y", "z"]))

    assert part.rows == [[1.0, "x"], [None, "y"], [None, "z"]]
    nullable = table(a={"type": ["number", "null"]})
    assert np.isnan(checked(nullable, a=pa.array([None, np.nan])).rows).all()


def test_times_decimals_and_dictionaries_are_values() -> None:
    words = table(
        a={"type": "number"}, b={"type": "string", "enum": ["x"]},
        c={"type": "string", "dtype": "datetime64[ns, UTC]"},
    )  # fmt: skip
    from datetime import UTC, date, datetime
    from decimal import Decimal

    part = checked(
        words,
        a=pa.array([Decimal("1.50")]),
        b=pa.array(["x"]).dictionary_encode(),
        c=pa.array([datetime(2026, 1, 2, 3, tzinfo=UTC)], pa.timestamp("us", "UTC")),
    )
    assert part.rows == [[1.5, "x", "2026-01-02 03:00:00.000000Z"]]
    days = table(c={"type": "string", "dtype": "datetime64[ns]"})
    assert checked(days, c=pa.array([date(2026, 1, 2)])).rows == [["2026-01-02"]]


def test_a_column_that_is_optional_may_be_absent() -> None:
    words = table(a={"type": "number"}, b={"type": ["number", "null"]})
    words["required"] = ["a"]
    part = checked(words, a=pa.array([1.0, 2.0]))

    assert part.rows.shape == (2, 2)
    assert np.isnan(part.rows[:, 1]).all()
    words = table(a={"type": "string"}, b={"type": ["string", "null"]})
    words["required"] = ["a"]
    assert checked(words, a=pa.array(["x"])).rows == [["x", None]]


def test_where_no_types_are_told_numbers_make_one_array() -> None:
    words = table(a={}, b={})
    part = checked(words, a=pa.array([1, 2]), b=pa.array([0.5, 1.5]))
    mixed = checked(words, a=pa.array([1, None]), b=pa.array([0.5, np.inf]))
    nulls = checked(words, a=pa.array([1, None]), b=pa.array([0.5, np.nan]))

    assert part.rows.tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert np.isnan(nulls.rows).tolist() == [[False, False], [True, True]]
    assert mixed.rows == [[1, 0.5]]
    assert dict(mixed.errors) == {1: "b is inf, which is not finite"}
    texts = checked(words, is_text=True, a=pa.array(["1", "2"]), b=pa.array(["x", "2"]))
    assert texts.rows == [[1.0, "x"], [2.0, "2"]]


def test_whole_numbers_of_csv_are_exact_beside_broken_ones() -> None:
    cells = ["1E+05", "7.0", "9007199254740993", "-9007199254740993", None, "x"]
    part = checked(INTEGER, is_text=True, a=pa.array(cells))
    small = checked(INTEGER, is_text=True, a=pa.array(["1E+05", "7.0"]))

    assert part.rows.ravel().tolist() == [100_000, 7, 9007199254740993, -9007199254740993]
    assert {*part.errors} == {4, 5}
    assert small.rows.ravel().tolist() == [100_000, 7]


def test_texts_without_a_type_are_one_kind_in_all_parts() -> None:
    signature = schema.parse(table(a={}), "input_schema")
    inputs = found("m@1", signature, None, TableColumns("data", ("a",), {}, is_text=True))
    empty, numbers, texts = (pa.array(cells, pa.string()) for cells in ([None], ["01"], ["x"]))
    late = RowChecker(signature, inputs, is_text=True)
    early = RowChecker(signature, inputs, is_text=True)

    assert np.isnan(late(1, {"a": empty}).rows).all()
    assert late(1, {"a": texts}).rows == [["x"]]
    assert late(1, {"a": numbers}).rows == [["01"]]
    assert early(1, {"a": numbers}).rows.tolist() == [[1.0]]
    with pytest.raises(InvalidInputError, match="has numbers first and texts later; describe"):
        early(1, {"a": texts})


def test_without_a_schema_numbers_make_an_array_and_all_else_a_frame() -> None:
    numbers = checked(None, a=pa.array([1, 2]), b=pa.array([0.5, 1.5]))
    mixed = checked(None, a=[1, "x"], b=pa.array(["x", None]))

    assert numbers.rows.tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert list(mixed.rows.columns) == ["a", "b"]
    assert mixed.rows.a.tolist() == [1, "x"]


def test_a_part_without_rows_has_none() -> None:
    assert len(checked(NUMBER, a=pa.array([], pa.float64())).rows) == 0


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-200, 200), st.sampled_from(["Bern", "Rome", "", "1"]),
    st.floats(allow_nan=True), st.sampled_from([2**53 + 1, -(2**63), 2**70, 1e300]),
)  # fmt: skip
COLUMNS = st.sampled_from(
    [
        {"type": "number"},
        {"type": "integer", "minimum": -5},
        {"type": "number", "dtype": "float32", "maximum": 100},
        {"type": ["number", "null"]},
        {"type": "boolean"},
        {"type": "string", "enum": ["Bern", "Rome"]},
        {"type": ["integer", "string"]},
        {},
    ]
)


@given(column=COLUMNS, cells=st.lists(VALUES, min_size=1, max_size=6))
def test_a_row_is_admitted_where_a_server_admits_it(column: Any, cells: list[Any]) -> None:
    words = table(a=column)
    signature = schema.parse(words, "input_schema")
    admitted = []
    for value in cells:
        is_nan = isinstance(value, float) and value != value  # noqa: PLR0124
        sent = None if is_nan and "null" in column.get("type", ()) else value
        try:
            Checker(signature)([{"a": sent}])
        except Refusal:
            admitted.append(False)
        else:
            admitted.append(True)
    try:
        array: Any = pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        array = cells
    if any(isinstance(value, bool) for value in cells) and array is not cells:
        array = array if pa.types.is_boolean(array.type) else cells  # Arrow makes 0.0 of False
    inputs = found("m@1", signature, None, TableColumns("data", ("a",), {}), ())
    part = RowChecker(signature, inputs, is_text=False)(len(cells), {"a": array})

    assert [row not in part.errors for row in range(len(cells))] == admitted
