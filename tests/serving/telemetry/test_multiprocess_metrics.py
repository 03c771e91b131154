"""One page of metrics for all workers at an address."""

import re
from pathlib import Path

import pytest
from tests.serving.facing import rollout, routing_table, sums, until
from tests.serving.serving import MODEL, Callers, Serving, telling

import holdfast
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.telemetry import metric_totals
from holdfast.serving.telemetry.metric_totals import MetricTotals
from holdfast.serving.telemetry.multiprocess_metrics import MultiprocessMetrics

BASELINE = Baseline(2_000, ((0.5, 90), (0.99, 200)))  # of the candidate slow from 290 and 400 on


def finished(status: int = 200, us: int = 100) -> FinishedRequest:
    goes = rollout(baseline=BASELINE)
    return FinishedRequest(
        routing_table=routing_table(sums(), rollout=goes, candidate=sums("1.1.0")),
        loaded=sums("1.1.0"),
        role="canary",
        counted=True,
        failed=status >= 500,
        status=status,
        latency_us=us,
        at_us=1,
        prediction_id="p",
        request_id="r",
        model_us=us,
    )


def counted(*answers: FinishedRequest) -> MetricTotals:
    worker_tally = MetricTotals(in_flight=1, not_mirrored=2, rows_waiting=3)
    worker_tally.rows["kept"] = 4
    worker_tally.waiting["iris", "1.1.0"] = 5
    for answer in answers:
        worker_tally.finished(answer)
    return worker_tally


def test_a_tally_is_read_as_it_was_written() -> None:
    worker_tally = counted(finished(), finished(503, us=70_000))

    assert metric_totals.read(metric_totals.written(worker_tally)) == worker_tally


def test_tallies_add_up() -> None:
    whole = MetricTotals()
    for worker_tally in (counted(finished()), counted(finished(us=300), finished(500, us=500))):
        whole.add(worker_tally)

    names = ("iris", "1.1.0", "canary")
    side = whole.sides["iris", 7, 0, "canary"]
    assert whole.requests == {(*names, 200): 2, (*names, 500): 1}
    assert (sum(whole.durations[names].counts), whole.durations[names].sum_us) == (3, 900)
    assert whole.calls["iris", "1.1.0"].cumulated()[0] == ("0.0005", 3.0)
    assert (side.requests, side.failures, side.slower) == (3, 1, {0.5: 2, 0.99: 1})
    assert (whole.in_flight, whole.not_mirrored, whole.rows_waiting) == (2, 4, 6)
    assert whole.rows == {"kept": 8}
    assert whole.waiting == {("iris", "1.1.0"): 10}


def test_whoever_is_asked_tells_of_all_also_of_those_who_are_gone(tmp_path: Path) -> None:
    own = counted(finished())
    here = MultiprocessMetrics(tmp_path, "here", lambda: own)
    gone = MultiprocessMetrics(tmp_path, "gone", lambda: counted(finished(), finished()))
    gone.start()
    gone.stop()
    before = sum(here.together().requests.values())
    own.finished(finished())

    assert (before, sum(here.together().requests.values())) == (3, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone.tally", "here.tally"]


def test_a_worker_writes_by_itself(tmp_path: Path) -> None:
    crew = MultiprocessMetrics(tmp_path, "here", counted)
    crew.start()
    until((tmp_path / "here.tally").exists)
    crew.stop()

    assert metric_totals.read((tmp_path / "here.tally").read_bytes()).in_flight == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"\x81\xa8requests\x01"])
def test_a_file_that_cannot_be_read_is_left_out_and_told(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "odd.tally").write_bytes(content)

    assert (
        sum(
            MultiprocessMetrics(tmp_path, "here", lambda: counted(finished()))
            .together()
            .requests.values()
        )
        == 1
    )
    assert "odd.tally" in caplog.text


def test_a_folder_that_is_gone_ends_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole_tally = MultiprocessMetrics(
        tmp_path / "gone", "here", lambda: counted(finished())
    ).together()

    assert sum(whole_tally.requests.values()) == 0
    assert "not shared" in caplog.text


def total(server: Serving) -> float:
    page = server.get("/metrics")[1]
    matches = re.findall(r'^holdfast_requests_total{code="200".*} (\S+)$', page, re.MULTILINE)
    return sum(map(float, matches))


def test_metrics_of_several_workers_are_one_account_that_never_falls(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.promote(telling(registry, 1))
    with Serving(tmp_path / "store", tmp_path, "--workers", "2") as server:
        until(lambda: len(registry.fleet.servers(MODEL)) == 2)
        with Callers(server.port, 8) as callers:
            seen = [total(server) for _ in range(20)]
            callers.more(200)
        asked = callers.answered.total()
        until(lambda: total(server) == asked)
        server.kill_worker()
        after = [total(server) for _ in range(10)]

    assert seen == sorted(seen)
    assert set(after) == {asked}
