"""What serving workers tell of themselves."""

from datetime import UTC, datetime, timedelta

import msgspec

from holdfast.core.fleet import Lagging, LoadedVersion, Report, serving

TOLD = Report(
    "iris",
    "host-7-ab",
    "2026-03-02T12:00:00Z",
    every_s=2.0,
    seq=7,
    versions=(LoadedVersion("1.0.0", "ready"), LoadedVersion("1.1.0", "failed", "no such file")),
)


def test_a_worker_is_gone_once_three_reports_did_not_come() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)

    assert TOLD.is_fresh(noon + timedelta(seconds=6))
    assert not TOLD.is_fresh(noon + timedelta(seconds=6.1))


def test_a_report_of_a_clock_that_is_ahead_counts_no_longer_than_clocks_differ() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)

    assert TOLD.is_fresh(noon - timedelta(seconds=60))
    assert not TOLD.is_fresh(noon - timedelta(seconds=61))


def test_a_report_that_promises_none_for_long_counts_for_half_an_hour() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    patient = msgspec.structs.replace(TOLD, every_s=1e300)

    assert patient.is_fresh(noon + timedelta(minutes=30))
    assert not patient.is_fresh(noon + timedelta(minutes=31))


def test_a_server_that_died_with_its_clock_ahead_holds_nothing() -> None:
    later = [report("dead", "1.0.0", age_s=-600.0), report("gone", "1.0.0", age_s=-1e10)]
    fleet_status = serving([report("a", "1.1.0"), *later], "1.1.0", NOON)

    assert (fleet_status.workers, fleet_status.whole) == (1, True)
    assert [(laggard.worker, laggard.says) for laggard in fleet_status.lagging] == [
        ("dead", "its clock is ahead of ours and says 2026-03-02T12:10:00+00:00")
    ]


def test_a_report_tells_of_each_version() -> None:
    failed = TOLD.held("1.1.0")

    assert failed is not None
    assert failed.problem == "no such file"
    assert TOLD.held("2.0.0") is None


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def report(worker: str, active: str | None, *versions: LoadedVersion, age_s: float = 0.0) -> Report:
    at = (NOON - timedelta(seconds=age_s)).isoformat()
    return Report("iris", worker, at, every_s=2.0, seq=7, active=active, versions=versions)


def test_servers_that_all_answer_by_the_version_are_whole() -> None:
    fleet_status = serving([report("a", "1.1.0"), report("b", "1.1.0")], "1.1.0", NOON)

    assert (str(fleet_status), fleet_status.whole, fleet_status.lagging) == (
        "2/2 on 1.1.0",
        True,
        (),
    )


def test_each_that_does_not_is_named_with_what_it_says() -> None:
    reports = [
        report("a", "1.1.0"),
        report("b", "1.0.0", LoadedVersion("1.1.0", "failed", "its bytes changed")),
        report("c", None, LoadedVersion("1.1.0", "loading")),
        report("d", "1.0.0"),
    ]
    fleet_status = serving(reports, "1.1.0", NOON)

    assert (str(fleet_status), fleet_status.whole) == ("1/4 on 1.1.0", False)
    assert fleet_status.lagging == (
        Lagging("b", "on 1.0.0, 1.1.0 failed: its bytes changed"),
        Lagging("c", "on nothing, 1.1.0 loading"),
        Lagging("d", "on 1.0.0"),
    )


def test_what_was_said_before_an_entry_does_not_count() -> None:
    fleet_status = serving([report("a", "1.1.0")], "1.1.0", NOON, seq=8)

    assert (str(fleet_status), fleet_status.whole) == ("0/1 on 1.1.0", False)
    assert fleet_status.lagging == (
        Lagging("a", "on 1.1.0, but has read the journal only to entry 7"),
    )
    assert serving([report("a", "1.1.0")], "1.1.0", NOON, seq=7).whole


def test_who_went_silent_is_told_for_an_hour_and_waited_for_by_nobody() -> None:
    reports = [
        report("a", "1.1.0"),
        report("b", "1.0.0", age_s=60),
        report("c", "1.0.0", age_s=4000),
    ]
    fleet_status = serving(reports, "1.1.0", NOON)

    assert (str(fleet_status), fleet_status.whole) == ("1/1 on 1.1.0", True)
    assert fleet_status.lagging == (Lagging("b", "silent since 2026-03-02T11:59:00+00:00"),)


def test_where_nothing_is_live_nothing_is_to_answer() -> None:
    assert str(serving([report("a", None)], None, NOON)) == "1/1 on nothing"
