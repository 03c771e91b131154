"""What a model gave, held against what its version promises."""

from typing import Any

import numpy as np
import pytest

from holdfast.core import schema
from holdfast.rows.outcome import OutputChecker, cut, listed, score

RECORD = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "share": {"type": "number", "maximum": 1}},
    "required": ["label", "share"],
}
LABELS = np.array(["a", "b"])
THREE = {"type": "array", "items": {"type": "number"}, "shape": [3]}
THREE_OR_NULL = {"type": "array", "items": {"type": ["number", "null"]}, "shape": [3]}


def problem(words: dict[str, Any] | None, output: Any, rows: int = 2) -> str | None:
    signature = schema.parse(words, "output_schema")
    return OutputChecker(signature, counted=True).problem(output, rows)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (None, np.array([1.0, 2.0])),
        (None, ["a", {"b": 1}]),
        ({"type": "number"}, np.array([1, 2])),
        ({"type": "integer"}, np.array([1, 2])),
        ({"type": "boolean"}, np.array([True, False])),
        ({"type": "string"}, LABELS),
        ({"type": "string", "enum": ["a", "b"]}, LABELS),
        ({"type": ["number", "null"]}, np.array([1.0, np.nan])),
        ({"type": "number", "minimum": 0, "maximum": 1}, np.array([0.0, 1.0])),
        ({"type": "array", "items": {"type": "number"}, "shape": [None, 3]}, np.zeros((2, 3))),
        ({"type": "array", "items": {"type": "number"}, "shape": [3]}, np.zeros((2, 3))),
        ({"type": "string"}, ["a", "b"]),
        ({"type": "number"}, [np.float64(0.5), 1]),
        ({"type": ["number", "null"]}, [1.0, float("nan")]),
        ({"type": ["number", "null"]}, [1.0, None]),
        (THREE, [[1, 2.5, 3], (4, 5, 6)]),
        (THREE, [np.zeros(3), np.zeros(3)]),
        (THREE, np.array([[1, 2, 3], [4, 5, 6]], object)),
        (THREE_OR_NULL, [[1, None, 3], [4, float("nan"), 6]]),
        ({"type": "array", "items": {"type": "string"}, "shape": [1]}, [["a"], ["b"]]),
        (RECORD, {"label": LABELS, "share": np.array([0.1, 1])}),
        (RECORD, {"label": LABELS, "share": np.array([0.1, 1]), "more": np.array([1, 2])}),
    ],
)
def test_an_output_as_promised_goes_out(words: dict[str, Any] | None, output: Any) -> None:
    assert problem(words, output) is None


@pytest.mark.parametrize(
    ("words", "output", "message"),
    [
        (None, np.array([1.0, np.nan]), "is not a finite number"),
        (None, np.array([1.0, np.inf]), "is not a finite number"),
        (None, [1.0, float("nan")], "is not a finite number"),
        (None, [1.0, float("inf")], "is not a finite number"),
        (None, [[1.0, {"a": (float("-inf"),)}], [2.0, 3.0]], "is not a finite number"),
        (None, [np.array([1.0, np.nan]), np.array([1.0, 2.0])], "is not a finite number"),
        (None, [np.float32("inf"), 1], "is not a finite number"),
        (None, np.array([1.0, np.nan], object), "is not a finite number"),
        ({"type": ["number", "null"]}, np.array([1.0, np.inf]), "is not a finite number"),
        ({"type": ["number", "null"]}, [1.0, float("inf")], "is not a finite number"),
        (THREE, [[1, 2, 3], [1, 2, 3, 4]], "is not an array of numbers as the schema says"),
        (THREE, [[1, 2], [1, 2]], "has the shape [2, 2]"),
        (THREE, [[1, 2, "a"], [1, 2, 3]], "the schema says number"),
        (THREE, [1, 2], "has the shape [2]"),
        (THREE, np.array([[1, 2], [1, 2]], object), "has the shape [2, 2]"),
        ({"type": "number"}, [[1.0], [2.0]], "must be a number, not [1.0]"),
        ({"type": "number", "maximum": 1}, [0.5, np.float64(1.5)], "is 1.5, above 1"),
        (None, np.array([1.0]), "has 1 values for 2 rows"),
        (None, np.array(1.0), "has 1 values for 2 rows"),
        (None, ["a"], "has 1 values for 2 rows"),
        ({"type": "number"}, LABELS, "the schema says number"),
        ({"type": "number"}, np.array([True, False]), "the schema says number"),
        ({"type": "string"}, np.array([1, 2]), "the schema says string"),
        ({"type": "string"}, ["a", 1], "must be a text, not 1"),
        ({"type": "number"}, np.zeros((2, 3)), "has the shape [2, 3]"),
        ({"type": "array", "items": {"type": "number"}, "shape": [3]}, np.zeros((2, 4)), "[2, 4]"),
        ({"type": "number", "maximum": 1}, np.array([0.5, 1.5]), "is 1.5, above 1"),
        ({"type": "integer", "enum": [0, 1]}, np.array([0, 7]), "is 7, which is not one of"),
        (RECORD, np.array([1, 2]), "is not the record of label, share"),
        (RECORD, {"label": LABELS}, "share is missing"),
        (RECORD, {"label": LABELS, "share": np.array([2.0, 1])}, "share is 2, above 1"),
    ],
)
def test_an_output_that_breaks_its_promise_does_not(
    words: dict[str, Any] | None, output: Any, message: str
) -> None:
    assert message in (problem(words, output) or "")


def test_outputs_are_cut_by_rows_and_listed_as_json_has_them() -> None:
    record = {"label": LABELS, "share": np.array([0.5, np.nan])}

    assert listed(cut(record, 0, 1)) == [{"label": "a", "share": 0.5}]
    assert listed(cut(np.arange(6).reshape(3, 2), 1, 3)) == [[2, 3], [4, 5]]
    assert listed([np.int64(3), "a"]) == [3, "a"]
    assert listed(np.array(4)) == [4]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([0.25, 0.5]), 0.25),
        (np.array([[0.25, 0.75]]), 0.75),
        ({"label": LABELS, "share": np.array([0.5, 1])}, 0.5),
        ({"label": LABELS}, None),
        (LABELS, None),
        (["a"], None),
        ([3], 3.0),
        ([[]], None),
        ([{"label": "a", "share": np.float32(0.5)}], 0.5),
        ([(0.25, 0.75)], 0.75),
        ([], None),
        (np.array(1.0), 1.0),
    ],
)
def test_the_score_is_the_first_number_or_the_last_class(
    output: Any, expected: float | None
) -> None:
    assert score(listed(output)) == expected
