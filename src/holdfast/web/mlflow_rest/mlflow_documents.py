"""Models and versions as MLflow's server writes them; what is absent has MLflow's defaults."""

from typing import Any

from holdfast.gateways.mlflow.entities import ModelEntity, VersionEntity


def version_document(version: VersionEntity) -> dict[str, Any]:
    """Write a version; what it has none of is empty or left out, as MLflow does."""
    document = {
        "name": version.name,
        "version": str(version.version),
        "creation_timestamp": version.creation_timestamp,
        "last_updated_timestamp": version.last_updated_timestamp,
        "user_id": version.user_id,
        "current_stage": version.current_stage,
        "description": version.description or "",
        "source": version.source,
        "run_id": version.run_id or "",
        "run_link": version.run_link,
        "model_id": version.model_id,
        "status": "READY",
        "tags": _pairs(version.tags),
        "aliases": version.aliases,
    }
    return {name: value for name, value in document.items() if value is not None}


def model_document(model: ModelEntity) -> dict[str, Any]:
    """Write a model, with the newest version of each stage."""
    document = {
        "name": model.name,
        "creation_timestamp": model.creation_timestamp,
        "last_updated_timestamp": model.last_updated_timestamp,
        "description": model.description or "",
        "latest_versions": [version_document(version) for version in model.latest_versions],
        "tags": _pairs(model.tags),
        "aliases": [
            {"alias": alias, "version": str(number)} for alias, number in model.aliases.items()
        ],
        "deployment_job_id": model.deployment_job_id,
    }
    return {name: value for name, value in document.items() if value is not None}


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
