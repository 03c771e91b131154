"""A model's page: what is live, and what speaks against it."""

from typing import Any

from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding


def test_drift_that_nobody_acknowledged_is_shown_with_what_to_do(look: Any, person: Any) -> None:
    registry = person.registry
    feature = FeatureFinding(
        name="<age>", kind="drift", event="over 40", expected=0.1, share=0.4, log_evidence=5.0
    )
    found = DriftFound(
        version=registry.resolve("risk/fraud@production").version,
        finding="drift-2026-11-29",
        kind="drift",
        since="2026-11-01",
        until="2026-11-29",
        log_evidence=5.0,
        drifted=(feature,),
    )
    registry.drift.record("risk/fraud", found)
    _, page = look("/models/risk/fraud")

    assert "drift in &lt;age&gt; since 2026-11-29" in page
    assert "holdfast drift risk/fraud --acknowledge drift-2026-11-29" in page

    registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    _, rollout = look("/models/risk/fraud:rollout")
    assert "drift in &lt;age&gt; since 2026-11-29" in rollout

    registry.drift.acknowledge("risk/fraud", "drift-2026-11-29", reason="a campaign")
    _, page = look("/models/risk/fraud")
    assert "since 2026-11-29" not in page
