"""Entry points for runs, as text: a family of logistic regressions, and careless ones."""

PLAIN = """
import os, sys, time
"""

HEAD = (
    PLAIN
    + """
import numpy as np
from sklearn.linear_model import LogisticRegression

def drawn(seed, count=3000, noise=0.5):
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, 3))
    labels = (rows[:, 0] + noise * generator.normal(size=count) > 0).astype(int)
    return rows, labels

"""
)

GOOD = (
    HEAD
    + """
def train(context):
    rows, labels = drawn(context.seed)
    model = LogisticRegression().fit(rows, labels)
    return {
        "model": model,
        "metrics": {"accuracy": model.score(*drawn(1000))},
        "evaluation": drawn(1000),
        "input_example": rows[:3],
    }
"""
)

WORSE = GOOD.replace("LogisticRegression()", "LogisticRegression(C=1e-4)").replace(
    ".fit(rows, labels)", ".fit(rows, 1 - labels)"
)
