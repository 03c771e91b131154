"""What came of the versions that `web.py` has live: answers, labels, drift, batches, retraining.

All of it is worked out: versions answer rows that were held out, labels are what is true of these
rows, drift is looked for each morning, a training runs as `holdfast retrain` runs it, and an A/B
test is judged by what the log has. Only the clock is played.
"""

import contextlib
import functools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, f1_score, log_loss
from sklearn.preprocessing import StandardScaler

import holdfast
from holdfast.batch.batch_run import BatchRequest, score
from holdfast.core.policy import MetricRule, Policy
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.rollout_commands import place_of
from holdfast.monitoring.drift_check import DriftLook, look
from holdfast.predictions import Label, Log, Prediction, Role, open_log
from holdfast.predictions.ids import Mint
from holdfast.retraining import overdue, retraining_run
from holdfast.retraining.retraining_run import RunRequest
from holdfast.retraining.schedule import Periodic
from holdfast.rollouts.driver import tick
from holdfast.rollouts.log_source import Logged

if TYPE_CHECKING:
    from examples.web import Table, Year

SEED: Final = 42
JOB: Final = Path(__file__).with_name("web_job.py")
ENTRY: Final = "web_job:train"
WEEK_S: Final = 7 * 86_400.0
A_DAY: Final = 60
"""Requests that are kept of each day."""
FEED_CHANGED: Final = 12
"""So many days ago other payments began to come."""
KEYS: Final = 900
"""Letters in the A/B test, each of which is read once."""


class Answers:
    """The prediction log of the year.

    Attributes:
        folder: Of the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chance = np.random.default_rng(SEED)
        self._pairs: dict[str, Any] = {}

    def give(self, year: "Year", ref: str, rows: pd.DataFrame, **facts: Any) -> list[Prediction]:
        """Have a version answer rows, one request each, at times of the day that begins now.

        Args:
            facts: Of all rows of the log; of `keys` each has one, and `span_s` is the day's length.
        """
        info = year.registry.resolve(ref)
        if info.ref not in self._pairs:
            self._pairs[info.ref] = year.registry.load(info.ref)
        answers = np.asarray(self._pairs[info.ref].predict(rows)).tolist()
        keys = facts.pop("keys", [None] * len(rows))
        seconds = np.sort(self._chance.uniform(0, facts.pop("span_s", 86_399.0), len(rows)))
        records = rows.to_dict("records")
        made = []
        for record, answer, second, key in zip(records, answers, seconds, keys, strict=True):
            at_us = int((year.now.timestamp() + second) * 1_000_000)
            prediction = Prediction(
                prediction_id=Mint("host-1", functools.partial(int, at_us // 1000))(),
                at_us=at_us,
                model=info.model,
                version=info.version,
                digest=info.digest.removeprefix("sha256:"),
                role="active",
                status=200,
                latency_us=int(self._chance.gamma(9, 130)),
                worker="host-1",
                key=key,
                input=msgspec.Raw(msgspec.json.encode({"instances": [record]})),
                output={"predictions": [answer]},
            )
            made.append(replace(prediction, **facts))
        with self.opened() as log:
            log.write(made)
        return made

    def label(self, rows: list[Prediction], truth: Any, after: timedelta, by: str) -> None:
        """Tell what was true of answers, some time after each; nothing is told of tomorrow."""
        now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
        after_us = int(after.total_seconds() * 1_000_000)
        labels = [
            Label(row.prediction_id, np.asarray(true).item(), row.at_us + after_us, by)
            for row, true in zip(rows, truth, strict=True)
            if row.at_us + after_us < now_us
        ]
        if not labels:
            return
        with self.opened() as log:
            log.feedback.add(labels)
        days = {datetime.fromtimestamp(row.at_us / 1e6, UTC).date().isoformat() for row in rows}
        for path in (self.folder / day / "feedback.sqlite" for day in days):
            with contextlib.closing(sqlite3.connect(path)) as file, file:
                file.execute("UPDATE labels SET kept_us = at_us")  # when they came, in that year

    @contextlib.contextmanager
    def opened(self) -> Iterator[Log]:
        """Lend the log."""
        with contextlib.closing(open_log(self.folder)) as log:
            yield log


def payments(year: "Year", answers: Answers, table: "Table") -> None:
    """Answer payments for four weeks, lately other ones; score last month's once more."""
    chance = np.random.default_rng(SEED)
    usual = table.held_out.reset_index(drop=True)
    truth = pd.Series(table.held_out_truth)
    of_a_new_shop = usual[usual["shop_a"] > usual["shop_a"].quantile(0.6)]
    found = False
    for days_ago in range(28, 0, -1):
        year.on(days_ago, 0)
        source = of_a_new_shop if days_ago <= FEED_CHANGED else usual
        rows = source.sample(A_DAY, random_state=int(chance.integers(1 << 30)))
        given = answers.give(year, "risk/fraud@production", rows)
        answers.label(given, truth[rows.index], timedelta(days=6), "chargebacks")
        year.on(days_ago - 1, 6, 30)
        if not found and days_ago <= FEED_CHANGED:
            with answers.opened() as log:
                report = look(
                    year.by("cron"), log, answers.folder, "risk/fraud", DriftLook(), year.now
                )
            found = report.verdict == "alarm"
            if found:
                print(f"  drift in risk/fraud: {report.findings[0].finding}")
    year.on(2, 5, 0)
    scored(year, answers, usual)


