"""What is live is known in microseconds by a running process, and at once by a new one."""

import sys
from typing import Any

import pytest

MODEL = "fraud"
pytestmark = pytest.mark.benchmark(group="resolve @production")
ASK = (
    "from mlflow import MlflowClient; "
    "c = MlflowClient(registry_uri={uri!r}, tracking_uri={uri!r}); "
    "print(c.get_model_version_by_alias('fraud', 'production').version)"
)


def test_holdfast_running(benchmark: Any, registry: Any) -> None:
    benchmark.pedantic(
        lambda: registry.resolve(f"{MODEL}@production"), rounds=200, iterations=50, warmup_rounds=2
    )


def test_mlflow_running(benchmark: Any, mlflow_client: Any) -> None:
    benchmark.pedantic(
        lambda: mlflow_client.get_model_version_by_alias(MODEL, "production"),
        rounds=100,
        warmup_rounds=2,
    )


def test_modelstore_running(benchmark: Any, model_store: Any) -> None:
    store, ids = model_store
    store.set_model_state(MODEL, ids[50], "production")
    benchmark.pedantic(lambda: store.list_versions(MODEL, "production"), rounds=50, warmup_rounds=2)


def test_holdfast_cli(benchmark: Any, registry: Any, process: Any, program: str) -> None:
    command = process(program, "show", f"{MODEL}@production", "--store", str(registry.location))
    benchmark.pedantic(command, rounds=11, warmup_rounds=1)


def test_mlflow_new_process(benchmark: Any, mlflow_client: Any, process: Any) -> None:
    """MLflow has no command for this; the shortest program there is."""
    program = ASK.format(uri=mlflow_client._registry_uri)
    benchmark.pedantic(process(sys.executable, "-c", program), rounds=5, warmup_rounds=1)
