"""Inputs as they are logged: the same columns, whatever face they came through."""

from typing import Any

import pytest

from holdfast.predictions.logged_rows import columns_of

NAMES = ("age", "plan")
ROWS = [{"age": 41.5, "plan": "a"}, {"age": None, "plan": "b"}]
COLUMNS = {"age": [41.5, None], "plan": ["a", "b"]}
LISTS = [[41.5, "a"], [None, "b"]]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        LISTS,
        COLUMNS,
        {"instances": ROWS},
        {"instances": LISTS},
        {"inputs": ROWS},
        {"inputs": COLUMNS},
        {"dataframe_records": ROWS},
        {"dataframe_split": {"columns": ["age", "plan"], "data": LISTS}},
        {"columns": ["plan", "age"], "data": [["a", 41.5], ["b", None]]},
        {"dataframe_split": {"data": LISTS, "columns": ["age", "plan"], "index": [0, 1]}},
        {
            "inputs": [
                {"name": "age", "shape": [2], "datatype": "FP64", "data": [41.5, None]},
                {"name": "plan", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["b"]]},
            ]
        },
    ],
)
def test_rows_come_in_many_forms(document: Any) -> None:
    columns = columns_of(document, NAMES)

    assert columns is not None
    assert {name: columns[name] for name in NAMES} == COLUMNS


def test_a_lone_row_is_a_row() -> None:
    assert columns_of({"age": 3, "plan": "a"}, NAMES) == {"age": [3], "plan": ["a"]}


def test_a_tensor_of_all_columns_is_taken_apart() -> None:
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}

    assert columns_of({"inputs": [tensor]}, ("a", "b")) == {"a": [1, 3], "b": [2, 4]}
    assert columns_of({"inputs": [tensor | {"data": [1, 2, 3]}]}, ("a", "b")) is None


def test_a_single_column_may_be_a_list_of_values() -> None:
    assert columns_of({"instances": [1, 2]}, ("a",)) == {"a": [1, 2]}


def test_a_row_without_a_value_misses_it() -> None:
    assert columns_of([{"a": 1}, {"b": 2}], ()) == {"a": [1, None], "b": [None, 2]}


@pytest.mark.parametrize(
    "document",
    [
        *(None, 1, "sha256:00", [], {}, [[1, 2, 3]], [[1, 2], 3], [1, "a"], {"instances": []}),
        *({"instances": None}, {"columns": ["a"], "data": [[1, 2]]}, {"a": [1], "b": [1, 2]}),
        {"inputs": [{"name": "x", "shape": ["2"], "data": [1, 2]}]},
        {"inputs": [{"name": "x", "shape": [], "data": [1, 2]}]},
        {"inputs": [{"name": "x", "shape": [2], "data": None}]},
        {"inputs": [{"name": "x", "shape": [3], "data": [1, 2]}]},
    ],
)
def test_what_is_not_rows_is_not_measured(document: Any) -> None:
    assert columns_of(document, NAMES) is None


def test_rows_by_position_need_names() -> None:
    assert columns_of(LISTS, ()) is None
