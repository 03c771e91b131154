"""One batch: what is written, what is refused, and that it is all or nothing."""

import csv
import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.batch.conftest import NAMES, Score, customers, shoppers, written

from holdfast.batch.batch_run import FACTS
from holdfast.errors import (
    BusyError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    UnsupportedError,
)
from holdfast.predictions import Log
from holdfast.registry import Registry

GONE = "2026-03-03"


def expected(registry: Registry, frame: pd.DataFrame, model: str = "fraud") -> list[Any]:
    return list(registry.load(f"{model}@1.0.0").predict(frame[list(NAMES)]))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"store"}


def test_scores_are_those_of_the_version_in_the_order_of_the_rows(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = customers(5000, seed=2)
    frame.to_parquet(tmp_path / "june.parquet")
    done = score("fraud@production", "june.parquet", id_column="id", chunk_rows=700)
    table = written(tmp_path)

    assert list(table) == ["batch_id", "row", "id", "prediction", "error"]
    assert table["prediction"] == expected(registry, frame)
    assert table["id"] == list(frame.id)
    assert table["row"] == list(range(5000))
    assert {*table["batch_id"]} == {done.record.batch_id}
    assert {*table["error"]} == {None}
    assert (done.record.rows, done.record.refused, done.record.nulls) == (5000, 0, 0)


def test_the_record_and_the_footer_say_what_was_scored(
    score: Score, registry: Registry, log: Log, tmp_path: Path
) -> None:
    customers(300).to_parquet(tmp_path / "june.parquet")
    done = score("fraud@production", "june.parquet", by="ana")
    record = log.batches.find(done.record.batch_id)
    facts = parquet.ParquetFile(tmp_path / "scores.parquet").metadata.metadata
    told = {key.decode(): value.decode() for key, value in facts.items()}

    assert record == done.record
    assert (record.model, record.version, record.rows) == ("fraud", "1.0.0", 300)
    assert f"sha256:{record.digest}" == registry.resolve("fraud@1.0.0").digest
    assert record.input == str(tmp_path / "june.parquet")
    for name, digest in (("june", record.input_digest), ("scores", record.output_digest)):
        content = (tmp_path / f"{name}.parquet").read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    assert told[f"{FACTS}batch_id"] == record.batch_id
    assert told[f"{FACTS}input_digest"] == record.input_digest
    assert told[f"{FACTS}started"] == "2026-03-03T12:00:00.000000Z"
    assert record.ended_us - record.started_us == 1_000_000


def test_the_identity_of_rows_takes_next_to_nothing(score: Score, tmp_path: Path) -> None:
    customers(100_000).to_parquet(tmp_path / "june.parquet")
    score("fraud@1.0.0", "june.parquet")
    groups = parquet.ParquetFile(tmp_path / "scores.parquet").metadata
    sizes = [
        groups.row_group(group).column(place).total_compressed_size
        for group in range(groups.num_row_groups)
        for place in (0, 1)
    ]

    assert groups.row_group(0).num_rows >= 65_536
    assert sum(sizes) / 100_000 < 0.1
    assert "DELTA_BINARY_PACKED" in groups.row_group(0).column(1).encodings


def test_columns_are_found_by_name_whatever_their_order(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = customers(50)
    frame[["visits", "id", "income", "age"]].assign(note="x").to_parquet(tmp_path / "a.parquet")
    done = score("fraud@1.0.0", "a.parquet", keep=("note",))

    assert written(tmp_path)["prediction"] == expected(registry, frame)
    assert written(tmp_path)["note"] == ["x"] * 50
    assert done.ignored == ("id",)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_are_batches(score: Score, tmp_path: Path, rows: int) -> None:
    customers(rows).to_parquet(tmp_path / "a.parquet")
    done = score("risk@1.0.0", "a.parquet", id_column="id")
    types = parquet.read_schema(tmp_path / "scores.parquet")

    assert len(written(tmp_path)["row"]) == done.record.rows == rows
    assert types.field("prediction").type == pa.float64()
    assert types.field("error").type == pa.string()


def test_a_header_alone_is_a_batch_of_no_rows(score: Score, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,income,visits\n")

    assert score("fraud@1.0.0", "a.csv").record.rows == 0


def test_rows_that_the_schema_refuses_have_an_error_and_no_score(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = customers(10)
    frame.loc[3, "income"] = None
    frame.loc[7, "age"] = np.inf
    frame.to_parquet(tmp_path / "a.parquet")
    done = score("fraud@1.0.0", "a.parquet")
    table = written(tmp_path)
    kept = [row for row in range(10) if row not in (3, 7)]

    assert [table["prediction"][row] for row in kept] == expected(registry, frame.loc[kept])
    assert [table["prediction"][row] for row in (3, 7)] == [None, None]
    assert [table["error"][row] for row in (2, 3, 7)] == [
        None,
        "income is null",
        "age is inf, which is not finite",
    ]
    assert (done.record.refused, done.record.nulls) == (2, 0)
    assert done.first_errors[0] == (3, "income is null")


def test_a_batch_of_refused_rows_alone_is_one(score: Score, tmp_path: Path) -> None:
    customers(5).assign(age=None).astype({"age": "float64"}).to_parquet(tmp_path / "a.parquet")
    done = score("fraud@1.0.0", "a.parquet")

    assert written(tmp_path)["prediction"] == [None] * 5
    assert done.record.refused == 5


def test_strict_stops_at_the_first_refused_row(score: Score, log: Log, tmp_path: Path) -> None:
    frame = customers(10)
    frame.loc[3, "income"] = None
    frame.to_parquet(tmp_path / "a.parquet")

    with pytest.raises(InvalidInputError, match=r"row 3 of .* is refused: income is null"):
        score("fraud@1.0.0", "a.parquet", refused="stop")
    assert left(tmp_path) == {"a.parquet"}
    assert log.batches.of_day(GONE) == []


def test_mixed_columns_are_checked_as_a_server_checks_them(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = shoppers(40)
    frame.loc[4, "city"] = "Paris"
    frame.loc[6, "age"] = 130
    frame.loc[9, "city"] = None
    frame.to_parquet(tmp_path / "a.parquet")
    done = score("shop@1.0.0", "a.parquet", chunk_rows=16)
    table = written(tmp_path)
    good = frame.drop([4, 6, 9])

    assert [value for value in table["prediction"] if value is not None] == pytest.approx(
        list(registry.load("shop@1.0.0").predict(good))
    )
    assert [table["error"][row] for row in (4, 6, 9)] == [
        "city must be one of 'Bern', 'Oslo', not 'Paris'",
        "age is 130, above 120",
        "city is null",
    ]
    assert done.record.refused == 3


@pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz", "jsonl.gz"])
def test_other_forms_of_files_have_the_same_scores(
    score: Score, tmp_path: Path, ending: str
) -> None:
    frame = shoppers(60)
    frame.loc[4, "city"] = "Paris"
    frame.to_parquet(tmp_path / "a.parquet")
    frame["since"] = frame.since.dt.strftime("%Y-%m-%dT%H:%M:%S")
    if ending.startswith("csv"):  # pandas packs by the name
        frame.to_csv(tmp_path / f"b.{ending}", index=False)
    else:
        frame.to_json(tmp_path / f"b.{ending}", orient="records", lines=True)
    score("shop@1.0.0", "a.parquet")
    score("shop@1.0.0", f"b.{ending}", output="other.parquet", chunk_rows=7)
    first, other = written(tmp_path), written(tmp_path, "other.parquet")

    assert other["prediction"] == first["prediction"]
    assert other["error"] == first["error"]


def test_packed_parts_are_read_beside_others_and_a_broken_one_leaves_nothing(
    score: Score, tmp_path: Path
) -> None:
    frame = customers(5000)
    (tmp_path / "in").mkdir()
    frame[:30].to_csv(tmp_path / "in" / "a.csv", index=False)
    frame[30:].to_csv(tmp_path / "in" / "b.csv.gz", index=False)
    steps: list[tuple[int, int]] = []
    score(
        "fraud@1.0.0",
        "in/*",
        id_column="id",
        chunk_rows=1000,
        progress=lambda so_far, total: steps.append((so_far, total)),
    )

    assert written(tmp_path)["id"] == list(frame.id)
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    assert steps[-1][0] == steps[-1][1]
    packed = (tmp_path / "in" / "b.csv.gz").read_bytes()
    (tmp_path / "in" / "b.csv.gz").write_bytes(packed[:-100])
    with pytest.raises(InvalidInputError, match="gzip data is cut short; fetch it again"):
        score("fraud@1.0.0", "in/*", output="other.parquet")
    assert "other.parquet" not in left(tmp_path)


def test_a_boolean_behind_numbers_of_json_lines_is_not_a_number(
    score: Score, tmp_path: Path
) -> None:
    lines = ['{"age": 0.5, "income": 1, "visits": 2}', '{"age": false, "income": 1, "visits": 2}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))

    assert score("fraud@1.0.0", "rows.jsonl").record.refused == 1
    assert written(tmp_path)["error"][0] is None
    assert "age" in written(tmp_path)["error"][1]


def test_what_only_late_lines_of_json_have_is_taken_and_kept(score: Score, tmp_path: Path) -> None:
    lines = [{"age": 20, "city": "Bern", "since": "2026-01-01", "member": True}] * 1500
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [*lines, {**lines[0], "income": 1, "id": "x"}])
    )
    done = score("shop@1.0.0", "a.jsonl", keep=("id",))

    assert written(tmp_path)["id"] == [None] * 1500 + ["x"]
    assert (done.record.rows, done.record.refused, done.ignored) == (1501, 0, ())


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_other_forms_of_outputs_hold_the_same(score: Score, tmp_path: Path, ending: str) -> None:
    customers(20).to_parquet(tmp_path / "a.parquet")
    score("both@1.0.0", "a.parquet", id_column="id")
    score("both@1.0.0", "a.parquet", id_column="id", output=f"scores.{ending}")
    first = written(tmp_path)
    with (tmp_path / f"scores.{ending}").open(newline="") as file:
        rows = list(csv.DictReader(file)) if ending == "csv" else [*map(json.loads, file)]

    assert [row["id"] for row in rows] == first["id"]
    shares = [row["prediction"] for row in rows]
    if ending == "csv":
        shares = [json.loads(text) for text in shares]
    assert shares == first["prediction"]


def test_a_probability_is_one_number(score: Score, registry: Registry, tmp_path: Path) -> None:
    frame = customers(20)
    frame.to_parquet(tmp_path / "a.parquet")
    score("risk@1.0.0", "a.parquet")
    shares = registry.load("risk@1.0.0").predict_proba(frame[list(NAMES)])[:, 1]

    assert written(tmp_path)["prediction"] == pytest.approx(list(shares))


def test_a_version_without_names_takes_all_columns_in_order(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = customers(20)
    frame.to_parquet(tmp_path / "a.parquet")
    done = score("matrix@1.0.0", "a.parquet", id_column="id")
    right = registry.load("matrix@1.0.0").predict(frame[list(NAMES)].to_numpy())

    assert written(tmp_path)["prediction"] == pytest.approx(list(right))
    assert "names no columns" in done.remarks[0]
    with pytest.raises(InvalidInputError, match="has 4 columns to be taken by position"):
        score("matrix@1.0.0", "a.parquet", replacing="replace")


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_versions_whose_schema_says_no_types_take_numbers(
    score: Score, registry: Registry, tmp_path: Path, ending: str
) -> None:
    inferred = registry.manifest("named@1.0.0").input_schema or {}
    assert inferred["properties"]["age"] == {}
    frame = customers(20)
    save = {"parquet": frame.to_parquet, "csv": partial(frame.to_csv, index=False)}
    save["jsonl"] = partial(frame.to_json, orient="records", lines=True)
    save[ending](tmp_path / f"a.{ending}")
    score("bare@1.0.0", f"a.{ending}", id_column="id")
    score("named@1.0.0", f"a.{ending}", output="named.parquet")

    right = pytest.approx(list(frame.age))
    assert written(tmp_path)["prediction"] == right
    assert written(tmp_path, "named.parquet")["prediction"] == right


def test_a_folder_and_a_pattern_are_read_by_name(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    frame = customers(90)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "_SUCCESS").touch()
    frame[:30].to_parquet(tmp_path / "in" / "a.parquet")
    frame[30:60].to_parquet(tmp_path / "in" / "b.parquet")
    frame[60:].to_parquet(tmp_path / "in" / "deep" / "c.parquet")
    done = score("fraud@1.0.0", "in", id_column="id")
    two = score("fraud@1.0.0", "in/*.parquet", output="two.parquet")

    assert written(tmp_path)["id"] == list(frame.id)
    assert written(tmp_path)["prediction"] == expected(registry, frame)
    assert written(tmp_path)["row"] == list(range(90))
    assert two.record.rows == 60
    assert two.record.input_digest != done.record.input_digest


def test_files_that_differ_in_columns_are_refused_before_a_row(
    score: Score, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    customers(30).to_parquet(tmp_path / "in" / "a.parquet")
    customers(30).drop(columns="age").to_parquet(tmp_path / "in" / "b.parquet")

    with pytest.raises(InvalidInputError, match=r"b\.parquet' has no column 'age'"):
        score("fraud@1.0.0", "in")
    assert left(tmp_path) == {"in"}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("none.parquet", "cannot be read: No such file"),
        ("no*.parquet", "names no file"),
        ("empty", "has no Parquet files"),
        ("ftp://host/a.parquet", "is an address, and only files are read"),
        ("mixed/*", "has files of several kinds"),
        ("text.txt", "has an unknown ending"),
    ],
)
def test_an_input_that_is_none_is_refused(
    score: Score, tmp_path: Path, source: str, problem: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    for name in ("text.txt", "mixed/a.csv", "mixed/b.jsonl"):
        (tmp_path / name).write_text("age\n1\n")

    with pytest.raises(InvalidInputError, match=problem):
        score("fraud@1.0.0", source)
    assert "scores.parquet.part" not in left(tmp_path)


def test_an_output_that_exists_is_replaced_only_if_asked(score: Score, tmp_path: Path) -> None:
    customers(10).to_parquet(tmp_path / "a.parquet")
    first = score("fraud@1.0.0", "a.parquet")
    with pytest.raises(InvalidInputError, match="exists; name another, or give --overwrite"):
        score("fraud@1.0.0", "a.parquet")
    assert {*written(tmp_path)["batch_id"]} == {first.record.batch_id}
    second = score("fraud@1.0.0", "a.parquet", replacing="replace")

    assert {*written(tmp_path)["batch_id"]} == {second.record.batch_id}
    assert (tmp_path / "scores.parquet").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("scores.xlsx", "has an unknown ending"),
        ("no/scores.parquet", "is in a folder that is not there"),
        ("folder.parquet", "is a folder"),
        ("a.parquet", "is one of the input's files"),
    ],
)
def test_an_output_that_cannot_be_is_refused(
    score: Score, tmp_path: Path, output: str, problem: str
) -> None:
    customers(10).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "folder.parquet").mkdir()

    with pytest.raises(InvalidInputError, match=problem):
        score("fraud@1.0.0", "a.parquet", output=output, replacing="replace")
    assert len(parquet.read_table(tmp_path / "a.parquet")) == 10


def test_options_that_cannot_be_are_refused(score: Score, tmp_path: Path) -> None:
    customers(10).assign(error="x").to_parquet(tmp_path / "a.parquet")

    with pytest.raises(InvalidInputError, match="--chunk must be 1 to 1,048,576, not 0"):
        score("fraud@1.0.0", "a.parquet", chunk_rows=0)
    with pytest.raises(InvalidInputError, match="'error' is a column of the output already"):
        score("fraud@1.0.0", "a.parquet", keep=("error",))
    with pytest.raises(InvalidInputError, match="has no column 'key', which --id or --keep names"):
        score("fraud@1.0.0", "a.parquet", id_column="key")
    with pytest.raises(NotFoundError):
        score("fraud@9.9.9", "a.parquet")


def test_an_input_that_changes_while_it_is_read_fails_and_leaves_nothing(
    score: Score, log: Log, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    customers(10).to_parquet(path)

    def append(_done: int, _total: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(InvalidInputError, match="was changed while it was read"):
        score("fraud@1.0.0", "a.parquet", progress=append)
    assert left(tmp_path) == {"a.parquet"}
    assert log.batches.of_day(GONE) == []


def test_two_runs_to_one_output_do_not_mix(score: Score, tmp_path: Path) -> None:
    customers(10).to_parquet(tmp_path / "a.parquet")
    problems: list[Exception] = []

    def again(_done: int, _total: int) -> None:
        try:
            score("fraud@1.0.0", "a.parquet")
        except BusyError as error:
            problems.append(error)

    done = score("fraud@1.0.0", "a.parquet", progress=again)

    assert "is being written by another run" in str(problems[0])
    assert {*written(tmp_path)["batch_id"]} == {done.record.batch_id}


def test_what_a_killed_run_left_is_written_over(score: Score, tmp_path: Path) -> None:
    customers(10).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "scores.parquet.part").write_bytes(b"PAR1" + b"x" * 100_000)
    score("fraud@1.0.0", "a.parquet")

    assert left(tmp_path) == {"a.parquet", "scores.parquet", "predictions"}
    assert len(written(tmp_path)["row"]) == 10


def test_a_log_that_refuses_takes_the_output_back(score: Score, tmp_path: Path) -> None:
    customers(10).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "predictions").write_text("no folder")

    with pytest.raises(StoreError, match="cannot be made"):
        score("fraud@1.0.0", "a.parquet")
    assert left(tmp_path) == {"a.parquet", "predictions"}


def test_a_version_that_fails_is_told_with_the_rows(
    score: Score, registry: Registry, tmp_path: Path
) -> None:
    customers(10).assign(since="2026-01-01").to_parquet(tmp_path / "a.parquet")
    frame = customers(100)
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(frame[["age", "income"]], frame.age)
    words = {
        "type": "object",
        "properties": {name: {"type": "number"} for name in NAMES},
        "required": list(NAMES),
        "order": list(NAMES),
    }
    registry.register("broken", model, input_schema=words)

    with pytest.raises(UnsupportedError, match="failed on rows 0 and following: ValueError"):
        score("broken@latest", "a.parquet")
    assert left(tmp_path) == {"a.parquet"}


def test_no_log_keeps_no_record(registry: Registry, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from holdfast.batch import batch_run
    from holdfast.batch.batch_run import BatchRequest
    from holdfast.predictions.ids import Mint

    customers(10).to_parquet(tmp_path / "a.parquet")
    request = BatchRequest(
        "fraud@1.0.0", str(tmp_path / "a.parquet"), tmp_path / "o.parquet", sandbox="off"
    )
    done = batch_run.score(registry, request, None, Mint("a")(), lambda: datetime.now(UTC))

    assert not done.logged
    assert done.record.drift is None
    assert {*os.listdir(tmp_path)} == {"a.parquet", "o.parquet"}
