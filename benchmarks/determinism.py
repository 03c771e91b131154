"""Which libraries make the same bytes, or predictions, twice: `python -m benchmarks.determinism`.

    python -m benchmarks.determinism [--other PYTHON] [NAME …]

Each model is fitted in processes of its own: twice as it is, with two threads in place of one, with
another seed of Python's hashes, and by the interpreter of another environment of the same versions,
if one is named. What was dumped is also loaded and dumped again. Prints a table for the guide on
lineage; NAMEs are parts of the names of its rows.
"""

import os
import subprocess
import sys
from typing import Final

SKLEARN: Final = """
import sklearn.ensemble as ensemble, sklearn.linear_model as linear_model
import sklearn.neural_network as neural_network
model = MODEL.fit(x, y)
"""
TORCH: Final = """
import torch
torch.set_num_threads(T)
torch.manual_seed(0)
layers = torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(64, 2)
model = torch.nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters())
rows, kinds = torch.from_numpy(x), torch.from_numpy(y)
for epoch in range(3):
    for part in torch.randperm(len(rows)).split(256):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(rows[part]), kinds[part]).backward()
        optimizer.step()
model.eval()
model.predict_proba = lambda rows: model(torch.from_numpy(rows)).softmax(1).detach().numpy()
def dump(model, file):
    torch.save(model.state_dict(), file)
def load(file):
    model.load_state_dict(torch.load(file))
    return model
"""
SET_OF_WORDS: Final = """
import sklearn.linear_model as linear_model
from sklearn.preprocessing import FunctionTransformer
from sklearn.pipeline import make_pipeline
order = [int(name[1:]) for name in set(map("f{}".format, range(20)))]
choose = FunctionTransformer(np.take, kw_args=dict(indices=order, axis=1))
model = make_pipeline(choose, linear_model.LogisticRegression()).fit(x, y)
"""
XGBOOST: Final = "from xgboost import XGBClassifier\nmodel = MODEL.fit(x, y)\n"
LIGHTGBM: Final = "from lightgbm import LGBMClassifier\nmodel = MODEL.fit(x, y)\n"
CATBOOST: Final = "from catboost import CatBoostClassifier\nmodel = MODEL.fit(x, y)\n"
LIGHTGBM_SAFE: Final = (
    "random_state=0", "n_jobs=T", "verbose=-1", "deterministic=True", "force_row_wise=True",
)  # fmt: skip
MODELS: Final = {
    "LogisticRegression": (SKLEARN, "linear_model.LogisticRegression(random_state=0)"),
    "RandomForest": (SKLEARN, "ensemble.RandomForestClassifier(30, random_state=0, n_jobs=T)"),
    "GradientBoosting, subsample": (
        SKLEARN, "ensemble.GradientBoostingClassifier(subsample=0.5, random_state=0)",
    ),
    "HistGradientBoosting": (
        SKLEARN, "ensemble.HistGradientBoostingClassifier(random_state=0)",
    ),
    "MLPClassifier": (SKLEARN, "neural_network.MLPClassifier(max_iter=30, random_state=0)"),
    "RandomForest without a seed": (SKLEARN, "ensemble.RandomForestClassifier(30)"),
    "columns in the order of a set": (SET_OF_WORDS, ""),
    "xgboost hist": (XGBOOST, "XGBClassifier(n_estimators=30, random_state=0, n_jobs=T)"),
    "xgboost hist, subsample": (
        XGBOOST, "XGBClassifier(n_estimators=30, subsample=0.5, random_state=0, n_jobs=T)",
    ),
    "lightgbm": (LIGHTGBM, "LGBMClassifier(random_state=0, n_jobs=T, verbose=-1)"),
    "lightgbm, deterministic": (
        LIGHTGBM,
        f"LGBMClassifier({', '.join(LIGHTGBM_SAFE)})",
    ),
    "catboost": (
        CATBOOST,
        "CatBoostClassifier(30, random_seed=0, thread_count=T, allow_writing_files=False)",
    ),
    "torch on the processor, seeded": (TORCH, ""),
}  # fmt: skip
BEGIN: Final = """
import hashlib, io, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from joblib import dump, load
from sklearn.datasets import make_classification
T = int(sys.argv[1])
x, y = make_classification(20000, 20, random_state=0)
x = x.astype("float32")
"""
END: Final = """
answers = model.predict_proba(x[:1000])
if hasattr(model, "n_jobs"):
    model.set_params(n_jobs=1)
held, again = io.BytesIO(), io.BytesIO()
dump(model, held)
loaded = load(io.BytesIO(held.getvalue()))
dump(loaded, again)
later = loaded.predict_proba(x[:1000])
for content, told in ((held, answers), (again, later)):
    print(hashlib.sha256(content.getvalue()).hexdigest())
    print(hashlib.sha256(np.round(told, 9).tobytes()).hexdigest())
"""
Digests = tuple[str, str]
COLUMNS: Final = ("fitted twice", "1 and 2 threads", "other hash seed", "other environment")


def fitted(
    program: str, threads: int = 1, seed: int = 0, python: str = sys.executable
) -> tuple[Digests, Digests] | None:
    """Fit in a process of its own; return digests of bytes and answers, also once dumped again."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONHASHSEED": str(seed)}
    command = [python, "-c", program, str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        if "ModuleNotFoundError" not in done.stderr:
            raise RuntimeError(done.stderr[-2000:])
        return None
    content, answers, content_again, answers_again = done.stdout.split()[-4:]
    return (content, answers), (content_again, answers_again)


def said(first: Digests, second: Digests | None) -> str:
    if second is None:
        return "not measured"
    if first == second:
        return "same bytes"
    return "same predictions" if first[1] == second[1] else "differs"


def row(program: str, other: str | None) -> list[str]:
    """Say what came out of each way to fit it once more."""
    first = fitted(program)
    if first is None:
        return ["not installed"] * (len(COLUMNS) + 1)
    ways = [fitted(program), fitted(program, 2), fitted(program, seed=1)]
    ways.append(None if other is None else fitted(program, python=other))
    return [*(said(first[0], way and way[0]) for way in ways), said(*first)]


def main(words: list[str]) -> None:
    other = None
    if words[:1] == ["--other"]:
        other, words = words[1], words[2:]
    print(f"| model | {' | '.join(COLUMNS)} | loaded and dumped again |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for name, (text, model) in MODELS.items():
        if not words or any(word in name for word in words):
            cells = row(BEGIN + text.replace("MODEL", model) + END, other)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
