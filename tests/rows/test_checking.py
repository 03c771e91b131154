"""Rows of a request held against a schema."""

from typing import Any

import numpy as np
import pytest
from tests.serving.facing import NUMBERS

from holdfast.core import schema
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal
from holdfast.rows.request_rows import NamedRows

MIXED = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "city": {"type": "string", "enum": ["Bern", "Oslo"]},
        "income": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "home": {
            "type": "object",
            "properties": {"zip": {"type": "string"}, "floor": {"type": "integer"}},
            "required": ["zip"],
        },
    },
    "required": ["age", "city", "income"],
}
FULL = {
    "age": 40,
    "city": "Bern",
    "income": None,
    "tags": ["a", "b"],
    "home": {"zip": "3000"},
}
MATRIX = {"type": "array", "items": {"type": "number"}, "shape": [None, 3], "dtype": "float32"}


def checker(words: dict[str, Any] | None) -> Checker:
    return Checker(schema.parse(words, "input_schema"))


def refusal(words: dict[str, Any] | None, payload: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        checker(words)(payload)
    return caught.value


@pytest.mark.parametrize(
    "payload",
    [
        [[1, 2.5], [3, 4]],
        [{"age": 1, "height": 2.5}, {"height": 4, "age": 3, "note": "more"}],
        {"age": [1, 3], "height": [2.5, 4]},
        {"age": np.array([[1], [3]]), "height": np.array([2.5, 4])},
        {"anything": np.array([[1, 2.5], [3, 4]])},
        np.array([[1, 2.5], [3, 4]], dtype="float32"),
        NamedRows(("height", "age"), [[2.5, 1], [4, 3]]),
        NamedRows((), [["age", "height"], ["1", "2.5"], ["3", "4"]], texts=True),
        NamedRows((), [["1", "2.5"], ["3", "4"]], texts=True),
    ],
)
def test_a_table_of_numbers_becomes_one_array_however_it_is_sent(payload: Any) -> None:
    rows = checker(NUMBERS)(payload)

    assert rows.dtype == "float64"
    assert rows.tolist() == [[1.0, 2.5], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("payload", "field", "message"),
    [
        ([[1, "x"]], "height", "must be a number, not 'x' (row 0)"),
        ([[1, 2], [None, 2]], "age", "is null (row 1)"),
        ([[1, True]], "height", "must be a number, not True"),
        ([[1, 2], [-1, 2]], "age", "is -1, below 0 (row 1)"),
        ([[1]], "[0]", "has 1 values, but the schema has 2 columns"),
        ([[1, 2], 3], "[1]", "is not a list of values"),
        ([{"age": 1}], "height", "is missing (row 0)"),
        ([{"age": 1, "height": 2}, [1, 2]], "[1]", "is not an object"),
        ({"age": [1]}, "height", "is missing"),
        ({"age": [1], "height": [1, 2]}, "inputs", "has columns of 1 and of 2 rows"),
        ({"age": 1, "height": 2}, "age", "is not a list of values"),
        ([], "instances", "no rows"),
        (np.array([[1.0, 2.0, 3.0]]), "inputs", "has the shape [1, 3]"),
        (np.array([[1.0, np.nan]]), "height", "is not a number"),
        (np.array([[1.0, np.inf]]), "height", "is inf, which is not finite"),
        (np.array([["a", "b"]], dtype=object), "age", "must be a number, not 'a'"),
        (NamedRows(("age",), [[1]]), "height", "is missing"),
        (NamedRows(("age", "height"), [[1]]), "[0]", "is not a row of 2 values"),
        (NamedRows((), [["1", "tall"]], texts=True), "height", "must be a number, not 'tall'"),
        (NamedRows((), [["1"]], texts=True), "[0]", "is not a row of 2 values"),
    ],
)
def test_what_a_table_of_numbers_does_not_admit_is_refused_by_name(
    payload: Any, field: str, message: str
) -> None:
    error = refusal(NUMBERS, payload)

    assert (error.status, error.field) == (422, field)
    assert message in error.message


def test_rows_of_mixed_columns_become_lists_in_the_order_of_the_columns() -> None:
    checked_rows = checker(MIXED)([FULL, {"age": 1, "city": "Oslo", "income": 2.5}])

    assert checker(MIXED).form.names == ("age", "city", "income", "tags", "home")
    assert checked_rows == [
        [40, "Bern", None, ["a", "b"], {"zip": "3000"}],
        [1, "Oslo", 2.5, None, None],
    ]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"age": 1.5}, "age", "must be a whole number, not 1.5"),
        ({"age": 121}, "age", "is 121, above 120"),
        ({"city": "Rome"}, "city", "must be one of 'Bern', 'Oslo', not 'Rome'"),
        ({"city": None}, "city", "is null"),
        ({"income": "much"}, "income", "must be a number, not 'much'"),
        ({"income": [1]}, "income", "must be a number, not [1]"),
        ({"tags": ["a"]}, "tags", "has 1 values, but needs 2"),
        ({"tags": "ab"}, "tags", "must be a list, not 'ab'"),
        ({"tags": ["a", 1]}, "tags", "must be a text, not 1"),
        ({"home": {}}, "home.zip", "is missing"),
        ({"home": {"zip": 3000}}, "home.zip", "must be a text, not 3000"),
        ({"home": "3000"}, "home", "must be of type object, not '3000'"),
        ({"city": "x" * 100}, "city", "…"),
    ],
)
def test_a_value_of_a_mixed_table_is_refused_by_the_name_of_its_column(
    change: dict[str, Any], field: str, message: str
) -> None:
    error = refusal(MIXED, [FULL, FULL | change])

    assert error.field == field
    assert message in error.message
    assert "(row 1)" in error.message


