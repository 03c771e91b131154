"""MLflow's own client, unmodified, at a server of Holdfast's."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.mlflow.conftest import IS_2
from tests.web.facing import TOKEN, process, running
from tests.web.teams import Team

import holdfast
from holdfast.core.policy import Policy
from holdfast.gateways.mlflow.mlflow_names import to_holdfast

LOADER = """\
import json


class Model:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, data, params=None):
        return [self.weight for _ in range(len(data))]


def _load_pyfunc(path):
    with open(path) as file:
        return Model(json.load(file)["weight"])
"""
MLMODEL = """\
flavors:
  python_function:
    data: weights.json
    loader_module: loader_of_weights
model_uuid: 1
"""


@pytest.fixture
def settled(mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs in a database of their own; nothing stays set."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    yield mlflow
    mlflow.set_registry_uri("")
    mlflow.set_tracking_uri(None)


@pytest.fixture
def connect(settled: Any) -> Callable[..., Any]:
    """Return MLflow's client of a server."""

    def make(port: int) -> Any:
        settled.set_registry_uri(f"http://127.0.0.1:{port}")
        return settled.MlflowClient()

    return make


@contextlib.contextmanager
def signed(token: str) -> Iterator[None]:
    before, os.environ["MLFLOW_TRACKING_TOKEN"] = os.environ["MLFLOW_TRACKING_TOKEN"], token
    try:
        yield
    finally:
        os.environ["MLFLOW_TRACKING_TOKEN"] = before


