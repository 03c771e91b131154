"""The articles' bridge, and versions pushed to and pulled from MLflow's tracking."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.gateways.mlflow.conftest import logged_as

import holdfast
from holdfast.errors import DamagedError, InvalidInputError, UntrustedError
from holdfast.registry.registry import Registry

ROWS = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.1]]
LABELS = [0, 1, 0, 1]


@pytest.fixture
def tracking(mlflow: Any, database: Path, tmp_path: Path) -> Iterator[Any]:
    """MLflow set to a database of its own, and its client."""
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    uri = f"sqlite:///{database}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    for name in ("ml-versioning-demo", "holdfast", "runs"):
        client.create_experiment(name, artifact_location=(tmp_path / "artifacts").as_uri())
    yield client
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path, Path]:
    import joblib

    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), LABELS)
    paths = tmp_path / "model.joblib", tmp_path / "scaler.joblib", tmp_path / "run_log.json"
    joblib.dump(model, paths[0])
    joblib.dump(scaler, paths[1])
    log = {"hyperparameters": {"C": 1.0}, "metrics": {"auc": 0.9, "by": {"eu": 0.8}}, "seed": 7}
    paths[2].write_text(json.dumps(log | {"none": None, "list": [1], "is_ok": True}))
    return paths


def test_the_articles_bridge_logs_and_registers(
    mlflow: Any, tracking: Any, trained: tuple[Path, Path, Path]
) -> None:
    from holdfast.compat.mlflow_bridge import log_to_mlflow, transition_model_stage

    run_id = log_to_mlflow(
        model_path=str(trained[0]),
        preprocessor_path=str(trained[1]),
        run_log_path=str(trained[2]),
        experiment_name="ml-versioning-demo",
        registry_name="fraud-classifier",
    )
    transition_model_stage(registry_name="fraud-classifier", version=1, stage="Production")

    run = tracking.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auc": 0.9, "by.eu": 0.8}
    assert run.data.params == {"C": "1.0", "seed": "7", "is_ok": "True"}
    version = tracking.get_model_version("fraud-classifier", "1")
    assert (version.run_id, version.current_stage) == (run_id, "Production")
    assert version.tags.keys() == {"holdfast.model_sha256", "holdfast.preprocessor_sha256"}
    assert tracking.get_model_version_by_alias("fraud-classifier", "production").version == 1
    loaded = mlflow.pyfunc.load_model("models:/fraud-classifier@production")
    assert list(loaded.predict(ROWS)) == LABELS


def test_the_bridge_is_found_in_both_places() -> None:
    import holdfast.gateways.mlflow as gateway
    from holdfast.compat import mlflow_bridge

    assert gateway.log_to_mlflow is mlflow_bridge.log_to_mlflow
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = gateway.other


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[]", "must be a JSON object"), ("{", "is not JSON"), (None, "cannot be")],
)
def test_a_log_that_is_none_is_refused(
    tracking: Any, trained: tuple[Path, Path, Path], text: str | None, problem: str
) -> None:
    from holdfast.gateways.mlflow import log_to_mlflow

    trained[2].unlink() if text is None else trained[2].write_text(text)

    with pytest.raises(InvalidInputError, match=problem):
        log_to_mlflow(trained[0], None, trained[2], "runs", "x")
    assert tracking.search_registered_models() == []


def test_a_model_that_is_missing_makes_no_run(
    tracking: Any, trained: tuple[Path, Path, Path]
) -> None:
    from holdfast.gateways.mlflow import log_to_mlflow

    with pytest.raises(InvalidInputError, match="does not exist"):
        log_to_mlflow(trained[0].with_name("none"), None, trained[2], "runs", "x")
    assert tracking.search_runs(["1", "2", "3"]) == []


def test_a_run_that_fails_is_marked_so(tracking: Any) -> None:
    from holdfast.gateways.mlflow import runs

    with pytest.raises(ZeroDivisionError), runs.logged("runs", "x", {}) as run:
        _ = 1 / 0

    assert tracking.get_run(run.id).info.status == "FAILED"


@pytest.fixture
def registered(registry: Registry, trained: tuple[Path, Path, Path]) -> Registry:
    registry.register(
        "fraud",
        trained[0],
        trained[1],
        metrics={"auc": 0.9},
        description="Tells fraud",
        lineage={"run_id": "training-7", "git_commit": "a" * 40},
        hyperparameters={"C": 1.0},
    )
    return registry


def test_a_version_is_pushed_with_what_is_known_of_it(
    mlflow: Any, tracking: Any, registered: Registry
) -> None:
    from holdfast.gateways.mlflow.push_pull import push

    done = push(registered, "fraud@1.0.0", "holdfast")
    again = push(registered, "fraud@latest", "holdfast")

    assert (done.name, done.version, done.created) == ("fraud", "1", True)
    assert (again.run_id, again.created) == (done.run_id, False)
    run = tracking.get_run(done.run_id)
    assert run.data.metrics == {"auc": 0.9}
    assert run.data.params == {"C": "1.0"}
    assert run.data.tags["holdfast.digest"] == registered.resolve("fraud@1.0.0").digest
    assert run.data.tags["holdfast.run_id"] == "training-7"
    assert run.data.tags["mlflow.source.git.commit"] == "a" * 40
    files = {info.path for info in tracking.list_artifacts(done.run_id)}
    assert files == {"model", "model_card.md"}
    assert tracking.get_model_version("fraud", "1").description == "Tells fraud"
    assert list(mlflow.pyfunc.load_model("models:/fraud/1").predict(ROWS)) == LABELS


def test_what_was_pushed_comes_back_as_it_was(
    tracking: Any, registered: Registry, tmp_path: Path
) -> None:
    from holdfast.gateways.mlflow.push_pull import pull, push

    pushed = push(registered, "fraud@1.0.0", "holdfast")
    tracking.set_registered_model_alias("fraud", "best", "1")
    other = holdfast.open(tmp_path / "other", by="bob")
    done, again = pull(other, "fraud/1"), pull(other, "fraud@best")

    assert (done.ref, done.created, again.created) == ("fraud@1.0.0", True, False)
    manifest = other.manifest("fraud@1.0.0")
    assert manifest.artifacts == registered.manifest("fraud@1.0.0").artifacts
    assert (manifest.lineage.run_id, manifest.description) == (pushed.run_id, "Tells fraud")
    assert list(other.load("fraud@1.0.0").predict(ROWS)) == LABELS


def test_a_run_s_folder_is_pulled(mlflow: Any, tracking: Any, registry: Registry) -> None:
    from holdfast.gateways.mlflow.push_pull import pull

    mlflow.set_experiment("runs")
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.8)
        mlflow.sklearn.log_model(
            LogisticRegression().fit(ROWS, LABELS), **logged_as("m"), pip_requirements=[]
        )
    spec = f"runs:/{run.info.run_id}/m"
    done = pull(registry, spec, "fraud")

    assert tracking.get_run(run.info.run_id).info.status == "FINISHED"
    manifest = registry.manifest(done.ref)
    assert manifest.lineage.run_id == run.info.run_id
    assert registry.resolve(done.ref).metrics == {"auc": 0.8}
    assert (registry.fetch(done.ref).paths["model"] / "MLmodel").is_file()


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("fraud", "does not name a version"),
        ("fraud/x", "does not name a version"),
        ("runs:/", "names no folder of a run"),
        ("fraud/7", "MLflow refused this: .*not found"),
        ("fraud@none", "MLflow refused this: .*not found"),
    ],
)
def test_what_is_not_there_is_not_pulled(
    tracking: Any, registry: Registry, spec: str, problem: str
) -> None:
    from holdfast.gateways.mlflow.push_pull import pull

    assert tracking
    with pytest.raises(InvalidInputError, match=problem):
        pull(registry, spec)
    assert registry.models() == []


def test_a_pair_whose_file_changed_is_not_loaded(
    tracking: Any, registered: Registry, tmp_path: Path
) -> None:
    from holdfast.gateways.mlflow import pair_folder, pair_loader

    assert tracking
    fetched = registered.fetch("fraud@1.0.0")
    pair_folder.write(tmp_path / "pair", fetched.manifest, fetched.paths, None)
    inner = tmp_path / "pair" / "holdfast"
    assert list(pair_loader._load_pyfunc(str(inner)).predict(ROWS)) == LABELS

    path = inner / "model.joblib"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DamagedError, match="has changed"):
        pair_loader._load_pyfunc(str(inner))
    path.unlink()
    with pytest.raises(DamagedError, match="is missing"):
        pair_loader._load_pyfunc(str(inner))


def test_a_pair_that_nobody_trusted_is_not_loaded(
    mlflow: Any, registry: Registry, tmp_path: Path
) -> None:
    from msgspec.structs import replace

    from holdfast.gateways.mlflow import pair_folder, pair_loader

    assert mlflow
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    registry.register("x", path, trust="to test")
    fetched = registry.fetch("x@1.0.0")
    pair_folder.write(tmp_path / "pair", replace(fetched.manifest, scan={}), fetched.paths, None)

    with pytest.raises(UntrustedError, match=r"posix\.system"):
        pair_loader._load_pyfunc(str(tmp_path / "pair" / "holdfast"))
