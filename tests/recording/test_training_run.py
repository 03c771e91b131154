"""What a run takes, and what it refuses, while the training goes on."""

import io
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.core.test_figure_content import DRAWN, png

from holdfast import Registry
from holdfast.core.curves import Curve
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.recording import TrainingRun, file_copies


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> TrainingRun:
    """Return a run that goes on, and has a model."""
    made = TrainingRun("iris", tmp_path, registry.trainings.data_use)
    made.model(tmp_path / "model.txt")
    return made


def test_parameters_and_metrics_are_plain_and_the_last_word_counts(run: TrainingRun) -> None:
    run.parameters({"depth": np.int64(3)}, rate=0.1, loss=math.nan)
    run.parameters(rate=0.2)
    run.metric("auc", np.float32(0.5))
    run.metric("auc", np.array([0.75]))
    gathered = run.gather()

    assert gathered.parameters == {"depth": 3, "rate": 0.2, "loss": "nan"}
    assert gathered.metrics == {"auc": 0.75}


def test_curves_grow_by_points_or_come_as_a_whole(run: TrainingRun) -> None:
    run.curve("loss", 1, 0.5)
    run.curve("loss", np.int32(2), np.float64(math.inf))
    run.curve("loss", 3, 10**400)
    run.series("auc", [0.5, 0.75])
    run.series("lr", [1, 2], steps=[10, 20])
    run.series("lr", [3], steps=[30])
    run.series("nothing", [])
    kept = run.gather().curves

    assert list(kept["loss"].values) == [0.5, None, None]
    assert list(kept["auc"].steps) == [1, 2]
    assert kept["lr"] == Curve((30,), (3,), 1)
    assert "nothing" not in kept


def test_a_tensor_of_one_element_is_a_number(run: TrainingRun) -> None:
    run.curve("loss", 1, SimpleNamespace(item=lambda: 0.5))

    assert run.gather().curves["loss"].last == 0.5


