"""Runs as two events each of OpenLineage (spec 2-0-2): START, and COMPLETE or FAIL.

A run that led to a version is complete; a slot whose last attempt failed has a run that failed.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET

from holdfast import __version__
from holdfast.core.lineage_record import DataUse
from holdfast.core.manifest import Manifest
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.datasets.data_records import DataDescription
from holdfast.errors import HoldfastError
from holdfast.registry import run_records
from holdfast.registry.data_verbs import Datasets
from holdfast.registry.session import Session
from holdfast.registry.slsa_provenance import began_at, time_before

__all__ = ["events", "failures"]

_PRODUCER: Final = f"https://holdfast.dev/{__version__}"
_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = {
    "ErrorMessageRunFacet": "1-0-1",
    "NominalTimeRunFacet": "1-0-1",
    "ProcessingEngineRunFacet": "1-1-1",
    "ExecutionParametersRunFacet": "1-0-0",
    "SourceCodeLocationJobFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-3",
    "DatasetVersionDatasetFacet": "1-0-1",
    "SchemaDatasetFacet": "1-1-1",
    "StorageDatasetFacet": "1-0-1",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
}


def events(session: Session, manifest: Manifest, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of the run that made a version.

    Args:
        session: Where data by name is described.
        manifest: Of the version.
        record: Of its run, empty where none is known.
    """
    namespace = f"holdfast://{session.open_store.config.id}"
    identity = f"{namespace}/{manifest.name}/{manifest.version}/{record.get('term', 0)}"
    common = {
        "producer": _PRODUCER,
        "schemaURL": _EVENT,
        "run": {
            "runId": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
            "facets": dict(_run(manifest, record)),
        },
        "job": {
            "namespace": namespace,
            "name": f"train {manifest.name}",
            "facets": dict(_job(manifest)),
        },
        "inputs": [_input(session, name, use) for name, use in manifest.lineage.used_data.items()],
    }
    began = began_at(manifest, record) or manifest.registered_at
    start = {"eventType": "START", "eventTime": began, **common, "outputs": []}
    outputs = [_output(namespace, manifest, session)]
    complete = {"eventType": "COMPLETE", "eventTime": manifest.registered_at, **common}
    return [start, {**complete, "outputs": outputs}]


def failures(session: Session, model: str, slots: Sequence[SlotRecord]) -> list[dict[str, Any]]:
    """Return the events of the last run of each slot, which failed and made no version.

    Args:
        session: Where the records of the runs are.
        model: What was to be trained.
        slots: That failed.
    """
    namespace = f"holdfast://{session.open_store.config.id}"
    return [event for slot in slots for event in _failed(session, namespace, model, slot)]


def _failed(
    session: Session, namespace: str, model: str, slot: SlotRecord
) -> Iterator[dict[str, Any]]:
    record = run_records.of_slot(session, slot)
    identity = f"{namespace}/{model}/{slot.slot}/{slot.entry}/{slot.attempts}"
    ended = slot.began or slot.slot
    error = _facet("ErrorMessageRunFacet", message=slot.why, programmingLanguage="PYTHON")
    kind = {"processingType": "BATCH", "integration": "HOLDFAST", "jobType": "TRAINING"}
    data = record.get("data")
    told = {"entry": slot.entry, "seed": record.get("seed"), "window": record.get("data_window")}
    common = {
        "producer": _PRODUCER,
        "schemaURL": _EVENT,
        "job": {
            "namespace": namespace,
            "name": f"train {model}",
            "facets": {"jobType": _facet("JobTypeJobFacet", **kind)},
        },
        "inputs": [
            {
                "namespace": "holdfast",
                "name": str(name),
                "facets": {
                    "version": _facet("DatasetVersionDatasetFacet", datasetVersion=str(digest))
                },
            }
            for name, digest in (data.items() if isinstance(data, dict) else ())
        ],
        "outputs": [],
    }
    run_id = str(uuid.uuid5(uuid.NAMESPACE_URL, identity))
    facets = {
        "nominalTime": _facet("NominalTimeRunFacet", nominalStartTime=slot.slot),
        "executionParameters": _parameters(told, record),
    }
    began = time_before(ended, record.get("took_s")) or ended
    start = {"eventType": "START", "eventTime": began, "run": {"runId": run_id, "facets": facets}}
    yield start | common
    facets = {**facets, "errorMessage": error}
    fail = {"eventType": "FAIL", "eventTime": ended, "run": {"runId": run_id, "facets": facets}}
    yield fail | common


