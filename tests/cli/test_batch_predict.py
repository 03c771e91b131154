"""`holdfast predict`: its screen, its JSON, its exit statuses, and rows looked up afterwards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.cli.conftest import Holdfast, Said

import holdfast as library
from holdfast.cli import batch_rows
from holdfast.predictions import ids


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    """Rows of customers, also as june.csv and june.parquet; the third has no age."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"key": range(100), "age": random.normal(40, 10, 100)})
    frame["visits"] = random.integers(0, 9, 100).astype(float)
    frame.loc[2, "age"] = None
    frame.to_csv(tmp_path / "june.csv", index=False)
    frame.to_parquet(tmp_path / "june.parquet")
    return frame


@pytest.fixture
def predicting(holdfast: Holdfast, rows: pd.DataFrame, tmp_path: Path) -> Holdfast:
    """The command over a store whose live churn 1.0.0 takes age and visits."""
    registry = library.open(tmp_path / "store", by="ana")
    inputs = rows[["age", "visits"]].fillna(40)
    model = LogisticRegression().fit(inputs, inputs.age > 40)
    registry.register("churn", model, input_example=inputs.head(2))
    registry.promote("churn@1.0.0", reason="first")
    return holdfast


def run(predicting: Holdfast, *words: str) -> Said:
    return predicting(
        *("predict", "churn@production", "--input", "june.parquet"),
        *("--output", "scores.parquet", "--sandbox", "off", *words),
    )


def test_what_was_scored_is_told(predicting: Holdfast, tmp_path: Path) -> None:
    done = run(predicting, "--id", "key")
    lines = done.out.splitlines()

    assert done.status == 0, done.err
    assert lines[0].startswith(f"churn@1.0.0 scored 100 rows of {tmp_path}/june.parquet in ")
    assert lines[1].startswith(f"output   {tmp_path}/scores.parquet, ")
    assert lines[2].startswith("batch    0")
    assert lines[2].endswith(", in the log")
    assert lines[3:] == ["refused  1 row, whose `error` says why", "  row 2: age is null"]
    assert pd.read_parquet(tmp_path / "scores.parquet").key.tolist() == list(range(100))


def test_json_has_the_record(predicting: Holdfast, tmp_path: Path) -> None:
    data = run(predicting, "--json", "--log", "none", "--keep", "age").data

    assert (data["logged"], data["ignored"]) == (False, ["key"])
    assert (data["record"]["rows"], data["record"]["refused"]) == (100, 1)
    assert data["record"]["by"] == "ana"
    assert data["first_errors"] == [[2, "age is null"]]
    assert not (tmp_path / "predictions").exists()


def test_what_is_left_out_is_told(predicting: Holdfast) -> None:
    done = run(predicting)

    assert "ignored  1 column: key" in done.out


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (("--strict",), 2, "row 2 of "),
        (("--input", "none.csv"), 2, "cannot be read: No such file"),
        (("--id", "id"), 2, "has no column 'id', which --id or --keep names"),
        (("--output", "scores.txt"), 2, "has an unknown ending"),
        (("--chunk", "0"), 2, "--chunk must be 1 to 1,048,576, not 0"),
        (("--log", "kafka://x"), 2, "cannot hold a prediction log"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(
    predicting: Holdfast, tmp_path: Path, words: tuple[str, ...], status: int, problem: str
) -> None:
    done = run(predicting, *words)

    assert done.status == status
    assert problem in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"store", "june.csv", "june.parquet"}


def test_an_output_that_exists_has_status_2(predicting: Holdfast) -> None:
    run(predicting)

    assert run(predicting).status == 2
    assert run(predicting, "--overwrite").status == 0


def test_a_row_is_shown_with_its_values(predicting: Holdfast, tmp_path: Path) -> None:
    batch = run(predicting, "--id", "key", "--json").data["record"]["batch_id"]
    shown = predicting("predictions", "show", f"{batch}:7")
    data = predicting("predictions", "show", f"{batch}:7", "--json").data
    whole = predicting("predictions", "show", batch)

    assert shown.out.startswith("churn@1.0.0  ")
    assert f"batch      {batch}, row 7 of 100" in shown.out
    assert ", by ana" in shown.out
    assert '"key":7,"prediction":' in shown.out
    assert data["values"]["row"] == data["row"] == 7
    assert f"batch      {batch}, 100 rows, 1 refused, 0 without a score" in whole.out
    assert "values" not in whole.out
    (tmp_path / "scores.parquet").unlink()
    assert (
        "doubt      the output is not there" in predicting("predictions", "show", f"{batch}:7").out
    )


def test_a_row_that_no_batch_has_is_not_found(predicting: Holdfast) -> None:
    batch = run(predicting, "--json").data["record"]["batch_id"]

    beyond = predicting("predictions", "show", f"{batch}:100")
    assert beyond.status == 3
    assert f"row 100 of batch {batch} not found; the batch has 100 rows" in beyond.err
    assert batch_rows.as_written([ids.of_row(batch, 100)], [f"{batch}:100"]) == [f"{batch}:100"]
    assert predicting("predictions", "show", f"{batch}:x").status == 2


def test_truth_is_told_of_a_row(predicting: Holdfast, tmp_path: Path) -> None:
    batch = run(predicting, "--json").data["record"]["batch_id"]
    told = predicting("predictions", "feedback", f"{batch}:7", "1")
    (tmp_path / "labels.csv").write_text(f"prediction_id,label\n{batch}:8,0\n{batch}:9,1\n")
    several = predicting("predictions", "feedback", "--csv", "labels.csv", "--json").data

    assert told.out == "kept 1 label\n"
    assert (several["labels"], several["unknown"]) == (2, [])
    assert "truth      1, told by ana at " in predicting("predictions", "show", f"{batch}:7").out
    labels = predicting("predictions", "show", f"{batch}:8", "--json").data["feedback"]
    assert [label["label"] for label in labels] == [0]


def test_truth_of_a_row_that_a_batch_does_not_have_is_refused(
    predicting: Holdfast, tmp_path: Path
) -> None:
    batch = run(predicting, "--json").data["record"]["batch_id"]
    (tmp_path / "labels.csv").write_text(f"prediction_id,label\n{batch}:8,0\n{batch}:100,1\n")
    for words in ((f"{batch}:100", "1"), ("--csv", "labels.csv")):
        said = predicting("predictions", "feedback", *words)
        assert said.status == 3
        assert f"row 100 of batch {batch} not found; the batch has 100 rows" in said.err
    assert not predicting("predictions", "show", f"{batch}:8", "--json").data["feedback"]


def test_numbers_in_text_are_read_as_the_schema_has_them(
    predicting: Holdfast, tmp_path: Path
) -> None:
    done = run(predicting, "--input", "june.csv", "--output", "scores.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    run(predicting)
    table: Any = pd.read_parquet(tmp_path / "scores.parquet")

    assert done.status == 0, done.err
    assert [line["prediction"] for line in lines[3:]] == table.prediction.tolist()[3:]
    assert lines[2]["error"] == "age is null"
