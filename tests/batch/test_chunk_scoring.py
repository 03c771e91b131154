"""What a version answers to a part: types, what is not finite, what is not one answer a row."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from holdfast.batch.chunk_scoring import ChunkScorer, ScoredPart, declared
from holdfast.batch.input_columns import TableColumns, found
from holdfast.core import schema
from holdfast.core.manifest import Manifest
from holdfast.errors import UnsupportedError
from holdfast.rows.loaded_version import Loaded

WORDS = {
    "type": "object",
    "properties": {"a": {"type": "number"}},
    "required": ["a"],
    "order": ["a"],
}
MANIFEST = Manifest(
    name="m", version="1.0.0", number=1, registered_at="2026-01-01T00:00:00Z", registered_by="ana",
    artifacts={},
)  # fmt: skip


def score(answer: Callable[[Any], Any], values: list[Any], output: Any = None) -> ScoredPart:
    signature = schema.parse(WORDS, "input_schema")
    promised = schema.parse(output, "output_schema")
    version = Loaded("m", "1.0.0", "ab" * 32, MANIFEST, answer, signature, promised, rowwise=True)
    inputs = found("m@1.0.0", signature, None, TableColumns("data", ("a",), {}))
    array = pa.array(values, pa.float64())
    return ChunkScorer(version, inputs, is_text=False)(len(values), {"a": array}, 100)


def answers(part: ScoredPart, name: str = "prediction") -> list[Any]:
    return list(part.columns[name].to_pylist())


FORMS: list[tuple[Any, Any, list[Any], Any]] = [
    (None, lambda rows: rows[:, 0], [1.0, 2.0], pa.float64()),
    (None, lambda rows: rows[:, 0].astype("float32"), [1.0, 2.0], pa.float32()),
    (None, lambda rows: rows[:, 0].astype(int).tolist(), [1, 2], pa.int64()),
    (None, lambda _: np.array(["x", "y"], dtype=object), ["x", "y"], pa.string()),
    (None, lambda _: np.array(["x", "y"]), ["x", "y"], pa.string()),
    (None, lambda rows: rows > 1, [[False], [True]], pa.list_(pa.bool_())),
    (None, lambda _: np.zeros((2, 1, 1)), [[[0.0]]] * 2, pa.list_(pa.list_(pa.float64()))),
    (None, lambda _: np.zeros((2, 0)), [[], []], pa.list_(pa.float64())),
    (None, lambda _: np.array(["2026-01-01"] * 2, dtype="datetime64[D]"),
     [datetime(2026, 1, 1, tzinfo=UTC).date()] * 2, pa.date32()),
    ({"type": "number"}, lambda rows: rows[:, 0].astype(int), [1.0, 2.0], pa.float64()),
    ({"type": "integer"}, lambda rows: rows[:, 0].astype("int8"), [1, 2], pa.int64()),
    ({"type": "array", "items": {"type": "number"}, "shape": [None]}, lambda rows: rows[:, 0],
     [1.0, 2.0], pa.float64()),
    ({"type": "array", "items": {"type": "number"}, "shape": [None, 2]},
     lambda _: np.ones((2, 2), dtype="float32"), [[1.0, 1.0]] * 2, pa.list_(pa.float64())),
    ({"type": "string", "enum": ["x", "y"]}, lambda _: ["x", "y"], ["x", "y"], pa.string()),
]  # fmt: skip


@pytest.mark.parametrize(("output", "answer", "right", "held"), FORMS)
def test_answers_have_the_type_that_is_promised_or_their_own(
    output: Any, answer: Any, right: list[Any], held: Any
) -> None:
    part = score(answer, [1.0, 2.0], output)

    assert answers(part) == right
    assert part.columns["prediction"].type == held


def test_records_have_their_fields() -> None:
    words = {
        "type": "object",
        "properties": {"label": {"type": "string"}, "share": {"type": "number"}},
    }

    def answer(rows: Any) -> Any:
        return {"label": ["x"] * len(rows), "share": rows[:, 0]}

    part = score(answer, [1.0, None, 3.0], words)

    assert answers(part, "label") == ["x", None, "x"]
    assert answers(part, "share") == [1.0, None, 3.0]
    assert answers(part, "error") == [None, "a is null", None]
    assert set(score(answer, [None], words).columns) == {"label", "share", "error"}


def test_what_is_not_finite_is_null_with_an_error() -> None:
    def answer(rows: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.log(rows[:, 0] - 1)

    part = score(answer, [1.0, 2.0, None, 0.0])

    assert answers(part) == [None, 0.0, None, None]
    assert answers(part, "error") == [
        "the version answered NaN or infinity", None, "a is null",
        "the version answered NaN or infinity",
    ]  # fmt: skip
    assert (part.refused, part.nulls) == (1, 2)
    alone = score(lambda rows: np.full(len(rows), np.inf), [1.0, 2.0])
    assert (answers(alone), alone.nulls) == ([None, None], 2)


def test_nan_is_null_where_the_schema_admits_that() -> None:
    part = score(
        lambda rows: np.where(rows[:, 0] > 1, np.nan, 1.0), [1.0, 2.0], {"type": ["number", "null"]}
    )

    assert answers(part) == [1.0, None]
    assert answers(part, "error") == [None, None]
    assert part.nulls == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda rows: rows[:1, 0], "answered 1 times for 3 rows"),
        (lambda _: np.float64(1), "answered 1 times for 3 rows"),
        (lambda _: {"a": [1]}, "answered 1 times for 3 rows"),
        (lambda _: ["x"] * 3, "answered with an output that must be a number"),
        (lambda _: 1 / 0, "failed on rows 100 and following: ZeroDivisionError"),
        (lambda _: sys.exit(3), "failed on rows 100 and following: SystemExit: 3"),
    ],
)
def test_what_is_not_an_answer_fails(answer: Any, problem: str) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        score(answer, [1.0, 2.0, 3.0], {"type": "number"})


def test_errors_of_ours_pass() -> None:
    def refuse(_rows: Any) -> Any:
        raise UnsupportedError("m@1.0.0", "has no predict")

    with pytest.raises(UnsupportedError, match="has no predict"):
        score(refuse, [1.0])


@pytest.mark.parametrize(
    "words", [{}, {"type": ["integer", "string"]}, {"type": "array", "items": {"type": "object"}}]
)
def test_types_that_a_schema_does_not_tell_are_open(words: Any) -> None:
    assert declared(schema.parse(words, "output_schema")) == {"prediction": None}


def test_whole_numbers_that_are_not_keep_their_own_type() -> None:
    def answer(_rows: Any) -> Any:
        return pd.array([1, 2.5], dtype="Float64").to_numpy(dtype=object)

    part = score(answer, [1.0, 2.0], {"type": "number"})

    assert answers(part) == [1.0, 2.5]
