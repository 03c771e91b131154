"""`holdfast lineage`: both ways, and by data, commit and parent, through the command line."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import Rows, batch
from tests.retraining.repositories import committed

import holdfast as library
from holdfast.predictions import open_log

Holdfast = Callable[..., Any]


@pytest.fixture
def made(holdfast: Holdfast, tmp_path: Path) -> Holdfast:
    """Register one version trained on data by name, with a child; live and with an alias."""
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    for model in ("m", "c"):
        (tmp_path / f"{model}.txt").write_text(model)
    assert holdfast("data", "add", "sales", "rows.csv").status == 0
    facts = ("--lineage", f"git_commit={'ab' * 20}", "--lineage", "entry=jobs:train")
    more = ("--lineage", "seed=7", "--lineage", "slot=2026-11-29T00:00:00Z")
    data = ("--data", "train=sales@v1")
    assert holdfast("register", "iris", "m.txt", *facts, *more, *data).status == 0
    assert holdfast("promote", "iris@1.0.0").status == 0
    assert holdfast("alias", "iris@1.0.0", "eu").status == 0
    said = holdfast("register", "child", "c.txt", "--lineage", "parents=iris@1.0.0")
    assert said.status == 0
    return holdfast


def test_both_ways_are_drawn_as_a_tree(made: Holdfast) -> None:
    lines = made("lineage", "iris@production").out.splitlines()

    text = "\n".join(lines)
    assert lines[0] == "made from"
    assert "data train: sales@v1  bytes sha256:" in text
    assert "code commit abababababab  jobs:train" in text
    assert "slot 2026-11-29T00:00:00Z, seed 7" in text
    here = next(index for index, line in enumerate(lines) if line.startswith("iris@1.0.0"))
    assert any("child child@1.0.0" in line for line in lines[here:])
    assert any("alias eu  names it now" in line for line in lines[here:])
    assert any("live " in line and "to now" in line for line in lines[here:])


def test_json_has_the_whole_digests(made: Holdfast) -> None:
    data = made("lineage", "iris@1.0.0", "--json").data

    assert data["lineage"]["data"]["train"]["ref"] == "sales@v1"
    assert len(data["lineage"]["data"]["train"]["rows"]) == len("sha256:") + 64
    assert [node["kind"] for node in data["below"]] == ["child", "alias", "live"]


def test_it_is_drawn_into_a_file(made: Holdfast, tmp_path: Path) -> None:
    assert made("lineage", "iris@1.0.0", "--plot", "lineage.svg").status == 0

    picture = (tmp_path / "lineage.svg").read_text()
    assert picture.startswith("<svg")
    assert "train: sales@v1" in picture
    assert "lineage of iris@1.0.0" in picture
    classes = {word for words in re.findall(r' class="([^"]*)"', picture) for word in words.split()}
    plain = {"drawing", "plot", "lineage", "head"}  # which need no colours of their own
    rules = picture.partition("<style>")[2].partition("</style>")[0]
    assert {"node", "edge", "name", "live"} <= classes  # a box without a fill is black on black
    kinds = {"version", "data", "code", "environment", "run", "child", "alias"}
    assert [word for word in classes - plain - kinds if f".{word}" not in rules] == []


def test_predictions_in_a_log_are_counted(made: Holdfast, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    row = Rows()
    log.write([row(model="iris", version="1.0.0"), row(model="iris", version="9.0.0")])
    now_us = time.time_ns() // 1000
    log.batches.add(batch(now_us, rows=7, input="/data/june.parquet"))
    log.batches.add(batch(now_us + 1000, version="9.0.0"))
    log.close()

    below = made("lineage", "iris@1.0.0", "--log", "log").out
    assert "predictions 1 answered  as active" in below
    assert below.count("batch 7 rows") == 1
    assert "/data/june.parquet → /data/scores.parquet" in below
    assert below.count("batch ") == 1
    assert "none in the log" in made("lineage", "child@1.0.0", "--log", "log").out


def test_users_are_listed_by_data_commit_and_parent(made: Holdfast) -> None:
    digest = made("data", "show", "sales", "--json").data["rows"]
    paths = (("--data", "./rows.csv"), ("--data", "rows.csv"), ("--data", "./*.csv"))
    for words in (("--data", "sales"), ("--data", digest), ("--commit", "abababa"), *paths[:2]):
        lines = made("lineage", *words).out.splitlines()
        assert (len(lines), lines[1].split()[:2]) == (2, ["iris@1.0.0", "production"])
    assert "child@1.0.0" in made("lineage", "--parent", "iris@production").out
    assert made("lineage", "--parent", "child@1.0.0").out == "no version\n"
    assert "iris@1.0.0" in made("lineage", *paths[2]).out  # the same rows
    for missing, status in (("./none.csv", 2), ("none.csv", 3), ("none@v1", 3), ("s3://", 2)):
        assert made("lineage", "--data", missing).status == status


def test_a_bare_version_says_that_nothing_is_known(holdfast: Holdfast, tmp_path: Path) -> None:
    registry = library.open(tmp_path / "store")
    (tmp_path / "m.txt").write_text("m")
    registry.register("bare", tmp_path / "m.txt", lineage={"git_commit": None, "git_dirty": None})

    said = holdfast("lineage", "bare@1.0.0").out
    assert "nothing was recorded" in said
    assert "nothing was made from it" in said


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("iris@1.0.0", "--commit", "abababa"),
        ("--data", "sales", "--parent", "iris@1.0.0"),
        ("--data", "sales", "--plot", "x.svg"),
        ("--data", "sales", "--openlineage", "x.jsonl"),
        ("--failed", "iris", "--slsa", "x.json"),
    ],
)
def test_one_question_at_a_time(made: Holdfast, words: tuple[str, ...]) -> None:
    assert made("lineage", *words).status == 2


JOB = """
import os
def train(context):
    return {"model": {"rows": context.data["train"].read_text()%s}, "metrics": {"auc": %s}}
