"""The block of a training: one version at its end, or the word that it failed."""

import logging
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from tests.core.test_figure_content import png

import holdfast
from holdfast import Registry
from holdfast.errors import (
    ConflictError,
    HoldfastError,
    InvalidInputError,
    RefusedError,
    StoreError,
)
from holdfast.recording import TrainingRun


def last(registry: Registry, model: str = "iris") -> str:
    return registry.history(model)[-1].what


def test_a_block_becomes_one_version(
    registry: Registry, model: LogisticRegression, rows: Any, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    block = holdfast.training(
        "iris",
        store=registry,
        seed=7,
        reason="new rows",
        description="a first try",
        metrics={"recall": 0.5, "auc": 0.1},
        hyperparameters={"C": 1.0, "solver": "lbfgs"},
        training_data={"source": "warehouse"},
        metadata={"team": "risk"},
    )
    with block as run:
        run.parameters(C=0.5)
        run.metric("auc", 0.9)
        run.curve("loss", 1, 0.25)
        run.figure("confusion", png())
        run.file(tmp_path / "rows.csv")
        run.data("training", tmp_path / "rows.csv")
        run.data("validation", rows)
        run.model(model, input_example=rows[:3])
    manifest = registry.manifest(run.version)
    record = registry.trainings.record(run.version)

    assert run.version.ref == "iris@1.0.0"
    assert run.result is not None
    assert run.result.created
    assert [past.reason for past in registry.history("iris")] == ["new rows"]
    assert run.version.metrics == {"auc": 0.9, "recall": 0.5}
    assert manifest.hyperparameters == {"C": 0.5, "solver": "lbfgs"}
    assert manifest.description == "a first try"
    assert manifest.input_schema is not None
    assert sorted(manifest.artifacts) == ["curves", "figures", "files", "model"]
    assert manifest.training_data["source"] == "warehouse"
    assert manifest.training_data["digests"]["training"].startswith("sha256:")
    assert manifest.training_data["validation"] == {"rows": 40, "columns": []}
    assert manifest.metadata["team"] == "risk"
    assert record.curves["loss"].last == 0.25
    assert [figure.name for figure in record.figures] == ["confusion"]
    assert manifest.lineage.seed == 7
    assert sorted(manifest.lineage.used_data) == ["training"]
    assert record.facts["took_s"] >= 0
    assert "path" not in record.facts
    assert registry.load(run.version).model.predict(rows).shape == (40,)
    assert registry.verify().damages == ()
    assert "iris@1.0.0" in run._repr_html_()
    assert "<svg" in run._repr_html_()


def test_a_block_that_says_little_becomes_a_plain_version(
    model: LogisticRegression, tmp_path: Path
) -> None:
    with holdfast.training("iris") as run:
        run.model(model)

    manifest = holdfast.open(tmp_path / "store").manifest(run.version)
    assert sorted(manifest.artifacts) == ["model"]
    assert manifest.hyperparameters["C"] == 0.5
    assert manifest.training_data == {}


def test_a_notebook_cell_that_is_run_again_makes_another_version(
    registry: Registry, model: LogisticRegression
) -> None:
    cell = """
with holdfast.training("iris", store=registry) as run:
    run.model(model)
"""
    scope: dict[str, Any] = {"holdfast": holdfast, "registry": registry, "model": model}
    for _ in range(2):
        exec(cell, scope)

    assert scope["run"].version.version == "1.1.0"
    assert scope["run"].result.same_bytes == "1.0.0"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no rows at https://ann:secret@host/x\nrow 3"),
        KeyboardInterrupt(),
        SystemExit(0),
        SystemExit(1),
        GeneratorExit(),
        MemoryError(),
    ],
    ids=repr,
)
def test_an_exception_goes_on_and_leaves_its_entry_alone(
    registry: Registry, model: LogisticRegression, error: BaseException
) -> None:
    folders = []

    def train() -> None:
        with holdfast.training("iris", store=registry, reason="nightly") as run:
            folders.append(run.folder)
            run.model(model)
            run.figure("a", png())
            raise error

    with pytest.raises(type(error)) as caught:
        train()
    (past,) = registry.history("iris")

    assert caught.value is error
    assert past.op == "training_failed"
    assert past.what.startswith(f"training failed after 0 s: {type(error).__name__}")
    assert "secret" not in past.what
    assert "row 3" not in past.what
    assert (past.by, past.reason) == ("ann", "nightly")
    assert registry.versions("iris") == []
    assert not folders[0].exists()
    assert not list((Path(registry.location) / "blobs").rglob("*.png"))


