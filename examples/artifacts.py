"""Make the folder of the story: model files nobody can tell apart, and a retrained model beside it.

    python examples/artifacts.py

writes ./artifacts (six models of a fraud detector, two of them twice, and their scaler) and
./retrained (this week's model, its scaler and its metrics). The data is made up and seeded.
"""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

DATED = (
    "preprocessor.pkl",
    "model.pkl",
    "model_v2.pkl",
    "model_final.pkl",
    "model_final_v2.pkl",
    "model_gb.pkl",
    "model_gb.json",
    "model_best.pkl",
)
FIRST = datetime(2026, 2, 3, 9, 30, tzinfo=UTC)


def main() -> None:
    """Write both folders."""
    rows, fraud = make_classification(
        n_samples=4000,
        n_features=12,
        n_informative=8,
        weights=[0.9],
        class_sep=1.5,
        flip_y=0.01,
        random_state=42,
    )
    split = train_test_split(rows, fraud, test_size=0.25, stratify=fraud, random_state=42)
    train_x, test_x, train_y, test_y = split
    scaler = StandardScaler().fit(train_x)
    folder = Path("artifacts")
    folder.mkdir(exist_ok=True)
    joblib.dump(scaler, folder / "preprocessor.pkl")
    models: dict[str, Any] = {
        "model": LogisticRegression(),
        "model_v2": RandomForestClassifier(n_estimators=20, max_depth=4, random_state=1),
        "model_final": RandomForestClassifier(n_estimators=60, max_depth=8, random_state=2),
        "model_gb": GradientBoostingClassifier(n_estimators=60, random_state=3),
    }
    for name, model in models.items():
        model.fit(scaler.transform(train_x), train_y)
        joblib.dump(model, folder / f"{name}.pkl")
    live = models["model_gb"]
    write_metrics(folder / "model_gb.json", live, scaler.transform(test_x), test_y)
    shutil.copy(folder / "model_final.pkl", folder / "model_final_v2.pkl")
    shutil.copy(folder / "model_gb.pkl", folder / "model_best.pkl")
    for week, name in enumerate(DATED):
        moment = (FIRST + timedelta(weeks=week)).timestamp()
        os.utime(folder / name, (moment, moment))
    retrain(train_x[:600], train_y[:600], test_x, test_y)


def retrain(train_x: Any, train_y: Any, test_x: Any, test_y: Any) -> None:
    """Fit this week's model on too short a window."""
    folder = Path("retrained")
    folder.mkdir(exist_ok=True)
    scaler = StandardScaler().fit(train_x)
    model = GradientBoostingClassifier(n_estimators=40, random_state=4)
    model.fit(scaler.transform(train_x), train_y)
    joblib.dump(scaler, folder / "preprocessor.pkl")
    joblib.dump(model, folder / "model.pkl")
    write_metrics(folder / "metrics.json", model, scaler.transform(test_x), test_y)


def write_metrics(path: Path, model: Any, rows: Any, truth: Any) -> None:
    """Write what the model achieves on rows it has not seen."""
    scores = model.predict_proba(rows)[:, 1]
    metrics = {
        "roc_auc": round(float(roc_auc_score(truth, scores)), 4),
        "recall": round(float(recall_score(truth, model.predict(rows))), 4),
    }
    path.write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
