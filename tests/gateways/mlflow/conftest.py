"""MLflow's own stores beside Holdfast's, each in a folder of its own."""

import importlib.metadata
import importlib.util
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SET = re.compile(r"\{('[^{}]*')\}")
REASON = "mlflow is not installed: `make demo-mlflow` brings it into .venv"

IS_2 = importlib.util.find_spec("mlflow") is not None and importlib.metadata.version(
    "mlflow"
).startswith("2.")
AS_IN_3 = pytest.mark.skipif(
    IS_2, reason="MLflow 2 has other words, limits and searches here: ours are those of MLflow 3"
)


def logged_as(name: str) -> dict[str, str]:
    """Return how `log_model` is told a name, by the MLflow that is installed."""
    return {"artifact_path" if IS_2 else "name": name}


def in_order(message: str) -> str:
    """Return one of MLflow's messages with the names in its sets sorted."""
    return SET.sub(lambda match: f"{{{', '.join(sorted(match[1].split(', ')))}}}", message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    quiet = pytest.mark.filterwarnings("ignore")
    for item in items:
        if here in item.path.parents:
            item.add_marker(quiet)  # MLflow and SQLAlchemy warn of their own use of one another


@pytest.fixture(scope="session", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have MLflow tell nobody, and keep its runs out of the folder that tests are started in."""
    before = dict(os.environ)
    runs = tmp_path_factory.mktemp("runs") / "mlflow.db"
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{runs}"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _without_experiment() -> Iterator[None]:
    """Forget the experiment that a test set: it would be missing in the next one's database."""
    yield
    fluent = sys.modules.get("mlflow.tracking.fluent")
    if fluent is not None:
        vars(fluent)["_active_experiment_id"] = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.fixture(scope="session")
def mlflow() -> Any:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip(REASON)
    import mlflow

    return mlflow


@pytest.fixture(scope="session")
def _empty_database(mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    assert mlflow
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    SqlAlchemyStore(f"sqlite:///{path}")._dispose_engine()
    return path


@pytest.fixture
def database(_empty_database: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.db"
    shutil.copyfile(_empty_database, path)
    return path


@pytest.fixture
def theirs(database: Path) -> Iterator[Any]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{database}")
    yield store
    store._dispose_engine()


@pytest.fixture(scope="session")
def _their_port(mlflow: Any) -> Iterator[int]:
    assert mlflow
    from mlflow.server import app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(30)


@pytest.fixture
def their_port(_their_port: int, database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """MLflow's own server in front of a database."""
    from mlflow.server import handlers

    for name in ("FILE_STORE", "REGISTRY_STORE"):
        monkeypatch.setenv(f"_MLFLOW_SERVER_{name}", f"sqlite:///{database}")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", str(database.parent / "artifacts"))
    monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(database.parent / "sent"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(handlers, "_model_registry_store", None)
    monkeypatch.setattr(handlers, "_tracking_store", None)
    yield _their_port
    handlers._get_model_registry_store()._dispose_engine()


@pytest.fixture
def open_ours(mlflow: Any, tmp_path: Path) -> Callable[..., Any]:
    assert mlflow

    def make(query: str = "") -> Any:
        from holdfast.gateways.mlflow.registry_store import HoldfastStore

        return HoldfastStore(f"holdfast://{tmp_path}/store{query}")

    return make


@pytest.fixture
def ours(open_ours: Callable[..., Any]) -> Any:
    return open_ours()


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write what MLflow would for a model of plain data."""

    def make(name: str = "logged", weight: float = 1.0, inputs: str | None = None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        signature = f"signature:\n  inputs: '{inputs}'\n" if inputs else ""
        text = "flavors:\n  python_function:\n    loader_module: loader\n  sklearn: {}\n"
        (folder / "MLmodel").write_text(f"{text}run_id: run-1\n{signature}")
        (folder / "weights.json").write_text(f'{{"weight": {weight}}}\n')
        (folder / "requirements.txt").write_text("mlflow==3.17.2\n")
        return folder

    return make
