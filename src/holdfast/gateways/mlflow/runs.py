"""One run of a tracking server, made, filled and ended; a run that fails is marked so."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from holdfast.gateways.mlflow.new_versions import finite
from holdfast.gateways.mlflow.timestamps import now_ms

_REFUSED: Final = re.compile(r"[^\w\-./ ]")
_MOST_LETTERS: Final = 6000
_MOST_PARAMS: Final = 100
_MOST_METRICS: Final = 500


class TrackedRun:
    """A run that is being logged."""

    def __init__(self, client: MlflowClient, run: Any) -> None:
        self.client = client
        self.id: str = run.info.run_id
        self._artifacts = run.info.artifact_uri

    def log(self, metrics: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        """Log figures and parameters under names that MLflow takes."""
        at = int(now_ms())
        figures = [Metric(_key(name), value, at, 0) for name, value in finite(metrics).items()]
        texts = [Param(_key(key), str(value)[:_MOST_LETTERS]) for key, value in params.items()]
        for start in range(0, len(figures), _MOST_METRICS):
            self.client.log_batch(self.id, metrics=figures[start : start + _MOST_METRICS])
        for start in range(0, len(texts), _MOST_PARAMS):
            self.client.log_batch(self.id, params=texts[start : start + _MOST_PARAMS])

    def add_folder(self, folder: Path, path: str) -> None:
        """Log a folder's files below *path*."""
        self.client.log_artifacts(self.id, str(folder), path)

    def add_file(self, file: Path) -> None:
        """Log a file."""
        self.client.log_artifact(self.id, str(file))

    def register(
        self, name: str, path: str, tags: Mapping[str, str], description: str | None
    ) -> str:
        """Register what is below *path* as a version of *name*; return its integer."""
        with contextlib.suppress(MlflowException):  # it is there, or the next call says why not
            self.client.create_registered_model(name)
        version = self.client.create_model_version(
            name,
            f"{self._artifacts.rstrip('/')}/{path}",
            self.id,
            tags=dict(tags),
            description=description,
        )
        return str(version.version)


def _key(name: str) -> str:
    return _REFUSED.sub("_", name)[:250]


@contextlib.contextmanager
def logged(experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
    """Make a run in an experiment, which is made if it is not there, and end it."""
    client = MlflowClient()
    known = client.get_experiment_by_name(experiment)
    experiment_id = known.experiment_id if known else client.create_experiment(experiment)
    run = client.create_run(experiment_id, tags=dict(tags), run_name=name)
    try:
        yield TrackedRun(client, run)
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
