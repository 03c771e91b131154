"""The training that `examples/web.py` has run every week: an entry point of `holdfast retrain`."""

from typing import Any

import pandas as pd
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from holdfast.retraining import TrainingContext


def train(context: TrainingContext) -> dict[str, Any]:
    """Fit the scans in the file `rows`; the gate's own, `evaluation`, are never read here."""
    table = pd.read_csv(context.data["rows"])
    pixels, labels = table.drop(columns="label"), table["label"]
    kernel = Nystroem(gamma=0.001, n_components=300, random_state=context.seed)
    model = make_pipeline(kernel, LogisticRegression(C=100.0, max_iter=1_000))
    print(f"fitting {len(table):,} scans of the week that ends with {context.slot}")
    model.fit(pixels, labels)
    return {
        "model": model,
        "input_example": pixels.head(3),
        "reference": pixels,
        "hyperparameters": {"C": 100.0, "gamma": 0.001, "components": 300},
        "description": f"Reads the digits of postcodes; trained on {len(table):,} scans by the "
        "weekly job.",
    }