def test_columns_without_an_order_are_not_taken_by_position() -> None:
    unordered = {name: words for name, words in NUMBERS.items() if name != "order"}

    assert "send objects" in refusal(unordered, [[1, 2]]).message
    assert "send them by name" in refusal(unordered, np.array([[1.0, 2.0]])).message


def test_a_mixed_table_by_columns_may_leave_out_what_is_optional() -> None:
    checked_rows = checker(MIXED)({"age": [1], "city": ["Oslo"], "income": np.array([np.nan])})

    assert checked_rows == [[1, "Oslo", None, None, None]]


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("given", [[{"a": 1}], {"a": [1]}, NamedRows(("a",), [[1]])])
def test_a_table_of_numbers_may_leave_out_what_is_optional(kind: str, given: Any) -> None:
    properties = {"a": {"type": kind}, "b": {"type": kind}}
    words = {"type": "object", "properties": properties, "required": ["a"], "order": ["a", "b"]}

    assert checker(words)(given) == [[1, None]]
    assert refusal(words, [{"a": 1, "b": None}]).field == "b"
    assert checker(words)([{"a": 1, "b": 2}, {"a": 3}]) == [[1, 2], [3, None]]


def test_a_csv_file_gives_each_cell_the_type_of_its_column() -> None:
    words = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "x": {"type": ["number", "null"]},
            "b": {"type": "boolean"},
            "s": {"type": "string"},
        },
        "required": ["n", "x", "b", "s"],
        "order": ["n", "x", "b", "s"],
    }
    rows = [["s", "b", "x", "n", "more"], ["a", "true", "", "7", "?"], ["b", "no", "1e3", "-8", ""]]
    checked_rows = checker(words)(NamedRows((), rows, texts=True))

    assert checked_rows == [[7, None, True, "a"], [-8, 1000.0, False, "b"]]
    assert refusal(words, NamedRows((), [["7", "1", "perhaps", "a"]], texts=True)).field == "b"
    assert refusal(words, NamedRows((), [["7.5", "1", "yes", "a"]], texts=True)).field == "n"