@pytest.fixture
def pyfunc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], Path]:
    """Write a model of plain data; what loads it is installed beside it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "loader_of_weights.py").write_text(LOADER)

    def make(name: str, weight: float) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "MLmodel").write_text(MLMODEL)
        (folder / "weights.json").write_text(json.dumps({"weight": weight}))
        return folder

    return make


@pytest.fixture
def store(tmp_path: Path) -> Path:
    holdfast.open(tmp_path / "store").init()
    return tmp_path / "store"


def taken_in(store: Path, name: str, folder: Path) -> str:
    """Register what MLflow wrote, as the plugin does; return its SemVer."""
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    plugin = HoldfastStore(f"holdfast://{store}")
    with contextlib.suppress(Exception):
        plugin.create_registered_model(name)
    number = int(plugin.create_model_version(name, str(folder)).version)
    versions: list[str] = list(holdfast.open(store).catalogue.require(to_holdfast(name)).versions)
    return versions[number - 1]


def test_every_call_of_the_client_reaches_the_store(
    connect: Callable[..., Any], store: Path
) -> None:
    with process(store) as served:
        client = connect(served.port)
        made = client.create_registered_model("iris", {"team": "a"}, "first")
        assert (made.name, made.tags, made.description) == ("iris", {"team": "a"}, "first")
        assert client.update_registered_model("iris", "other").description == "other"
        assert client.get_registered_model("iris").description == "other"
        client.set_registered_model_tag("iris", "k", "v")
        client.delete_registered_model_tag("iris", "team")
        assert client.get_registered_model("iris").tags == {"k": "v"}
        version = client.create_model_version(
            "iris", "s3://bucket/m", "run-1", {"t": "1"}, "http://runs/1", "a text"
        )
        assert (version.version, version.status, version.run_id) == ("1", "READY", "run-1")
        assert (version.source, version.run_link) == ("s3://bucket/m", "http://runs/1")
        assert client.update_model_version("iris", "1", "better").description == "better"
        client.set_model_version_tag("iris", "1", "u", "2")
        client.delete_model_version_tag("iris", "1", "t")
        assert client.get_model_version("iris", "1").tags == {"u": "2"}
        assert client.get_model_version_download_uri("iris", "1") == "s3://bucket/m"
        client.set_registered_model_alias("iris", "Champion", "1")
        assert client.get_model_version_by_alias("iris", "Champion").aliases == ["Champion"]
        assert client.get_registered_model("iris").aliases == {"Champion": "1"}
        client.delete_registered_model_alias("iris", "Champion")
        moved = client.transition_model_version_stage("iris", "1", "Archived")
        assert moved.current_stage == "Archived"
        assert [found.version for found in client.get_latest_versions("iris")] == ["1"]
        assert [found.name for found in client.search_registered_models("name = 'iris'")]
        assert [found.version for found in client.search_model_versions("run_id = 'run-1'")]
        client.rename_registered_model("iris", "lily")
        assert client.get_model_version("lily", "1").description == "better"
        client.copy_model_version("models:/lily/1", "copy")
        client.delete_model_version("lily", "1")
        assert client.search_model_versions("name = 'lily'") == []
        client.delete_registered_model("lily")
        assert [found.name for found in client.search_registered_models()] == ["copy"]
    history = holdfast.open(store).history("copy")

    assert history


@pytest.mark.skipif(IS_2, reason="MLflow 2 has no logged models")
def test_a_logged_model_is_registered_beside_its_own_tracking_store(
    settled: Any, connect: Callable[..., Any], store: Path, pyfunc: Callable[..., Path]
) -> None:
    folder = pyfunc("logged", 3.0)
    with running(store) as served:
        client = connect(served.port)
        with settled.start_run():
            info = settled.pyfunc.log_model(
                name="m",
                loader_module="loader_of_weights",
                data_path=str(folder / "weights.json"),
                registered_model_name="iris",
            )
        source = client.get_model_version("iris", "1").source
        loaded = settled.pyfunc.load_model("models:/iris/1")

        assert str(info.registered_model_version) == "1"
        assert source == f"models:/{info.model_id}"
        assert client.get_model_version_download_uri("iris", "1") == source
        assert loaded.predict([1, 2]) == [3.0, 3.0]


def test_a_version_taken_in_is_loaded_by_every_name_it_has(
    settled: Any, connect: Callable[..., Any], tmp_path: Path, pyfunc: Callable[..., Path]
) -> None:
    name, store = "größe & %41 x", tmp_path / "store"
    first = taken_in(store, name, pyfunc("one", 1.0))
    taken_in(store, name, pyfunc("two", 2.0))
    with running(store) as served:
        client = connect(served.port)
        client.set_registered_model_alias(name, "production", "1")
        uri = client.get_model_version_download_uri(name, "1")
        uris = [f"models:/{name}/1", f"models:/{name}@production", f"models:/{name}/Production"]
        uris += [f"models:/{name}/{first}", f"models:/{name}@{first}"]
        weights = [settled.pyfunc.load_model(uri).predict([0]) for uri in uris]
        newest = settled.pyfunc.load_model(f"models:/{name}/latest").predict([0])
        only = settled.artifacts.download_artifacts(f"{uri}/weights.json", dst_path=str(tmp_path))

        assert uri.startswith(f"http://127.0.0.1:{served.port}/api/2.0/mlflow-artifacts/artifacts/")
        assert weights == [[1.0]] * 5
        assert newest == [2.0]
        assert json.loads(Path(only).read_bytes()) == {"weight": 1.0}


def test_a_promotion_is_refused_with_every_reason_and_bears_its_author(
    connect: Callable[..., Any], tmp_path: Path, pyfunc: Callable[..., Path]
) -> None:
    from mlflow.exceptions import RestException

    team = Team(tmp_path)
    bob = team.member("bob", "promoter")
    taken_in(tmp_path / "store", "iris", pyfunc("one", 1.0))
    policy = Policy(required_metrics=("recall", "precision"))
    with team.served() as served, signed(bob):
        client = connect(served.port)
        client.set_registered_model_alias("iris", "production", "1")
        promoted = team.registry.history("iris")[-1]
        team.registry.set_policy("iris", policy, reason="tests")
        taken_in(tmp_path / "store", "iris", pyfunc("two", 2.0))
        with pytest.raises(RestException, match="PERMISSION_DENIED") as refused:
            client.set_registered_model_alias("iris", "production", "2")
        with pytest.raises(RestException, match="recall"):
            client.transition_model_version_stage("iris", "2", "Production")
        live = client.get_model_version_by_alias("iris", "production")

    assert (promoted.op, promoted.by) == ("promoted", "bob")
    assert promoted.auth is not None
    assert promoted.auth.how.startswith("token:")
    assert "recall" in refused.value.message
    assert "precision" in refused.value.message
    assert refused.value.get_http_status_code() == 403
    assert live.version == "1"


def test_eight_clients_at_once_lose_nothing(connect: Callable[..., Any], store: Path) -> None:
    with running(store) as served:
        client = connect(served.port)
        client.create_registered_model("iris")

        def work(who: int) -> list[int]:
            numbers = []
            for at in range(5):
                made = client.create_model_version("iris", f"s3://bucket/{who}/{at}")
                client.set_registered_model_alias("iris", f"of-{who}", made.version)
                assert client.get_model_version_by_alias("iris", f"of-{who}").source == made.source
                numbers.append(int(made.version))
            return numbers

        with ThreadPoolExecutor(8) as threads:
            numbers = sorted(number for many in threads.map(work, range(8)) for number in many)

        assert numbers == list(range(1, 41))
        assert len(client.search_model_versions("name = 'iris'")) == 40
        assert len(client.get_registered_model("iris").aliases) == 8


def test_what_a_client_puts_here_is_taken_in_promoted_and_loaded(
    settled: Any, connect: Callable[..., Any], tmp_path: Path, pyfunc: Callable[..., Path]
) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    team = Team(tmp_path)
    bob = team.member("bob", "promoter")
    folder = pyfunc("put", 5.0)
    (folder / "more stuff").mkdir()
    (folder / "more stuff" / "größe.txt").write_text("x")
    (folder / "more stuff" / "empty").touch()
    with team.served() as served, signed(bob):
        client = connect(served.port)
        uri = f"http://127.0.0.1:{served.port}/api/2.0/mlflow-artifacts/artifacts/uploads/a b/m"
        get_artifact_repository(uri).log_artifacts(str(folder))
        client.create_registered_model("iris")
        version = settled.register_model(uri, "iris")
        client.set_registered_model_alias("iris", "production", version.version)
        client.create_registered_model("copy")
        client.create_model_version("copy", client.get_model_version_download_uri("iris", "1"))
        weights = [
            settled.pyfunc.load_model(f"models:/{name}").predict([0])
            for name in ("iris@production", "copy/1")
        ]
    manifest = team.registry.manifest("iris@1.0.0")

    assert weights == [[5.0], [5.0]]
    assert manifest.registered_by == "bob"
    assert sorted(file.path.partition("/")[2] for file in manifest.files) == [
        "MLmodel",
        "more stuff/empty",
        "more stuff/größe.txt",
        "weights.json",
    ]


def test_a_pair_that_holdfast_registered_is_loaded_as_one(
    settled: Any, connect: Callable[..., Any], store: Path
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, labels = [[0.0, 9.0], [1.0, 0.0]], [0, 1]
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression().fit(scaler.transform(rows), labels)
    holdfast.open(store).register("iris", model, scaler)
    with running(store) as served:
        connect(served.port)
        loaded = settled.pyfunc.load_model("models:/iris/1")

        assert list(loaded.predict(rows)) == labels
