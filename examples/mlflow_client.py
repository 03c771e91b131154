"""MLflow's own client over a Holdfast store, without a server and with one: `make demo-mlflow`.

A model is trained, logged and registered in MLflow's words and goes live by its alias, which asks
the gate. A worse one is refused with every reason. A better one goes live, is rolled back with
Holdfast, and MLflow's client follows. Then the same over REST, where the client has no plugin. Runs
stay in MLflow's database; both are in ./demo-mlflow.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

HERE = Path("demo-mlflow").absolute()
NAME = "digits"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow  # noqa: E402 - reads the environment when it is imported
from mlflow.exceptions import MlflowException  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

import holdfast  # noqa: E402


def main() -> int:
    """Play the story; return 0 if each chapter ended as it should."""
    warnings.filterwarnings("ignore")  # MLflow warns of stages, which are shown on purpose
    shutil.rmtree(HERE, ignore_errors=True)  # what the last run left
    HERE.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{HERE}/runs.db")
    mlflow.set_registry_uri(f"holdfast://{HERE}/store")
    mlflow.create_experiment(NAME, artifact_location=(HERE / "artifacts").as_uri())
    mlflow.set_experiment(NAME)
    client = mlflow.MlflowClient()
    registry = holdfast.open(HERE / "store")

    print("1. Train, log and register, and let the alias promote")
    logged(strength=0.01)
    client.set_registered_model_alias(NAME, "production", "1")
    print(f"   live: {live(registry)}, in MLflow: {client.get_registered_model(NAME).aliases}")

    print("2. The gate refuses a worse one, with every reason")
    logged(strength=0.000001)
    if not refused(client, "2"):
        return 1

    print("3. A better one goes live by its stage, and MLflow loads it, verified")
    logged(strength=0.1)
    client.transition_model_version_stage(NAME, "3", "Production")
    print(f"   models:/{NAME}@production answers {answers('@production')}")
    print(f"   models:/{NAME}/^1.0       answers {answers('/^1.0')}")

    print("4. Holdfast rolls back, and MLflow's client follows")
    moved = registry.rollback(NAME, reason="callers complained")
    version = client.get_model_version_by_alias(NAME, "production")
    print(f"   {moved.note}: MLflow says version {version.version}, {version.current_stage}")
    for line in registry.history(NAME):
        print(f"   {line.seq:>2}  {line.what}")
    print("5. The same over REST, where MLflow's client has no plugin")
    followed = over_rest(registry)
    whole = registry.verify().whole and followed
    print(f"   every byte is as it was written: {whole}")
    return 0 if whole and version.version == 1 and moved.version == "1.0.0" else 1


def over_rest(registry: holdfast.Registry) -> bool:
    """Promote, be refused, load and see a rollback through a server; tell whether all went so."""
    with served(registry) as url:
        mlflow.set_registry_uri(url)
        client = mlflow.MlflowClient()
        client.set_registered_model_alias(NAME, "production", "3")
        print(f"   live at {url}: {live(registry)}")
        was_refused = refused(client, "2")
        print(f"   models:/{NAME}@production answers {answers('@production')}")
        print(f"   {registry.rollback(NAME, reason='over REST, too').note}: ", end="")
        version = client.get_model_version_by_alias(NAME, "production").version
        print(f"MLflow says version {version}")
    return was_refused and version == "1"


@contextlib.contextmanager
def served(registry: holdfast.Registry) -> Iterator[str]:
    """Run `holdfast web` over the store, for this machine alone; give its address."""
    os.environ["HOLDFAST_TOKEN"] = os.environ["MLFLOW_TRACKING_TOKEN"] = secrets.token_hex(32)
    command = [sys.executable, "-m", "holdfast", "web", "--port", "0"]
    command += ["--store", str(registry.location)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        found = (re.search(r"http://\S+:\d+", line) for line in server.stderr or ())
        address = next(filter(None, found))[0]
        yield address
    finally:
        server.terminate()
        server.communicate(timeout=60)


def logged(strength: float) -> None:
    """Train a model, log it with its accuracy, and register it."""
    rows, labels = load_digits(return_X_y=True)
    seen, unseen, known, asked = train_test_split(rows, labels, random_state=7, test_size=0.5)
    model = LogisticRegression(C=strength, max_iter=60).fit(seen / 16, known)
    accuracy = model.score(unseen / 16, asked)
    with mlflow.start_run():
        mlflow.log_param("C", strength)
        mlflow.log_metric("accuracy", accuracy)
        mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=unseen[:2] / 16,
            pip_requirements=["scikit-learn"],
            registered_model_name=NAME,
        )
    print(f"   C={strength:g}: accuracy {accuracy:.3f}")


def refused(client: mlflow.MlflowClient, version: str) -> bool:
    """Try to promote a version that the gate has to refuse."""
    try:
        client.set_registered_model_alias(NAME, "production", version)
    except MlflowException as error:
        print(f"   {error.error_code}: {error}")
        return True
    return False


def answers(which: str) -> list[int]:
    """Load a version in MLflow's words and ask it."""
    model = mlflow.pyfunc.load_model(f"models:/{NAME}{which}")
    rows, _ = load_digits(return_X_y=True)
    return [int(answer) for answer in model.predict(rows[:5] / 16)]


def live(registry: holdfast.Registry) -> str | None:
    """Tell what is live."""
    return registry.resolve(f"{NAME}@production").version


if __name__ == "__main__":
    raise SystemExit(main())
