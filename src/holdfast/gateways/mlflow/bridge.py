"""The bridge to a tracking server: a training's files and figures become a run and a version there.

The names are those that single-folder registries used (`registry/mlflow_bridge.py`).
"""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from holdfast import formats
from holdfast.core import strict_json
from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.errors import InvalidInputError
from holdfast.gateways.mlflow import pair_folder

logger = logging.getLogger(__name__)
_MOST_BYTES: Final = 16 << 20
_METRICS: Final = frozenset(("metrics", "performance", "scores", "evaluation"))
_PARAMS: Final = frozenset(("params", "parameters", "hyperparameters", "best_params"))
_MOST_LETTERS: Final = 500
_ARCHIVES: Final = ("Staging", "Production")


def log_to_mlflow(
    model_path: str | Path,
    preprocessor_path: str | Path | None,
    run_log_path: str | Path,
    experiment_name: str,
    registry_name: str,
) -> str:
    """Log a training to MLflow and register its model there; return the id of the run.

    The tracking server is MLflow's own choice (`MLFLOW_TRACKING_URI`).

    Args:
        model_path: The model's file.
        preprocessor_path: Of what was fitted with it, if anything was.
        run_log_path: JSON of the training: numbers below `metrics` or `performance` become
            metrics, what is below `params` or `hyperparameters` parameters, as do other values.
        experiment_name: Made if it is not there.
        registry_name: The registered model, made if it is not there.

    Raises:
        InvalidInputError: If a file is missing, or the log is not a JSON object.
    """
    from holdfast.gateways.mlflow import runs

    sources = {"model": Path(model_path)}
    if preprocessor_path is not None:
        sources["preprocessor"] = Path(preprocessor_path)
    log = _read_log(Path(run_log_path))
    metrics, params = told(log)
    with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
        manifest, paths = _described(registry_name, sources, metrics, Path(scratch))
        tags = {
            f"holdfast.{role}_sha256": artifact.digest
            for role, artifact in manifest.artifacts.items()
        }
        with runs.logged(experiment_name, registry_name, tags) as run:
            run.log(metrics, params)
            folder = Path(scratch) / "logged"
            pair_folder.write(folder, manifest, paths, run.id)
            run.add_folder(folder, "model")
            run.add_file(Path(run_log_path))
            run.register(registry_name, "model", tags, None)
    return run.id


def transition_model_stage(registry_name: str, version: int | str, stage: str) -> None:
    """Move a version of MLflow's registry to a stage, and an alias of the same name with it.

    MLflow deprecates stages: what reads `models:/name@production` keeps working without them.

    Args:
        version: MLflow's integer.
        stage: `Staging`, `Production`, `Archived` or `None`.
    """
    from mlflow.entities.model_registry.model_version_stages import get_canonical_stage
    from mlflow.tracking import MlflowClient

    client, canonical = MlflowClient(), get_canonical_stage(stage)
    client.transition_model_version_stage(
        registry_name,
        str(version),
        canonical,
        archive_existing_versions=canonical in _ARCHIVES,
    )
    if canonical in _ARCHIVES:
        client.set_registered_model_alias(registry_name, canonical.lower(), str(version))
        logger.info("stages are deprecated in MLflow: alias %s set beside", canonical.lower())


def _read_log(path: Path) -> Mapping[str, Any]:
    subject = f"file {str(path)!r}"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidInputError(subject, "is too long to be the log of a run")
        document: object = strict_json.decode(path.read_bytes())
    except OSError as error:
        raise InvalidInputError(subject, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInputError(subject, f"is not JSON: {error}", "fix it") from error
    if not isinstance(document, dict):
        raise InvalidInputError(subject, "must be a JSON object with params and metrics")
    return document


def told(log: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return what a log says as metrics and as parameters."""
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    for path, value in _leaves(log, ()):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and _METRICS & set(path):
            metrics[_named(path, _METRICS)] = float(value)
        else:
            params[_named(path, _PARAMS)] = str(value)[:_MOST_LETTERS]
    return metrics, params


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif value is not None and not isinstance(value, list):
        yield path, value


def _named(path: tuple[str, ...], dropped: frozenset[str]) -> str:
    return ".".join([part for part in path if part not in dropped] or path)


def _described(
    name: str, sources: Mapping[str, Path], metrics: Mapping[str, float], scratch: Path
) -> tuple[Manifest, dict[str, Path]]:
    """Describe files that are in no registry as a manifest does, so that they load as a pair."""
    artifacts, scans, paths = {}, {}, {}
    for role, source in sources.items():
        if not source.is_file():
            raise InvalidInputError(f"file {str(source)!r}", "does not exist", "check its path")
        path = role + source.suffix
        paths[role] = scratch / path
        shutil.copyfile(source, paths[role])
        packaged = formats.package(paths[role], role, scratch)
        raw = paths[role].read_bytes()
        file = File(path, hashlib.sha256(raw).hexdigest(), len(raw))
        artifacts[role] = Artifact(path, packaged.format, (file,))
        scan = formats.scan(paths[role], ())
        scans[role] = replace(scan, trusted="logged by its own training") if scan.unknown else scan
    manifest = Manifest(
        name=name.replace(":", "-"),
        version="0.0.0",
        number=0,
        registered_at="",
        registered_by="",
        artifacts=artifacts,
        metrics=dict(metrics),
        scan=scans,
    )
    return manifest, paths