def scored(year: "Year", answers: Answers, rows: pd.DataFrame) -> None:
    """Score a month of payments by files; three of them are not what the version takes."""
    feeds = answers.folder.with_name("feeds")
    feeds.mkdir(exist_ok=True)
    month = (year.now - timedelta(days=30)).strftime("%Y-%m")
    month_rows = rows.copy().astype(object)
    month_rows.insert(0, "payment", [f"p-{number:05d}" for number in range(len(rows))])
    month_rows.loc[[7, 501, 1204], "card_a"] = "n/a"
    source = feeds / f"payments-{month}.csv"
    month_rows.to_csv(source, index=False)
    request = BatchRequest(
        ref="risk/fraud@production",
        source=str(source),
        output=feeds / f"scores-{month}.parquet",
        id_column="payment",
        replacing="replace",
        sandbox="off",
        by="ana",
    )
    began_ms = int(year.now.timestamp() * 1000)
    with answers.opened() as log:
        done = score(year.registry, request, log, Mint("batch", lambda: began_ms)(), year.tick)
    print(f"  scored {done.record.rows} payments, {done.record.refused} refused")


def canary_answers(year: "Year", answers: Answers, table: "Table") -> None:
    """Answer some of the requests of the canary that runs now."""
    rollout = year.registry.rollout("risk/fraud")
    assert rollout is not None  # noqa: S101 - it was started before
    year.ago(minutes=50)
    for role, ref, count in (("canary", rollout.version, 40), ("active", "production", 120)):
        rows = table.held_out.sample(count, random_state=SEED)
        answers.give(
            year, f"risk/fraud@{ref}", rows, role=role, rollout=rollout.number,
            weight=rollout.weight, span_s=2_400.0,
        )  # fmt: skip


def tested_on_slices(year: "Year", folder: Path, table: "Table") -> None:
    """Measure the live version where each slide came from."""
    rows = table.held_out.assign(malignant=table.held_out_truth)
    rows["site"] = np.where(np.arange(len(rows)) % 3 == 0, "south", "north")
    folder.mkdir(exist_ok=True)
    path = folder / "slides.csv"
    rows.to_csv(path, index=False)
    year.on(6, 11, 5)
    year.by("cleo").evaluate(
        "clinic/tumours@production", data=str(path), label="malignant", slice="site",
        sandbox="off",
    )  # fmt: skip


def retrained(year: "Year", folder: Path, table: "Table") -> None:
    """Retrain every week: once on wrong labels, once by nobody, once as it should be."""
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    shutil.copy(JOB, jobs)
    model, rows = "post/digits", table.rows.assign(label=table.truth)
    held_out = table.held_out.assign(label=table.held_out_truth)
    wrong = rows.copy()
    wrong.loc[wrong.index[::2], "label"] = (wrong["label"][::2] + 1) % 10
    for name, frame in (("held_out", held_out), ("wrong", wrong), ("scans", rows)):
        frame.to_csv(jobs / f"{name}.csv", index=False)
    schedule = Periodic(WEEK_S)
    slots = [schedule.previous(year.end - timedelta(weeks=weeks)) for weeks in (3, 2, 1)]
    year.at(slots[0] - timedelta(days=2))
    policy = Policy(
        metrics={"accuracy": MetricRule(max_regression=0.01)},
        retraining=RetrainingTerms(entry=ENTRY, every_s=WEEK_S, time_limit_s=1_800.0),
    )
    year.by("ben").set_policy(model, policy, reason="a job retrains it every week from now on")
    _run(year, slots[0], jobs, "wrong")
    year.at(slots[1] + timedelta(days=3))
    overdue.missed(year.by("cron"), model, schedule, ENTRY, year.now)
    _run(year, slots[2], jobs, "scans")


