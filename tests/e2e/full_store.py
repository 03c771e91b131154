"""Models that have something of everything a page can show."""

import functools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression

import holdfast
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding
from holdfast.core.events import Retrained
from holdfast.core.retraining.slot_record import Outcome
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import ArmOutcomes, OutcomeComparison, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.rollout.step_verdict import Reason, StatisticalTest, StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.predictions import BatchRecord, Log
from holdfast.predictions.ids import Mint
from holdfast.registry.catalogue_verbs import Labels

RUN_LINK = "https://mlflow.example/#/experiments/7/runs/4f2a"
RECORDED = "clinic/tumours-recorded"
TESTED = "shop/ranking"
REFERRED = "zoo/referred"
LONG = (
    "forecasting/" + "-".join(["a-name-that-a-generator-made-and-nobody-ever-shortened"] * 3) + "/x"
)
FOREIGN = "größe/需要-予測"
LATER = (
    "<b>Über 10 %</b> mehr Retouren in 大阪 seit Montag; \N{RIGHT-TO-LEFT OVERRIDE}abc, "
    "https://tickets.example/browse/INC-2311?a=1&b=2 and a word that does not end "
    + "Donaudampfschifffahrt"
    * 9
)
"""A reason as people do give them."""
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
FEED = f"s3://feeds/{'of-a-bucket-with-a-long-name/' * 4}{EVIL}.parquet"

_FIGURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240">'
    b'<rect width="320" height="240" fill="#fff"/><path d="M30 210C60 60 160 40 300 30" '
    b'fill="none" stroke="#0a6a5c" stroke-width="3"/></svg>'
)


def fill(registry: holdfast.Registry, folder: Path) -> None:
    """Make all of them."""
    recorded(registry, folder)
    tested(registry, folder)
    referred(registry)
    named_at_length(registry, folder)


def recorded(registry: holdfast.Registry, folder: Path) -> None:
    """Record two trainings, measure the second beside the first, find drift, retrain by slots."""
    rows = folder / "rows.csv"
    rows.write_text(
        "age,size,sick\n" + "".join(f"{n % 70},{n % 9},{int(n % 9 > 4)}\n" for n in range(120))
    )
    registry.data.add("visits", str(rows))
    parents: list[str] = []
    for number in (1, 2):
        with holdfast.training(
            RECORDED, store=registry, reason="nightly", seed=number, lineage={"parents": parents}
        ) as run:
            run.data("training", "visits@v1")
            table = [[n % 70, n % 9] for n in range(120)]
            model = LogisticRegression(C=number).fit(table, [int(n % 9 > 4) for n in range(120)])
            run.parameters(C=number, penalty="l2")
            for name, floor in (("train/log_loss", 0.2), ("validation/log_loss", 0.3)):
                points = [floor + 0.8 / (step + number) for step in range(30)]
                run.series(name, points)
            run.figure("roc", _FIGURE)
            run.metric("recall", 0.7 + number / 20)
            run.model(model)
        parents = [str(run.version)]
        registry.promote(parents[0], reason=LATER if number == 2 else "first")
    june = folder / "june.csv"
    june.write_text(
        "age,size,sick,region\n"
        + "".join(f"{n % 71},{n % 9},{int(n % 9 > 4)},{'ns'[n % 2]}\n" for n in range(123))
    )
    registry.evaluate(parents[0], data=june, label="sick", slice="region", sandbox="off")
    drifted(registry, RECORDED)
    remarks: tuple[tuple[str, Outcome, str], ...] = (
        ("21", "missed", "the last one was done 9 d ago"),
        ("28", "held", "drift in age, but the last run was 2 d ago"),
    )
    for day, outcome, why in remarks:
        slot = f"2026-11-{day}T02:00:00Z"
        event = Retrained(slot=slot, entry="jobs:train", outcome=outcome, why=why)
        registry.retrainings.remark(RECORDED, event)


