"""A year of five models, and the pages that show it. Run it with `make demo-web`.

Every version is trained on data that scikit-learn brings or makes, with fixed seeds; the clock is
passed in, so that the entries are dated over the year that ends now. There are refused and forced
moves, a canary that evidence halts and one that goes on, a rollback at night, approvals that are
waited for and a model that is not live yet. Versions answer, and labels come in: there is drift, a
batch, a weekly retraining and an A/B test (`web_answers.py`). The store stays in ./demo-web.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from web_answers import (  # type: ignore[import-not-found]
    Answers,
    canary_answers,
    compared,
    payments,
    recorded,
    retrained,
    tested_on_slices,
)

import holdfast
from holdfast.core import wording
from holdfast.core.policy import MetricRule, Policy
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.evidence import Tally
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.rollout.verdict import Observations, judge
from holdfast.core.rollout_commands import place_of
from holdfast.errors import RefusedError, UnsupportedError

HERE: Final = Path("demo-web")
SEED: Final = 42
STEPS: Final = Terms(
    Plan(steps=(0.05, 0.25, 0.5, 1.0), min_requests=500), Analysis(latency=None, sample_ratio=None)
)
MADE: Final = ("store", "predictions", "feeds", "jobs")
"""Folders that a run makes."""
TRAFFIC: Final = 12_000
"""Requests to a model on each step of a rollout."""


def main() -> int:
    """Fill the store, and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE, help="where the store will be")
    parser.add_argument("--fill-only", action="store_true", help="start no server")
    parser.add_argument("--only", choices=MODELS, help="fill this model alone")
    parser.add_argument("--port", default="8090", help="where the server listens")
    asked = parser.parse_args()
    store = asked.folder / "store"
    for name in MADE:  # what the last run left
        shutil.rmtree(asked.folder / name, ignore_errors=True)
    asked.folder.mkdir(parents=True, exist_ok=True)
    year = Year(asked.folder, datetime.now(UTC))
    for name, live in MODELS.items():
        if asked.only in (None, name):
            live(year)
    registry = year.registry
    models = registry.models()
    versions = sum(info.versions for info in models)
    filled = f"{wording.count(len(models), 'model')} with {wording.count(versions, 'version')}"
    print(f"{store}: a year of {filled}", flush=True)
    if asked.fill_only:
        return 0
    print("open the link that follows in a browser; Ctrl-C ends the server\n", flush=True)
    command = [sys.executable, "-m", "holdfast", "web", "--port", asked.port, "--store", str(store),
               "--log", str(year.answers.folder)]  # fmt: skip
    if os.name != "nt":
        os.execv(sys.executable, command)  # noqa: S606 - so that Ctrl-C reaches the server alone
    return subprocess.run(command, check=False).returncode


class Year:
    """The registry of a year, and the clock that its entries are dated by.

    Attributes:
        folder: Where all of it is.
        end: The present time.
        now: What the clock shows.
        answers: What its versions answered.
    """

    def __init__(self, folder: Path, end: datetime) -> None:
        self.folder = folder
        self.end = self.now = end
        self.registry = holdfast.open(folder / "store", by="ci", clock=self.tick)
        self.answers = Answers(folder / "predictions")

    def tick(self) -> datetime:
        """Tell the time, a little later at each look."""
        self.at(self.now + timedelta(seconds=3))
        return self.now

    def at(self, moment: datetime) -> None:
        """Turn the clock to a time, at most to the present one."""
        self.now = min(moment, self.end)

    def on(self, days_ago: int, hour: int, minute: int = 0) -> None:
        """Turn the clock to a time of an earlier day."""
        day = self.end - timedelta(days=days_ago)
        self.at(day.replace(hour=hour, minute=minute, second=0, microsecond=0))

    def later(self, **span: int) -> None:
        """Let some time pass."""
        self.at(self.now + timedelta(**span))

    def ago(self, **span: int) -> None:
        """Turn the clock to a time just before the end."""
        self.at(self.end - timedelta(**span))

    def by(self, author: str) -> holdfast.Registry:
        """Return the registry as somebody uses it."""
        return self.registry.acting_as(author)


