"""Which libraries make the same bytes, or predictions, twice: `python -m benchmarks.determinism`.

Each model is fitted in processes of its own: twice as it is, with two threads in place of one, and
with another seed of Python's hashes. Prints a table for the guide on lineage.
"""

import os
import subprocess
import sys
from typing import Final

MODELS: Final = {
    "LogisticRegression": ("sklearn", "linear_model.LogisticRegression(random_state=0)"),
    "RandomForest": ("sklearn", "ensemble.RandomForestClassifier(30, random_state=0, n_jobs=T)"),
    "GradientBoosting, subsample": (
        "sklearn", "ensemble.GradientBoostingClassifier(subsample=0.5, random_state=0)",
    ),
    "HistGradientBoosting": (
        "sklearn", "ensemble.HistGradientBoostingClassifier(random_state=0)",
    ),
    "MLPClassifier": ("sklearn", "neural_network.MLPClassifier(max_iter=30, random_state=0)"),
    "RandomForest without a seed": ("sklearn", "ensemble.RandomForestClassifier(30)"),
    "xgboost hist": ("xgboost", "XGBClassifier(n_estimators=30, random_state=0, n_jobs=T)"),
    "lightgbm": ("lightgbm", "LGBMClassifier(random_state=0, n_jobs=T, verbose=-1)"),
}  # fmt: skip
PROGRAM: Final = """
import hashlib, io, sys, warnings
warnings.simplefilter("ignore")
import joblib, numpy as np
from sklearn.datasets import make_classification
T = int(sys.argv[1])
x, y = make_classification(20000, 20, random_state=0)
x = x.astype("float32")
if sys.argv[2] == "sklearn":
    import sklearn.ensemble, sklearn.linear_model, sklearn.neural_network
    ensemble, linear_model = sklearn.ensemble, sklearn.linear_model
    neural_network = sklearn.neural_network
elif sys.argv[2] == "xgboost":
    from xgboost import XGBClassifier
else:
    from lightgbm import LGBMClassifier
model = eval(sys.argv[3]).fit(x, y)
answers = model.predict_proba(x[:1000])
if hasattr(model, "n_jobs"):
    model.set_params(n_jobs=1)
held = io.BytesIO()
joblib.dump(model, held)
for content in (held.getvalue(), np.round(answers, 9).tobytes()):
    print(hashlib.sha256(content).hexdigest())
"""  # fmt: skip


def fitted(library: str, text: str, threads: int = 1, seed: int = 0) -> tuple[str, str] | None:
    """Fit a model in a process of its own; return digests of its bytes and of its answers."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", PROGRAM, str(threads), library, text]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    content, answers = done.stdout.split()
    return content, answers


def said(first: tuple[str, str] | None, second: tuple[str, str] | None) -> str:
    if first is None or second is None:
        return "not installed"
    if first == second:
        return "same bytes"
    return "same predictions" if first[1] == second[1] else "differs"


def main() -> None:
    print("| model | fitted twice | 1 and 2 threads | other hash seed |\n|---|---|---|---|")
    for name, (library, text) in MODELS.items():
        first = fitted(library, text)
        others = (fitted(library, text), fitted(library, text, 2), fitted(library, text, seed=1))
        print(f"| {name} | {' | '.join(said(first, other) for other in others)} |", flush=True)


if __name__ == "__main__":
    main()
