"""What MLflow's client registered, answered by `holdfast serve` and scored in Spark."""

import http.client
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
            name="model",
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
