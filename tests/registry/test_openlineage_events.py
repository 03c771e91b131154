"""Events of OpenLineage, held against the official client's own classes."""

import importlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.registry import run_records
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunRequest

pytest.importorskip(
    "openlineage.client.facet_v2", reason="openlineage-python, the oracle, is not installed"
)

ENTRY = "def train(context):\n    return {'model': {'rows': context.data['train'].read_text()}}\n"


@pytest.fixture
def events(tmp_path: Path) -> list[dict[str, Any]]:
    """Return the events of a version that a run made of data by name and of a path."""
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "jobs.py").write_text(ENTRY)
    registry = holdfast.open(tmp_path / "store")
    registry.data.add("sales", str(tmp_path / "rows.csv"))
    request = RunRequest(
        "churn",
        "2026-11-29T02:00:00Z",
        tmp_path,
        {"PATH": "/usr/bin:/bin"},
        entry="jobs:train",
        data={"more": tmp_path / "rows.csv"},
        data_refs={"train": "sales@v1"},
        seed=3,
    )
    retraining_run.run(registry, request)
    return registry.lineage.openlineage("churn@1.0.0")


def as_client(name: str, facet: dict[str, Any]) -> None:
    """Make a facet by the client's own class; it takes exactly the fields that it knows."""
    facet_v2 = importlib.import_module("openlineage.client.facet_v2")
    module = {
        "errorMessage": "error_message_run.ErrorMessageRunFacet",
        "nominalTime": "nominal_time_run.NominalTimeRunFacet",
        "processing_engine": "processing_engine_run.ProcessingEngineRunFacet",
        "executionParameters": "execution_parameters_run.ExecutionParametersRunFacet",
        "jobType": "job_type_job.JobTypeJobFacet",
        "sourceCodeLocation": "source_code_location_job.SourceCodeLocationJobFacet",
        "version": "dataset_version_dataset.DatasetVersionDatasetFacet",
        "schema": "schema_dataset.SchemaDatasetFacet",
        "storage": "storage_dataset.StorageDatasetFacet",
        "inputStatistics": "input_statistics_input_dataset.InputStatisticsInputDatasetFacet",
        "outputStatistics": "output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet",
    }[name]
    file, _, kind = module.partition(".")
    made = getattr(getattr(facet_v2, file), kind)
    fields = {key: value for key, value in facet.items() if not key.startswith("_")}
    made(**fields)
    expected = re.sub(r"\d+-\d+-\d+", "N", made._get_schema())
    assert re.sub(r"\d+-\d+-\d+", "N", facet["_schemaURL"]) == expected
    assert facet["_producer"].startswith("https://")


def test_a_run_has_a_start_and_an_end_of_one_id(events: list[dict[str, Any]]) -> None:
    start, complete = events

    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert start["eventTime"] < complete["eventTime"]
    assert (
        start["run"]["runId"] == complete["run"]["runId"] == str(uuid.UUID(start["run"]["runId"]))
    )
    assert start["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json")
    assert json.loads(json.dumps(events)) == events


def test_the_client_takes_every_facet_and_event(events: list[dict[str, Any]]) -> None:
    event_v2 = importlib.import_module("openlineage.client.event_v2")
    seen = set()
    for event in events:
        datasets = [*event["inputs"], *event["outputs"]]
        facets = [event["run"]["facets"], event["job"]["facets"]]
        facets += [one["facets"] for one in datasets]
        facets += [one.get("inputFacets", {}) | one.get("outputFacets", {}) for one in datasets]
        for name, facet in (pair for group in facets for pair in group.items()):
            as_client(name, facet)
            seen.add(name)
        event_v2.RunEvent(
            eventType=event_v2.RunState[event["eventType"]],
            eventTime=event["eventTime"],
            run=event_v2.Run(runId=event["run"]["runId"]),
            job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
            producer=event["producer"],
            inputs=[
                event_v2.InputDataset(one["namespace"], one["name"]) for one in event["inputs"]
            ],
        )
    assert seen >= {"nominalTime", "executionParameters", "version", "schema", "inputStatistics"}


def test_data_is_named_as_openlineage_names_it(events: list[dict[str, Any]]) -> None:
    more, train = events[1]["inputs"]
    (output,) = events[1]["outputs"]

    assert (train["namespace"], train["name"].endswith("/rows.csv")) == ("file", True)
    assert train["inputFacets"]["inputStatistics"]["rowCount"] == 2
    assert [one["name"] for one in train["facets"]["schema"]["fields"]] == ["a", "b"]
    assert more["facets"]["version"] == train["facets"]["version"]
    assert output["name"] == "churn@1.0.0"


def test_a_slot_that_failed_has_a_run_that_failed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "jobs.py").write_text("def train(context):\n    raise ValueError('no rows')\n")
    registry = holdfast.open(tmp_path / "store")
    place = {"PATH": "/usr/bin:/bin"}
    data = {"train": tmp_path / "rows.csv"}
    request = RunRequest(
        "churn", "2026-11-29T02:00:00Z", tmp_path, place, entry="jobs:train", data=data, seed=3
    )
    retraining_run.run(registry, request)
    (slot,) = registry.lineage.failures("churn")
    start, fail = registry.lineage.openlineage_of_failures("churn")

    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert start["run"]["runId"] == fail["run"]["runId"] == str(uuid.UUID(fail["run"]["runId"]))
    assert start["eventTime"] < fail["eventTime"] == slot.began
    assert fail["outputs"] == []
    assert [one["name"] for one in fail["inputs"]] == ["train"]
    assert fail["run"]["facets"]["errorMessage"]["message"] == slot.why == "it ended with status 1"
    facets = fail["run"]["facets"] | fail["job"]["facets"] | fail["inputs"][0]["facets"]
    for name, facet in facets.items():
        as_client(name, facet)
    assert {"errorMessage", "nominalTime", "executionParameters", "version"} <= facets.keys()
    assert run_records.of_slot(registry._session, msgspec.structs.replace(slot, blobs=())) == {}
    other = msgspec.structs.replace(slot, blobs=("0" * 64, slot.blobs[0]))
    assert run_records.of_slot(registry._session, other)["seed"] == 3
