"""What a run left is a stranger's: nothing is read from outside, and nothing is believed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import InvalidInputError
from holdfast.retraining import run_results


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the folder of a run, with a model in it."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model.txt").write_text("weights")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def leave(out: Path, document: Any) -> None:
    (out / "result.json").write_text(json.dumps(document))


def test_files_with_a_known_name_are_enough(out: Path) -> None:
    (out / "preprocessor.json").write_text("{}")
    (out / "evaluation.csv").write_text("a,label\n1,0\n")
    (out / "metrics.json").write_text('{"auc": 0.5}')

    result = run_results.read(out)

    assert {role: path.name for role, path in result.sources.items()} == {
        "model": "model.txt",
        "preprocessor": "preprocessor.json",
    }
    assert result.evaluation == out / "evaluation.csv"
    assert (result.metrics, result.label, result.loss) == ({"auc": 0.5}, "label", ())


def test_what_the_result_says_goes_before_names(out: Path) -> None:
    (out / "best.txt").write_text("better weights")
    leave(out, {"artifacts": {"model": "best.txt"}, "loss": "log_loss", "label": "y"})

    result = run_results.read(out)

    assert result.sources["model"].name == "best.txt"
    assert (result.loss, result.label) == (("log_loss",), "y")


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/hostname", "a/../../secret.txt", "", ".", "..", "a\\b", "a//b"]
)
@pytest.mark.parametrize("key", ["artifacts", "evaluation", "reference", "run_log", "losses"])
def test_a_path_out_of_the_folder_is_refused(out: Path, path: str, key: str) -> None:
    named = {"artifacts": {"model": path}, "losses": {"mae": path}}
    leave(out, {key: named.get(key, path)})

    with pytest.raises(InvalidInputError, match="must be below the folder `out`"):
        run_results.read(out)


def test_a_path_to_nothing_is_refused(out: Path) -> None:
    leave(out, {"evaluation": "rows.csv"})

    with pytest.raises(InvalidInputError, match="does not exist"):
        run_results.read(out)


@pytest.mark.parametrize("where", ["model", "folder", "inner", "result", "metrics", "within"])
def test_a_link_is_refused_wherever_it_is(out: Path, where: str) -> None:
    secret = out.parent / "secret.txt"
    match where:
        case "model":
            (out / "model.txt").unlink()
            (out / "model.txt").symlink_to(secret)
        case "folder":
            (out / "parts").symlink_to(out.parent)
            leave(out, {"artifacts": {"words": "parts/secret.txt"}})
        case "inner":
            (out / "parts").mkdir()
            (out / "parts" / "a.txt").symlink_to(secret)
            leave(out, {"artifacts": {"words": "parts"}})
        case "within":
            (out / "parts").mkdir()
            (out / "parts" / "a.txt").symlink_to(out / "model.txt")
            leave(out, {"artifacts": {"words": "parts"}})
        case "result":
            (out / "result.json").symlink_to(secret)
        case "metrics":
            (out / "metrics.json").symlink_to(secret)

    with pytest.raises(InvalidInputError, match=r"link|leads out"):
        run_results.read(out)


def test_a_pipe_keeps_nobody_waiting(out: Path) -> None:
    (out / "model.txt").unlink()
    os.mkfifo(out / "model.txt")

    with pytest.raises(InvalidInputError, match="is neither a file nor a folder"):
        run_results.read(out)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"modle": "model.txt"}, "result key 'modle' is unknown"),
        ({"digests": {"model": "sha256:0"}}, "result key 'digests' is unknown"),
        ({"trust": "me"}, "result key 'trust' is unknown"),
        ({"metrics": {"auc": "nan"}}, "metric 'auc' must be a finite number"),
        ({"metrics": [1]}, "metrics must be an object, not list"),
        ({"bump": "huge"}, "huge"),
        ({"artifacts": {"model": 5}}, "result model must be text, not int"),
        ({"loss": [1]}, "result loss must be text"),
        ({"training_data": [1]}, "result training_data must be an object, not list"),
        ({"hyperparameters": 5}, "result hyperparameters must be an object, not int"),
        ([], "result.json must be an object, not list"),
    ],
)
def test_a_result_of_another_form_is_refused(out: Path, document: Any, message: str) -> None:
    leave(out, document)

    with pytest.raises(InvalidInputError, match=message):
        run_results.read(out)


@pytest.mark.parametrize(
    "text", ['{"metrics": {"auc": NaN}}', '{"a": 1, "a": 2}', "{", "[" * 100_000, "\xff"]
)
def test_a_result_that_is_not_strict_json_is_refused(out: Path, text: str) -> None:
    (out / "result.json").write_text(text, encoding="latin-1")

    with pytest.raises(InvalidInputError, match=r"result\.json cannot be read"):
        run_results.read(out)


def test_a_run_without_a_model_is_none(out: Path) -> None:
    (out / "model.txt").unlink()

    with pytest.raises(InvalidInputError, match="run did not leave a model; return it as 'model'"):
        run_results.read(out)


def test_two_models_are_none_either(out: Path) -> None:
    (out / "model.joblib").write_text("others")

    with pytest.raises(InvalidInputError, match=r"several files: model\.joblib, model\.txt"):
        run_results.read(out)


@pytest.mark.parametrize("how", ["removed", "a link", "a file"])
def test_a_folder_that_the_run_took_away_is_not_looked_for_elsewhere(out: Path, how: str) -> None:
    (out / "model.txt").unlink()
    out.rmdir()
    if how == "a link":
        (out.parent / "model.txt").write_text("others")
        out.symlink_to(out.parent)
    elif how == "a file":
        out.write_text("x")

    with pytest.raises(InvalidInputError, match="was removed or replaced by the run"):
        run_results.read(out)