def drifted(registry: holdfast.Registry, model: str) -> None:
    """Find drift in the live version."""
    feature = FeatureFinding(
        name="age", kind="drift", event="over 40", expected=0.1, share=0.4, log_evidence=5.0
    )
    version = registry.resolve(f"{model}@production").version
    found = DriftFound(
        version=version, finding="drift-2026-11-29", kind="drift", since="2026-11-01",
        until="2026-11-29", log_evidence=5.0, drifted=(feature,),
    )  # fmt: skip
    registry.drift.record(model, found)


def scored(registry: holdfast.Registry, log: Log) -> None:
    """Log what the live version scored by files: twelve times, a long name among them."""
    info = registry.resolve(f"{RECORDED}@production")
    now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
    for number in range(12):
        at_us = now_us - number * 3_600_000_000
        source = FEED if number == 1 else f"/feeds/{number}.parquet"
        log.batches.add(
            BatchRecord(
                batch_id=Mint("batch", functools.partial(int, at_us // 1000))(), model=info.model,
                version=info.version, digest=info.digest.removeprefix("sha256:"), input=source,
                input_digest="0" * 64, rows=1_234_567 + number, refused=number, nulls=number % 2,
                output=f"s3://scores/{number}.parquet", output_digest="1" * 64, started_us=at_us,
                ended_us=at_us + 5_000_000, by=f"cron {EVIL}" if number == 1 else "cron",
            )
        )  # fmt: skip


def tested(registry: holdfast.Registry, folder: Path) -> None:
    """Leave an A/B test running, with a verdict."""
    for number in (1, 2):
        file = folder / "ranking.json"
        file.write_text(json.dumps({"weights": [number]}))
        registry.register(TESTED, file, metrics={"ndcg": 0.4 + number / 50})
    registry.promote(f"{TESTED}@1.0.0", reason="first")
    analysis = Analysis(latency=None, outcome=OutcomeTest("feedback:clicked", within_s=3600.0))
    terms = Terms(Plan("ab", (0.5,), max_step_time_s=86_400.0), analysis, "header:X-User")
    registry.rollouts.start(f"{TESTED}@1.1.0", terms=terms, reason="does it sell more?")
    registry.rollouts.advance(TESTED, reason="no server here")
    sides = ArmOutcomes(900, 450, 0.5), ArmOutcomes(910, 400, 0.25)
    outcomes = OutcomeComparison("feedback:clicked", *sides, 0.0, 1.0, 0.25, 0.1, 0.4, keyless=7)
    won = Reason("winner", "feedback:clicked is better: +0.25 (+0.1 to +0.4)")
    reading = StatisticalTest("candidate better", 450, 1e9, 40.0)
    verdict = StepVerdict("hold", False, 0.5, (won,), (reading,), None, None, outcomes)  # noqa: FBT003 - as it is stored
    registry.rollouts.record_verdict(TESTED, StepPosition(1, 0), verdict)


def referred(registry: holdfast.Registry) -> None:
    """Take over a version whose bytes are elsewhere, with the address of its run."""
    labels = Labels(lambda _state: None, texts={"run_link": RUN_LINK})
    facts: Any = {"lineage": {"run_id": "4f2a"}}
    registry.catalogue.refer(REFERRED, "s3://elsewhere/model", labels, facts)


def named_at_length(registry: holdfast.Registry, folder: Path) -> None:
    """Use long names, other letters than Latin ones, and many metrics, tags and files."""
    for model in (LONG, FOREIGN):
        for number in (1, 2):
            file = folder / "größe-需要.json"
            file.write_text(json.dumps({"weights": [model, number]}))
            metrics = {f"recall_of_class_{name}": 0.5 + number / 10 for name in "abcdefgh"}
            metrics["mean_absolute_percentage_error_of_the_last_quarter"] = 1.0 / number
            version = registry.register(
                model, file, version=f"{number}.0.0-rc.1+build.20261129.{'a' * 20}",
                metrics=metrics, author="Zoë Ångström-大塚",
                description=f"# Größe\n\nWas **需要** ist.\n\n{LATER}",
                hyperparameters={f"a_parameter_with_a_long_name_{n}": n / 3 for n in range(14)},
            )  # fmt: skip
            registry.tag(
                version, {"team": "försäljning", "κλάδος": "μοντέλα", "quarter": "2026-Q3"}
            )
            registry.promote(version, reason=LATER)
