"""The one table of MLflow's calls: paths, what whoever asks must be allowed, and what is done."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from holdfast.core import names
from holdfast.core.state import State
from holdfast.gateways.mlflow import mlflow_names, renaming, stages
from holdfast.gateways.mlflow.mlflow_checks import required
from holdfast.gateways.mlflow.new_versions import NewVersion
from holdfast.gateways.mlflow.registry_calls import RegistryCalls
from holdfast.web.mlflow_rest.mlflow_documents import model_document, version_document
from holdfast.web.mlflow_rest.mlflow_fields import Fields

Needs = Callable[[Fields, State | None], Iterator[tuple[str, str]]]
"""Told a request and the model as it is, gives verbs and the models that they are asked of."""
Perform = Callable[[RegistryCalls, Fields], dict[str, Any]]
_MOST_MODELS: Final = 100
_MOST_VERSIONS: Final = 10_000


class MlflowCall(Struct, frozen=True):
    """One call.

    Attributes:
        operation: What it is called in the log of refusals.
        makes: Whether doing it twice would make something twice, so that a repeat is answered.
    """

    operation: str
    needs: Needs
    perform: Perform
    writes: bool = True
    makes: bool = False


def _of_model(verb: str) -> Needs:
    def needs(fields: Fields, _state: State | None) -> Iterator[tuple[str, str]]:
        yield verb, fields.model

    return needs


def _nothing(_fields: Fields, _state: State | None) -> Iterator[tuple[str, str]]:
    """Need nothing but to be known: what is not theirs does not appear."""
    yield from ()


def _to_rename(fields: Fields, _state: State | None) -> Iterator[tuple[str, str]]:
    yield "delete", fields.model
    new = fields.maybe("new_name")
    if new:
        yield from ((verb, mlflow_names.to_holdfast(new)) for verb in renaming.NEEDED)


def _to_transition(fields: Fields, _state: State | None) -> Iterator[tuple[str, str]]:
    match stages.canonical(fields.text("stage")):
        case "Production":
            yield "promote", fields.model
        case "Staging":
            yield "stage", fields.model
        case _:
            yield "archive", fields.model
    if fields.flag("archive_existing_versions"):
        yield "archive", fields.model


def _to_alias(fields: Fields, state: State | None) -> Iterator[tuple[str, str]]:
    match fields.text("alias").lower():
        case names.PRODUCTION:
            yield "promote", fields.model
        case names.STAGING:
            yield "stage", fields.model
        case _:
            yield "alias", fields.model
    yield from _if_protected(fields, state)


def _to_remove_alias(fields: Fields, state: State | None) -> Iterator[tuple[str, str]]:
    yield "remove-alias", fields.model
    yield from _if_protected(fields, state)


def _if_protected(fields: Fields, state: State | None) -> Iterator[tuple[str, str]]:
    alias = mlflow_names.alias_to_holdfast(fields.text("alias"))
    if state is not None and alias in state.policy.protected_aliases:
        yield "protected-alias", fields.model


def _create_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    job = fields.maybe("deployment_job_id") or None
    description = fields.maybe("description") or ""
    made = calls.create_registered_model(fields.name, fields.tags, description, job)
    return {"registered_model": model_document(made)}


def _update_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    job = fields.maybe("deployment_job_id") or None
    changed = calls.update_registered_model(fields.name, fields.maybe("description") or "", job)
    return {"registered_model": model_document(changed)}


def _rename(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    renamed = calls.rename_registered_model(fields.name, fields.text("new_name"))
    return {"registered_model": model_document(renamed)}


def _delete_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.delete_registered_model(fields.name)
    return {}


def _get_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    return {"registered_model": model_document(calls.get_registered_model(fields.name))}


def _search_models(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    found = calls.search_registered_models(
        fields.maybe("filter"),
        fields.number("max_results", _MOST_MODELS),
        fields.texts("order_by"),
        fields.maybe("page_token"),
    )
    listed = [model_document(model) for model in found.entities]
    return {"registered_models": listed} | _next(found.token)


def _next(token: str | None) -> dict[str, Any]:
    return {"next_page_token": token} if token else {}


def _latest(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    found = calls.get_latest_versions(fields.name, fields.texts("stages") or None)
    return {"model_versions": [version_document(version) for version in found]}


def _tag_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.set_registered_model_tag(fields.name, fields.text("key"), fields.maybe("value") or "")
    return {}


def _untag_model(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.delete_registered_model_tag(fields.name, fields.text("key"))
    return {}


def _set_alias(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.set_registered_model_alias(fields.name, fields.text("alias"), fields.version)
    return {}


def _remove_alias(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.delete_registered_model_alias(fields.name, fields.text("alias"))
    return {}


def _by_alias(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    found = calls.get_model_version_by_alias(fields.name, fields.text("alias"))
    return {"model_version": version_document(found)}


def _create_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    if fields.maybe("source") is None:
        raise required("source")
    new = NewVersion(
        name=fields.name,
        source=fields.maybe("source") or "",
        run_id=fields.maybe("run_id") or None,
        model_id=fields.maybe("model_id") or None,
        run_link=fields.maybe("run_link") or None,
        description=fields.maybe("description") or "",
        tags=dict(fields.tags),
    )
    return {"model_version": version_document(calls.create_model_version(new))}


def _update_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    description = fields.maybe("description") or ""
    changed = calls.update_model_version(fields.name, fields.version, description)
    return {"model_version": version_document(changed)}


def _transition(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    moved = calls.transition_model_version_stage(
        fields.name,
        fields.version,
        fields.text("stage"),
        archive_existing_versions=fields.flag("archive_existing_versions"),
    )
    return {"model_version": version_document(moved)}


def _delete_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.delete_model_version(fields.name, fields.version)
    return {}


def _get_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    found = calls.get_model_version(fields.name, fields.version)
    return {"model_version": version_document(found)}


def _search_versions(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    found = calls.search_model_versions(
        fields.maybe("filter"),
        fields.number("max_results", _MOST_VERSIONS),
        fields.texts("order_by"),
        fields.maybe("page_token"),
    )
    listed = [version_document(version) for version in found.entities]
    return {"model_versions": listed} | _next(found.token)


def _download_uri(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    return {"artifact_uri": calls.get_model_version_download_uri(fields.name, fields.version)}


def _tag_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    key, value = fields.text("key"), fields.maybe("value") or ""
    calls.set_model_version_tag(fields.name, fields.version, key, value)
    return {}


def _untag_version(calls: RegistryCalls, fields: Fields) -> dict[str, Any]:
    calls.delete_model_version_tag(fields.name, fields.version, fields.text("key"))
    return {}


def _reading(operation: str, needs: Needs, perform: Perform) -> MlflowCall:
    return MlflowCall(operation, needs, perform, writes=False)


_MODELS: Final = "registered-models"
_VERSIONS: Final = "model-versions"
_READS: Final = _of_model("read")
_LATEST: Final = _reading("get-latest-versions", _READS, _latest)
CALLS: Final[Mapping[str, Mapping[str, MlflowCall]]] = {
    f"{_MODELS}/create": {
        "POST": MlflowCall("register", _of_model("register"), _create_model, makes=True)
    },
    f"{_MODELS}/rename": {"POST": MlflowCall("rename", _to_rename, _rename)},
    f"{_MODELS}/update": {"PATCH": MlflowCall("note", _of_model("note"), _update_model)},
    f"{_MODELS}/delete": {"DELETE": MlflowCall("delete", _of_model("delete"), _delete_model)},
    f"{_MODELS}/get": {"GET": _reading("get-model", _READS, _get_model)},
    f"{_MODELS}/search": {"GET": _reading("search-models", _nothing, _search_models)},
    f"{_MODELS}/get-latest-versions": {"GET": _LATEST, "POST": _LATEST},
    f"{_MODELS}/set-tag": {"POST": MlflowCall("tag", _of_model("tag"), _tag_model)},
    f"{_MODELS}/delete-tag": {"DELETE": MlflowCall("tag", _of_model("tag"), _untag_model)},
    f"{_MODELS}/alias": {
        "POST": MlflowCall("alias", _to_alias, _set_alias),
        "DELETE": MlflowCall("remove-alias", _to_remove_alias, _remove_alias),
        "GET": _reading("get-alias", _READS, _by_alias),
    },
    f"{_VERSIONS}/create": {
        "POST": MlflowCall("register", _of_model("register"), _create_version, makes=True)
    },
    f"{_VERSIONS}/update": {"PATCH": MlflowCall("note", _of_model("note"), _update_version)},
    f"{_VERSIONS}/transition-stage": {"POST": MlflowCall("stage", _to_transition, _transition)},
    f"{_VERSIONS}/delete": {"DELETE": MlflowCall("purge", _of_model("purge"), _delete_version)},
    f"{_VERSIONS}/get": {"GET": _reading("get-version", _READS, _get_version)},
    f"{_VERSIONS}/search": {"GET": _reading("search-versions", _nothing, _search_versions)},
    f"{_VERSIONS}/get-download-uri": {"GET": _reading("get-uri", _READS, _download_uri)},
    f"{_VERSIONS}/set-tag": {"POST": MlflowCall("tag", _of_model("tag"), _tag_version)},
    f"{_VERSIONS}/delete-tag": {"DELETE": MlflowCall("tag", _of_model("tag"), _untag_version)},
}
"""Every call by its path and method."""