@pytest.mark.parametrize(
    "payload",
    [
        [[1, 2, 3], [4, 5, 6]],
        {"x": np.array([[1, 2, 3], [4, 5, 6]])},
        np.array([[1, 2, 3], [4, 5, 6]]),
        NamedRows(("a", "b", "c"), [[1, 2, 3], [4, 5, 6]]),
        NamedRows((), [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]], texts=True),
        NamedRows((), [["1", "2", "3"], ["4", "5", "6"]], texts=True),
    ],
)
def test_a_tensor_becomes_an_array_of_its_dtype(payload: Any) -> None:
    rows = checker(MATRIX)(payload)

    assert rows.dtype == "float32"
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ([[1, 2]], "has 2 values, but needs 3"),
        ([[1, 2, 3], [1, 2]], "rows of different shapes"),
        ([[1, 2, "x"]], "must be a number, not 'x'"),
        ([1, 2], "must be a list, not 1"),
        ({"a": [[1, 2, 3]], "b": [[1, 2, 3]]}, "has 2 parts, but needs one"),
        (np.zeros((2, 2)), "has the shape [2, 2], not [n, 3]"),
        (np.array([["a", "b", "c"]]), "not numbers"),
        (np.array([[1, 2, np.nan]]), "is not a number"),
        ([], "no rows"),
    ],
)
def test_what_a_tensor_does_not_admit_is_refused(payload: Any, message: str) -> None:
    error = refusal(MATRIX, payload)

    assert error.status == 422
    assert message in error.message or "has the shape" in error.message


def test_a_list_of_texts_stays_a_list() -> None:
    texts = {"type": "array", "items": {"type": "string"}, "shape": [None]}

    assert checker(texts)(["a", "b"]) == ["a", "b"]
    assert checker(texts)({"x": np.array(["a", "b"], dtype=object)}) == ["a", "b"]
    assert "must be a text, not 1" in refusal(texts, ["a", 1]).message


def test_bounds_are_held_against_the_number_as_it_was_sent() -> None:
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    words = {"type": "array", "items": share, "shape": [None], "dtype": "float32"}

    assert checker(words)([0.5]).tolist() == [0.5]
    assert "is 0, not above 0" in refusal(words, [0]).message
    assert "is 1, not below 1" in refusal(words, [1]).message
    assert checker(words)([0.99999999999]).dtype == "float32"


@pytest.mark.parametrize(
    ("dtype", "fits", "not_"), [("int8", 127, 128), ("uint8", 0, -1), ("int64", 2**63 - 1, 2**70)]
)
def test_a_whole_number_must_fit_its_dtype(dtype: str, fits: int, not_: int) -> None:
    words = {"type": "array", "items": {"type": "integer"}, "shape": [None], "dtype": dtype}

    assert checker(words)([fits]).tolist() == [fits]
    assert checker(words)([1.0]).tolist() == [1]
    assert "fit" in refusal(words, [not_]).message


def test_booleans_are_an_array_of_their_own() -> None:
    words = {"type": "array", "items": {"type": "boolean"}, "shape": [None]}

    assert checker(words)([True, False]).dtype == "bool"
    assert "must be of type boolean, not 1" in refusal(words, [1]).message


def test_a_schema_that_is_not_of_rows_takes_one_value() -> None:
    words = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}

    assert checker(words)([1, 2]).tolist() == [1, 2]
    assert checker(words)(np.array([1, 2])).tolist() == [1, 2]
    assert checker({"type": "string"})("ab") == "ab"
    assert "has 3 values" in refusal(words, [1, 2, 3]).message


def test_without_a_schema_all_rows_are_taken() -> None:
    free = checker(None)
    array = np.array([[1.0]])

    assert free([[1, "x"]]) == [[1, "x"]]
    assert free({"a": [1, 2], "b": np.array([3, 4])}) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert free(NamedRows(("a",), [[1]])) == [{"a": 1}]
    assert free({"x": array}) is array
    assert "differ in length" in refusal(None, {"a": [1, 2], "b": [3]}).message
    assert "not lists" in refusal(None, {"a": 1}).message
    assert checker({"type": "object", "properties": {}})([{"a": 1}]) == [{"a": 1}]


