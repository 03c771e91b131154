"""The API's description: of every route, and true."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Caller, register
from tests.web.teams import Team

from holdfast.web import api, api_description, guard
from holdfast.web.verbs import VERBS

CHECKS = """
[checks]
positive_data_acceptance.enabled = false
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "507"]
negative_data_rejection.expected-statuses = ["4xx"]
"""
"""What a schema cannot say is refused, too: a version that is not there, a name that is taken."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return api_description.described(api.routes())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_verb_and_every_route_is_described(document: dict[str, Any]) -> None:
    described = {(path, method) for path, method, _ in operations(document)}

    routes = {(f"/api/v1{route.template}", route.method.lower()) for route in api.routes()}
    assert described == routes
    assert described >= {(f"/api/v1/models/{{model}}:{verb}", "post") for verb in VERBS}


def test_every_operation_has_a_name_of_its_own_and_its_problems(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(set(names)) == len(names)
    for path, _, operation in operations(document):
        problem = operation["responses"]["404"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}, path


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    import jsonschema  # type: ignore[import-untyped]

    text = json.dumps(document)
    known = document["components"]["schemas"]
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert names <= known.keys()
    for name, schema in known.items():
        assert name
        jsonschema.Draft202012Validator.check_schema(schema)


def test_whoever_asks_is_given_it(tmp_path: Path) -> None:
    team = Team(tmp_path)
    with team.served() as served:
        answer = Caller(served.port, None).get("/openapi.json")

    assert answer.json["openapi"] == "3.1.0"
    assert answer.json["info"]["title"] == "Holdfast"


@pytest.mark.long
def test_what_is_described_is_what_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_MOST_FAILURES", 1_000_000)
    team = Team(tmp_path)
    for text in ("one", "two"):
        register(team.registry, tmp_path, text=text)
    team.registry.promote("iris@1.0.0")
    team.access.grant("ana", "force")
    (tmp_path / "schemathesis.toml").write_text(CHECKS)
    with team.served() as served:
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", "--no-color"),
            f"http://127.0.0.1:{served.port}/api/v1/openapi.json",
            *("-H", f"Authorization: Bearer {served.token}", "--seed", "1"),
            *("--max-examples", "8", "--phases", "examples,coverage,fuzzing"),
            *("--generation-database", "none", "--exclude-path-regex", "events|verify"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-20_000:]
