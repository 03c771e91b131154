"""How each contender is started, and what it is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np

HOME = Path(__file__).parent.parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MODEL = "cancer"


@dataclass(frozen=True)
class Contender:
    """A server to be measured.

    Attributes:
        command: Starts it; `{port}` is where it listens.
        path: Where predictions are asked for.
        body: One request.
        environment: Beyond this process's own.
        folder: To start it in.
        ready: A path that answers 200 once it serves.
        after: Called with the port once it is ready.
    """

    name: str
    command: Sequence[str]
    path: str
    body: bytes
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    ready: str | None = None
    after: Callable[[int], None] | None = None


def trained(folder: Path) -> tuple[Any, Any, list[float]]:
    """Fit the pair that all serve on scikit-learn's breast-cancer data; return it and a row."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, labels = load_breast_cancer(return_X_y=True)
    preprocessor = StandardScaler().fit(rows)
    model = LogisticRegression(random_state=42).fit(preprocessor.transform(rows), labels)
    joblib.dump((preprocessor, model), folder / "pair.joblib")
    return preprocessor, model, [round(float(value), 2) for value in rows[0]]


def uvicorn(app: str, *, factory: bool = False) -> list[str]:
    """Return the command of an app of `apps.py`, as fast as uvicorn gets."""
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        f"benchmarks.serving.apps:{app}",
        "--app-dir",
        str(HOME),
    ]
    command += ["--port", "{port}", "--loop", "uvloop", "--http", "httptools"]
    command += ["--log-level", "warning", "--no-access-log"]
    return [*command, "--factory"] if factory else command


def contenders(folder: Path, others: Path) -> list[Contender]:
    """Prepare all that are installed: peers in this environment, or in one of their own."""
    preprocessor, model, row = trained(folder)
    body = json.dumps({"instances": [row]}).encode()
    environment = {"MODEL": str(folder / "pair.joblib"), **ONE_THREAD}
    found = [
        Contender("bare ASGI, hello", uvicorn("hello"), "/predict", body, environment),
        Contender(
            "bare ASGI, model", uvicorn("inline", factory=True), "/predict", body, environment
        ),
        Contender("FastAPI", uvicorn("fastapi_app", factory=True), "/predict", body, environment),
        holdfast(folder, preprocessor, model, body),
    ]
    found += mlflow(folder, preprocessor, model, row)
    found += mlserver(folder, preprocessor, model, row, others / "mlserver" / "bin" / "mlserver")
    return found


def holdfast(folder: Path, preprocessor: Any, model: Any, body: bytes) -> Contender:
    """Serve one worker with the prediction log on, in the middle of a canary rollout."""
    import holdfast as product

    store = folder / "store"
    registry = product.open(store, by="bench")
    example = np.asarray(json.loads(body)["instances"])
    for version in ("1.0.0", "1.1.0"):
        registry.register(
            MODEL, model, preprocessor, version=version, input_example=example,
            description=f"version {version}",
        )  # fmt: skip
    registry.promote(f"{MODEL}@1.0.0")
    program = [str(Path(sys.executable).with_name("holdfast"))]
    at_store = ["--store", str(store)]

    def roll_out(_port: int) -> None:
        steps = ["--steps", "5,100", "--every", "1h"]
        start = [*program, "rollout", "start", MODEL, "1.1.0", *steps, *at_store]
        subprocess.run(start, check=True, capture_output=True)

    return Contender(
        "holdfast serve",
        [*program, "serve", MODEL, "--port", "{port}", "--log", str(folder / "log"), *at_store],
        "/predict",
        body,
        ONE_THREAD,
        ready="/ready",
        after=roll_out,
    )


def mlflow(folder: Path, preprocessor: Any, model: Any, row: list[float]) -> list[Contender]:
    """Serve the pair as MLflow's pipeline, in this environment; nothing if it is not there."""
    try:
        import mlflow.sklearn
        from sklearn.pipeline import make_pipeline
    except ImportError:
        return []
    saved = folder / "mlflow"
    mlflow.sklearn.save_model(
        make_pipeline(preprocessor, model),
        str(saved),
        serialization_format="cloudpickle",
        pip_requirements=[],
    )
    program = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(saved)]
    return [
        Contender(
            "mlflow models serve",
            [*program, "--env-manager", "local", "--port", "{port}", "--workers", "1"],
            "/invocations",
            json.dumps({"inputs": [row]}).encode(),
            {
                **ONE_THREAD,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            ready="/ping",
        )
    ]


def mlserver(
    folder: Path, preprocessor: Any, model: Any, row: list[float], program: Path
) -> list[Contender]:
    """Serve the pair by MLServer, in the environment that it pins; nothing if it is not there."""
    if not program.exists():
        return []
    from sklearn.pipeline import make_pipeline

    home = folder / "mlserver"
    home.mkdir()
    joblib.dump(make_pipeline(preprocessor, model), home / "model.joblib")
    settings = {
        "name": MODEL,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (home / "model-settings.json").write_text(json.dumps(settings))
    tensor = {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    return [
        Contender(
            "MLServer",
            [str(program), "start", str(home)],
            f"/v2/models/{MODEL}/infer",
            json.dumps({"inputs": [tensor]}).encode(),
            {
                **ONE_THREAD,
                "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
                "MLSERVER_HTTP_PORT": "{port}",
                "MLSERVER_GRPC_PORT": "{port1}",
                "MLSERVER_METRICS_PORT": "{port2}",
                "MLSERVER_HOST": "127.0.0.1",
                "MLSERVER_PARALLEL_WORKERS": "0",
            },
            folder=home,
            ready="/v2/health/ready",
        )
    ]