def test_null_in_a_column_of_numbers_that_may_be_null_stands_for_nan() -> None:
    words = {
        "type": "object",
        "properties": {"a": {"type": ["number", "null"], "minimum": 0}},
        "required": ["a"],
        "order": ["a"],
    }
    checked_rows = checker(words)([[None], [1]])

    assert np.isnan(checked_rows[0, 0])
    assert np.isnan(checker(words)(np.array([[np.nan]]))[0, 0])
    assert refusal(words, [[None], [-1]]).field == "a"


NARROW = {
    "type": "object",
    "properties": {"age": {"type": "number", "dtype": "float32"}},
    "required": ["age"],
    "order": ["age"],
}
BESIDE_A_TEXT = {
    "type": "object",
    "properties": {"age": {"type": "number", "dtype": "float32"}, "city": {"type": "string"}},
    "required": ["age"],
    "order": ["age", "city"],
}


@pytest.mark.parametrize(
    ("words", "payload"),
    [
        (NARROW, [[1.5], [1e39]]),
        (NARROW, [{"age": 1.5}, {"age": -1e39}]),
        (NARROW, {"age": [1.5, 10**39]}),
        (NARROW, np.array([[1.5], [1e39]])),
        (NARROW, NamedRows((), [["age"], ["1.5"], ["1e39"]], texts=True)),
        (BESIDE_A_TEXT, [[1.5, "Bern"], [1e39, "Bern"]]),
        (BESIDE_A_TEXT, [{"age": 1.5}, {"age": 1e39}]),
        (BESIDE_A_TEXT, {"age": np.array([1.5, 1e39])}),
        (BESIDE_A_TEXT, NamedRows((), [["age"], ["1.5"], ["1e39"]], texts=True)),
    ],
)
def test_a_number_that_would_be_infinite_in_the_columns_dtype_is_refused(
    words: dict[str, Any], payload: Any
) -> None:
    error = refusal(words, payload)

    assert error.field == "age"
    assert error.message.endswith("1e+39, which does not fit float32 (row 1)")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_number_that_rounds_to_the_largest_of_its_dtype_is_taken(dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    beyond = largest * (1 + float(np.finfo(dtype).eps) / 5)
    check = checker({**MATRIX, "shape": [None, 1], "dtype": dtype})

    assert check([[beyond], [-beyond]]).tolist() == [[largest], [-largest]]
    with pytest.raises(Refusal, match=f"does not fit {dtype}"):
        check([[largest * (1 + float(np.finfo(dtype).eps) / 2)]])


def test_a_table_that_comes_as_one_array_without_rows_is_refused() -> None:
    for payload in (np.empty((0, 2)), {"anything": np.empty((0, 2))}):
        error = refusal(NUMBERS, payload)

        assert (error.status, error.field) == (422, "instances")
        assert error.message == "the request has no rows: give at least one"


def test_a_number_just_beyond_a_bound_is_shown_with_the_digits_that_tell() -> None:
    age = {"type": "number", "maximum": 1_000_000}
    words = {"type": "object", "properties": {"age": age}, "required": ["age"], "order": ["age"]}

    assert refusal(words, [[1_000_001]]).message == "age is 1000001, above 1000000 (row 0)"


@pytest.mark.parametrize("words", [None, NUMBERS])
def test_a_column_that_is_named_twice_is_refused(words: dict[str, Any] | None) -> None:
    twice = [["age", "height", "age"], ["1", "2", "3"]]

    for payload in (
        NamedRows(("age", "height", "age"), [[1, 2, 3]]),
        NamedRows((), twice, texts=True),
    ):
        error = refusal(words, payload)

        assert (error.status, error.message) == (422, "age names two columns; send each once")


@pytest.mark.parametrize("payload", [[[]], [[], []], np.zeros((2, 0)), {"x": np.zeros((1, 0, 3))}])
@pytest.mark.parametrize("words", [None, {**MATRIX, "shape": [None, None]}])
def test_rows_that_hold_nothing_are_the_callers_fault(
    words: dict[str, Any] | None, payload: Any
) -> None:
    assert refusal(words, payload).status == 422