@dataclass(frozen=True)
class Table:
    """Rows and what is to be told of them, and those that no version is trained on."""

    rows: pd.DataFrame
    truth: Any
    held_out: pd.DataFrame
    held_out_truth: Any

    def first(self, count: int) -> "Table":
        """Return the same with fewer rows to train on: those that were there by then."""
        return Table(self.rows[:count], self.truth[:count], self.held_out, self.held_out_truth)

    def without(self, columns: list[str]) -> "Table":
        """Return the same, as if a feed sent nothing in some columns."""
        return Table(
            self.rows.assign(**dict.fromkeys(columns, 0.0)), self.truth,
            self.held_out.assign(**dict.fromkeys(columns, 0.0)), self.held_out_truth,
        )  # fmt: skip


def split(rows: Any, truth: Any, names: list[str]) -> Table:
    """Hold a third back."""
    frame = pd.DataFrame(np.asarray(rows, dtype=float), columns=names)
    train, test, train_truth, test_truth = train_test_split(
        frame, np.asarray(truth), test_size=0.33, random_state=SEED
    )
    return Table(train, train_truth, test, test_truth)


@dataclass(frozen=True)
class Product:
    """A model that is trained again and again.

    Attributes:
        measure: Turns predictions and scores into metrics.
    """

    name: str
    about: str
    tags: dict[str, str]
    source: str
    measure: Callable[[Any, Any, Any], dict[str, float]]

    def train(self, year: Year, model: Any, table: Table, **facts: Any) -> str:
        """Fit a model and its scaler, measure them on rows that were held out, register both."""
        scaler = StandardScaler().set_output(transform="pandas").fit(table.rows)
        model.fit(scaler.transform(table.rows), table.truth)
        shown = scaler.transform(table.held_out)
        scores = model.predict_proba(shown)[:, 1] if hasattr(model, "predict_proba") else None
        metrics = self.measure(table.held_out_truth, model.predict(shown), scores)
        registered = year.registry.register(
            self.name,
            model,
            scaler,
            metrics={name: round(float(value), 4) for name, value in metrics.items()},
            description=self.about,
            training_data={"source": self.source, "rows": len(table.rows)},
            input_example=table.rows.head(2),
            author="ana",
            **facts,
        )
        year.registry.tag(registered, self.tags)
        return registered.ref


def yes_or_no(truth: Any, predicted: Any, scores: Any) -> dict[str, float]:
    """Measure a model that answers yes or no."""
    return {
        "recall": recall_score(truth, predicted),
        "precision": precision_score(truth, predicted),
        "roc_auc": roc_auc_score(truth, scores),
    }


def classes(truth: Any, predicted: Any, _scores: Any) -> dict[str, float]:
    """Measure a model that chooses among classes."""
    return {
        "accuracy": accuracy_score(truth, predicted),
        "f1": f1_score(truth, predicted, average="macro"),
    }


def share_right(truth: Any, predicted: Any, _scores: Any) -> dict[str, float]:
    """Measure a model that reads, by what it read right."""
    return {"accuracy": accuracy_score(truth, predicted)}


def amounts(truth: Any, predicted: Any, _scores: Any) -> dict[str, float]:
    """Measure a model that estimates an amount."""
    return {
        "rmse": root_mean_squared_error(truth, predicted),
        "mae": mean_absolute_error(truth, predicted),
        "r2": r2_score(truth, predicted),
    }


def roll_out(year: Year, ref: str, failing: tuple[float, float], steps: int, reason: str) -> None:
    """Roll a version out by the evidence of its requests.

    Args:
        year: Where it happens.
        ref: The candidate.
        failing: True rates of failures, of the candidate and of the live version.
        steps: After how many steps to stop looking.
        reason: Why it is rolled out.
    """
    verbs, model = year.by("ana").rollouts, ref.partition("@")[0]
    chance = np.random.default_rng(SEED)
    verbs.start(ref, terms=STEPS, reason=reason)
    counts: list[Tally] = []
    for step in range(-1, steps):
        rollout = year.registry.rollout(model)
        assert rollout is not None  # noqa: S101 - it was started above
        driver = year.by("driver").rollouts
        if step < 0:
            driver.step(model, place_of(rollout), None)
            continue
        weight = rollout.plan.steps[step]
        canary, active = int(TRAFFIC * weight), int(TRAFFIC * (1 - weight))
        failed = (
            int(chance.binomial(canary, failing[0])),
            int(chance.binomial(active, failing[1])),
        )
        counts.append(Tally(weight, canary, active, *failed))
        seen = Observations(step, 1_800.0, failures=tuple(counts))
        verdict = judge(rollout.plan, rollout.analysis, seen)
        year.later(minutes=30)
        if verdict.outcome == "halt":
            driver.halt(model, place_of(rollout), verdict)
            return
        if verdict.outcome == "hold" or step == steps - 1 < len(rollout.plan.steps) - 1:
            driver.record_verdict(model, place_of(rollout), verdict)
        elif rollout.is_last:
            driver.finish(model, place_of(rollout), verdict)
        else:
            driver.step(model, place_of(rollout), verdict)


