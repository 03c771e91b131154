"""Commands that carry versions to and from MLflow."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's, of its own libraries
_HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None
needs_mlflow = pytest.mark.skipif(not _HAS_MLFLOW, reason="mlflow is not installed")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a tracking database of the test's own."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("holdfast", artifact_location=(tmp_path / "runs").as_uri())
    yield uri
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@needs_mlflow
def test_a_version_goes_to_mlflow_and_comes_back(churn: Any, server: str) -> None:
    pushed = churn("mlflow", "push", "churn@1.0.0", "--tracking", server)
    again = churn("mlflow", "push", "churn@1.0.0", "--tracking", server, "--json")
    pulled = churn("mlflow", "pull", "churn/1", "--model", "back", "--tracking", server)

    assert pushed.status == 0, pushed.err
    assert pushed.out.startswith("churn@1.0.0 is churn version 1, run ")
    assert (again.data["created"], again.data["version"]) == (False, "1")
    assert pulled.status == 0, pulled.err
    assert pulled.out.startswith("registered back@1.0.0 (")
    assert churn(
        "mlflow", "pull", "churn/1", "--model", "back", "--tracking", server
    ).out.startswith("nothing to do: registered before as back@1.0.0")


@needs_mlflow
def test_what_mlflow_has_not_is_told(churn: Any, server: str) -> None:
    done = churn("mlflow", "pull", "none/1", "--tracking", server)

    assert done.status == 2
    assert "MLflow refused this: " in done.err
    assert "not found" in done.err


@needs_mlflow
def test_an_import_is_planned_and_done(holdfast: Any, server: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server, registry_uri=server)
    client.create_registered_model("fraud")
    client.create_model_version("fraud", "s3://gone/x")
    client.set_registered_model_alias("fraud", "champion", "1")
    planned = holdfast("mlflow", "import", server, "--live", "champion", "--dry-run")
    done = holdfast("mlflow", "import", server, "--live", "champion")
    after = holdfast("mlflow", "import", server, "--dry-run", "--json")

    assert planned.status == done.status == 0, planned.err + done.err
    assert "1 → v1" in planned.out
    assert planned.out.endswith("1 version; nothing was written\n")
    assert "fraud@1.0.0 is a reference: its bytes cannot be reached" in done.out
    assert "fraud@1.0.0 is not live: " in done.out
    assert done.out.endswith("1 of 1 version of 1 model imported\n")
    assert [row["done"] for row in after.data] == [True]
    assert "reference" in holdfast("ls", "fraud").out
    assert "s3://gone/x" in holdfast("show", "fraud@1.0.0").out
    assert holdfast("promote", "fraud@1.0.0").status == 5
    assert holdfast("load", "fraud@1.0.0").status == 5


def test_without_mlflow_the_extra_is_named(holdfast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    done = holdfast("mlflow", "push", "churn@1.0.0")

    assert done.status == 8
    assert "pip install 'holdfast[mlflow]'" in done.err
