"""A model's page: what is live, and what speaks against it."""

from pathlib import Path
from typing import Any

from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding
from holdfast.core.events import Retrained
from holdfast.registry.retraining_conclusion import Attempt
from holdfast.registry.retraining_lease import LeaseHolder


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
    assert '<code>holdfast drift risk/fraud <span class="keep">--acknowledge</span> drift' in page

    front, page = look("/")
    (ask,) = front.values["asks"]
    assert (ask.title, ask.text) == ("risk/fraud drifts", "drift in <age> since 2026-11-29")
    assert '<span class="chip bad" title="drift in &lt;age&gt; since' in page

    registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    _, rollout = look("/models/risk/fraud:rollout")
    assert "drift in &lt;age&gt; since 2026-11-29" in rollout

    registry.drift.acknowledge("risk/fraud", "drift-2026-11-29", reason="a campaign")
    _, page = look("/models/risk/fraud")
    assert "since 2026-11-29" not in page


def test_the_last_slots_of_retraining_are_shown(look: Any, person: Any) -> None:
    retrainings = person.registry.retrainings
    for day in range(1, 8):
        slot = f"2026-11-0{day}T02:00:00Z"
        retrainings.remark(
            "risk/fraud", Retrained(slot=slot, entry="jobs:train", outcome="missed", why="late")
        )
    attempt = Attempt("2026-11-09T02:00:00Z", "jobs:train", "auto", b"{}\n", b"it fell over\n")
    with retrainings.lease("risk/fraud", LeaseHolder(attempt.slot, "cron")) as lease:
        failed = Retrained(
            slot=attempt.slot, entry="jobs:train", outcome="failed", why="no rows", term=lease.term
        )
        retrainings.fail("risk/fraud", attempt, failed, lease)
    _, page = look("/models/risk/fraud")

    assert "last 5 of 8 slots" in page
    assert "failed, attempt 1" in page
    assert "no rows" in page
    assert "2026-11-04T02:00:00Z" in page
    assert "2026-11-03T02:00:00Z" not in page


def test_a_model_that_is_not_retrained_has_no_such_section(look: Any) -> None:
    assert 'aria-label="Retraining"' not in look("/models/risk/fraud")[1]


def test_who_may_not_promote_is_told_which_role_may(look: Any, person: Any) -> None:
    assert "may promote; ask an admin" not in look("/models/risk/fraud")[1]
    person.verbs = frozenset({"read"})
    for path in ("/models/risk/fraud", "/models/risk/fraud@1.4.0"):
        _, page = look(path)
        assert "Promote…" not in page
        assert "A promoter of risk/fraud may promote; ask an admin." in page


def test_a_damaged_way_back_teaches_how_to_repair_it(look: Any, person: Any, store: Path) -> None:
    before = person.registry.status("risk/fraud").before.version
    digest = person.registry.manifest(f"risk/fraud@{before}").artifacts["model"].files[0].sha256
    blob = store / "blobs" / "sha256" / digest.removeprefix("sha256:")
    blob.chmod(0o600)
    blob.write_bytes(b"cut")
    _, page = look("/models/risk/fraud")

    assert "holdfast repair risk/fraud --from COPY" in page
    assert "holdfast rollback" not in page
