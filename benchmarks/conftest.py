"""Contenders and stores for the benchmarks.

Every contender of a group runs in the same session on the same disk; `report.py` turns the medians
into ratios. Peers that are not installed are skipped, with the reason.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast

MANY = 10_000
MODEL = "fraud"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the contenders of a group run one after the other."""
    items.sort(key=lambda item: (item.path.name, item.name.split("[")[-1]))


def write_model(folder: Path, number: int) -> Path:
    """Write a small model file with content of its own."""
    path = folder / "model.json"
    path.write_text(json.dumps({"weights": number}))
    return path


def registered(folder: Path, versions: int) -> holdfast.Registry:
    """Make a store with so many versions, the middle one live, the one before it live before."""
    os.chdir(folder)  # outside of any git checkout, whose commit would be asked for each time
    registry = holdfast.open(folder / "store", by="bench")
    for number in range(versions):
        path = write_model(folder, number)
        registry.register(MODEL, path, bump="minor", metrics={"roc_auc": 0.9, "recall": 0.8})
    for number in (versions // 2 - 1, versions // 2):
        registry.promote(f"{MODEL}@v{number + 1}")
    return registry


@pytest.fixture(scope="session", params=[100, MANY], ids=["100", "10000"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Holdfast registry of one model with 100 or 10,000 versions."""
    return registered(tmp_path_factory.mktemp("holdfast"), request.param)


@pytest.fixture(scope="session", params=[100, MANY], ids=["100", "10000"])
def mlflow_client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """MLflow's registry on SQLite, in this process, with as many versions."""
    pytest.importorskip("mlflow", reason="the peers are not installed: make bench")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(MODEL)
    for _ in range(request.param):
        client.create_model_version(MODEL, source="file:///nowhere")
    client.set_registered_model_alias(MODEL, "production", str(request.param // 2))
    return client


@pytest.fixture(scope="session", params=[100], ids=["100"])
def model_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make a registry of modelstore in a folder, with 100 versions."""
    pytest.importorskip("modelstore", reason="the peers are not installed: make bench")
    from modelstore import ModelStore

    folder = tmp_path_factory.mktemp("modelstore")
    store = ModelStore.from_file_system(root_directory=str(folder), create_directory=True)
    store.create_model_state("production")
    ids = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(request.param):
            done = store.upload(MODEL, model=str(write_model(folder, number)))
            ids.append(done["model"]["model_id"])
    return store, ids


@pytest.fixture
def process() -> Callable[..., Callable[[], None]]:
    """Return a function that runs a command as a whole process, its bytecode cached as usual."""
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def command(*words: str, cwd: Path | None = None) -> Callable[[], None]:
        def run() -> None:
            subprocess.run(words, cwd=cwd, env=environment, check=True, capture_output=True)

        return run

    return command


@pytest.fixture(scope="session")
def program() -> str:
    """The installed command."""
    return str(Path(sys.executable).with_name("holdfast"))