def fraud(year: Year) -> None:
    """Live a year of fourteen versions: one by force, back at night; drift, and a canary now."""
    names = [f"{part}_{kind}" for part in ("card", "shop", "device", "amount") for kind in "abcd"]
    rows, truth = make_classification(
        9_000, 16, n_informative=9, n_redundant=3, weights=[0.85], flip_y=0.01, random_state=SEED
    )
    table = split(rows, truth, names)
    about = "Scores **card payments** before they are authorised.\n\n- trained monthly\n- 0 to 1"
    tags = {"team": "risk", "pii": ""}
    product = Product("risk/fraud", about, tags, "warehouse.payments", yes_or_no)
    policy = Policy(metrics={"recall": MetricRule(minimum=0.75)}, required_fields=("description",))
    for month in range(14):
        year.on(362 - 27 * month, 2, 14 + month)
        model = (
            LogisticRegression(C=0.002 * 3**month, max_iter=300, class_weight="balanced")
            if month < 4  # noqa: PLR2004 - then forests
            else RandomForestClassifier(
                10 + 2 * month, max_depth=7, class_weight="balanced", random_state=SEED
            )
        )
        data = table.first(500 + 380 * month)
        if month == 12:  # noqa: PLR2004 - the feed sends only half
            data = data.without(names[:8])
        counted = {"reference": data.rows} if month > 10 else {}  # noqa: PLR2004 - drift is asked
        ref = product.train(year, model, data, **counted)
        if month == 0:
            year.by("ana").set_policy(product.name, policy, reason="what risk agreed on")
        if month == 12:  # noqa: PLR2004 - the night
            by_force_and_back(year, ref)
        elif month == 13:  # noqa: PLR2004 - the newest is a canary
            payments(year, year.answers, table)
            year.ago(hours=3)
            roll_out(year, ref, (0.004, 0.004), 2, "retrained on the repaired feed")
            canary_answers(year, year.answers, table)
        else:
            year.on(361 - 27 * month, 9 + month % 7, 20)
            go_live(year, ref, "ana" if month % 3 else "ben", "monthly retrain")


def by_force_and_back(year: Year, ref: str) -> None:
    """Promote what the gate refuses, and go back from it at night."""
    year.on(37, 16, 41)
    name = ref.partition("@")[0]
    try:
        year.by("ana").promote(ref, reason="monthly retrain")
    except RefusedError as error:
        print(f"  refused {ref}: {error.reasons[0]}")
    year.later(minutes=22)
    year.by("ana").promote(ref, force=True, reason="the new feed goes live tonight")
    year.on(37, 23, 12)
    year.by("ben").rollback(name, reason="recall is falling, INC-2311")
    year.later(minutes=9)
    year.by("ben").hold(ref, reason="INC-2311: the feed sends neither cards nor shops")
    year.on(36, 10, 5)
    year.by("ana").note(ref, "The new feed leaves card_a to shop_d empty; see INC-2311.")


def go_live(year: Year, ref: str, author: str, reason: str) -> None:
    """Promote a version if the gate lets it pass."""
    try:
        year.by(author).promote(ref, reason=reason)
    except RefusedError as error:
        print(f"  refused {ref}: {error.reasons[0]}")


