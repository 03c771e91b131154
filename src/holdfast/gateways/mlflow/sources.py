"""Where the bytes of a new version are, if they can be reached now.

A version's source may be anything: a folder, a run, a logged model, another version, or words that
lead nowhere, which MLflow accepts. What is reached is taken in; all else stays a reference.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from mlflow.tracking import MlflowClient
from msgspec.structs import replace

from holdfast.gateways.mlflow import model_folders
from holdfast.gateways.mlflow.new_versions import Found, Own

_log = logging.getLogger(__name__)
_BY_TRACKING: Final = ("models", "runs")


class Tracking:
    """The tracking server that runs and logged models are asked of."""

    def __init__(self, uri: str | None) -> None:
        self._uri = uri

    @property
    def client(self) -> MlflowClient:
        """A client of it; of the one that MLflow is set to, if none is named."""
        return MlflowClient(tracking_uri=self._uri)

    def reached(
        self, source: str, local: str | None, own: Own
    ) -> contextlib.AbstractContextManager[Found]:
        """Reach the bytes behind a source, on this machine or by MLflow's own downloads."""
        return reached(source, local, self, own)

    def location(self, source: str) -> tuple[str, str | None]:
        """Return where the artifacts of a run or logged model are, and its run."""
        parsed = urlparse(source)
        if parsed.scheme == "models":
            model = self.client.get_logged_model(parsed.path.strip("/"))
            return model.artifact_location, model.source_run_id
        run_id, _, path = parsed.path.strip("/").partition("/")
        root = self.client.get_run(run_id).info.artifact_uri
        return f"{root.rstrip('/')}/{path}" if path else root, run_id

    def learnt(self, run_id: str | None, model_id: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Return metrics and parameters of a run and its logged model, as far as there are any.

        Nobody is asked where no server is named: MLflow would make a database in this folder.
        """
        metrics: dict[str, float] = {}
        params: dict[str, str] = {}
        if self._uri is None:
            return {"metrics": metrics, "params": params}
        if run_id:
            with _unless_it_fails(f"run {run_id}"):
                data = self.client.get_run(run_id).data
                metrics, params = dict(data.metrics), dict(data.params)
        if model_id:
            with _unless_it_fails(f"logged model {model_id}"):
                model = self.client.get_logged_model(model_id)
                metrics |= {metric.key: metric.value for metric in model.metrics or ()}
                params |= dict(model.params or {})
        return {"metrics": metrics, "params": params}

    def run_of(self, model_id: str) -> str | None:
        """Return the run that a logged model is of."""
        run_id: str | None = self.client.get_logged_model(model_id).source_run_id
        return run_id

    def download(self, uri: str, target: Path) -> Path:
        """Bring artifacts here."""
        from mlflow.artifacts import download_artifacts
        from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
        from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

        if self._uri is not None and urlparse(uri).scheme == "mlflow-artifacts":
            # MLflow 2 would ask the server that is set for the whole process
            address = MlflowArtifactsRepository.resolve_uri(uri, self._uri)
            place = HttpArtifactRepository(address).download_artifacts("", str(target))
        else:
            place = download_artifacts(
                artifact_uri=uri, dst_path=str(target), tracking_uri=self._uri
            )
        return Path(place)


@contextlib.contextmanager
def _unless_it_fails(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
        _log.warning("%s could not be read: %s", what, error)


@contextlib.contextmanager
def reached(source: str, local: str | None, tracking: Tracking, own: Own) -> Iterator[Found]:
    """Reach the bytes behind a source; what is fetched from elsewhere lives as long as this.

    Args:
        local: A folder that has them already.
        own: Tells what another version of the same registry is, `None` for every other source.
    """
    other = own(source)
    here = Path(local) if local is not None else None
    if other is not None:
        yield replace(other, run_id=None)  # MLflow's database has none, unlike its server
    elif here is not None and model_folders.is_one(here):
        yield Found(here, source)
    elif urlparse(source).scheme not in _BY_TRACKING:
        folder = local_folder(source)
        yield Found(folder, source, why="" if folder else "no folder with an MLmodel is there")
    else:
        with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
            yield _found(source, tracking, Path(scratch))


def _found(source: str, tracking: Tracking, scratch: Path) -> Found:
    location, run_id = source, None
    try:
        location, run_id = tracking.location(source)
        folder = local_folder(location) or tracking.download(location, scratch)
    except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
        return Found(None, location, run_id, str(error))
    is_model = model_folders.is_one(folder)
    return Found(folder if is_model else None, location, run_id, "" if is_model else "no MLmodel")


def local_folder(location: str) -> Path | None:
    """Return the folder of this machine that a location names, if MLflow wrote it."""
    parsed = urlparse(location)
    if parsed.scheme == "file":
        if parsed.netloc not in ("", "localhost"):
            return None
        path = Path(unquote(parsed.path))
    elif parsed.scheme == "" or (len(parsed.scheme) == 1 and Path(location).drive):
        path = Path(location)
    else:
        return None
    try:
        return path if model_folders.is_one(path) else None
    except (OSError, ValueError):  # a name that no path can be
        return None
