"""The training that `examples/retraining.py` has run: an entry point of `holdfast retrain`."""

from typing import Any

import pandas as pd
from sklearn.linear_model import LogisticRegression

from holdfast.retraining import TrainingContext


def train(context: TrainingContext) -> dict[str, Any]:
    """Fit the digits in the file `rows`; the gate's own, `evaluation`, are never read here."""
    table = pd.read_csv(context.data["rows"])
    pixels, labels = table.drop(columns="label"), table["label"]
    model = LogisticRegression(max_iter=2000, random_state=context.seed)
    print(f"fitting {len(table):,} digits of the window that ends with {context.slot}")
    model.fit(pixels, labels)
    return {
        "model": model,
        "input_example": pixels.head(3),
        "reference": pixels,
        "description": f"logistic regression on {len(table):,} digits",
    }