def test_a_model_that_failed_first_can_be_trained_again(
    registry: Registry, model: LogisticRegression
) -> None:
    with pytest.raises(ValueError, match="x"), holdfast.training("iris", store=registry):
        raise ValueError("x")
    with holdfast.training("iris", store=registry) as run:
        run.model(model)

    assert run.version.version == "1.0.0"
    assert registry.status("iris").latest == "1.0.0"


def test_a_block_without_a_model_fails(registry: Registry) -> None:
    with (
        pytest.raises(InvalidInputError, match=r"was given no model; call run\.model"),
        holdfast.training("iris", store=registry),
    ):
        pass

    assert "InvalidInputError" in last(registry)


def test_what_cannot_be_registered_is_refused_as_ever_and_told(
    registry: Registry, model: LogisticRegression, rows: Any
) -> None:
    registry.register("iris", model, input_example=rows[:2])
    other = LogisticRegression().fit(rows[:, :1], rows[:, 0] > 0)
    with (
        pytest.raises(RefusedError),
        holdfast.training("iris", store=registry, bump="patch") as run,
    ):
        run.model(other, input_example=rows[:2, :1])

    assert re.match(r"training failed after \d+ s: RefusedError", last(registry))
    with pytest.raises(InvalidInputError, match="became no version"):
        _ = run.version


