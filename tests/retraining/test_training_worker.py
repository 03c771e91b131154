"""What an entry point returns, as files: written below the keeper, read back as a stranger's."""

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.retraining import run_results, training_process
from holdfast.retraining.training_process import (
    OUT_OF_MEMORY,
    Ended,
    ProcessLimits,
    Training,
)

Work = Callable[..., tuple[Ended, Path]]


@pytest.fixture
def work(tmp_path: Path, scratch: Path) -> Work:
    """Run an entry point of this text; give how it ended and what it left."""

    def run(text: str, **changed: Any) -> tuple[Ended, Path]:
        (tmp_path / "jobs.py").write_text(textwrap.dedent(text))
        out = scratch / "out"
        out.mkdir()
        (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
        context = {
            "out": str(out),
            "data": {"rows": str(tmp_path / "rows.csv")},
            "slot": "2026-11-29T02:00:00Z",
            "window": {"start": "2026-08-31T02:00:00Z", "end": "2026-11-29T02:00:00Z"},
            "seed": 7,
            "champion": None,
            **changed,
        }
        path = scratch / "context.json"
        path.write_text(json.dumps(context))
        command = (
            sys.executable,
            "-c",
            "from holdfast.retraining.training_worker import main; main()",
            str(path),
            "jobs:train",
        )
        training = Training(command, tmp_path, scratch, {}, {}, 7)
        return training_process.run(training, ProcessLimits()), out

    return run


def test_an_entry_is_given_its_slot_window_seed_and_data(work: Work) -> None:
    ended, out = work("""
        import random
        def train(context):
            random.seed(context.seed)
            start, end = context.window
            assert end == context.slot_time and (end - start).days == 90
            assert context.data["rows"].read_text().startswith("a,b")
            assert context.champion is None
            assert list(context.out.iterdir()) == []
            return {"model": {"odds": random.random()}, "metrics": {"auc": 0.9}}
    """)

    assert ended.status == 0, ended.log
    result = run_results.read(out)
    assert result.metrics == {"auc": 0.9}
    assert result.sources["model"].suffix == ".joblib"
    assert result.bump == "auto"


def test_objects_are_written_and_described(work: Work) -> None:
    ended, out = work("""
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
        def train(context):
            rows = np.arange(40.0).reshape(20, 2)
            labels = np.arange(20) % 2
            scaler = StandardScaler().fit(rows)
            model = LogisticRegression(C=0.5).fit(scaler.transform(rows), labels)
            return {
                "model": model,
                "preprocessor": scaler,
                "metrics": {"auc": np.float64(0.75)},
                "evaluation": (rows, labels),
                "input_example": rows[:2],
                "bump": "patch",
                "losses": {"error_rate": labels * 1.0},
            }
    """)

    assert ended.status == 0, ended.log
    result = run_results.read(out)
    assert sorted(result.sources) == ["model", "preprocessor"]
    assert result.facts["algorithm"] == "LogisticRegression"
    assert result.facts["hyperparameters"]["C"] == 0.5
    assert result.facts["input_example"] == [[0.0, 1.0], [2.0, 3.0]]
    assert result.bump == "patch"
    assert result.losses["error_rate"][:3] == [0.0, 1.0, 0.0]
    assert result.evaluation is not None
    lines = [json.loads(line) for line in result.evaluation.read_text().splitlines()]
    assert lines[1] == {"0": 2.0, "1": 3.0, result.label: 1}


def test_a_frame_keeps_the_names_of_its_columns(work: Work) -> None:
    ended, out = work("""
        import pandas
        def train(context):
            frame = pandas.DataFrame({"age": [1.5, 2.0], "city": ["a", "b"]})
            return {
                "model": {"a": 1},
                "evaluation": (frame, [0, 1]),
                "input_example": frame,
                "reference": frame,
            }
    """)

    assert ended.status == 0, ended.log
    result = run_results.read(out)
    assert result.evaluation is not None
    first = json.loads(result.evaluation.read_text().splitlines()[0])
    assert first == {"age": 1.5, "city": "a", result.label: 0}
    assert result.reference == [{"age": 1.5, "city": "a"}, {"age": 2.0, "city": "b"}]
    assert result.facts["input_example"][0] == {"age": 1.5, "city": "a"}


def test_an_entry_may_leave_files_and_return_nothing(work: Work) -> None:
    ended, out = work("""
        import json
        def train(context):
            (context.out / "model.txt").write_text("weights")
            (context.out / "metrics.json").write_text(json.dumps({"auc": 0.5}))
    """)

    assert ended.status == 0, ended.log
    assert run_results.read(out).metrics == {"auc": 0.5}


def test_an_entry_may_return_paths_below_out_either_way(work: Work) -> None:
    ended, out = work("""
        def train(context):
            (context.out / "m").mkdir()
            (context.out / "m" / "weights.txt").write_text("weights")
            (context.out / "vocabulary.txt").write_text("words")
            return {"model": context.out / "m", "artifacts": {"words": "vocabulary.txt"}}
    """)

    assert ended.status == 0, ended.log
    assert sorted(run_results.read(out).sources) == ["model", "words"]


def test_the_log_of_a_pipeline_is_taken_as_it_is(work: Work) -> None:
    ended, out = work("""
        def train(context):
            (context.out / "model.txt").write_text("weights")
            return {
                "run_id": "0a1b2c3d",
                "data_window": "last_90_days",
                "git_commit": "abc1234",
                "winner_config": {"model_class": "RandomForest", "params": {"n": 9}},
                "cv_roc_auc_mean": 0.91,
                "cv_roc_auc_std": 0.01,
                "val_metrics": {"recall": 0.7, "roc_auc": 0.9, "n_samples": 500, "fp": 3},
                "train_samples": 4000,
                "val_samples": 500,
            }
    """)

    assert ended.status == 0, ended.log
    result = run_results.read(out)
    assert result.metrics == {
        "recall": 0.7, "roc_auc": 0.9, "cv_roc_auc_mean": 0.91, "cv_roc_auc_std": 0.01
    }  # fmt: skip
    assert result.facts["algorithm"] == "RandomForest"
    assert result.facts["hyperparameters"] == {"n": 9}
    assert result.facts["training_data"] == {"train_samples": 4000, "val_samples": 500}
    assert result.run_log["run_id"] == "0a1b2c3d"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 5", b"must return a dict or nothing, not int"),
        ("raise RuntimeError('no rows')", b"RuntimeError: no rows"),
        ("return {'model': '/etc/hostname'}", b"is not in the subpath of"),
        ("import sys; sys.exit('bad')", b"bad"),
    ],
)
def test_an_entry_that_fails_says_why(work: Work, body: str, message: bytes) -> None:
    ended, _ = work(f"def train(context):\n    {body}")

    assert ended.status == 1
    assert message in ended.log


def test_memory_that_ran_out_has_a_status_of_its_own(work: Work) -> None:
    ended, _ = work("def train(context):\n    raise MemoryError")

    assert ended.status == OUT_OF_MEMORY


def test_a_champion_is_read_and_loaded(work: Work, tmp_path: Path) -> None:
    import joblib

    joblib.dump({"weight": 2}, tmp_path / "model.joblib")
    champion = {
        "version": "1.0.0",
        "metrics": {"auc": 0.5},
        "hyperparameters": {"C": 1},
        "paths": {"model": str(tmp_path / "model.joblib")},
        "formats": {"model": "joblib"},
    }

    ended, out = work(
        """
        def train(context):
            model = context.champion.load()["model"]
            return {"model": {"weight": model["weight"] + 1}, "metrics": context.champion.metrics}
        """,
        champion=champion,
        window=None,
    )

    assert ended.status == 0, ended.log
    assert run_results.read(out).metrics == {"auc": 0.5}