"""


def retrained(holdfast: Holdfast, tmp_path: Path, *of_model: str) -> None:
    """Commit an entry point in the current folder, and make version 1.0.0 of `churn` by it."""
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    committed(tmp_path, "jobs.py", JOB % of_model)
    words = ("--entry", "jobs:train", "--slot", "2026-11-29", "--data", "train=rows.csv")
    assert holdfast("retrain", "churn", *words).status == 0


def test_slots_that_failed_are_listed_and_told_as_events(
    holdfast: Holdfast, tmp_path: Path
) -> None:
    retrained(holdfast, tmp_path, "", "0.5")
    assert holdfast("lineage", "--failed", "churn").out == "no slot failed\n"
    words = ("--entry", "jobs:none", "--slot", "2026-11-30", "--data", "train=rows.csv")
    assert holdfast("retrain", "churn", *words).status == 12
    said = holdfast("lineage", "--failed", "churn", "--openlineage", "events.jsonl")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()

    assert said.out.splitlines()[1].split()[:4] == [
        "2026-11-30T00:00:00Z", "jobs:none", "1", "failed",
    ]  # fmt: skip
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "FAIL"]


def test_a_version_is_reproduced_and_the_status_says_how_like_it_is(
    holdfast: Holdfast, tmp_path: Path
) -> None:
    retrained(holdfast, tmp_path, "", "0.5")
    said = holdfast("reproduce", "churn@1.0.0")
    assert (said.status, "nothing is missing" in said.out) == (0, True)

    said = holdfast("reproduce", "churn@latest", "--run")
    assert (said.status, "verdict: identical" in said.out) == (0, True)
    assert holdfast("reproduce", "churn@latest", "--run", "--json").data["likeness"]["verdict"]

    (tmp_path / "rows.csv").write_text("a,b\n2,x\n")
    said = holdfast("reproduce", "churn@1.0.0", "--run")
    assert (said.status, "MISSING  data train" in said.out) == (3, True)
    assert "not run" in said.out
    assert holdfast("reproduce", "churn@1.0.0").status == 3


def test_another_outcome_is_a_status_of_its_own_and_so_is_a_failure(
    holdfast: Holdfast, tmp_path: Path
) -> None:
    retrained(holdfast, tmp_path, ', "x": os.urandom(8).hex()', "int.from_bytes(os.urandom(4))")
    said = holdfast("reproduce", "churn@1.0.0", "--run")
    assert (said.status, "verdict: different" in said.out) == (1, True)

    said = holdfast("reproduce", "churn@1.0.0", "--run", "--time-limit", "0.001s")
    assert (said.status, "the training failed: time" in said.out) == (13, True)