def _facet(kind: str, **fields: Any) -> dict[str, Any]:
    url = f"{_SPEC}/facets/{_FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": _PRODUCER, "_schemaURL": url, **fields}


def _run(manifest: Manifest, record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    lineage = manifest.lineage
    if lineage.slot is not UNSET:
        slot = lineage.slot.partition("/")[0]
        yield "nominalTime", _facet("NominalTimeRunFacet", nominalStartTime=slot)
    engine = {"name": "holdfast", "version": __version__}
    yield "processing_engine", _facet("ProcessingEngineRunFacet", **engine)
    settings = {
        "entry": lineage.entry,
        "seed": lineage.seed,
        "window": lineage.data_window or UNSET,
    }
    yield "executionParameters", _parameters(settings, record)


def _parameters(told: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    recorded = record.get("settings")
    settings = told | (recorded if isinstance(recorded, dict) else {})
    parameters = [
        {"key": key, "value": str(value)}
        for key, value in settings.items()
        if value is not UNSET and value is not None
    ]
    return _facet("ExecutionParametersRunFacet", parameters=parameters)


def _job(manifest: Manifest) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = {"processingType": "BATCH", "integration": "HOLDFAST", "jobType": "TRAINING"}
    yield "jobType", _facet("JobTypeJobFacet", **kind)
    lineage = manifest.lineage
    if lineage.git_commit and lineage.remote is not UNSET:
        place = {"type": "git", "url": lineage.remote, "repoUrl": lineage.remote}
        if lineage.folder is not UNSET and lineage.folder:
            place["path"] = lineage.folder
        version = {"version": lineage.git_commit}
        yield "sourceCodeLocation", _facet("SourceCodeLocationJobFacet", **place, **version)


def _input(session: Session, name: str, use: DataUse) -> dict[str, Any]:
    described = _described(session, use)
    version = use.digest or use.rows or ""
    facets = {"version": _facet("DatasetVersionDatasetFacet", datasetVersion=version)}
    dataset: dict[str, Any] = dict(_place(name, use, described))
    if described is not None:
        fields = [{"name": one.name, "type": one.type} for one in described.columns]
        if fields:
            facets["schema"] = _facet("SchemaDatasetFacet", fields=fields)
        layer = {"storageLayer": described.kind, "fileFormat": described.reader or "bytes"}
        facets["storage"] = _facet("StorageDatasetFacet", **layer)
        counts = {"rowCount": described.row_count, "size": described.size_bytes}
        counts["fileCount"] = len(described.files)
        known_counts = {key: value for key, value in counts.items() if value is not None}
        statistics = _facet("InputStatisticsInputDatasetFacet", **known_counts)
        dataset["inputFacets"] = {"inputStatistics": statistics}
    return {**dataset, "facets": facets}


def _described(session: Session, use: DataUse) -> DataDescription | None:
    if use.ref is None:
        return None
    try:
        datasets = Datasets(session)
        return datasets.describe(datasets.find(use.ref))
    except HoldfastError:  # of another store, or damaged: its digests are told anyway
        return None


def _place(name: str, use: DataUse, described: DataDescription | None) -> Iterator[tuple[str, str]]:
    """Name a data set as OpenLineage does: `file` and a path, `s3://bucket` and a key."""
    source = described.source if described is not None else use.path or ""
    scheme, is_address, rest = source.partition("?")[0].partition("://")
    if is_address:
        bucket, _, key = rest.partition("/")
        yield from (("namespace", f"{scheme}://{bucket}"), ("name", key or "/"))
    elif source:
        yield from (("namespace", "file"), ("name", source))
    else:
        query = described.query if described is not None else None
        namespace = query.connection if query is not None else "holdfast"
        yield from (("namespace", namespace), ("name", use.ref or name))


def _output(namespace: str, manifest: Manifest, session: Session) -> dict[str, Any]:
    state, record = session.find(f"{manifest.name}@{manifest.version}")
    version = _facet("DatasetVersionDatasetFacet", datasetVersion=f"sha256:{record.manifest}")
    layer = {"storageLayer": "holdfast", "fileFormat": manifest.framework or "file"}
    size = {"size": manifest.size_bytes, "fileCount": len(manifest.files)}
    statistics = _facet("OutputStatisticsOutputDatasetFacet", **size)
    return {
        "namespace": namespace,
        "name": f"{state.model}@{record.version}",
        "facets": {"version": version, "storage": _facet("StorageDatasetFacet", **layer)},
        "outputFacets": {"outputStatistics": statistics},
    }
