"""What MLflow's client registered, answered by `holdfast serve` and scored in Spark."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.mlflow.conftest import logged_as
from tests.gateways.mlflow.test_bridge_with_a_server import answers
from tests.servers.running import free_port
from tests.serving.facing import until
from tests.serving.serving import MODEL, PATIENCE_S, Serving

import holdfast

PINS = ["mlflow", "scikit-learn"]


@pytest.fixture
def logged(mlflow: Any, tmp_path: Path) -> Iterator[holdfast.Registry]:
    """A version that MLflow's client registered in a store of Holdfast's, and promoted."""
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    mlflow.set_registry_uri(f"holdfast://{tmp_path / 'store'}")
    frame = pd.DataFrame(
        {"amount": [float(n) for n in range(20)], "count": [n % 3 for n in range(20)]}
    )
    model = LinearRegression().fit(frame, 2 * frame["amount"])
    signature = infer_signature(frame, model.predict(frame))
    experiment = mlflow.create_experiment("sums", artifact_location=str(tmp_path / "runs"))
    with mlflow.start_run(experiment_id=experiment):
        mlflow.sklearn.log_model(
            model,
            **logged_as("model"),
            signature=signature,
            pip_requirements=PINS,
            registered_model_name=MODEL,
        )
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "production", "1")
    yield holdfast.open(tmp_path / "store", by="ann")
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


def post(server: Serving, path: str, body: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="a sandbox is required, which Linux has")
def test_a_server_answers_by_the_signature(logged: holdfast.Registry, tmp_path: Path) -> None:
    assert logged.manifest(f"{MODEL}@production").artifacts["model"].format == "mlflow"
    with Serving(tmp_path / "store", tmp_path, "--sandbox", "require") as server:
        until(lambda: server.get("/ready")[1]["live"].get(MODEL) == "1.0.0")
        rows = [{"amount": 1.0, "count": 1}, {"amount": 4.5, "count": 4}]
        status, answer = post(server, "/predict", {"instances": rows})
        split = {"columns": ["count", "amount"], "data": [[1, 1.0]]}
        told = post(server, "/invocations", {"dataframe_split": split})
        refused = post(server, "/predict", {"instances": [{"amount": 1.0}]})
        typed = post(server, "/predict", {"instances": [{"amount": "much", "count": 1}]})

    assert status == 200
    assert answer["predictions"] == pytest.approx([2.0, 9.0], abs=1e-6)
    assert answer["model_version"] == "1.0.0"
    assert told[1]["predictions"] == pytest.approx([2.0], abs=1e-6)
    assert refused[0] == 422
    assert "count is missing" in refused[1]["error"]
    assert typed[0] == 422


@contextlib.contextmanager
def served_by_mlflow(uri: str, folder: Path) -> Iterator[int]:
    """Run MLflow's own command, which learns from the environment where the registry is."""
    port = free_port()
    words = ["models", "serve", "-m", uri, "--env-manager", "local", "--host", "127.0.0.1"]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", *words, "--port", str(port)]
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"PATH": programs},
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not answers(f"http://127.0.0.1:{port}"):
                assert child.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.5)
            yield port
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(60)


@pytest.mark.long
def test_mlflow_serves_the_live_version_by_its_own_command(
    logged: holdfast.Registry, tmp_path: Path
) -> None:
    assert logged.resolve(f"{MODEL}@production").version == "1.0.0"
    with served_by_mlflow(f"models:/{MODEL}@production", tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        body = json.dumps({"dataframe_records": [{"amount": 4.5, "count": 4}]})
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()

    assert answer["predictions"] == pytest.approx([9.0], abs=1e-6)


@pytest.mark.long
def test_spark_scores_by_the_live_version(
    logged: holdfast.Registry, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: pip install pyspark")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed, which Spark needs")
    assert logged.resolve(f"{MODEL}@production").version == "1.0.0"
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    try:
        score = mlflow.pyfunc.spark_udf(
            spark, f"models:/{MODEL}@production", "double", env_manager="local"
        )
        rows = spark.createDataFrame([(1.0, 1), (4.5, 4)], ["amount", "count"])
        scored = rows.withColumn("score", score("amount", "count")).collect()
    finally:
        spark.stop()

    assert [row["score"] for row in scored] == pytest.approx([2.0, 9.0], abs=1e-6)
