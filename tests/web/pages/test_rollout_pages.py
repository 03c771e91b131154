"""What a rollout's page says of its verdict: what holds is no success, what is unknown not fine."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.rollout.step_verdict import StatisticalTest
from holdfast.predictions import Prediction, open_log
from holdfast.predictions.ids import Mint
from holdfast.predictions.row import Role
from holdfast.rollouts.driver import tick
from holdfast.rollouts.log_source import Logged
from holdfast.web.pages.drawing import templates


def judged(person: Any, folder: Path, failing: int) -> None:
    """Have 200 requests of either side judged, of which so many of the canary's fail."""
    registry = person.registry
    registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    registry.rollouts.advance("risk/fraud", reason="servers are ready")
    mint, now_us = Mint("host-1"), time.time_ns() // 1000
    sides: tuple[tuple[str, Role], ...] = (("1.3.0", "active"), ("1.4.0", "canary"))
    rows = [
        Prediction(
            mint(), now_us, "risk/fraud", version, "0" * 64, role, status, 1000, "host-1",
            rollout=1, weight=0.05, key=f"{side}{number:015x}",
        )
        for side, (version, role) in enumerate(sides)
        for number in range(200)
        for status in [500 if side and number < failing else 200]
    ]  # fmt: skip
    log = open_log(folder / "predictions")
    log.write(rows)
    tick(registry, "risk/fraud", Logged(log, "risk/fraud"), datetime.now(UTC))
    log.close()


def test_a_verdict_that_holds_is_not_shown_as_a_success(
    look: Any, person: Any, tmp_path: Path
) -> None:
    judged(person, tmp_path, 0)
    _, page = look("/models/risk/fraud:rollout")
    assert 'class="verdict wait"' in page
    assert "Hold at 5 %" in page
    assert "have passed" in page
    assert "canary 1.4.0" in page
    assert page.count('class="band"') == 2
    _, rollouts = look("/rollouts")
    assert "1.4.0" in rollouts


def test_a_halt_is_shown_as_one_with_what_decided(look: Any, person: Any, tmp_path: Path) -> None:
    judged(person, tmp_path, 150)
    _, page = look("/models/risk/fraud:rollout")
    assert 'class="verdict no"' in page
    assert "Halt at 5 %" in page
    assert "decided" in page


def test_before_the_first_step_nothing_was_counted_or_tested(look: Any, person: Any) -> None:
    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary")

    class Nothing:
        def counts(self, _rollout: Any) -> list[Any]:
            return []

        def outcomes(self, _rollout: Any, _now: datetime) -> None:
            return None

    tick(person.registry, "risk/fraud", Nothing(), datetime.now(UTC))
    _, page = look("/models/risk/fraud:rollout")
    assert "Nothing was counted yet" in page
    assert "Nothing was tested yet" in page
    assert 'class="verdict wait"' in page


@pytest.mark.parametrize(
    ("evidence", "needed", "text", "share"),
    [(0.192, 20.0, "0.192", 0.0), (20.0, 400.0, "20", 0.5), (1e9, 1000.0, "over 1,000,000", 1.0),
     (1234.5, 1e6, "1,234", 0.515), (0.5, 0.4, "0.5", 1.0)],
)  # fmt: skip
def test_evidence_is_drawn_against_its_bound(
    evidence: float, needed: float, text: str, share: float
) -> None:
    filters = templates().filters
    test = StatisticalTest("errors", 3, evidence, needed)
    assert filters["evidence"](evidence) == text
    assert filters["reach"](test) == pytest.approx(share, abs=0.001)
