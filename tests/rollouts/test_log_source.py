"""Counts of a rollout from the prediction log."""

from pathlib import Path

from tests.predictions.rows import Rows

from holdfast.core.fleet import Sides
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions import open_log
from holdfast.rollouts.count_sources import CountSource
from holdfast.rollouts.log_source import Logged

NOW = "2026-03-03T12:00:00.000000Z"


def test_the_log_is_a_source_that_puts_all_workers_together(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for worker in ("a", "b"):
        row = Rows(worker)
        log.write([row(role="canary", rollout=42, weight=0.05), row(rollout=42, weight=0.05)])
    rollout = Rollout(
        number=42, seq=17, version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis(), by="ana",
        started_at=NOW, since=NOW,
    )  # fmt: skip
    source: CountSource = Logged(log, "iris")
    (counts,) = source.counts(rollout)

    assert (counts.model, counts.rollout) == ("iris", 42)
    assert counts.steps[0].requests == Sides(canary=2, active=2)
    assert [step.step for step in counts.steps] == [0, 1, 2, 3]
    log.close()
