"""MLflow's calls with a Holdfast server behind them: `holdfast+https://…`, `holdfast+http://…`."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.mlflow.test_registry_store_as_the_database import (
    SCENARIOS,
    Recorder,
    Scenario,
    bad_tags,
    cases,
    models,
    renames,
    stages,
    versions,
)
from tests.web.facing import TOKEN, Served, running
from tests.web.teams import Team

import holdfast


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow: Any) -> Iterator[Served]:
    assert mlflow
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    holdfast.open(tmp_path / "store").init()
    with running(tmp_path / "store") as served:
        yield served


def opened(port: int, query: str = "") -> Any:
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    return HoldfastStore(f"holdfast+http://127.0.0.1:{port}{query}")


SAMPLE = (models, bad_tags, versions, stages, renames)


@pytest.mark.parametrize(
    "scenario",
    [
        *cases(SAMPLE),
        *(
            pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.sweep])
            for case in cases([scenario for scenario in SCENARIOS if scenario not in SAMPLE])
        ),
    ],
)
def test_a_server_answers_as_the_database_does(
    scenario: Scenario, theirs: Any, served: Served
) -> None:
    recorders = Recorder(theirs), Recorder(opened(served.port))
    for recorder in recorders:
        scenario(recorder)
    expected, actual = (recorder.results for recorder in recorders)

    assert len(actual) == len(expected) > 5
    assert [(a, e) for a, e in zip(actual, expected, strict=True) if a != e] == []


def fill(store: Any, folder: Path, count: int) -> None:
    store.create_registered_model("iris")
    for _ in range(count):
        store.create_model_version("iris", str(folder))


def test_files_are_sent_judged_by_the_server_and_come_back_verified(
    served: Served, model_folder: Callable[..., Path]
) -> None:
    from mlflow.exceptions import MlflowException

    from holdfast.gateways.mlflow.artifact_repository import HoldfastArtifactRepository

    store, folder = opened(served.port), model_folder()
    fill(store, folder, 1)
    source = store.get_model_version_download_uri("iris", 1)
    uri = f"holdfast+http://127.0.0.1:{served.port}"
    place = HoldfastArtifactRepository(source, registry_uri=uri).download_artifacts("", None)
    (folder / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(MlflowException, match="system"):
        store.create_model_version("iris", str(folder))
    trusting = opened(served.port, "?trust=reviewed")
    trusted = trusting.create_model_version("iris", str(folder))

    assert sorted(path.name for path in Path(place).iterdir()) == [
        "MLmodel",
        "requirements.txt",
        "weights.json",
    ]
    assert trusted.version == 2
    scan = served.registry.manifest("iris@v2").scan["model"]
    assert scan.trusted == "reviewed"
    assert served.registry.verify().whole


def test_promotions_pass_the_servers_gate_and_renames_keep_the_way_back(
    served: Served, model_folder: Callable[..., Path]
) -> None:
    from mlflow.exceptions import MlflowException

    store = opened(served.port)
    fill(store, model_folder(), 2)
    strict = holdfast.Policy(required_metrics=("auc",), required_fields=("limitations",))
    served.registry.set_policy("iris", strict, reason="tests")
    with pytest.raises(MlflowException, match=r"(?s)refused iris@1.0.0.*auc.*limit") as caught:
        store.set_registered_model_alias("iris", "production", 1)
    served.registry.set_policy("iris", holdfast.Policy(schema="any"), reason="tests")
    for number in (1, 2):
        store.set_registered_model_alias("iris", "production", number)
    renamed = store.rename_registered_model("iris", "rose")

    assert caught.value.error_code == "PERMISSION_DENIED"
    assert renamed.aliases == {"production": 2}
    assert served.registry.rollback("rose").version == "1.0.0"
    assert store.get_model_version_by_alias("rose", "production").version == 1
    assert served.registry.verify().whole


def test_creators_at_once_never_collide(served: Served) -> None:
    stores = [opened(served.port) for _ in range(4)]
    stores[0].create_registered_model("busy")
    numbers: list[int] = []

    def create(store: Any) -> None:
        for _ in range(5):
            numbers.append(store.create_model_version("busy", "s3://bucket/x").version)

    threads = [threading.Thread(target=create, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(numbers) == list(range(1, 21))


def test_whoever_asks_may_only_what_the_server_lets_them(
    tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    assert mlflow
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    team = Team(tmp_path)
    tokens = {role: team.member(role, role) for role in ("registrar", "viewer", "promoter")}
    with team.served() as served:

        def of(role: str) -> Any:
            monkeypatch.setenv("HOLDFAST_TOKEN", tokens[role])
            store = opened(served.port)
            store.search_registered_models()  # from here on it has the token
            return store

        registrar, promoter, viewer = of("registrar"), of("promoter"), of("viewer")
        registrar.create_registered_model("iris")
        registrar.create_model_version("iris", "s3://bucket/x")
        registrar.transition_model_version_stage(
            "iris", 1, "Archived", archive_existing_versions=False
        )
        promoter.set_registered_model_alias("iris", "champion", 1)
        with pytest.raises(MlflowException, match="may not move an alias") as moved:
            registrar.set_registered_model_alias("iris", "champion", 1)
        with pytest.raises(MlflowException, match="may not note") as described:
            viewer.update_registered_model("iris", "mine")
        with pytest.raises(MlflowException, match="may not note other"):
            viewer.create_registered_model("other")

        assert viewer.get_registered_model("iris").aliases == {"champion": 1}
        assert {moved.value.error_code, described.value.error_code} == {"PERMISSION_DENIED"}
        assert [entry.by for entry in served.registry.history("iris")].count("promoter") == 1


def moved(served: Served) -> tuple[int, int]:
    """How many bytes came to a server, and how many blobs went out."""
    counts = {"holdfast_web_uploaded_bytes_total": 0, "models/{model}:blobs": 0}
    for line in served.app.desk.figures.text().decode().splitlines():
        for words in counts:
            if line.startswith("holdfast_web_") and words in line and "seconds" not in line:
                counts[words] += int(line.rpartition(" ")[2])
    came, went = counts.values()
    return came, went


def test_renames_and_copies_send_no_file_and_are_refused_as_a_whole(
    tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]
) -> None:
    from mlflow.exceptions import MlflowException

    assert mlflow
    monkeypatch.setenv("HOME", str(tmp_path / "one"))
    team = Team(tmp_path)
    folder = model_folder()
    tokens = {who: team.member(who, "promoter", "risk/*") for who in ("peter", "paula")}
    monkeypatch.setenv("HOLDFAST_TOKEN", tokens["peter"])
    with team.served() as served:
        store = opened(served.port)
        store.create_registered_model("risk\u2215iris")
        store.create_model_version("risk\u2215iris", str(folder))
        with pytest.raises(MlflowException, match="may not delete risk/iris"):
            store.rename_registered_model("risk\u2215iris", "risk\u2215rose")
        after_refusal = served.registry.catalogue.models()
        monkeypatch.setenv("HOLDFAST_TOKEN", team.ana)
        monkeypatch.setenv("HOME", str(tmp_path / "another"))  # whose cache has none of the files
        store = opened(served.port)
        came, went = moved(served)
        store.rename_registered_model("risk\u2215iris", "risk\u2215rose")
        after = moved(served)
        stored = served.registry.fetch("risk/rose@1.0.0").paths["model"]
        same = (stored / "weights.json").read_bytes() == (folder / "weights.json").read_bytes()
        monkeypatch.setenv("HOLDFAST_TOKEN", tokens["paula"])  # who sent nothing, and may read it
        store = opened(served.port)
        version = store.get_model_version("risk\u2215rose", 1)
        store.copy_model_version(version, "risk\u2215tulip")
        sent_again = moved(served)[0] - came

    assert after_refusal == ["risk/iris"]
    assert after == (came, went + 2)  # which are manifests
    assert same
    assert sent_again == 0
