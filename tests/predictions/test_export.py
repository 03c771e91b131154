"""Rows for others, in forms that others read."""

import csv
import io
import json
import math
from pathlib import Path

import pytest
from tests.predictions.contract import FULL
from tests.predictions.rows import NOON, Rows

from holdfast.errors import InvalidInputError
from holdfast.predictions import export
from holdfast.predictions.columns import NAMES, json_of


def test_a_cloud_event_has_what_the_specification_asks_for(row: Rows) -> None:
    prediction = row(**FULL, model="fraud/é")
    (line,) = export.stream([prediction], "cloudevents")
    event = json.loads(line)

    assert event["specversion"] == "1.0"
    assert (event["id"], event["type"]) == (prediction.prediction_id, "io.holdfast.prediction")
    assert event["source"] == "/models/fraud/%C3%A9"
    assert event["subject"] == "1.0.0"
    assert event["time"] == "2026-03-03T12:00:00.000000Z"
    assert event["traceid"] == FULL["trace_id"]
    assert event["data"]["output"] == {"predictions": [0]}
    assert line.endswith(b"}\n")


def test_attributes_without_a_value_are_left_out(row: Rows) -> None:
    event = export.event(row())

    assert "traceid" not in event
    assert None not in event["data"].values()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_is_one_array(row: Rows, count: int) -> None:
    whole = b"".join(export.stream([row() for _ in range(count)], "cloudevents-batch"))

    assert len(json.loads(whole)) == count


def test_csv_has_a_header_and_one_line_a_row(row: Rows) -> None:
    rows = [row(**FULL), *(row() for _ in range(1500))]
    text = b"".join(export.stream(rows, "csv")).decode()
    header, first, *rest = csv.reader(io.StringIO(text))

    assert tuple(header) == NAMES
    assert json.loads(first[NAMES.index("input")]) == FULL["input"]
    assert len(rest) == 1500


def test_no_cell_of_a_csv_is_a_formula(row: Rows) -> None:
    prediction = row(request_id="=cmd()", error="-1", trace_id="@x")
    text = b"".join(export.stream([prediction], "csv")).decode()
    _, cells = csv.reader(io.StringIO(text))

    assert cells[NAMES.index("request_id")] == "'=cmd()"
    assert cells[NAMES.index("trace_id")] == "'@x"
    assert cells[NAMES.index("error")] == "-1"


def test_parquet_is_written_to_a_file(row: Rows, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = [row(**FULL), row()]
    export.save(rows, "parquet", tmp_path / "rows.parquet")

    assert pq.read_table(tmp_path / "rows.parquet")["prediction_id"].to_pylist() == [
        prediction.prediction_id for prediction in rows
    ]
    with pytest.raises(InvalidInputError, match="written to"):
        export.stream(rows, "parquet")


def test_a_file_that_cannot_be_written_is_told(row: Rows, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be written"):
        export.save([row()], "csv", tmp_path / "none" / "rows.csv")


def test_a_time_is_exact_to_the_microsecond() -> None:
    assert export.time_of(NOON + 1) == "2026-03-03T12:00:00.000001Z"


def test_values_of_libraries_become_json() -> None:
    import numpy as np

    assert json_of({"a": np.array([1.5, 2]), "b": np.float32(1)}) == '{"a":[1.5,2.0],"b":1.0}'
    assert json_of([math.nan]) == "[null]"
    assert json_of(object()) is not None
    assert json_of(1 + 2j) == '"(1+2j)"'
