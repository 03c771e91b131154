"""`holdfast predictions …`: what was answered, by which version, and how well."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import DAY, NOON, Rows, moment_us

from holdfast.predictions import Label, Log, Prediction, open_log
from holdfast.predictions.ids import Mint
from holdfast.registry.author import author

Holdfast = Callable[..., Any]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.delitem(os.environ, "HOLDFAST_LOG", raising=False)
    opened = open_log(tmp_path / "predictions")
    yield opened
    opened.close()


@pytest.fixture
def row() -> Rows:
    return Rows()


@pytest.fixture
def served(holdfast: Holdfast, model: Callable[[str], str], log: Log) -> Prediction:
    """One answer of a version that is live."""
    holdfast("register", "iris", model("one"))
    holdfast("promote", "iris@1.0.0", "--reason", "the first")
    digest = holdfast("show", "iris@1.0.0", "--json").data["digest"]
    now_us = moment_us("2126-01-01T00:00")
    prediction = Prediction(
        Mint("host-1", lambda: now_us // 1000)(), now_us, "iris", "1.0.0",
        digest.removeprefix("sha256:"), "active", 200, 1500, "host-1",
        input={"instances": [[1]]}, output=[0],
    )  # fmt: skip
    log.write([prediction])
    return prediction


def test_show_answers_the_auditor(holdfast: Holdfast, served: Prediction) -> None:
    result = holdfast("predictions", "show", served.prediction_id)

    assert result.status == 0
    assert result.out.startswith(f"iris@1.0.0  {served.digest}\n")
    assert "status 200, in 1.5 ms" in result.out
    assert "live then  1.0.0, promoted by ana at" in result.out
    assert '"the first"' in result.out
    assert 'input      {"instances":[[1]]}' in result.out
    assert "doubt" not in result.out


def test_show_tells_the_same_as_json(holdfast: Holdfast, served: Prediction) -> None:
    data = holdfast("predictions", "show", served.prediction_id, "--json").data

    assert data["prediction"]["version"] == "1.0.0"
    assert data["live"]["by"] == "ana"
    assert (data["rollout"], data["doubt"], data["feedback"]) == (None, None, [])


def test_show_names_who_routed_it(
    holdfast: Holdfast, model: Callable[[str], str], served: Prediction, log: Log
) -> None:
    holdfast("register", "iris", model("two"))
    holdfast("rollout", "start", "iris@1.1.0", "--reason", "try it")
    number = holdfast("rollout", "status", "iris", "--json").data["rollout"]["number"]
    other = Rows(start_us=served.at_us + 5000)(
        version="1.1.0", role="canary", rollout=number, weight=0.05, error="boom\nline"
    )
    log.write([other])
    log.feedback.add([Label(other.prediction_id, 1, NOON, "ben")])
    out = holdfast("predictions", "show", other.prediction_id).out

    assert f"as         canary, rollout {number} at weight 5 %" in out
    assert "live then  1.0.0, promoted by ana" in out
    assert "routed by  rollout 1 of 1.1.0 starts" in out
    assert '"try it"' in out
    assert "doubt      iris@1.1.0 is another one in store" in out
    assert "error      boom line" in out
    assert "truth      1, told by ben at 2026-03-03T12:00:00.000000Z" in out


def test_show_answers_without_a_store(holdfast: Holdfast, log: Log, row: Rows) -> None:
    prediction = row()
    log.write([prediction])
    result = holdfast("predictions", "show", prediction.prediction_id)

    assert result.status == 0
    assert "doubt" in result.out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("show", "no-id"), 2),
        (("show", "019cb391-c232-7000-af90-d492e3a6f087"), 3),
        (("show", "019cb391-c232-7000-af90-d492e3a6f087", "--log", "nowhere"), 3),
        (("list", "--log", "mysql://x/y"), 2),
        (("list", "--since", "noon"), 2),
        (("expire", "--older-than", "long"), 2),
        (("feedback", "019cb391-c232-7000-af90-d492e3a6f087"), 2),
        (("feedback", "019cb391-c232-7000-af90-d492e3a6f087", "1"), 3),
        (("export", "--json"), 2),
    ],
)
def test_what_cannot_be_done_has_its_status(
    holdfast: Holdfast, log: Log, words: tuple[str, ...], status: int
) -> None:
    log.write([Rows(start_us=moment_us("2025-01-01"))()])

    assert holdfast("predictions", *words).status == status


def test_a_damaged_log_has_its_status(holdfast: Holdfast, log: Log, tmp_path: Path) -> None:
    log.write([Rows()()])
    (tmp_path / "predictions" / DAY / "aaaa-x.sqlite").write_bytes(b"no database" * 400)
    result = holdfast("predictions", "list", "--json")

    assert result.status == 6
    assert result.error["code"] == "damaged"


def test_list_shows_the_newest_first(holdfast: Holdfast, log: Log, row: Rows) -> None:
    rows = [row() for _ in range(30)]
    log.write([*rows, row(model="other", status=500, error="boom")])
    data = holdfast("predictions", "list", "--model", "iris", "--limit", "3", "--json").data
    lines = holdfast("predictions", "list", "--errors").out.splitlines()

    assert [prediction["prediction_id"] for prediction in data] == [
        prediction.prediction_id for prediction in rows[:-4:-1]
    ]
    assert len(lines) == 2
    assert lines[1].endswith("500     1.0  boom")
    assert holdfast("predictions", "list", "--model", "iris@9.9.9").out == "no such predictions\n"


def test_list_cuts_what_a_library_says_to_its_line(holdfast: Holdfast, log: Log, row: Rows) -> None:
    log.write([row(status=500, error="first line\n" + "x" * 500)])
    _, line = holdfast("predictions", "list").out.splitlines()
    (prediction,) = holdfast("predictions", "list", "--json").data

    assert line.endswith("xxx…")
    assert len(line) < 160
    assert len(prediction["error"]) == 511


def test_a_routing_key_chooses_its_rows(holdfast: Holdfast, log: Log, row: Rows) -> None:
    wanted = row(key="00ff00ff00ff00ff")
    log.write([row(), wanted, row(key="11ff00ff00ff00ff")])
    option = ("--routing-key", "00ff00ff00ff00ff", "--json")
    (listed,) = holdfast("predictions", "list", *option).data
    (counted,) = holdfast("predictions", "stats", *option).data

    assert listed["prediction_id"] == wanted.prediction_id
    assert counted["requests"] == 1


def test_list_takes_times(holdfast: Holdfast, log: Log, row: Rows) -> None:
    log.write([row(), Rows("b", moment_us("2026-03-05T12:00"))()])
    words = (
        "predictions",
        "list",
        "--json",
        "--until",
        "2026-03-04T00:00Z",
        "--since",
        "2026-03-03T00:00Z",
    )

    assert len(holdfast(*words).data) == 1


def test_stats_tell_each_version(holdfast: Holdfast, log: Log, row: Rows) -> None:
    rows = [row(output=[1]) for _ in range(4)]
    log.write(rows)
    for prediction, label in zip(rows, (1, 1, 0), strict=False):
        assert holdfast("predictions", "feedback", prediction.prediction_id, str(label)).status == 0
    header, line = holdfast("predictions", "stats").out.splitlines()
    (data,) = holdfast("predictions", "stats", "--json").data

    assert header.split()[:4] == ["MODEL", "VERSION", "ROLE", "REQUESTS"]
    assert line.split()[:6] == ["iris", "1.0.0", "active", "4", "0", "0"]
    assert "66.67 %" in line
    assert data["accuracy"]["unlabelled"] == 1
    assert holdfast("predictions", "stats", "--model", "none").out == "no predictions\n"


def test_feedback_of_a_prediction_nobody_had_is_told(
    holdfast: Holdfast, log: Log, row: Rows
) -> None:
    prediction, never = row(), row()
    log.write([prediction])
    known = holdfast("predictions", "feedback", prediction.prediction_id, "1", "--json")
    result = holdfast("predictions", "feedback", never.prediction_id, "1")

    assert known.data == {"labels": 1, "unknown": []}
    assert "for predictions that are not kept" in result.out
    assert never.prediction_id in result.out


def test_a_bare_date_begins_with_its_first_moment_and_ends_with_its_last(
    holdfast: Holdfast, log: Log
) -> None:
    day_us = moment_us(DAY)
    edges = (day_us - 1, day_us, day_us + 86_399_000_000, day_us + 86_400_000_000)
    rows = [Rows("a", at_us)() for at_us in edges]
    log.write(rows)
    listing = holdfast("predictions", "list", "--since", DAY, "--until", DAY, "--json").data

    assert [prediction["prediction_id"] for prediction in listing] == [
        rows[2].prediction_id,
        rows[1].prediction_id,
    ]


def test_feedback_comes_in_bulk(holdfast: Holdfast, log: Log, row: Rows, tmp_path: Path) -> None:
    rows = [row(), row()]
    log.write(rows)
    lines = "".join(f"{prediction.prediction_id},cat\n" for prediction in rows)
    (tmp_path / "labels.csv").write_text(f"prediction_id,label\n{lines}")
    result = holdfast(
        "predictions", "feedback", "--csv", "labels.csv", "--at", "2026-03-03T12:00Z", "--by", "ben"
    )

    assert result.out == "kept 2 labels\n"
    assert log.feedback.of(rows[1].prediction_id) == [
        Label(rows[1].prediction_id, "cat", NOON, "ben")
    ]


def test_feedback_without_a_name_is_the_users(
    holdfast: Holdfast, log: Log, row: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction = row()
    log.write([prediction])
    monkeypatch.delitem(os.environ, "HOLDFAST_BY")
    holdfast("predictions", "feedback", prediction.prediction_id, "1")

    assert [label.by for label in log.feedback.of(prediction.prediction_id)] == [author()]


def test_export_writes_to_the_output_or_to_a_file(
    holdfast: Holdfast, log: Log, row: Rows, tmp_path: Path
) -> None:
    log.write([row(), row()])
    events = holdfast("predictions", "export").out.splitlines()
    result = holdfast(
        "predictions", "export", "--format", "parquet", "-o", "rows.parquet", "--json"
    )
    text = holdfast("predictions", "export", "--format", "csv", "-o", "rows.csv", "--limit", "1")

    assert [json.loads(event)["specversion"] for event in events] == ["1.0", "1.0"]
    assert result.data == {"file": "rows.parquet", "format": "parquet", "rows": 2}
    assert text.out == "wrote 1 row to rows.csv\n"
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 2


def test_days_that_are_over_are_compacted(holdfast: Holdfast, log: Log, row: Rows) -> None:
    log.write([row() for _ in range(100)])
    (data,) = holdfast("predictions", "compact", "--json").data

    assert (data["day"], data["rows"]) == (DAY, 100)
    assert holdfast("predictions", "compact").out == "no day to compact\n"


def test_a_database_is_not_compacted(holdfast: Holdfast, database_server: Any) -> None:
    result = holdfast("predictions", "compact", "--log", database_server.new_database())

    assert result.status == 8


def test_expire_plans_first(
    holdfast: Holdfast, log: Log, row: Rows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log.write([row()])
    monkeypatch.setitem(os.environ, "HOLDFAST_LOG", str(tmp_path / "predictions"))
    words = ("predictions", "expire", "--older-than", "90d")
    planned = holdfast(*words, "--dry-run")
    unasked = holdfast(*words)
    day_count = len(log.days())
    done = holdfast(*words, "--yes")

    assert planned.out.splitlines()[-1] == "1 prediction would be removed"
    assert unasked.status == 2
    assert "add --yes" in unasked.err
    assert day_count == 1
    assert done.out.splitlines()[-1] == "1 prediction removed"
    assert log.days() == []
    assert holdfast(*words).out == "nothing is that old\n"
