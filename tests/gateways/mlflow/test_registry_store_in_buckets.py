"""MLflow's calls with a bucket behind them."""

from typing import Any
from urllib.parse import urlencode

import pytest
from tests.servers.running import Endpoint
from tests.web.facing import TOKEN, listening

import holdfast
from holdfast.web import web_server
from holdfast.web.guard import LocalGuard
from holdfast.web.web_settings import WebSettings


def test_models_are_kept_in_a_bucket(
    mlflow: Any, moto: Endpoint, model_folder: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    from holdfast.gateways.mlflow.artifact_repository import HoldfastArtifactRepository
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    assert mlflow
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    uri = f"holdfast+s3://{moto.make_bucket()}/team?{urlencode(dict(moto.options))}"
    store = HoldfastStore(uri)
    store.create_registered_model("iris")
    folder = model_folder()
    store.create_model_version("iris", str(folder))
    store.create_model_version("iris", "s3://gone/x")
    store.set_registered_model_alias("iris", "production", "1")
    other = HoldfastStore(uri)
    [live] = other.get_latest_versions("iris", ["Production"])
    source = other.get_model_version_download_uri("iris", "1")
    repository = HoldfastArtifactRepository(source, registry_uri=uri)
    place = repository.download_artifacts("weights.json", str(tmp_path))

    assert live.version == 1
    with open(place, "rb") as file:
        assert file.read() == (folder / "weights.json").read_bytes()
    assert len(other.search_model_versions()) == 2


def test_a_server_over_a_bucket_answers_mlflows_client(
    mlflow: Any, moto: Endpoint, model_folder: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    from mlflow.artifacts import download_artifacts

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    address = f"s3://{moto.make_bucket()}/team"
    registry = holdfast.open(address, by="ana", options=moto.options, cache=tmp_path / "cache")
    registry.init()
    folder = model_folder()
    app = web_server.application(WebSettings(lambda: registry), LocalGuard("ana", TOKEN))
    with listening(app) as port:
        url = f"http://127.0.0.1:{port}"
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/runs.db", registry_uri=url)
        sent = f"{url}/api/2.0/mlflow-artifacts/artifacts/uploads/june"
        client.create_registered_model("iris", {"team": "risk"})
        repository(sent).log_artifacts(str(folder))
        taken_in = client.create_model_version("iris", sent)
        client.create_model_version("iris", "s3://gone/x")
        client.set_registered_model_alias("iris", "production", taken_in.version)
        with pytest.raises(mlflow.MlflowException, match="never taken in"):
            client.set_registered_model_alias("iris", "production", "2")
        source = client.get_model_version_download_uri("iris", "1")
        place = download_artifacts(f"{source}/weights.json", dst_path=str(tmp_path))
        found = client.search_model_versions("name = 'iris'")

    assert [(one.version, one.aliases) for one in found] == [("1", ["production"]), ("2", [])]
    with open(place, "rb") as file:
        assert file.read() == (folder / "weights.json").read_bytes()
    assert registry.verify().whole


def repository(uri: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri)