def _run(year: "Year", slot: datetime, jobs: Path, rows: str) -> None:
    """Run a slot as `holdfast retrain` does."""
    year.at(slot + timedelta(minutes=4))
    request = RunRequest(
        model="post/digits",
        slot=slot.strftime("%Y-%m-%dT%H:%M:%SZ"),
        folder=jobs,
        environment=dict(os.environ),
        entry=ENTRY,
        data={"rows": jobs / f"{rows}.csv", "evaluation": jobs / "held_out.csv"},
        seed=SEED,
        holder="cron@host-1",
        sandbox="off",
    )
    done = retraining_run.run(year.by("cron"), request)
    print(f"  retrained post/digits: {done.record.outcome} {done.record.version or ''}")


def compared(year: "Year", answers: Answers, table: "Table") -> None:
    """Have the retrained version read half of the letters; labels tell which reads better."""
    model, truth = "post/digits", pd.Series(table.held_out_truth, table.held_out.index)
    terms = Terms(
        Plan("ab", (0.5,), max_step_time_s=14 * 86_400.0),
        Analysis(latency=None, outcome=OutcomeTest("accuracy", within_s=86_400.0)),
        "header:X-Letter",
    )
    year.on(4, 9, 30)
    verbs = year.by("ben").rollouts
    verbs.start(f"{model}@staging", terms=terms, reason="does the weekly model read better?")
    rollout = year.registry.rollout(model)
    assert rollout is not None  # noqa: S101 - it was started above
    year.by("driver").rollouts.step(model, place_of(rollout), None)
    chance = np.random.default_rng(SEED)
    sides: tuple[tuple[Role, str], ...] = (("canary", rollout.version), ("active", "production"))
    for days_ago in (4, 3, 2):
        year.on(days_ago, 10)
        for role, ref in sides:
            count = int(chance.binomial(KEYS // 3, 0.5))
            rows = table.held_out.sample(count, replace=True, random_state=days_ago)
            keys = [f"{chance.integers(1 << 62):016x}" for _ in range(count)]
            given = answers.give(
                year, f"{model}@{ref}", rows, role=role, rollout=rollout.number,
                weight=0.5, keys=keys, span_s=43_200.0,
            )  # fmt: skip
            answers.label(given, truth[rows.index], timedelta(hours=3), "sorters")
    year.ago(minutes=25)
    with answers.opened() as log:
        tick(year.by("driver"), model, Logged(log, model), year.now)


def recorded(year: "Year", model: str, table: "Table") -> None:
    """Train in a block that records: parameters, curves epoch by epoch, and a figure."""
    scaler = StandardScaler().set_output(transform="pandas").fit(table.rows)
    rows, held_out = scaler.transform(table.rows), scaler.transform(table.held_out)
    kinds = np.unique(table.truth)
    classifier = SGDClassifier(loss="log_loss", alpha=0.003, eta0=0.004, learning_rate="constant",
                               random_state=SEED)  # fmt: skip
    with holdfast.training(
        model,
        store=year.by("ana"),
        reason="with its curves",
        seed=SEED,
        description="Names the grower by chemistry.",
        training_data={"source": "lab.samples", "rows": len(table.rows)},
    ) as run:
        run.parameters(alpha=0.003, eta0=0.004, epochs=40)
        for epoch in range(1, 41):
            classifier.partial_fit(rows, table.truth, classes=kinds)
            for name, some, truth in (
                ("train", rows, table.truth), ("validation", held_out, table.held_out_truth)
            ):  # fmt: skip
                run.curve(
                    f"{name}/log_loss", epoch, log_loss(truth, classifier.predict_proba(some))
                )
        answered = classifier.predict(held_out)
        run.metric("accuracy", round(float(np.mean(answered == table.held_out_truth)), 4))
        run.metric("f1", round(float(f1_score(table.held_out_truth, answered, average="macro")), 4))
        run.figure("confusion", confusion(confusion_matrix(table.held_out_truth, answered)))
        run.model(classifier, scaler, input_example=table.rows.head(2))


def confusion(counts: Any) -> bytes:
    """Draw what was taken for what."""
    side, most = 64, counts.max()
    cells = "".join(
        f'<rect x="{60 + column * side}" y="{28 + row * side}" width="{side - 2}" '
        f'height="{side - 2}" fill="#0a6a5c" fill-opacity="{0.06 + 0.9 * count / most:.2f}"/>'
        f'<text x="{60 + column * side + side / 2 - 1}" y="{28 + row * side + 37}" '
        f'fill="{"#fff" if count > most / 2 else "#15201d"}" text-anchor="middle">{count}</text>'
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
    )
    width = 70 + side * len(counts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{width - 30}" '
        f'viewBox="0 0 {width} {width - 30}" font-family="sans-serif" font-size="14">'
        f'<rect width="{width}" height="{width - 30}" fill="#fff"/>'
        f'<text x="60" y="18" fill="#54615c">taken for</text>'
        f'<text x="20" y="64" fill="#54615c">is</text>{cells}</svg>'
    ).encode()
