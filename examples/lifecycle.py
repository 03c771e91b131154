"""The life of a model, from training to a rollback at 11 pm. Run it with `make demo`.

Two models are trained on scikit-learn's breast-cancer data, registered with the preprocessor fitted
beside them, promoted, compared and rolled back. The store stays in ./demo-store to be looked at.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import holdfast

STORE = Path("demo-store")
NAME = "breast-cancer"

CANDIDATES = (
    RandomForestClassifier(n_estimators=100, random_state=42),
    GradientBoostingClassifier(n_estimators=200, learning_rate=0.05, max_depth=4, random_state=42),
)


def main() -> None:
    """Live one life of a model."""
    if STORE.exists():  # what the last run left
        shutil.rmtree(STORE)
    registry = holdfast.open(STORE)

    say("Train two models, and the scaler they share")
    data = load_breast_cancer(as_frame=True)
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.2, stratify=data.target, random_state=42
    )
    scaler = StandardScaler().fit(train_x)
    trained = []
    for model in CANDIDATES:
        model.fit(scaler.transform(train_x), train_y)
        metrics = measure(model, scaler.transform(test_x), test_y)
        trained.append((model, metrics))
        shown = "  ".join(f"{metric} {value:.4f}" for metric, value in metrics.items())
        print(f"  {type(model).__name__}\n    {shown}")

    say("Register both: model, preprocessor and where they come from, whole and immutable")
    refs = []
    for model, metrics in trained:
        registered = registry.register(
            NAME,
            model,
            scaler,
            metrics=metrics,
            description="Tells malignant from benign tumours by 30 measurements of cell nuclei.",
            training_data={
                "source": "scikit-learn load_breast_cancer (UCI, Wisconsin Diagnostic)",
                "samples": len(train_x),
                "features": train_x.shape[1],
            },
            limitations=["569 samples of one clinic; not for diagnosis."],
            lineage={
                "data_window": "donated November 1995",
                "code_version": "examples/lifecycle.py",
            },
            input_example=test_x.head(2),
        )
        refs.append(registered.ref)
        print(f"  {registered.ref}  {registered.version.digest[:19]}…  {registered.why}")
    champion, challenger = refs

    say("Promote the first")
    print(f"  {registry.promote(champion, reason='first release').note}")

    say("Put the challenger beside it")
    run("compare", champion, challenger)

    say("Ask the gate: nothing beyond 5 %, but the regression has a name")
    verdict = registry.judge(challenger)
    print(f"  refused for: {', '.join(verdict.reasons) or 'nothing'}")
    for remark in verdict.remarks:
        print(f"  seen: {remark}")

    say("Promote it all the same, with a reason")
    print(f"  {registry.promote(challenger, reason='weekly retrain').note}")

    say("It is 11 pm, recall is falling: go back")
    began = time.perf_counter()
    moved = registry.rollback(NAME, reason="recall is falling, INC-2311")
    took = time.perf_counter() - began
    print(f"  {moved.note}, every byte of it verified, in {took * 1000:.1f} ms")

    say("What the engineer on call sees")
    run("status", NAME)

    say("Serve one prediction with the pair that is live")
    pair = registry.load(f"{NAME}@production")
    predicted = pair.predict(test_x.head(1))
    kind = data.target_names[predicted[0]]
    print(f"  {pair.ref} says: class={predicted[0]} ({kind})")

    say("The store is in ./demo-store; look further with")
    for command in ("ls", "history", "card", "show"):
        target = f"{NAME}@production" if command in ("card", "show") else NAME
        print(f"  {shown_command(command, target)}")
    print(f"  {shown_command('verify')}")


def measure(model: Any, rows: Any, truth: Any) -> dict[str, float]:
    """Return what the model achieves on rows it has not seen, each figure under its own name."""
    predicted = model.predict(rows)
    return {
        "roc_auc": round(float(roc_auc_score(truth, model.predict_proba(rows)[:, 1])), 4),
        "recall": round(float(recall_score(truth, predicted)), 4),
        "precision": round(float(precision_score(truth, predicted)), 4),
        "f1": round(float(f1_score(truth, predicted)), 4),
        "accuracy": round(float(accuracy_score(truth, predicted)), 4),
    }


def say(what: str) -> None:
    """Announce the next step."""
    print(f"\n── {what}", flush=True)


def shown_command(*words: str) -> str:
    """Return the command line as a person types it."""
    program = os.path.relpath(Path(sys.executable).with_name("holdfast"))
    return shlex.join([program, *words, "--store", str(STORE)])


def run(*words: str) -> None:
    """Run a command of the CLI and show it with what it prints."""
    print(f"$ holdfast {shlex.join(words)} --store {STORE}", flush=True)
    subprocess.run([sys.executable, "-m", "holdfast", *words, "--store", str(STORE)], check=True)


if __name__ == "__main__":
    main()