def tumours(year: Year) -> None:
    """Live a year of nine versions; a canary fails on what nobody had tried, the next one goes."""
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    table = split(data.data, 1 - data.target, names)
    about = (
        "Tells **malignant from benign** by measures of cell nuclei; a second opinion, no first."
    )
    product = Product("clinic/tumours", about, {"team": "clinic"}, "pathology.slides", yes_or_no)
    for number in range(9):
        year.on(330 - 40 * number, 7, 30)
        model = LogisticRegression(C=0.002 * 3**number, max_iter=500)
        ref = product.train(year, model, table.first(110 + 33 * number))
        if number == 0:
            policy = Policy(metrics={"recall": MetricRule(max_regression=0.03)})
            year.by("cleo").set_policy(product.name, policy, reason="no tumour is to be missed")
        year.on(329 - 40 * number, 10, 45)
        if number == 7:  # noqa: PLR2004 - the one that halts
            roll_out(year, ref, (0.041, 0.003), 4, "faster pipeline, without the imputer")
        elif number == 8:  # noqa: PLR2004 - and the one after it
            roll_out(year, ref, (0.003, 0.003), 4, "the imputer is back")
        else:
            go_live(year, ref, "cleo", "quarterly review")
    year.registry.alias(f"{product.name}@1.2.0", "study")
    tested_on_slices(year, year.folder / "feeds", table)


def progression(year: Year) -> None:
    """Live a year of six versions; the newest waits for its second approval."""
    data = load_diabetes()
    table = split(data.data, data.target, list(data.feature_names))
    about = "Estimates how far diabetes will have progressed in a year."
    product = Product("clinic/progression", about, {"team": "clinic"}, "study.visits", amounts)
    for number in range(6):
        year.on(300 - 55 * number, 6, 10)
        model = Ridge(alpha=60.0 / (number + 1) ** 2)
        ref = product.train(year, model, table.first(120 + 34 * number))
        year.on(299 - 55 * number, 13, 30)
        if number < 5:  # noqa: PLR2004 - the newest waits
            go_live(year, ref, "cleo", "better on the last visits")
    year.on(3, 15, 20)
    policy = Policy(approvals=2, metrics={"rmse": MetricRule(maximum=60.0)})
    year.by("cleo").set_policy(product.name, policy, reason="two people from now on")
    year.by("cleo").stage(f"{product.name}@latest", reason="for the review on Monday")
    year.ago(hours=5)
    year.by("ana").approve(f"{product.name}@latest", reason="looked at every age group")


def digits(year: Year) -> None:
    """Live a year of eight versions that follow each other calmly, then retrain by a schedule."""
    data = load_digits()
    table = split(data.data, data.target, [f"pixel_{index}" for index in range(64)])
    about = "Reads the digits of postcodes."
    product = Product("post/digits", about, {"team": "sorting"}, "sorting.scans", share_right)
    for number in range(8):
        year.on(345 - 44 * number, 4, 2)
        model = LogisticRegression(C=0.001 * 4**number, max_iter=200)
        ref = product.train(year, model, table.first(200 + 130 * number))
        year.on(345 - 44 * number, 9, 15)
        go_live(year, ref, "ben", "more scans")
        if number == 5:  # noqa: PLR2004 - a mistake that is soon undone
            year.later(hours=2)
            year.by("ben").rollback(product.name, reason="sorter 3 reads sevens as ones")
            year.later(hours=20)
            year.by("ben").promote(ref, reason="the camera of sorter 3 was dirty")
    try:
        retrained(year, year.folder, table)
    except UnsupportedError as error:  # on Windows
        print(f"  not retrained: {error}")
    else:
        compared(year, year.answers, table)


def wine(year: Year) -> None:
    """Register three versions, none of which is live yet."""
    data = load_wine()
    names = [name.replace("/", "_") for name in data.feature_names]
    table = split(data.data, data.target, names)
    product = Product("lab/wine", "Names the grower by chemistry.", {}, "lab.samples", classes)
    for number in range(3):
        year.on(21 - 9 * number, 11, 20)
        model = LogisticRegression(C=0.01 * 5**number, max_iter=500)
        data = table.first(40 + 35 * number)
        if number == 2:  # noqa: PLR2004 - the newest
            recorded(year, product.name, data)
        else:
            product.train(year, model, data)


MODELS: Final = {
    "risk/fraud": fraud,
    "clinic/tumours": tumours,
    "clinic/progression": progression,
    "post/digits": digits,
    "lab/wine": wine,
}


if __name__ == "__main__":
    sys.exit(main())
