"""One look after another: alarms once, says what it could not measure, keeps its counts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.monitoring.conftest import LIVE, World, training
from tests.web.teams import Team

import holdfast
from holdfast.core.drift.drift_findings import DriftKind
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError
from holdfast.monitoring.counted_days import CountedDays
from holdfast.monitoring.drift_check import DriftReport
from holdfast.predictions.compaction import compact

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


@pytest.mark.parametrize("requests", [50, 150])
def test_a_month_like_training_has_no_finding(world: World, requests: int) -> None:
    end = world.days(LIVE, 30, requests=requests)

    report = world.look(end)

    assert (report.verdict, report.findings, report.recorded) == ("no alarm", (), ())
    assert (report.rows, report.requests) == (30 * requests, 30 * requests)
    assert (report.since, report.until) == ("2026-03-02", "2026-03-31")
    assert report.remarks == ()


def changed(**values: Any) -> Any:
    return lambda row: row | values


def times_1000(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"income": 1000 * row["income"]}


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"age": str(row["age"])}


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {"years" if name == "age" else name: value for name, value in row.items()}


def older(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"age": row["age"] + 12}


BROKEN: dict[str, tuple[Any, DriftKind, str]] = {
    "a column empties": (changed(age=None), "nulls", "age"),
    "a new category": (changed(plan="gold"), "unseen", "plan"),
    "another unit": (times_1000, "units", "income"),
    "numbers become text": (as_text, "types", "age"),
    "a feature is renamed": (renamed, "nulls", "age"),
    "callers grow older": (older, "drift", "age"),
}


@pytest.mark.parametrize(("change", "kind", "name"), BROKEN.values(), ids=BROKEN.keys())
def test_what_breaks_is_found_once_and_named(
    world: World, change: Any, kind: DriftKind, name: str
) -> None:
    bad = world.days(LIVE, 10)
    reports = [world.look(bad)]
    for offset in range(7):
        world.day(bad + offset * DAY, change)
        reports.append(world.look(bad + (offset + 1) * DAY))

    found = [report.recorded for report in reports if report.recorded]
    assert reports[0].verdict == "no alarm"
    assert len(found) == 1
    assert found[0][0].startswith(kind)
    assert reports[-1].verdict == "alarm"
    assert [finding.features for finding in reports[-1].findings] == [(name,)]
    assert reports[-1].findings[0].kind == kind


def test_refused_requests_are_found(world: World) -> None:
    bad = world.days(LIVE, 10)
    for offset in range(5):
        world.day(bad + offset * DAY, requests=100)
        world.day(bad + offset * DAY, requests=60, status=422, input=None)

    report = world.look(bad + 5 * DAY)

    assert report.findings[0].kind == "refused"


def test_a_second_feature_has_a_finding_of_its_own(world: World) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=older)
    first = world.look(end)
    last = world.days(end, 5, change=lambda row: older(row) | {"plan": "gold"})

    second = world.look(last)

    assert [len(report.recorded) for report in (first, second)] == [1, 1]
    assert [finding.features for finding in second.findings] == [("age",), ("plan",)]


def test_after_it_is_acknowledged_a_feature_may_alarm_again(world: World) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=older)
    finding = world.look(end).recorded[0]
    world.registry.drift.acknowledge("churn", finding, reason="campaign for the retired")

    quiet = world.look(end)
    last = world.days(end, 8, change=older)
    again = world.look(last)

    assert (quiet.verdict, quiet.findings) == ("too early", ())
    assert again.since == end.isoformat()
    assert len(again.recorded) == 1


def test_a_new_version_starts_anew_with_its_own_reference(world: World) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=older)
    assert world.look(end).findings
    retrained = training()
    retrained["age"] = retrained["age"] + 12
    world.clock.on(f"{end}T01:00")
    world.register("1.1.0", reference=retrained)

    last = world.days(end, 14, change=older)
    report = world.look(last)

    assert (report.verdict, report.reference, report.findings) == ("no alarm", "1.1.0", ())
    assert report.since == end.isoformat()


def test_promotion_and_rollback_within_a_window_start_anew_each_time(world: World) -> None:
    end = world.days(LIVE, 10)
    world.clock.on(f"{end}T01:00")
    world.register("1.1.0")
    world.clock.on(f"{end}T02:00")
    world.registry.rollback("churn")
    last = world.days(end, 3)

    report = world.look(last)

    assert (report.reference, report.since) == ("1.0.0", end.isoformat())
    assert (report.verdict, report.why) == ("too early", "a whole window needs 4 more days")


def test_the_past_is_played_and_nothing_is_recorded(world: World) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=older)

    played = world.look(end, since=LIVE + DAY, until=end - DAY)

    assert (played.verdict, played.recorded, played.findings) == ("alarm", (), ())
    assert world.look(end, until=bad - DAY).verdict == "no alarm"
    assert world.look(end, without=("age",)).verdict == "no alarm"
    assert world.look(end, against="churn@1.0.0").recorded == ()
    assert world.registry.drift.state("churn").findings == ()


def test_a_version_without_a_reference_cannot_be_judged(world: World) -> None:
    path = world.folder.parent / "bare.txt"
    path.write_text("bare")
    world.registry.register("churn", path, version="1.1.0")
    world.registry.promote("churn@1.1.0")

    with pytest.raises(NotFoundError, match=r"drift reference of churn@1\.1\.0.*--reference"):
        world.look(LIVE + WEEK)


def test_training_of_40_rows_is_too_little_to_judge_by(world: World) -> None:
    world.register("1.1.0", reference=training(40))
    end = world.days(LIVE, 20)

    report = world.look(end)

    assert report.verdict == "not measured"
    assert report.why == "the reference has 40 rows; 500 are needed"


@pytest.mark.parametrize("kept", ["sha256:" + "0" * 64, None, "redacted"])
def test_inputs_that_the_log_does_not_have_are_said_not_to_be_measured(
    world: World, kept: Any
) -> None:
    end = world.days(LIVE, 10, input=kept, requests=20)

    report = world.look(end)

    assert report.verdict == "not measured"
    assert "no input of the last 7 days could be counted" in report.why
    assert report.remarks[0].startswith("200 requests not measured")
    assert report.recorded == ()


def test_a_log_that_is_empty_or_young_is_too_early(world: World) -> None:
    assert world.look(LIVE).verdict == "too early"

    world.day(LIVE)

    assert world.look(LIVE + DAY).why == "a whole window needs 6 more days"


def test_a_day_without_requests_is_a_finding_where_that_weekday_had_some(world: World) -> None:
    end = world.days(LIVE, 14)
    world.log.write([])

    report = world.look(end + DAY)
    again = world.look(end + 2 * DAY)

    assert report.recorded == (f"silence-{end}",)
    assert again.recorded == ()
    assert f"1 day without a request, the last ones {end}" in report.remarks


def test_a_model_that_rests_on_sundays_does_not_fall_silent(world: World) -> None:
    for offset in range(21):
        if (LIVE + offset * DAY).weekday() != 6:
            world.day(LIVE + offset * DAY)

    report = world.look(LIVE + 21 * DAY)

    assert (report.verdict, report.recorded) == ("no alarm", ())
    assert len(report.judgement.silent if report.judgement else ()) == 3


def without_counts(report: DriftReport) -> Any:
    return report.judgement and report.judgement.log_evidence


def test_counts_outlive_the_rows_they_were_made_from(world: World) -> None:
    end = world.days(LIVE, 12)
    before = world.look(end)
    for offset in range(5):
        world.log.drop((LIVE + offset * DAY).isoformat())

    after = world.look(end)

    assert without_counts(after) == without_counts(before)
    kept = list((world.folder / "drift" / "churn").iterdir())
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o777 == 0o600


def test_days_that_are_compacted_count_as_before(world: World) -> None:
    end = world.days(LIVE, 12, requests=20)
    before = world.look(end)
    for day in world.log.days():
        compact(world.folder, day.day)
    with_counts = world.look(end)
    for kept in (world.folder / "drift" / "churn").iterdir():
        kept.unlink()

    assert {day.state for day in world.log.days()} == {"compacted"}
    assert without_counts(with_counts) == without_counts(world.look(end)) == without_counts(before)


def test_a_column_that_is_redacted_may_be_left_out(world: World) -> None:
    end = world.days(LIVE, 10, change=changed(age=None))

    report = world.look(end, without=("age",))

    assert (report.verdict, report.recorded) == ("no alarm", ())
    assert "age is not measured: it was left out" in report.remarks


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"days": {"2026-03-02": {"day": "x"}}}', b"\0" * 9]
)
def test_kept_counts_that_are_damaged_are_counted_anew(world: World, damage: bytes) -> None:
    end = world.days(LIVE, 12)
    before = world.look(end)
    (kept,) = (world.folder / "drift" / "churn").iterdir()
    kept.write_bytes(damage)

    assert without_counts(world.look(end)) == without_counts(before)


def test_kept_counts_in_other_bins_are_counted_anew(world: World) -> None:
    end = world.days(LIVE, 12)
    before = world.look(end)
    (kept,) = (world.folder / "drift" / "churn").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b'"age"', b'"years"'))

    assert without_counts(world.look(end)) == without_counts(before)


def test_a_log_that_cannot_be_written_to_is_counted_each_time(world: World) -> None:
    end = world.days(LIVE, 12)
    (world.folder / "drift").write_text("in the way")

    assert world.look(end).verdict == "no alarm"


def test_late_rows_join_their_day_for_two_days_and_then_no_more(world: World) -> None:
    end = world.days(LIVE, 12, requests=20)
    world.look(end)
    world.day(end - DAY, requests=5)
    world.day(LIVE, requests=5)

    report = world.look(end)

    assert report.rows == 12 * 20 + 5
    assert report.remarks == (
        "5 rows came too late: the counts of 2026-03-02 were kept already, without them",
    )


def test_late_rows_of_another_model_are_not_told(world: World) -> None:
    end = world.days(LIVE, 12, requests=20)
    world.look(end)
    world.day(LIVE, requests=5, model="other")

    assert world.look(end).remarks == ()


def test_a_sampled_log_finds_what_a_whole_one_finds(world: World) -> None:
    """Sampling is by the id of a request, which knows nothing of its row."""
    for offset in range(20):
        shift = 12 if offset >= 10 else 0
        world.day(
            LIVE + offset * DAY,
            lambda row, shift=shift: row | {"age": row["age"] + shift},  # type: ignore[misc]
            requests=300,
            sampling=0.5,
        )

    calm, late = world.look(LIVE + 10 * DAY), world.look(LIVE + 20 * DAY)

    assert 10 * 100 < calm.rows < 10 * 200
    assert (calm.verdict, late.verdict) == ("no alarm", "alarm")
    assert late.findings[0].features == ("age",)


def test_a_log_in_a_database_keeps_no_counts(world: World) -> None:
    reference = world.registry.drift.reference("churn@1.0.0")
    counted = CountedDays(
        world.log, "churn", (reference.sha256, reference.reference), (), folder=None
    )
    world.day(LIVE, requests=3)

    assert counted.days(LIVE, LIVE, LIVE + WEEK)[0].rows == 3
    assert counted.first() == LIVE
    assert not (world.folder / "drift").exists()


def test_rows_by_position_are_read_by_the_columns_of_the_schema(world: World) -> None:
    end = world.days(LIVE, 8, change=lambda row: list(row.values()), requests=20)

    assert world.look(end).rows == 160


@pytest.mark.parametrize(
    "wanted",
    [
        {"period": 0},
        {"period": 36},
        {"since": LIVE + 100 * DAY},
        {"since": LIVE - timedelta(days=5000)},
        {"without": ("shoe size",)},
        {"without": ("age", "income", "plan")},
    ],
)
def test_what_cannot_be_looked_at_is_refused(world: World, wanted: dict[str, Any]) -> None:
    world.day(LIVE)

    with pytest.raises(InvalidInputError):
        world.look(LIVE + WEEK, **wanted)


def test_a_reference_whose_bytes_changed_is_refused(world: World) -> None:
    world.day(LIVE)
    kept = world.registry.drift.reference("churn@1.0.0")
    blob = world.folder.parent / "store" / "blobs" / "sha256" / kept.sha256
    blob.chmod(0o600)
    blob.write_bytes(b"x" * 100)

    with pytest.raises(DamagedError, match="its bytes changed"):
        world.look(LIVE + DAY)


def test_a_file_in_the_role_that_is_no_reference_is_refused(world: World, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("my own reference")
    world.register("1.1.0", artifacts={"reference": path}, reference=None)

    with pytest.raises(DamagedError, match="is not a drift reference"):
        world.look(LIVE + DAY)


def test_a_folder_in_the_role_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    (tmp_path / "mine" / "b.txt").write_text("b")
    world.register("1.1.0", artifacts={"reference": tmp_path / "mine"}, reference=None)

    with pytest.raises(DamagedError, match="is a folder"):
        world.look(LIVE + DAY)


def test_a_column_that_is_not_measured_is_named(world: World) -> None:
    columns = training() | {"when": [np.datetime64("2026-01-01").item()] * 4000}
    world.register("1.1.0", reference=columns)
    end = world.days(LIVE, 8)

    assert (
        "when is not measured: it holds date: neither numbers nor text" in world.look(end).remarks
    )


def test_a_reference_whose_bytes_are_gone_is_named(world: World) -> None:
    kept = world.registry.drift.reference("churn@1.0.0")
    (world.folder.parent / "store" / "blobs" / "sha256" / kept.sha256).unlink()

    with pytest.raises(NotFoundError, match="name a version whose files are kept"):
        world.look(LIVE + WEEK)


def test_through_a_server_an_alarm_is_recorded_by_whoever_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=older)
    team, beside = Team(world.folder.parent), world.registry
    with team.served() as served:
        reports = []
        for role in ("viewer", "registrar"):
            monkeypatch.setenv("HOLDFAST_TOKEN", team.member(role, role))
            world.registry = holdfast.open(f"http://127.0.0.1:{served.port}")
            reports.append(world.look(end))
        assert (reports[0].verdict, reports[0].recorded) == ("alarm", ())
        assert reports[0].remarks[-1].startswith("not recorded: ")
        (finding,) = reports[1].recorded
        assert beside.situation("churn").findings[0].finding == finding

        done = world.registry.drift.acknowledge("churn", finding, reason="a campaign")

    assert done.note == f"acknowledge {finding}"
    assert beside.situation("churn").findings == ()
    assert [entry.by for entry in beside.entries("churn")[-2:]] == ["registrar", "registrar"]
