"""What Holdfast does beyond MLflow's database: bytes, gate, SemVer, history, many writers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.core.policy import OPEN, Policy
from holdfast.gateways.mlflow import mlflow_names
from holdfast.registry.registry import Registry

Folder = Callable[..., Path]
ALONE = {"archive_existing_versions": False}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture
def refused(mlflow: Any) -> Any:
    from mlflow.exceptions import MlflowException

    assert mlflow
    return lambda match: pytest.raises(MlflowException, match=match)


@pytest.fixture
def download(mlflow: Any, tmp_path: Path) -> Callable[..., Any]:
    assert mlflow

    def make(uri: str) -> Any:
        from holdfast.gateways.mlflow.artifact_repository import HoldfastArtifactRepository

        return HoldfastArtifactRepository(uri, registry_uri=f"holdfast://{tmp_path}/store")

    return make


def standing(registry: Registry, model: str) -> Any:
    return registry.catalogue.require(model)


def fill(ours: Any, folder: Path, count: int = 1, name: str = "iris") -> None:
    ours.create_registered_model(name)
    for _ in range(count):
        ours.create_model_version(name, str(folder))


def test_a_folder_is_taken_in_and_comes_back_as_it_was(
    ours: Any, model_folder: Folder, download: Any, registry: Registry
) -> None:
    folder = model_folder()
    fill(ours, folder)
    uri = ours.get_model_version_download_uri("iris", "1")
    repository = download(uri)
    out = Path(repository.download_artifacts(""))

    assert uri.startswith("holdfast-artifact:///")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert [info.path for info in repository.list_artifacts()] == [
        "MLmodel",
        "requirements.txt",
        "weights.json",
    ]
    manifest = registry.manifest("iris@1.0.0")
    assert manifest.lineage.run_id == "run-1"
    assert manifest.framework == "scikit-learn"
    assert ours.get_model_version("iris", 1).source == str(folder)


def test_a_byte_that_changed_is_not_handed_out(
    ours: Any, model_folder: Folder, download: Any, registry: Registry, refused: Any
) -> None:
    fill(ours, model_folder())
    digest = registry.manifest("iris@1.0.0").artifacts["model"].files[-1].sha256
    [blob] = Path(str(registry.location)).glob(f"blobs/sha256/{digest}")
    blob.chmod(0o600)
    blob.write_bytes(b"x" * blob.stat().st_size)

    with refused(digest[:8]):
        download(ours.get_model_version_download_uri("iris", 1)).download_artifacts("")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "none", "a/../../MLmodel"])
def test_nothing_beyond_the_model_is_handed_out(
    ours: Any, model_folder: Folder, download: Any, refused: Any, path: str
) -> None:
    fill(ours, model_folder())
    repository = download(ours.get_model_version_download_uri("iris", 1))

    with refused("is not one of the model's"):
        repository.download_artifacts(path)


def test_a_version_takes_no_files(
    ours: Any, model_folder: Folder, download: Any, refused: Any
) -> None:
    fill(ours, model_folder())
    repository = download(ours.get_model_version_download_uri("iris", 1))

    for change in (
        lambda: repository.log_artifact("x"),
        lambda: repository.log_artifacts("x"),
        repository.delete_artifacts,
    ):
        with refused("does not change|takes no files"):
            change()


@pytest.mark.parametrize(
    "text", ["1.0.0", "1.1.0", "^1", "~1.1.0", ">=1 <2", "production", "Production", "previous"]
)
def test_refs_of_holdfast_are_taken_for_aliases(ours: Any, model_folder: Folder, text: str) -> None:
    fill(ours, model_folder(), 3)
    ours.set_registered_model_alias("iris", "production", 1)
    ours.set_registered_model_alias("iris", "production", 2)
    expected = {"1.0.0": 1, "1.1.0": 2, "~1.1.0": 2, "^1": 3, ">=1 <2": 3, "previous": 1}

    assert ours.get_model_version_by_alias("iris", text).version == expected.get(text, 2)
    if text not in ("production", "Production", "previous"):
        [found] = ours.get_latest_versions("iris", [text])
        assert found.version == expected[text]


def test_a_version_that_does_not_exist_is_said_to_be_missing(
    ours: Any, model_folder: Folder, refused: Any
) -> None:
    fill(ours, model_folder())

    with refused("iris@7.0.0 not found"):
        ours.get_model_version_by_alias("iris", "7.0.0")
    with refused("iris@\\^7 not found"):
        ours.get_latest_versions("iris", ["^7"])


def test_a_schema_that_breaks_callers_is_a_major_version(
    ours: Any, model_folder: Folder, registry: Registry
) -> None:
    column = '[{"type": "%s", "name": "a", "required": true}]'
    ours.create_registered_model("iris")
    for at, kind in enumerate(("double", "double", "string")):
        ours.create_model_version("iris", str(model_folder(f"m{at}", inputs=column % kind)))

    assert [info.version for info in registry.versions("iris")] == ["1.0.0", "1.1.0", "2.0.0"]
    schema = registry.manifest("iris@2.0.0").input_schema
    assert schema is not None
    assert schema["properties"] == {"a": {"type": "string"}}


def test_the_alias_production_goes_through_the_gate(
    ours: Any, model_folder: Folder, registry: Registry, refused: Any
) -> None:
    fill(ours, model_folder(), 2)
    policy = Policy(required_metrics=("auc",), required_fields=("limitations",), schema="any")
    registry.set_policy("iris", policy, reason="tests")

    moves: tuple[Callable[[], Any], ...] = (
        lambda: ours.set_registered_model_alias("iris", "production", 1),
        lambda: ours.transition_model_version_stage("iris", 1, "Production", **ALONE),
    )
    for move in moves:
        with refused("(?s)production refused iris@1.0.0.*auc.*limitations") as caught:
            move()
        assert caught.value.error_code == "PERMISSION_DENIED"
    assert ours.get_registered_model("iris").aliases == {}

    registry.set_policy("iris", OPEN, reason="tests")
    ours.set_registered_model_alias("iris", "production", 1)
    ours.transition_model_version_stage("iris", 2, "Production", archive_existing_versions=True)

    assert standing(registry, "iris").production == "1.1.0"
    assert [ours.get_model_version("iris", n).current_stage for n in (1, 2)] == [
        "Archived",
        "Production",
    ]
    ops = [change.op for change in registry.history("iris")]
    assert ops.count("promoted") == 2


def test_a_rollback_by_holdfast_is_seen_by_mlflow(
    ours: Any, model_folder: Folder, registry: Registry
) -> None:
    fill(ours, model_folder(), 2)
    for number in (1, 2):
        ours.set_registered_model_alias("iris", "production", number)
    registry.rollback("iris", reason="errors doubled")

    assert ours.get_registered_model("iris").aliases == {"production": 1}
    assert ours.get_model_version_by_alias("iris", "production").version == 1
    assert [version.version for version in ours.get_latest_versions("iris", ["Production"])] == [1]


def test_versions_may_share_a_stage_in_mlflow_and_one_is_live(
    ours: Any, model_folder: Folder, registry: Registry
) -> None:
    fill(ours, model_folder(), 3)
    for number in (3, 2, 1):
        ours.transition_model_version_stage("iris", number, "Production", **ALONE)

    stages = [ours.get_model_version("iris", number).current_stage for number in (1, 2, 3)]
    assert stages == ["Production"] * 3
    assert [version.version for version in ours.get_latest_versions("iris", ["Production"])] == [1]
    ours.transition_model_version_stage("iris", 2, "Production", archive_existing_versions=True)
    stages = [ours.get_model_version("iris", number).current_stage for number in (1, 2, 3)]
    assert stages == ["Archived", "Production", "Archived"]
    assert standing(registry, "iris").production == "1.1.0"


def test_what_is_live_stays_until_another_version_is_promoted(
    ours: Any, model_folder: Folder, refused: Any
) -> None:
    fill(ours, model_folder())
    ours.set_registered_model_alias("iris", "production", 1)

    moves: tuple[Callable[[], Any], ...] = (
        lambda: ours.transition_model_version_stage("iris", 1, "Archived", **ALONE),
        lambda: ours.transition_model_version_stage("iris", 1, "None", **ALONE),
        lambda: ours.transition_model_version_stage("iris", 1, "Staging", **ALONE),
        lambda: ours.delete_registered_model_alias("iris", "production"),
        lambda: ours.delete_model_version("iris", 1),
        lambda: ours.delete_registered_model("iris"),
    )
    for move in moves:
        with refused("live|names 1.0.0"):
            move()
    assert ours.get_model_version("iris", 1).current_stage == "Production"


def test_the_alias_staging_stages(ours: Any, model_folder: Folder, registry: Registry) -> None:
    fill(ours, model_folder(), 2)
    ours.set_registered_model_alias("iris", "staging", 2)

    assert standing(registry, "iris").staging == "1.1.0"
    assert ours.get_registered_model("iris").aliases == {"staging": 2}
    assert ours.get_model_version("iris", 2).current_stage == "Staging"


def test_previous_is_moved_by_rollbacks_alone(
    ours: Any, model_folder: Folder, refused: Any
) -> None:
    fill(ours, model_folder())

    with refused("is what a rollback goes to"):
        ours.set_registered_model_alias("iris", "previous", 1)


def test_a_reference_is_never_live(ours: Any, refused: Any, registry: Registry) -> None:
    ours.create_registered_model("iris")
    ours.create_model_version("iris", "s3://bucket/gone")

    with refused("is a reference to 's3://bucket/gone'"):
        ours.set_registered_model_alias("iris", "production", 1)
    assert ours.get_model_version_download_uri("iris", 1) == "s3://bucket/gone"
    assert registry.resolve("iris@v1").reference == "s3://bucket/gone"


def test_the_stage_production_of_a_reference_is_a_word_where_nothing_else_decides(
    ours: Any, model_folder: Folder, refused: Any, registry: Registry
) -> None:
    ours.create_registered_model("iris")
    for _ in range(2):
        ours.create_model_version("iris", "s3://bucket/gone")
    ours.transition_model_version_stage("iris", 1, "Staging", **ALONE)
    ours.transition_model_version_stage("iris", 1, "Production", **ALONE)
    first = ours.get_model_version("iris", 1).current_stage, standing(registry, "iris").production
    ours.transition_model_version_stage("iris", 2, "Production", archive_existing_versions=True)
    [before, after] = [ours.get_model_version("iris", number) for number in (1, 2)]
    ours.create_model_version("iris", str(model_folder()))
    ours.set_registered_model_alias("iris", "production", 3)

    assert first == ("Production", None)
    assert (before.current_stage, after.current_stage) == ("Archived", "Production")
    assert before.last_updated_timestamp == after.last_updated_timestamp
    assert ours.get_latest_versions("iris", ["Production"])[0].version == 3
    with refused("is a reference to 's3://bucket/gone'"):
        ours.transition_model_version_stage("iris", 1, "Production", **ALONE)


def test_a_policy_has_its_say_before_a_reference_is_called_production(
    ours: Any, refused: Any, registry: Registry
) -> None:
    ours.create_registered_model("iris")
    ours.create_model_version("iris", "s3://bucket/gone")
    registry.set_policy("iris", Policy(required_metrics=("auc",)))

    with refused("is a reference to 's3://bucket/gone'"):
        ours.transition_model_version_stage("iris", 1, "Production", **ALONE)
    assert ours.get_model_version("iris", 1).current_stage == "None"


def test_a_folder_without_mlmodel_is_not_taken_in(ours: Any, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret").write_text("x")
    ours.create_registered_model("iris")

    version = ours.create_model_version("iris", str(tmp_path / "home"))

    assert ours.get_model_version_download_uri("iris", version.version) == str(tmp_path / "home")


def test_a_pickle_of_unknown_code_needs_trust(
    ours: Any, open_ours: Any, model_folder: Folder, refused: Any, registry: Registry
) -> None:
    folder = model_folder()
    (folder / "python_model.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    ours.create_registered_model("iris")

    with refused("would run code outside the allow-list.*posix.system") as caught:
        ours.create_model_version("iris", str(folder))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert registry.versions("iris") == []

    open_ours("?trust=read%20by%20ann").create_model_version("iris", str(folder))
    assert registry.manifest("iris@1.0.0").scan["model"].trusted == "read by ann"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_out_of_the_folder_is_refused(
    ours: Any, model_folder: Folder, refused: Any, tmp_path: Path, target: str
) -> None:
    folder = model_folder()
    (tmp_path.parent / "outside").write_text("secret")
    (folder / "link").symlink_to(target)
    ours.create_registered_model("iris")

    with refused("leads out of the folder|leads nowhere"):
        ours.create_model_version("iris", f"file://{folder}")
    with refused("leads out of the folder|leads nowhere"):
        ours.create_model_version("iris", "models:/m-1", local_model_path=str(folder))


def test_an_mlmodel_that_is_not_yaml_is_refused(
    ours: Any, model_folder: Folder, refused: Any
) -> None:
    folder = model_folder()
    ours.create_registered_model("iris")
    for raw in (b"a: [", b"!!python/object/apply:os.system ['true']", b"x: " + b"y" * (1 << 20)):
        (folder / "MLmodel").write_bytes(raw)
        with refused("is not YAML|is too long"):
            ours.create_model_version("iris", str(folder))


@pytest.mark.parametrize(
    "text",
    ["[]", "5", "flavors: 3\nsignature: [1]", "run_id: [1]", 'signature:\n  inputs: "not json"',
     'signature:\n  inputs: \'[{"type": "tensor"}]\'', "signature:\n  inputs: '[1, 2]'"],
)  # fmt: skip
def test_an_odd_mlmodel_says_nothing(
    ours: Any, model_folder: Folder, registry: Registry, text: str
) -> None:
    folder = model_folder()
    (folder / "MLmodel").write_text(text)
    fill(ours, folder)

    assert registry.manifest("iris@1.0.0").input_schema is None


def test_a_renamed_model_keeps_what_is_live_and_the_way_back(
    ours: Any, model_folder: Folder, registry: Registry
) -> None:
    fill(ours, model_folder(), 3)
    registry.set_policy("iris", OPEN, reason="tests")
    for number in (1, 2):
        ours.set_registered_model_alias("iris", "production", number)
    registry.hold("iris@1.2.0", reason="audit")
    ours.transition_model_version_stage("iris", 3, "Staging", **ALONE)

    renamed = ours.rename_registered_model("iris", "rose")

    assert renamed.aliases == {"production": 2}
    assert registry.rollback("rose").version == "1.0.0"
    assert standing(registry, "rose").staging == "1.2.0"
    assert registry.resolve("rose@1.2.0").held == "audit"
    assert [info.model for info in registry.models()] == ["rose"]
    assert registry.verify().whole


def test_a_rename_that_was_stopped_continues(ours: Any, registry: Registry, refused: Any) -> None:
    from holdfast.gateways.mlflow import entities

    ours.create_registered_model("iris")
    for number in range(3):
        ours.create_model_version("iris", f"s{number}")
    texts = {entities.MAKING: "iris"}
    registry.catalogue.describe("rose", None, texts, lambda _state: None)

    with refused("name=rose not found"):
        ours.get_registered_model("rose")
    assert [model.name for model in ours.search_registered_models()] == ["iris"]
    ours.rename_registered_model("iris", "rose")

    assert [version.source for version in ours.search_model_versions("name = 'rose'")] == [
        "s2",
        "s1",
        "s0",
    ]


def test_a_damaged_model_hides_no_other(
    ours: Any, open_ours: Any, registry: Registry, refused: Any
) -> None:
    for name in ("iris", "rose"):
        ours.create_registered_model(name)
        ours.create_model_version(name, "s")
    [entry] = Path(str(registry.location)).glob("models/iris/journal/0000000001.json")
    entry.chmod(0o600)
    entry.write_bytes(b"{}")
    fresh = open_ours()

    assert [model.name for model in fresh.search_registered_models()] == ["rose"]
    assert [version.name for version in fresh.search_model_versions()] == ["rose"]
    with refused("truncated or overwritten") as caught:
        fresh.get_registered_model("iris")
    assert caught.value.error_code == "DATA_LOSS"


def test_a_model_of_holdfast_is_seen_by_mlflow(
    ours: Any, registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "model.json"
    path.write_text("{}")
    registry.register("team/iris", path, metrics={"auc": 0.9})

    [model] = ours.search_registered_models()
    [version] = ours.search_model_versions()

    assert model.name == version.name == "team∕iris"
    assert mlflow_names.to_holdfast(model.name) == "team/iris"
    assert version.source.startswith("holdfast-artifact:///")


def test_a_pair_of_holdfast_is_loaded_by_mlflow(
    mlflow: Any, ours: Any, registry: Registry, download: Any
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows, labels = [[0.0, 9.0], [1.0, 0.0]], [0, 1]
    scaler = StandardScaler().fit(rows)
    registry.register("iris", LogisticRegression().fit(scaler.transform(rows), labels), scaler)
    repository = download(ours.get_model_version_download_uri("iris", 1))
    folder = repository.download_artifacts("")

    assert list(mlflow.pyfunc.load_model(folder).predict(rows)) == labels
    listed = [info.path for info in repository.list_artifacts("holdfast")]
    assert "holdfast/manifest.json" in listed


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("holdfast:", "names no store"),
        ("holdfast://host/folder", "is not the address of a folder"),
        ("holdfast:///folder?x=1", "is unknown for a folder"),
        ("sqlite:///x", "is not the address"),
    ],
)
def test_an_address_that_names_no_store_is_refused(refused: Any, uri: str, problem: str) -> None:
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    with refused(problem):
        HoldfastStore(uri)


def test_the_server_is_told_of_no_webhooks(ours: Any) -> None:
    assert list(ours.list_webhooks_by_event(None, 100, None)) == []


CREATOR = """
import os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow.exceptions import MlflowException
from holdfast.gateways.mlflow.registry_store import HoldfastStore
store, me = HoldfastStore(sys.argv[1]), sys.argv[2]
made = []
for _ in range(int(sys.argv[3])):
    try:
        store.create_registered_model("busy")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
    version = store.create_model_version("busy", f"s{me}", run_id=me).version
    store.set_registered_model_alias("busy", "champion", version)
    store.get_model_version_by_alias("busy", "champion")
    made.append(version)
print(made)
"""


def create_at_once(uri: str, processes: int, each: int) -> list[list[int]]:
    command = [sys.executable, "-W", "ignore", "-c", CREATOR, uri]
    children = [
        subprocess.Popen([*command, str(me), str(each)], stdout=subprocess.PIPE, text=True)
        for me in range(processes)
    ]
    return [json.loads(child.communicate(timeout=300)[0]) for child in children]


@pytest.mark.parametrize(
    ("processes", "each"), [(2, 10), pytest.param(8, 25, marks=pytest.mark.long)]
)
def test_creators_in_many_processes_never_collide(
    ours: Any, registry: Registry, tmp_path: Path, processes: int, each: int
) -> None:
    made = create_at_once(f"holdfast://{tmp_path}/store", processes, each)
    numbers = sorted(number for numbers in made for number in numbers)

    assert numbers == list(range(1, processes * each + 1))
    assert len(ours.search_model_versions("name = 'busy'")) == processes * each
    assert ours.get_registered_model("busy").aliases["champion"] in numbers
    assert registry.verify().whole