@pytest.mark.parametrize(
    ("name", "facts", "message"),
    [
        ("../iris", {}, "model name"),
        ("i" * 10_000, {}, "model name"),
        ("iris", {"metrix": {}}, "fact 'metrix' is unknown"),
        ("iris", {"metrics": {"auc": float("nan")}}, "must be a finite number"),
        ("iris", {"artifacts": {"curves": "x"}}, "role 'curves' belongs to the run"),
        ("iris", {"reason": 5}, "must be text"),
        (5, {}, "model name must be text, not 5"),
        ("iris", {"bump": "huge"}, "bump 'huge' is unknown"),
        ("iris", {"version": "1.x"}, "is not SemVer"),
        ("iris", {"seed": "7"}, "seed must be a whole number"),
        ("iris", {"idempotency_key": "k"}, "cannot be kept by a training"),
        ("iris", {"store": None}, "must be a folder, an address or a registry"),
    ],
)
def test_what_could_not_be_registered_is_refused_before_the_training(
    registry: Registry, name: Any, facts: dict[str, Any], message: str
) -> None:
    trained = []
    with (
        pytest.raises(InvalidInputError, match=message),
        holdfast.training(name, **{"store": registry, **facts}),
    ):
        trained.append(1)

    assert trained == []
    assert registry.models() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_store_that_cannot_be_written_is_refused_before_the_training(
    registry: Registry,
) -> None:
    registry.init()
    store = Path(registry.location)
    os.chmod(store, stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(StoreError), holdfast.training("iris", store=store):
            pytest.fail("it began")
    finally:
        os.chmod(store, stat.S_IRWXU)


def test_a_version_that_exists_is_refused_before_the_training(
    registry: Registry, model: LogisticRegression
) -> None:
    registry.register("iris", model)
    with (
        pytest.raises(ConflictError, match=r"iris@1\.0\.0 was registered before"),
        holdfast.training("iris", store=registry, version="1.0.0"),
    ):
        pytest.fail("it began")

    assert [past.op for past in registry.history("iris")] == ["registered"]


def test_an_exception_that_cannot_be_shown_is_told_by_its_kind(registry: Registry) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def train() -> None:
        with holdfast.training("iris", store=registry):
            raise MuteError

    with pytest.raises(MuteError):
        train()

    assert last(registry) == "training failed after 0 s: MuteError"


def test_data_that_changed_meanwhile_is_named(
    registry: Registry,
    model: LogisticRegression,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("same", "changed", "gone"):
        (tmp_path / name).write_text("1")
    with holdfast.training("iris", store=registry) as run:
        for name in ("same", "changed", "gone"):
            run.data(name, name)
        (tmp_path / "changed").write_text("2")
        (tmp_path / "gone").unlink()
        run.model(model)
    data = registry.manifest(run.version).training_data

    assert sorted(data["digests"]) == ["changed", "gone", "same"]
    assert data["changed_during_training"] == ["changed", "gone"]
    assert "data changed, gone changed during the training" in caplog.text


def test_data_of_the_caller_and_of_the_run_are_recorded_alike(
    registry: Registry, model: LogisticRegression, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("2")
    with holdfast.training("iris", store=registry, data={"a": "a.txt"}) as run:
        (tmp_path / "a.txt").write_text("3")
        run.data("b", "b.txt")
        run.model(model)
    manifest = registry.manifest(run.version)

    assert sorted(manifest.lineage.used_data) == ["a", "b"]
    assert manifest.training_data["changed_during_training"] == ["a"]
    with (
        pytest.raises(InvalidInputError, match="does not exist"),
        holdfast.training("iris", store=registry, data={"a": "nowhere.txt"}),
    ):
        pytest.fail("it began")


def test_a_name_that_may_be_a_typing_error_is_told_before_the_training(
    registry: Registry, model: LogisticRegression, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("fraud", "fruad", "fraud"):
        with holdfast.training(name, store=registry) as run:
            run.model(model)

    assert [log.message for log in caplog.records] == ["fruad will be a new model; there is fraud"]


def test_a_place_that_is_no_store_is_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")

    with pytest.raises(HoldfastError), holdfast.training("iris"):
        pytest.fail("it began")


def test_a_failure_that_cannot_be_told_hides_no_error(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.init()

    def train() -> None:
        with holdfast.training("iris", store=registry):
            Path(registry.location).rename(Path(registry.location).with_name("away"))
            raise ValueError("the real one")

    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="the real one"):
        train()

    assert "the history does not tell that the training failed" in caplog.text


def test_blocks_may_stand_in_one_another(registry: Registry, model: LogisticRegression) -> None:
    with holdfast.training("outer", store=registry) as outer:
        with holdfast.training("inner", store=registry) as inner:
            inner.metric("auc", 0.5)
            inner.model(model)
        outer.metric("auc", 0.75)
        outer.model(model)

    assert (outer.version.metrics, inner.version.metrics) == ({"auc": 0.75}, {"auc": 0.5})


def test_a_block_is_used_once(registry: Registry, model: LogisticRegression) -> None:
    block = holdfast.training("iris", store=registry)
    with block as run:
        run.model(model)
    with pytest.raises(InvalidInputError, match=r"call holdfast\.training again"), block:
        pytest.fail("it began again")

    assert len(registry.versions("iris")) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_that_leaves_the_block_registers_nothing(
    registry: Registry, model: LogisticRegression
) -> None:
    try:
        with holdfast.training("iris", store=registry) as run:
            run.model(model)
            child = os.fork()
            if not child:
                raise ChildProcessError  # noqa: TRY301 - it leaves the block
    except ChildProcessError:
        os._exit(0)
    os.waitpid(child, 0)

    assert [past.op for past in registry.history("iris")] == ["registered"]
    assert run.version.version == "1.0.0"


SCRIPT = """
import holdfast
with holdfast.training("iris", store={store!r}) as run:
    run.model({model!r})
"""


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_script_in_a_repository_is_known_by_its_commit_and_address(
    registry: Registry, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "model.txt").write_text("weights")
    text = SCRIPT.format(store=str(registry.location), model=str(tmp_path / "model.txt"))
    (work / "train.py").write_text(text)
    git(work, "init", "-q")
    git(work, "remote", "add", "origin", "https://ann:ghp_secret@example.org/risk/iris.git?x=1")
    git(work, "add", "train.py")
    git(work, "commit", "-q", "-m", "first")
    (work / "train.py").write_text(f"{text}# changed\n")
    subprocess.run([sys.executable, "train.py"], cwd=work, check=True)
    manifest = registry.manifest("iris@latest")
    facts = manifest.metadata["training"]

    assert manifest.lineage.git_dirty is True
    assert len(manifest.lineage.git_commit or "") == 40
    assert manifest.lineage.remote == "https://example.org/risk/iris.git"
    assert facts["script"] == "train.py"
    blobs = [path.read_bytes() for path in Path(registry.location).rglob("*") if path.is_file()]
    assert not [raw for raw in blobs if b"ghp_secret" in raw]


class Module:
    """Looks to formats as a network of PyTorch's does."""

    __module__ = "torch.nn.modules.module"


class Network(Module):
    __module__ = "jobs.net"

    def state_dict(self) -> dict[str, float]:
        return {"weight": 1.0}


def test_a_network_that_no_file_keeps_is_told_when_it_is_named(
    registry: Registry, tmp_path: Path
) -> None:
    (path := tmp_path / "model.txt").write_text("weights")
    told = []
    with holdfast.training("iris", store=registry) as run:
        for parts in ((Network(),), ("weights", Network())):
            with pytest.raises(InvalidInputError) as caught:
                run.model(*parts)
            told.append(str(caught.value))
        run.model(path)
    named = TrainingRun("iris", tmp_path, registry.trainings.data_use, {"model": "torch-state"})
    named.model(Network())
    assert len(named.models) == 1

    for text in told:
        assert text.startswith("Network object is a PyTorch module")
        assert "export it" in text
        assert "formats={'model': 'torch-state'}" in text
    assert run.version.ref == "iris@1.0.0"
