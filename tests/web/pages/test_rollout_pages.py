"""What a rollout's page says of its verdict: what holds is no success, what is unknown not fine."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import ArmOutcomes, OutcomeComparison, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.rollout.step_verdict import Reason, StatisticalTest, StepVerdict
from holdfast.core.rollout_commands import StepPosition
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

        def proved(self, counts: list[Any]) -> list[Any]:
            return counts

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


def test_an_ab_test_says_what_became_of_both_sides(look: Any, person: Any) -> None:
    analysis = Analysis(latency=None, outcome=OutcomeTest("feedback:clicked", within_s=3600.0))
    terms = Terms(Plan("ab", (0.5,), max_step_time_s=86_400.0), analysis, "header:X-User")
    rollouts = person.registry.rollouts
    rollouts.start("risk/fraud@1.4.0", terms=terms)
    rollouts.advance("risk/fraud", reason="no server here")
    found = OutcomeComparison(
        "feedback:clicked", ArmOutcomes(900, 450, 0.5), ArmOutcomes(910, 400, 0.25), 0.0, 1.0,
        0.25, 0.1, 0.4, keyless=7,
    )  # fmt: skip
    won = Reason("winner", "feedback:clicked is better: +0.25 (+0.1 to +0.4)")
    reading = StatisticalTest("candidate better", 450, 1e9, 40.0)
    verdict = StepVerdict("hold", False, 0.5, (won,), (reading,), None, None, found)  # noqa: FBT003 - as it is stored
    rollouts.record_verdict("risk/fraud", StepPosition(1, 0), verdict)
    _, page = look("/models/risk/fraud:rollout")

    assert (
        "feedback:clicked: 1.4.0 mean 0.5 of 450 keys, 50 % of those that matured; 1.3.0 mean 0.25 "
        "of 400 keys, 44 % of those that matured; difference +0.25 (+0.1 to +0.4); requests "
        "without a key: 7."
    ) in page
    assert "candidate better" in page
    assert "Evidence against it" not in page


def test_who_may_steer_nothing_is_asked_no_reason(look: Any, person: Any) -> None:
    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    assert "<textarea" in look("/models/risk/fraud:rollout")[1]
    person.verbs = frozenset({"read"})
    _, page = look("/models/risk/fraud:rollout")

    assert "<textarea" not in page
    assert "A promoter of risk/fraud may rollout-advance; ask an admin." in page
