"""The same calls of MLflow's REST client to MLflow's own server and to `holdfast web`."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.mlflow.conftest import in_order
from tests.gateways.mlflow.test_registry_store_as_the_database import (
    OF_3,
    SCENARIOS,
    Recorder,
    Scenario,
    another_version_as_source,
    cases,
    what_else_is_called,
)
from tests.web.facing import TOKEN, running

REACHED = [scenario for scenario in SCENARIOS if scenario is not what_else_is_called]
TAIL = ". See the API docs for more information about request parameters"
SERVER = re.compile(r"API request to \S+ failed .*too many 500 error responses")


def client(port: int, token: str | None = None) -> Any:
    from mlflow.store.model_registry.rest_store import RestStore
    from mlflow.utils.rest_utils import MlflowHostCreds

    return RestStore(lambda: MlflowHostCreds(f"http://127.0.0.1:{port}", token=token))


class RestRecorder(Recorder):
    """Names sources that MLflow's server takes without asking a tracking server."""

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "create_model_version" and len(args) > 1 and isinstance(args[1], str):
            source = args[1] if args[1].startswith("models:") else f"s3://bucket/{args[1]}"
            args = (args[0], source, *args[2:])
        if isinstance(kwargs.get("source"), str):
            kwargs["source"] = f"s3://bucket/{kwargs['source']}"
        return super().__call__(method, *args, **kwargs)


def told(result: Any) -> Any:
    """What a client is told of a result, without what says where to read more.

    Nothing and an empty text are one to it; of a source that is missing it learns one of two words.
    """
    if len(result) > 2 and isinstance(result[-1], str):
        source = str(result[0][2:3])
        text = "" if "models:/none" in source else in_order(result[-1].removesuffix(TAIL))
        return (*result[:-1], text)
    return filled(result)


def filled(value: Any) -> Any:
    match value:
        case dict():
            return {name: "" if inner is None else filled(inner) for name, inner in value.items()}
        case list() | tuple():
            return type(value)(map(filled, value))
        case _:
            return value


def differs(ours: Any, theirs: Any) -> bool:
    if ours == theirs:
        return False
    if isinstance(theirs[-1], str) and SERVER.match(theirs[-1]):
        return bool(ours[1] != "RestException")  # theirs failed, which ours does not
    return not ("max_results" in str(theirs[-1]) and ours[:-1] == theirs[:-1])


@pytest.mark.parametrize("scenario", cases(REACHED, (*OF_3, another_version_as_source)))
def test_holdfast_answers_as_mlflows_server_does(
    scenario: Scenario, their_port: int, tmp_path: Path
) -> None:
    with running(tmp_path / "store") as served:
        theirs, ours = RestRecorder(client(their_port)), RestRecorder(client(served.port, TOKEN))
        for recorder in (theirs, ours):
            scenario(recorder)
    pairs = zip(map(told, ours.results), map(told, theirs.results), strict=True)

    assert len(ours.results) > 5
    assert [(our, their) for our, their in pairs if differs(our, their)] == []
