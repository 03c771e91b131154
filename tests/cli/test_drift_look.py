"""`holdfast drift`: its screen, its JSON and its exit statuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.conftest import Holdfast
from tests.core.conftest import drift_found
from tests.predictions.rows import Rows

from holdfast import open as open_registry
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding
from holdfast.predictions import open_log

TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=20)


@pytest.fixture
def watched(holdfast: Holdfast, model: Any, tmp_path: Path) -> Holdfast:
    """A live churn with a reference, and twenty days of log of which the last six have no age."""
    lines = ["age,plan"]
    lines += [f"{20 + row % 400 / 10},{'basic' if row % 3 else 'plus'}" for row in range(2000)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    done = holdfast("register", "churn", model("one"), "--reference", "train.csv")
    assert done.status == 0, done.err
    assert holdfast("promote", "churn@1.0.0").status == 0
    log = open_log(tmp_path / "predictions")
    for offset in range(20):
        day = FIRST + timedelta(days=offset)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        row = Rows(start_us=int(noon.timestamp()) * 1_000_000)
        log.write([
            row(model="churn", input=msgspec.Raw(msgspec.json.encode({"instances": [
                {"age": 20 + (offset + request * 7) % 400 / 10 if offset < 14 else None,
                 "plan": "basic" if request % 3 else "plus"}
            ]})))
            for request in range(100)
        ])  # fmt: skip
    log.close()
    return holdfast


def test_an_alarm_is_shown_with_its_features_and_status_1(watched: Holdfast) -> None:
    done = watched("drift", "churn", "--since", str(FIRST))

    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("churn: ALARM, missing values, since ")
    assert "2,000 rows, against the training data of 1.0.0" in lines[1]
    assert "drifted  age  missing: " in done.out
    assert lines[5].split()[:2] == ["FEATURE", "EVIDENCE"] or "FEATURE" in done.out


def test_days_like_training_have_status_0(watched: Holdfast) -> None:
    until = FIRST + timedelta(days=13)

    done = watched("drift", "churn", "--since", str(FIRST), "--until", str(until))

    assert (done.status, done.out.splitlines()[0]) == (0, "churn: no alarm")


def test_json_has_the_evidence_of_each_day(watched: Holdfast) -> None:
    done = watched("drift", "churn", "--since", str(FIRST), "--json")

    assert done.data["verdict"] == "alarm"
    assert done.data["judgement"]["kind"] == "nulls"
    assert len(done.data["judgement"]["log_evidence"]) == 20
    assert done.data["judgement"]["features"][0]["name"] == "age"


def test_a_picture_is_drawn(watched: Holdfast, tmp_path: Path) -> None:
    done = watched("drift", "churn", "--since", str(FIRST), "--plot", "drift.svg",
                   "--metrics", "drift.prom")  # fmt: skip

    assert done.status == 1
    assert 'holdfast_drift_alarm{model="churn"} 1' in (tmp_path / "drift.prom").read_text()
    assert (tmp_path / "drift.svg").read_text().startswith("<svg")


def test_a_version_without_a_reference_has_status_3(churn: Holdfast, tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()

    done = churn("drift", "churn")

    assert done.status == 3
    assert "register the next version with --reference" in done.err


def test_what_could_not_be_measured_has_status_3(watched: Holdfast) -> None:
    done = watched("drift", "churn", "--since", str(TODAY - timedelta(days=500)), "--until",
                   str(TODAY - timedelta(days=400)))  # fmt: skip

    assert done.status == 3
    assert "not measured: no input of the last 7 days could be counted" in done.out


def test_a_promotion_of_today_is_too_early(watched: Holdfast) -> None:
    done = watched("drift", "churn")

    assert done.status == 0
    assert "too early" in done.out


def test_status_shows_what_was_found_until_it_is_acknowledged(watched: Holdfast) -> None:
    found = DriftFound(
        version="1.0.0",
        finding="nulls-2026-03-03",
        kind="nulls",
        since="2026-03-01",
        until="2026-03-03",
        log_evidence=5.0,
        drifted=(
            FeatureFinding(
                name="age", kind="nulls", event="missing", expected=0, share=1, log_evidence=5
            ),
        ),
    )
    open_registry("store", by="cron").drift.record("churn", found)

    shown = watched("status", "churn")
    looked = watched("drift", "churn")
    done = watched("drift", "churn", "--acknowledge", "nulls-2026-03-03", "--reason", "feed fixed")

    assert "missing values in age since 2026-03-03 (nulls-2026-03-03)" in shown.out
    assert looked.status == 1
    assert "finding  nulls-2026-03-03 stands: age" in looked.out
    assert (done.status, done.out) == (0, "acknowledge nulls-2026-03-03\n")
    assert "missing values" not in watched("status", "churn", "--json").out.split("moves")[0]
    assert watched("drift", "churn").status == 0


def test_a_rollout_says_that_inputs_drifted(watched: Holdfast, model: Any) -> None:
    registry = open_registry("store", by="cron")
    registry.drift.record("churn", drift_found("1.0.0", "nulls", "2026-03-03", "age"))
    assert watched("register", "churn", model("two")).status == 0
    assert watched("rollout", "start", "churn@1.1.0").status == 0

    assert "missing values in age since 2026-03-03" in watched("rollout", "status", "churn").out


def test_a_missing_log_has_status_3(watched: Holdfast) -> None:
    assert watched("drift", "churn", "--log", "elsewhere").status == 3


@pytest.mark.parametrize(
    "words",
    [("--since", "tuesday"), ("--period", "0"), ("--without", "shoes"), ("--plot", "x.txt")],
)
def test_options_that_cannot_be_have_status_2(watched: Holdfast, words: tuple[str, ...]) -> None:
    assert watched("drift", "churn", *words).status == 2


def test_an_unknown_finding_is_not_acknowledged(watched: Holdfast) -> None:
    done = watched("drift", "churn", "--acknowledge", "drift-2026-01-01")

    assert done.status == 3
    assert "finding drift-2026-01-01 of churn" in done.err


def test_the_past_may_be_played_against_another_version(watched: Holdfast) -> None:
    done = watched(
        "drift", "churn", "--against", "1.0.0", "--since", str(FIRST), "--without", "age"
    )

    assert done.status == 0
    assert "age is not measured: it was left out" in done.out
