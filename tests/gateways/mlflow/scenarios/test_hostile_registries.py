"""Registries that answer what no registry of MLflow's can: told, ended, and nothing half done."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

import holdfast
from holdfast.errors import InvalidInputError

Answers = Callable[[str, dict[str, list[str]]], Any]
MODELS = {"registered_models": [{"name": "fraud"}]}


class Answering(ThreadingHTTPServer):
    """A server that answers whatever a test says."""

    daemon_threads = True
    answers: Answers


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlparse(self.path)
        assert isinstance(self.server, Answering)
        answer = self.server.answers(asked.path, parse_qs(asked.query))
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hostile() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(30)


@pytest.fixture
def migrate(
    hostile: Answering, mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Answers], Any]:
    assert mlflow
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def run(answers: Answers) -> Any:
        from holdfast.gateways.mlflow.migration import Migration

        hostile.answers = answers
        registry = holdfast.open(tmp_path / "store", by="ann")
        return Migration(registry, f"http://127.0.0.1:{hostile.server_port}", ["champion"]).run()

    return run


def version(number: object, **fields: object) -> dict[str, object]:
    return {"name": "fraud", "version": str(number), "source": "s3://gone/x", **fields}


def registry_of(
    versions: Callable[[], Any], models: Any = MODELS, uri: str = "s3://gone/x", files: Any = None
) -> Answers:
    def answers(path: str, query: dict[str, list[str]]) -> Any:
        match path.rpartition("mlflow/")[2]:
            case "registered-models/search":
                return models
            case "model-versions/search":
                return versions()
            case "model-versions/get-download-uri":
                return {"artifact_uri": uri}
            case _ if files is not None and "mlflow-artifacts" in path:
                return files(path, query)
            case _:
                return None

    return answers


def told(*versions: Any, **page: str) -> Callable[[], Any]:
    return lambda: {"model_versions": versions, **page}


def pages_without_end() -> Callable[[], Any]:
    tokens = itertools.count(1)
    return lambda: {"model_versions": [], "next_page_token": str(next(tokens))}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        (registry_of(told(version(0))), "gives a version of 'fraud' the number '0'"),
        (registry_of(told(version(-3))), "the number '-3'"),
        (registry_of(told(version("1.5"))), "the number '1.5'"),
        (registry_of(told(version("9" * 60))), "the number '99"),
        (registry_of(told(version(999_999_999))), "up to 999,999,999"),
        (registry_of(told(version(1), version(1))), "tells of 1 twice"),
        (registry_of(told(version(1), next_page_token="again")), "tells of 1 twice"),
        (registry_of(pages_without_end()), "100 empty pages in a row"),
        (registry_of(told(version(1, name="other"))), "a version of 'other' instead of 'fraud'"),
        (registry_of(told(), {"registered_models": "x"}), "cannot be read"),
        (registry_of(told(), {"registered_models": [{"name": 5}]}), "cannot be read"),
        (registry_of(told(), {"registered_models": [{}]}), "a model without a name"),
        (registry_of(told(), b"<html>"), "not in a valid JSON format"),
        (registry_of(told("x")), "a version of '' instead of 'fraud'"),
    ],
    ids=[
        "zero", "negative", "fraction", "sixty digits", "a billion", "twice", "one page for ever",
        "empty pages", "of another model", "text for models", "number for a name", "no name",
        "a web page", "text for a version",
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(
    migrate: Callable[[Answers], Any], tmp_path: Path, answers: Answers, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"MLflow .*{problem}"):
        migrate(answers)

    assert not (tmp_path / "store").exists()


def listing(path: str, _query: dict[str, list[str]]) -> Any:
    """A folder whose names lead out of it, and which holds itself."""
    if not path.rstrip("/").endswith("/artifacts"):
        return b"flavors:\n  python_function:\n    loader_module: loader\n"
    names = ["MLmodel", "../../../out.txt", "/tmp/holdfast-out.txt", "%2e%2e/out.txt", "d"]
    return {"files": [{"path": name, "is_dir": name == "d", "file_size": 4} for name in names]}


@pytest.mark.parametrize(
    "answers",
    [
        registry_of(told(version(1)), uri="weird://[x"),
        registry_of(told(version(1, source="")), uri=""),
        registry_of(told(version(1)), uri="mlflow-artifacts:/m", files=listing),
        registry_of(told(version(1)), uri="models:/m-1"),
    ],
    ids=["no address", "nothing", "names that lead out", "a logged model"],
)
def test_bytes_that_cannot_be_had_make_a_reference_and_no_file_elsewhere(
    migrate: Callable[[Answers], Any], tmp_path: Path, answers: Answers
) -> None:
    done = migrate(answers)

    assert (done.new, done.references) == (1, ("fraud@1.0.0",))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert not Path("/tmp/holdfast-out.txt").exists()


def test_an_alias_of_a_version_that_is_not_there_is_left_out(
    migrate: Callable[[Answers], Any], tmp_path: Path
) -> None:
    aliases = [{"alias": "champion", "version": "9"}, {"alias": "a b/..", "version": "1"}]
    models = {"registered_models": [{"name": "fraud", "aliases": aliases}]}
    done = migrate(registry_of(told(version(1)), models))

    registry = holdfast.open(tmp_path / "store")
    assert (done.new, done.unmade) == (1, {})
    assert list(registry.catalogue.require("fraud").aliases) == ["mlflow.a.20.b.2f..2e..2e."]
