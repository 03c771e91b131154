"""MLflow's calls with a bucket behind them."""

from typing import Any
from urllib.parse import urlencode

from tests.servers.running import Endpoint


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
