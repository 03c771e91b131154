"""`push` and `pull`: one version to a tracking server, and one from it."""

import tempfile
from pathlib import Path
from typing import Any, Final

from mlflow.tracking import MlflowClient
from msgspec import Struct

from holdfast.core.views import RegistrationResult
from holdfast.errors import InvalidInputError
from holdfast.gateways.mlflow import mlflow_names, model_folders, pair_folder, pair_loader, runs
from holdfast.gateways.mlflow.mlflow_exceptions import understood
from holdfast.gateways.mlflow.new_versions import finite
from holdfast.gateways.mlflow.sources import Tracking
from holdfast.registry.facts import Facts
from holdfast.registry.registry import Registry

_DIGEST: Final = "holdfast.digest"
_HOW: Final = "write NAME/3, NAME@ALIAS or runs:/RUN/PATH"


class Pushed(Struct, frozen=True):
    """Where a version is on the server.

    Attributes:
        created: False if the server had the same version already.
    """

    ref: str
    run_id: str
    name: str
    version: str
    created: bool


@understood
def push(registry: Registry, ref: str, experiment: str, name: str | None = None) -> Pushed:
    """Log a version to MLflow's tracking server as a run, and register it there.

    Args:
        experiment: Made if it is not there.
        name: The registered model there; by default as here.
    """
    info, manifest = registry.resolve(ref), registry.manifest(ref)
    there = name or mlflow_names.to_mlflow(info.model, {})
    if there is None or mlflow_names.to_mlflow(mlflow_names.to_holdfast(there), {}) is None:
        raise InvalidInputError(f"name {info.model!r}", "is not one of MLflow's", "give --name")
    known = _known(there, info.digest)
    if known is not None:
        return Pushed(info.ref, str(known.run_id), there, str(known.version), created=False)
    fetched = registry.fetch(info.ref)
    lineage = manifest.lineage
    texts = {
        "holdfast.ref": info.ref,
        _DIGEST: info.digest,
        "holdfast.store": registry.identity,
        "holdfast.run_id": lineage.run_id,
        "holdfast.parents": " ".join(lineage.parents) or None,
        "mlflow.source.git.commit": lineage.git_commit,
    }
    tags = {key: text for key, text in texts.items() if text is not None}
    tags |= {
        f"holdfast.{role}_sha256": artifact.digest for role, artifact in manifest.artifacts.items()
    }
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch,
        runs.logged(experiment, info.ref, tags) as run,
    ):
        run.log(info.metrics, manifest.hyperparameters)
        folder = Path(scratch) / "model"
        model = fetched.paths["model"]
        if model_folders.is_one(model):
            run.add_folder(model, "model")
        else:
            pair_folder.write(folder, manifest, fetched.paths, run.id)
            run.add_folder(folder, "model")
        card = Path(scratch) / "model_card.md"
        card.write_text(str(registry.card(info.ref, "markdown")), encoding="utf-8")
        run.add_file(card)
        version = run.register(there, "model", tags, manifest.description)
    return Pushed(info.ref, run.id, there, version, created=True)


def _known(name: str, digest: str) -> Any:
    found = MlflowClient().search_model_versions(f"tags.`{_DIGEST}` = '{digest}'")
    return next((version for version in found if version.name == name), None)


@understood
def pull(
    registry: Registry, spec: str, model: str | None = None, trust: str | None = None
) -> RegistrationResult:
    """Register what a tracking server has, with its run as lineage; again is not done twice.

    Args:
        spec: `NAME/3`, `NAME@ALIAS` or `runs:/RUN/PATH`.
        model: The registered model here; by default as there.
        trust: Why files that run code outside the allow-list are accepted.

    Raises:
        InvalidInputError: If *spec* names nothing, or no folder that MLflow wrote.
    """
    uri, name, run_id, facts = _asked(spec)
    tracking = Tracking(_tracking_uri())
    with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
        folder = tracking.download(uri, Path(scratch))
        if not model_folders.is_one(folder):
            raise InvalidInputError(f"{spec!r}", "is not a model that MLflow wrote", _HOW)
        told = model_folders.read(folder, trust)
        run_id = run_id or told.run_id
        learnt = tracking.learnt(run_id, told.model_id)
        facts = {**told.facts, **facts}
        facts["metrics"] = finite(learnt["metrics"])
        facts["hyperparameters"] = dict(learnt["params"])
        facts["lineage"] = {"run_id": run_id}
        if trust is not None:
            facts["trust"] = trust
        target = model or mlflow_names.to_holdfast(name)
        inner = folder / pair_folder.FOLDER
        if not (inner / pair_folder.MANIFEST).is_file():
            return registry.register(target, folder, **facts)
        manifest = pair_loader.read(inner)
        facts["formats"] = {role: made.format for role, made in manifest.artifacts.items()}
        paths = {role: inner / made.path for role, made in manifest.artifacts.items()}
        facts["artifacts"] = {
            role: path for role, path in paths.items() if role not in ("model", "preprocessor")
        }
        facts["input_schema"], facts["output_schema"] = (
            manifest.input_schema,
            manifest.output_schema,
        )
        return registry.register(target, paths["model"], paths.get("preprocessor"), **facts)


def _tracking_uri() -> str:
    import mlflow

    return str(mlflow.get_tracking_uri())


def _asked(spec: str) -> tuple[str, str, str | None, Facts]:
    """Return where a version's files are, its name, its run, and what is told of it."""
    if spec.startswith("runs:/"):
        run_id, _, path = spec.removeprefix("runs:/").partition("/")
        if not run_id or not path:
            raise InvalidInputError(f"{spec!r}", "names no folder of a run", _HOW)
        return spec, path.rsplit("/", 1)[-1], run_id, {"idempotency_key": f"mlflow/{spec}"}
    client = MlflowClient()
    if "@" in spec:
        name, _, alias = spec.rpartition("@")
        version = client.get_model_version_by_alias(name, alias)
    else:
        name, slash, number = spec.rpartition("/")
        if not slash or not number.isdigit():
            raise InvalidInputError(f"{spec!r}", "does not name a version", _HOW)
        version = client.get_model_version(name, number)
    facts: Facts = {"idempotency_key": f"mlflow/{name}/{version.version}/{version.run_id}"}
    if version.description:
        facts["description"] = version.description
    return f"models:/{name}/{version.version}", name, version.run_id or None, facts
