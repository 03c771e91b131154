"""Live accuracy by the labels of the log: worse answers are found, and unknown ones are said."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.monitoring.conftest import LIVE, World
from tests.predictions.rows import Rows

from holdfast.core.policy import Policy
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.predictions import Filter, Label

DAY = timedelta(days=1)


def answered(
    world: World, day: date, wrong: int, answers: int = 50, delay_days: float = 1.0, **facts: Any
) -> None:
    """Log answers of 1, of which so many turn out to be 0."""
    start_us = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1_000_000
    row = Rows(start_us=start_us)
    usual = {"model": "churn", "version": "1.1.0", "output": [1]}
    rows = [row(**usual | facts) for _ in range(answers)]
    world.log.write(rows)
    late_us = int(delay_days * 86_400_000_000)
    world.log.feedback.add([
        Label(made.prediction_id, [int(place >= wrong)], made.at_us + late_us, "truth")
        for place, made in enumerate(rows)
    ])  # fmt: skip


@pytest.fixture
def measured(world: World) -> World:
    world.register("1.1.0", metrics={"accuracy": 0.9})
    return world


def test_answers_as_at_registration_are_no_alarm(measured: World) -> None:
    for offset in range(30):
        answered(measured, LIVE + offset * DAY, wrong=5)

    report = measured.look(LIVE + 30 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.verdict == "no alarm"
    assert report.accuracy.delay_days == 1
    assert report.accuracy.mature == 29
    assert report.accuracy_is == (
        "no alarm: 10 % wrong (10 % at registration, 14.5 % tolerated), 1450 mature labels, "
        "1 day not mature"
    )


def test_worse_answers_are_a_finding_of_their_own(measured: World) -> None:
    for offset in range(30):
        answered(measured, LIVE + offset * DAY, wrong=5 if offset < 10 else 15)

    report = measured.look(LIVE + 30 * DAY)
    again = measured.look(LIVE + 30 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.verdict == "worse"
    assert [finding.kind for finding in report.findings] == ["accuracy"]
    assert report.accuracy_is.startswith(f"WORSE since {report.accuracy.alarm}")
    assert (len(report.recorded), again.recorded) == (1, ())


def test_the_policy_says_how_much_worse_is_let_pass(measured: World) -> None:
    measured.registry.set_policy("churn", Policy(max_regression=0.5), reason="a trial")
    for offset in range(30):
        answered(measured, LIVE + offset * DAY, wrong=15)

    report = measured.look(LIVE + 30 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.tolerated == pytest.approx(0.55)
    assert report.findings == ()


def test_a_version_without_labels_is_not_measured(measured: World) -> None:
    measured.days(LIVE, 10, version="1.1.0", output=[1])

    assert measured.look(LIVE + 10 * DAY).accuracy_is == (
        "not measured: 0 mature labels; 30 are needed, 10 days not mature"
    )


def test_labels_of_another_version_or_of_a_shadow_say_nothing(measured: World) -> None:
    for offset in range(20):
        answered(measured, LIVE + offset * DAY, wrong=50, version="1.0.0")
        answered(measured, LIVE + offset * DAY, wrong=50, role="shadow")

    report = measured.look(LIVE + 20 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.labels == 0


def test_a_corrected_label_counts_as_it_was_corrected(measured: World) -> None:
    for offset in range(20):
        answered(measured, LIVE + offset * DAY, wrong=50)
    criteria = Filter(model="churn")
    corrected = [
        Label(row.prediction_id, [1], label.at_us + 1, "truth")
        for row, label in measured.log.feedback.joined(criteria)
    ]
    measured.log.feedback.add(corrected)

    report = measured.look(LIVE + 20 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.error == 0


def test_answers_that_are_numbers_are_not_classes(measured: World) -> None:
    for offset in range(10):
        answered(measured, LIVE + offset * DAY, wrong=5, output=[0.7])

    assert "labelled answers are numbers, not classes" in measured.look(LIVE + 10 * DAY).accuracy_is


ERRORS = [0.1 * row for row in range(100)]
"""Of a regression at registration: nine of ten rows are off by at most 8.9."""


@pytest.fixture
def regressing(world: World) -> World:
    world.register("1.1.0", losses={"mae": ERRORS}, evaluation_set=f"sha256:{'a' * 64}")
    return world


def off_by(world: World, day: date, *errors: float) -> None:
    """Log answers of 100 that turn out to be off by so much, fifty in all."""
    start_us = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1_000_000
    row = Rows(start_us=start_us)
    rows = [row(model="churn", version="1.1.0", output=[100.0]) for _ in range(50)]
    world.log.write(rows)
    world.log.feedback.add([
        Label(made.prediction_id, [100 + (*errors, *[1.0] * 50)[place]], made.at_us + 1, "truth")
        for place, made in enumerate(rows)
    ])  # fmt: skip


def test_numbers_as_far_off_as_at_registration_are_no_alarm(regressing: World) -> None:
    for offset in range(30):
        off_by(regressing, LIVE + offset * DAY, *[-9.5] * 5)

    report = regressing.look(LIVE + 30 * DAY)

    assert report.accuracy is not None
    assert report.accuracy.expected == pytest.approx(0.1)
    assert report.accuracy_is.startswith("no alarm: 10 % off by more than 8.9 (10 % at regist")


def test_numbers_further_off_are_a_finding(regressing: World) -> None:
    for offset in range(30):
        off_by(regressing, LIVE + offset * DAY, *[9.5] * (5 if offset < 10 else 20))

    report = regressing.look(LIVE + 30 * DAY)

    assert report.accuracy_is.startswith("WORSE since ")
    assert [finding.kind for finding in report.findings] == ["accuracy"]


def test_labels_that_are_no_numbers_are_not_held_against_numbers(regressing: World) -> None:
    answered(regressing, LIVE, wrong=5, output=["cheap"])

    assert "are of another kind than numbers" in regressing.look(LIVE + DAY).accuracy_is


def test_a_few_losses_are_no_measure_of_what_is_far_off(world: World) -> None:
    world.register("1.1.0", losses={"mae": ERRORS[:29]}, evaluation_set=f"sha256:{'a' * 64}")
    off_by(world, LIVE)

    assert "was evaluated on 29 rows; 30 are needed" in world.look(LIVE + DAY).accuracy_is


def test_losses_that_were_damaged_are_named(regressing: World) -> None:
    (kept,) = regressing.registry.drift.state("churn").versions["1.1.0"].losses
    blob = regressing.folder.parent / "store" / "blobs" / "sha256" / kept.sha256
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[::-1])
    off_by(regressing, LIVE)

    with pytest.raises(DamagedError, match="has changed"):
        regressing.look(LIVE + DAY)


def test_without_a_metric_of_registration_there_is_nothing_to_hold_against(world: World) -> None:
    world.day(LIVE)

    assert world.look(LIVE + DAY).accuracy_is == (
        "not measured: 1.0.0 has no metric accuracy or error_rate from its registration, and no "
        "losses mae, row by row"
    )
    assert world.look(LIVE).accuracy_is.startswith("not measured: 1.0.0 has no")


def test_an_error_rate_serves_as_well(world: World) -> None:
    world.register("1.1.0", metrics={"error_rate": 0.2})
    assert world.look(LIVE).accuracy_is == "not measured: no day is over since it went live"
    for offset in range(10):
        answered(world, LIVE + offset * DAY, wrong=10)

    report = world.look(LIVE + 10 * DAY, label_delay=0)

    assert report.accuracy is not None
    assert (report.accuracy.expected, report.accuracy.mature) == (0.2, 10)


def test_a_delay_that_cannot_be_is_refused(measured: World) -> None:
    measured.day(LIVE)

    with pytest.raises(InvalidInputError):
        measured.look(LIVE + DAY, label_delay=-1)