Told = Callable[[TrainingRun], object]


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (lambda run: run.metric("auc", math.nan), "must be a finite number, not nan"),
        (lambda run: run.metric("auc", "0.5"), "must be a finite number"),
        (lambda run: run.metric("auc", np.array([1.0, 2.0])), "must be a finite number"),
        (lambda run: run.metric("a\nb", 1), "is not a name"),
        (lambda run: run.metric("m" * 10_000, 1), "has 10,000 characters, more than 250"),
        (lambda run: run.parameters({5: 1}), "is not a name"),
        (lambda run: run.parameters(dict.fromkeys(map(str, range(1001)))), "are more than 1,000"),
        (lambda run: run.curve("loss", 1, "x"), "must be a number, not str"),
        (lambda run: run.curve("loss", 1, None), "must be a number, not NoneType"),
        (lambda run: run.curve("loss", 1, value=True), "must be a number, not bool"),
        (lambda run: run.curve("loss", math.nan, 1), "step of curve 'loss' must be a finite"),
        (lambda run: run.curve("", 1, 1), "is not a name"),
        (lambda run: run.curve("c" * 101, 1, 1), "has 101 characters, more than 100"),
        (lambda run: run.series("loss", [1, 2], steps=[1]), "has 2 values for 1 steps"),
        (lambda run: run.figure("a\nb", png()), "is not a name"),
        (lambda run: run.figure("page", b"<html></html>"), "is not a PNG or a harmless SVG"),
        (lambda run: run.figure("five", 5), "must be a figure of matplotlib, bytes or a path"),
        (lambda run: run.figure("there", "nowhere.png"), "cannot be read from 'nowhere.png'"),
        (lambda run: run.file("nowhere"), "cannot be read from 'nowhere'"),
        (lambda run: run.file("."), "is not a name"),
        (lambda run: run.file(os.curdir, name="folder"), "cannot be read from '.'"),
        (lambda run: run.data("training", "nowhere"), "does not exist"),
        (lambda run: run.data("training", 5), "must be a path or a frame, not int"),
    ],
)
def test_what_cannot_be_recorded_is_refused(run: TrainingRun, tell: Told, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        tell(run)

    gathered = run.gather()
    assert (gathered.metrics, gathered.figures, gathered.files) == ({}, 0, 0)


def test_there_are_bounds_to_what_a_run_keeps(
    run: TrainingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(100):
        run.curve(f"c{index}", 1, 1)
    with pytest.raises(InvalidInputError, match="curves are more than 100"):
        run.curve("one more", 1, 1)
    for index in range(50):
        run.figure(f"f{index}", png())
    run.figure("f0", DRAWN)
    with pytest.raises(InvalidInputError, match="figures are more than 50"):
        run.figure("one more", png())
    (tmp_path / "notes.txt").write_bytes(b"x" * 60)
    monkeypatch.setattr(file_copies, "MOST_BYTES", 100)
    run.file(tmp_path / "notes.txt")
    run.file(tmp_path / "notes.txt")
    with pytest.raises(InvalidInputError, match="brings the files of the run over 100 bytes"):
        run.file(tmp_path / "notes.txt", name="again")

    assert sorted(os.listdir(tmp_path / "files")) == ["notes.txt"]
    assert len(os.listdir(tmp_path / "figures")) == 50


def test_figures_come_as_bytes_paths_or_drawn(run: TrainingRun, tmp_path: Path) -> None:
    (tmp_path / "kept.svg").write_bytes(DRAWN)

    def savefig(file: io.BytesIO, **_how: Any) -> None:
        file.write(png())

    run.figure("drawn", SimpleNamespace(savefig=savefig))
    run.figure("axes", SimpleNamespace(figure=SimpleNamespace(savefig=savefig)))
    run.figure("as bytes", memoryview(png()))
    run.figure("../path", str(tmp_path / "kept.svg"))
    run.figure("drawn", DRAWN)

    names = sorted(os.listdir(tmp_path / "figures"))
    assert names == ["%2E.%2Fpath.svg", "as bytes.png", "axes.png", "drawn.svg"]


def test_a_figure_that_would_be_too_large_is_drawn_coarsely(run: TrainingRun) -> None:
    tried = []

    def savefig(file: io.BytesIO, *, dpi: int, **_how: Any) -> None:
        tried.append(dpi)
        file.write(png() if dpi < 100 else png() + bytes(3 << 20))

    run.figure("large", SimpleNamespace(savefig=savefig))

    assert tried == [144, 60]


def test_a_figure_of_matplotlib_is_kept(run: TrainingRun, tmp_path: Path) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="draws the figure").Figure()
    axes = figure.subplots()
    axes.plot([1, 2, 3])
    run.figure("line", figure)
    run.figure("axes", axes)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    run.figure("svg", drawn.getvalue())

    assert sorted(os.listdir(tmp_path / "figures")) == ["axes.png", "line.png", "svg.svg"]


def test_names_that_differ_by_case_alone_are_refused(run: TrainingRun) -> None:
    run.figure("ROC", png())

    with pytest.raises(InvalidInputError, match="equals 'ROC' where file systems ignore case"):
        run.figure("roc", png())


def test_a_file_is_kept_as_it_was(run: TrainingRun, tmp_path: Path) -> None:
    source = tmp_path / "vocabulary.txt"
    source.write_text("before")
    run.file(source)
    source.write_text("after")

    assert (tmp_path / "files" / "vocabulary.txt").read_text() == "before"


def test_a_file_that_the_registration_would_refuse_is_refused_at_once(
    run: TrainingRun, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("<!doctype html><title>report</title>")

    with pytest.raises(InvalidInputError, match=r"file 'report\.html' .*HTML page.*; pack it"):
        run.file(tmp_path / "report.html")
    assert os.listdir(tmp_path / "files") == []


def test_data_is_known_by_digests_of_bytes_and_rows(run: TrainingRun, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="makes the frame")
    frame = pandas.DataFrame({"a": [1, 2], "b": [3, 4]})
    frame.to_parquet(tmp_path / "rows.parquet")
    run.data("file", "rows.parquet")
    run.data("frame", frame)
    run.data("array", np.zeros((3, 2)))
    run.data("mixed", pandas.DataFrame({"a": [1, "x", None]}))
    data = run.gather().data
    file, kept = data["file"].use, data["frame"].use

    assert file is not None
    assert kept is not None
    assert (file.digest or "").startswith("sha256:")
    assert file.path == "rows.parquet"
    assert kept.rows == file.rows  # the same rows, in a file or in memory
    assert (data["frame"].rows, data["frame"].columns) == (2, ("a", "b"))
    assert (data["array"].use, data["array"].rows, data["array"].columns) == (None, 3, ())
    assert (data["mixed"].use, data["mixed"].rows) == (None, 3)


def test_threads_may_tell_at_the_same_time(run: TrainingRun) -> None:
    def tell(index: int) -> None:
        for step in range(500):
            run.curve("shared", step, index)
            run.metric(f"m{index}", step)

    threads = [threading.Thread(target=tell, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gathered = run.gather()

    assert gathered.curves["shared"].given == 2_000
    assert gathered.metrics == {f"m{index}": 499 for index in range(4)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_is_told_that_it_has_a_copy(run: TrainingRun) -> None:
    reading, writing = os.pipe()
    with run._lock:
        child = os.fork()
        if not child:
            try:
                run.metric("auc", 1)
            except UnsupportedError as error:
                os.write(writing, str(error).encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)

    with os.fdopen(reading) as answer:
        assert "was begun by another process" in answer.read()


def test_what_ended_takes_nothing_more(run: TrainingRun) -> None:
    run.gather()

    with pytest.raises(InvalidInputError, match="has ended"):
        run.metric("auc", 1)
    with pytest.raises(InvalidInputError, match="became no version"):
        _ = run.version
    assert "ended without a version" in run._repr_html_()


def test_a_run_without_a_model_says_what_is_missing(tmp_path: Path, registry: Registry) -> None:
    run = TrainingRun("iris", tmp_path, registry.trainings.data_use)
    assert "goes on" in run._repr_html_()
    with pytest.raises(InvalidInputError, match="has no version yet"):
        _ = run.version

    with pytest.raises(InvalidInputError, match=r"call run\.model"):
        run.gather()


def test_a_parameter_that_belongs_into_a_file_is_refused_at_once(run: TrainingRun) -> None:
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for value, problem in (("a" * (20 << 20), "has more than"), (deep, "is nested too deeply")):
        with pytest.raises(InvalidInputError, match=f"parameter 'x' {problem}"):
            run.parameters(x=value)
