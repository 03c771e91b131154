"""The same over HTTP: MLflow's own server, started once, in front of its own registry."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.running import free_port

import holdfast
from holdfast.gateways.mlflow import log_to_mlflow, transition_model_stage

pytestmark = [pytest.mark.long]
ROWS, LABELS = [[0.0, 9.0], [1.0, 0.0]], [0, 1]
_LONGEST_START_S = 180


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def server(mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server on loopback, with its artifacts, and MLflow set to it."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    words += ["--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", *words]
    log = (folder / "log").open("wb")
    child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    try:
        deadline = time.monotonic() + _LONGEST_START_S
        while not answers(url):
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.5)
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        yield url
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
        os.killpg(child.pid, 15)
        child.wait(60)
        log.close()


def pair() -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(ROWS)
    return LogisticRegression().fit(scaler.transform(ROWS), LABELS), scaler


def test_a_version_goes_to_a_server_and_comes_back(
    mlflow: Any, server: str, tmp_path: Path
) -> None:
    from holdfast.gateways.mlflow.push_pull import pull, push

    here, there = (holdfast.open(tmp_path / name, by="ann") for name in ("here", "there"))
    here.register("iris", *pair(), metrics={"auc": 0.9}, description="Sorts flowers")
    pushed = push(here, "iris@1.0.0", "flowers")
    pulled = pull(there, f"iris/{pushed.version}")

    assert server.startswith("http://127.0.0.1:")
    assert there.manifest(pulled.ref).artifacts == here.manifest("iris@1.0.0").artifacts
    assert there.manifest(pulled.ref).lineage.run_id == pushed.run_id
    loaded = mlflow.pyfunc.load_model(f"models:/iris/{pushed.version}")
    assert list(loaded.predict(ROWS)) == LABELS


def test_the_articles_bridge_works_with_a_server(mlflow: Any, server: str, tmp_path: Path) -> None:
    import joblib

    for name, part in zip(("model", "preprocessor"), pair(), strict=True):
        joblib.dump(part, tmp_path / f"{name}.pkl")
    (tmp_path / "run_log.json").write_text('{"metrics": {"auc": 0.9}, "params": {"C": 1}}')
    run_id = log_to_mlflow(
        model_path=tmp_path / "model.pkl",
        preprocessor_path=tmp_path / "preprocessor.pkl",
        run_log_path=tmp_path / "run_log.json",
        experiment_name="ml-versioning-demo",
        registry_name="fraud-classifier",
    )
    transition_model_stage("fraud-classifier", 1, "Production")

    client = mlflow.MlflowClient(server)
    assert client.get_run(run_id).data.metrics == {"auc": 0.9}
    version = client.get_model_version_by_alias("fraud-classifier", "production")
    assert (version.version, version.current_stage) == ("1", "Production")


def test_a_server_is_brought_over(
    mlflow: Any, server: str, tmp_path: Path, model_folder: Callable[..., Path]
) -> None:
    from holdfast.gateways.mlflow.migration import Migration

    client = mlflow.MlflowClient(server)
    experiment = client.create_experiment("migration")
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "auc", 0.7)
    client.log_artifacts(run.info.run_id, str(model_folder()), "model")
    client.create_registered_model("moved")
    source = f"{run.info.artifact_uri}/model"
    client.create_model_version("moved", source, run.info.run_id)
    client.create_model_version("moved", "s3://gone/x")
    client.set_registered_model_alias("moved", "champion", "1")
    registry = holdfast.open(tmp_path / "store", by="ann")
    done = Migration(registry, server, ["champion"]).run()

    assert "moved@1.1.0" in done.references
    assert "moved@1.0.0" not in done.references
    info = registry.resolve("moved@production")
    assert (info.version, info.metrics) == ("1.0.0", {"auc": 0.7})
    assert registry.manifest(info).lineage.run_id == run.info.run_id
    assert registry.verify().whole
