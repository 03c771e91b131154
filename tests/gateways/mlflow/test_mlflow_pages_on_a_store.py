"""MLflow's own server and pages over a store of Holdfast's, by the plugin."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.mlflow.test_bridge_with_a_server import answers
from tests.servers.running import free_port

import holdfast

pytestmark = [pytest.mark.long]
_LONGEST_START_S = 180


@pytest.fixture
def server(mlflow: Any, tmp_path: Path) -> Iterator[str]:
    assert mlflow
    port = free_port()
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{tmp_path}/runs.db"]
    words += ["--registry-store-uri", f"holdfast://{tmp_path}/store"]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", *words]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + _LONGEST_START_S
            while not answers(f"http://127.0.0.1:{port}"):
                assert child.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(child.pid, 15)
            child.wait(60)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def test_mlflows_pages_show_and_move_what_is_in_a_store(
    mlflow: Any, server: str, tmp_path: Path, model_folder: Callable[..., Path]
) -> None:
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    plugin = HoldfastStore(f"holdfast://{tmp_path}/store")
    plugin.create_registered_model("iris", description="Sorts flowers")
    plugin.create_model_version("iris", str(model_folder()))
    client = mlflow.MlflowClient(server, server)
    client.set_registered_model_alias("iris", "production", "1")
    client.create_model_version("iris", "s3://bucket/other", description="a reference")
    page = read(f"{server}/")
    listed = json.loads(read(f"{server}/ajax-api/2.0/mlflow/registered-models/search"))
    found = client.search_model_versions("name = 'iris'")

    assert b"<title>MLflow</title>" in page
    assert [model["name"] for model in listed["registered_models"]] == ["iris"]
    assert [(version.version, version.aliases) for version in found] == [
        ("2", []),
        ("1", ["production"]),
    ]
    assert holdfast.open(tmp_path / "store").resolve("iris@production").version == "1.0.0"
    assert "Traceback" not in (tmp_path / "log").read_text()
