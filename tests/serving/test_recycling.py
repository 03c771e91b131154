"""Workers that are replaced after so many requests, or beyond so much memory."""

from pathlib import Path

from tests.serving.facing import until
from tests.serving.serving import MODEL, Callers, Serving, telling
from tests.serving.telemetry.test_multiprocess_metrics import finished

import holdfast
from holdfast.serving.recycling import RecyclingSink, memory_bytes


def test_a_worker_is_due_after_so_many_requests_and_up_to_a_tenth_more() -> None:
    limits = set()
    for _ in range(40):
        recycling = RecyclingSink(100, 0)
        while recycling.due() is None:
            recycling.finished(finished())
        limits.add(recycling.requests)

    assert min(limits) >= 100
    assert max(limits) <= 110
    assert len(limits) > 1


def test_a_worker_is_due_beyond_so_much_memory() -> None:
    used_bytes = memory_bytes()

    assert used_bytes > 1 << 20
    assert "its limit is" in str(RecyclingSink(0, used_bytes // 2).due())
    assert RecyclingSink(0, used_bytes * 2).due() is None
    assert RecyclingSink(0, 0).due() is None


def test_no_request_is_lost_while_a_worker_is_replaced(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.promote(telling(registry, 1))
    with Serving(tmp_path / "store", tmp_path, "--max-requests", "50") as server:
        (first,) = server.workers()
        with Callers(server.port, 2) as callers:
            until(lambda: first not in server.workers(), 180)
            callers.more(20)
        live_versions = server.get("/ready")[1]["live"]

    assert callers.wrong == []
    assert live_versions == {MODEL: "1.1.0"}
    assert "to be replaced: " in server.log
    assert "ended with" not in server.log
