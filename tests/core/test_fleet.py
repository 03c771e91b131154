"""What serving workers tell of themselves."""

from datetime import UTC, datetime, timedelta

from holdfast.core.fleet import Held, Report

TOLD = Report(
    "iris",
    "host-7-ab",
    "2026-03-02T12:00:00Z",
    every_s=2.0,
    seq=7,
    versions=(Held("1.0.0", "ready"), Held("1.1.0", "failed", "no such file")),
)


def test_a_worker_is_gone_once_three_reports_did_not_come() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)

    assert TOLD.is_fresh(noon + timedelta(seconds=6))
    assert not TOLD.is_fresh(noon + timedelta(seconds=6.1))
    assert TOLD.is_fresh(noon - timedelta(hours=1))


def test_a_report_tells_of_each_version() -> None:
    failed = TOLD.held("1.1.0")

    assert failed is not None
    assert failed.problem == "no such file"
    assert TOLD.held("2.0.0") is None
