"""Whole registries of MLflow's, brought over: planned, told one by one, resumed, not done twice."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.servers.postgres import Postgres

import holdfast
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError, UntrustedError
from holdfast.registry.registry import Registry

Folder = Callable[..., Path]
ALONE = {"archive_existing_versions": False}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


def tag(key: str, value: str) -> Any:
    from mlflow.entities.model_registry import RegisteredModelTag

    return RegisteredModelTag(key, value)


def fill(store: Any, model_folder: Folder) -> None:
    """A registry with what they have after some years."""
    store.create_registered_model("fraud", [tag("team", "risk")], "Tells fraud")
    for number in range(1, 6):
        source = str(model_folder(f"m{number}", float(number))) if number != 3 else "s3://gone/x"
        tags = [tag("n", str(number))]
        store.create_model_version("fraud", source, f"run-{number}", tags, None, f"the {number}.")
    store.delete_model_version("fraud", 2)
    store.transition_model_version_stage("fraud", 1, "Archived", **ALONE)
    store.transition_model_version_stage("fraud", 4, "Production", **ALONE)
    store.transition_model_version_stage("fraud", 5, "Staging", **ALONE)
    store.set_registered_model_alias("fraud", "champion", 4)
    store.set_registered_model_alias("fraud", "Old_One", 1)
    store.create_registered_model("größe@home")
    store.create_model_version("größe@home", "dbfs:/nowhere")
    store.create_registered_model("empty")


@pytest.fixture
def migrate(registry: Registry, database: Path) -> Callable[..., Any]:
    def make(*live: str) -> Any:
        from holdfast.gateways.mlflow.migration import Migration

        return Migration(registry, f"sqlite:///{database}", live)

    return make


def test_a_database_is_brought_over(
    theirs: Any, ours: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    fill(theirs, model_folder)
    told: list[tuple[int, int]] = []

    done = migrate("Production").run(lambda at, total: told.append((at, total)))

    assert (done.models, done.versions, done.new) == (3, 5, 5)
    assert set(done.references) == {"fraud@1.2.0", "größe%40home@1.0.0"}
    assert (done.unmade, told[-1]) == ({}, (5, 5))
    assert {info.version: info.status for info in registry.versions("fraud")} == {
        "1.0.0": "archived",
        "1.1.0": "purged",
        "1.2.0": "registered",
        "1.3.0": "production",
        "1.4.0": "registered",
    }
    assert registry.manifest("fraud@v4").lineage.run_id == "run-4"
    assert registry.resolve("fraud@champion").number == 4
    assert registry.verify().whole
    for number in (1, 3, 4, 5):
        before, after = (store.get_model_version("fraud", number) for store in (theirs, ours))
        for field in ("version", "description", "source", "run_id", "tags", "current_stage"):
            assert getattr(after, field) == getattr(before, field)
        assert after.creation_timestamp == before.creation_timestamp
    models = (store.get_registered_model("fraud") for store in (theirs, ours))
    before, after = models
    assert (after.description, after.tags) == (before.description, before.tags)
    assert after.aliases == before.aliases | {"production": 4}
    assert ours.get_registered_model("größe@home").latest_versions[0].version == 1
    assert ours.get_registered_model("empty").latest_versions == []


def test_a_plan_says_what_becomes_of_each_and_writes_nothing(
    theirs: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    fill(theirs, model_folder)

    rows = {(row.name, row.number): row for row in migrate("champion").plan()}

    assert registry.models() == []
    assert not Path(str(registry.location)).exists()
    assert rows["fraud", 4].live
    assert rows["fraud", 4].aliases == ("champion",)
    assert rows["fraud", 1].bytes_at is not None
    assert rows["fraud", 1].problem == ""
    assert [row.done for row in rows.values()] == [False] * 5


def test_again_is_nothing_new(
    theirs: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    fill(theirs, model_folder)
    first = migrate("Production").run()
    heads = registry.heads()
    again = migrate("Production").run()

    assert (first.new, again.new) == (5, 0)
    assert again.references == first.references
    assert registry.heads() == heads
    assert all(row.done for row in migrate().plan())


def test_what_came_later_is_added(
    theirs: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    fill(theirs, model_folder)
    migrate().run()
    theirs.create_model_version("fraud", str(model_folder("later", 9.0)))

    assert migrate().run().new == 1
    assert registry.resolve("fraud@v6").version == "1.5.0"


def test_a_reference_cannot_be_made_live_and_that_is_told(
    theirs: Any, ours: Any, migrate: Any, registry: Registry
) -> None:
    """MLflow's clients find it by its stage as before; in Holdfast nothing is live by it."""
    theirs.create_registered_model("fraud")
    theirs.create_model_version("fraud", "/nowhere")
    theirs.transition_model_version_stage("fraud", "1", "Production", **ALONE)

    done = migrate("Production").run()

    assert list(done.unmade) == ["fraud@1.0.0"]
    assert "never taken in" in done.unmade["fraud@1.0.0"]
    assert registry.models()[0].production is None
    (found,) = ours.get_latest_versions("fraud", ["Production"])
    assert ours.get_model_version_download_uri("fraud", found.version) == "/nowhere"


def test_names_with_odd_characters_bring_their_versions(
    theirs: Any, ours: Any, migrate: Any
) -> None:
    names = [
        "it's",
        "back\\",
        "a'b\\",
        "both '\"",
        "'",
        "100%",
        "`x`",
        "a' OR 'a' = 'a",
        "new\nline",
    ]
    names += [" edge ", "größe@home", "emoji 🌷", "x" * 256, "A", "a"]
    for name in names:
        theirs.create_registered_model(name)
        theirs.create_model_version(name, f"s3://gone/{len(name)}")

    done = migrate().run()

    assert (done.models, done.new) == (len(names), len(names))
    assert [ours.get_model_version(name, 1).source for name in names] == [
        f"s3://gone/{len(name)}" for name in names
    ]


def test_files_that_mlflow_did_not_write_make_a_reference_and_code_stops_the_import(
    theirs: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    folders = [model_folder(f"m{number}", float(number)) for number in range(1, 4)]
    (folders[0] / "MLmodel").write_text("flavors: [")
    (folders[1] / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    theirs.create_registered_model("fraud")
    for folder in folders:
        theirs.create_model_version("fraud", str(folder))

    with pytest.raises(UntrustedError, match=r"version 2 of 'fraud', .*os\.system"):
        migrate().run()
    before = [info.number for info in registry.versions("fraud")]
    reference = registry.manifest("fraud@v1").reference
    shutil.rmtree(folders[1])
    done = migrate().run()

    assert (before, reference) == ([1], str(folders[0]))
    assert (done.new, done.references) == (2, ("fraud@1.0.0", "fraud@1.1.0"))


def test_names_that_holdfast_moves_itself_are_told_or_staged(
    theirs: Any, migrate: Any, registry: Registry, model_folder: Folder
) -> None:
    theirs.create_registered_model("fraud")
    for number in range(1, 5):
        theirs.create_model_version("fraud", str(model_folder(f"m{number}", float(number))))
    for number, alias in enumerate(("Production", "staging", "previous"), 1):
        theirs.set_registered_model_alias("fraud", alias, number)
    theirs.transition_model_version_stage("fraud", 4, "Production", **ALONE)

    done = migrate().run()

    assert done.unmade == {
        "fraud@1.0.0": "is not live: import again with --live, or promote it",
        "fraud@1.2.0": "has no alias previous: it moves with rollbacks",
    }
    assert registry.resolve("fraud@staging").version == "1.1.0"
    again = migrate("Production").run()
    assert registry.resolve("fraud@production").version == "1.0.0"
    assert (again.new, "fraud@1.0.0" in again.unmade) == (0, False)


def test_versions_of_another_origin_are_not_mixed(
    theirs: Any, migrate: Any, registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "model.json"
    path.write_text("{}")
    registry.register("fraud", path)
    theirs.create_registered_model("fraud")
    theirs.create_model_version("fraud", "s")

    with pytest.raises(ConflictError, match="fraud@v1 is not MLflow's version 1 of 'fraud'"):
        migrate().run()
    assert len(registry.versions("fraud")) == 1


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("sqlite:///none.db", NotFoundError),
        ("none", NotFoundError),
        ("file:///none/at/all", NotFoundError),
        ("ftp://host/x", InvalidInputError),
    ],
)
def test_what_is_not_there_is_not_made(
    mlflow: Any, registry: Registry, tmp_path: Path, uri: str, error: type[Exception]
) -> None:
    from holdfast.gateways.mlflow.migration import Migration

    assert mlflow
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error):
        Migration(registry, uri)
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def file_store(mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    assert mlflow
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.store.model_registry.file_store import FileStore

    return FileStore((tmp_path / "mlruns").as_uri())


def test_the_abandoned_file_store_is_brought_over(
    file_store: Any, registry: Registry, model_folder: Folder, tmp_path: Path
) -> None:
    from holdfast.gateways.mlflow.migration import Migration

    file_store.create_registered_model("fraud", [tag("team", "risk")])
    for number in range(1, 3):
        file_store.create_model_version("fraud", str(model_folder(f"m{number}")))
    file_store.create_model_version("fraud", "gone")
    file_store.set_registered_model_alias("fraud", "champion", "2")

    done = Migration(registry, str(tmp_path / "mlruns"), ["champion"]).run()

    assert (done.new, done.references) == (3, ("fraud@1.2.0",))
    assert registry.models()[0].production == "1.1.0"


def test_an_import_that_is_killed_continues(
    theirs: Any, migrate: Any, registry: Registry, database: Path, tmp_path: Path
) -> None:
    theirs.create_registered_model("fraud")
    for number in range(60):
        theirs.create_model_version("fraud", f"s{number}", tags=[tag("n", str(number))])
    words = ["mlflow", "import", f"sqlite:///{database}", "--store", str(tmp_path / "store")]
    command = [sys.executable, "-W", "ignore", "-m", "holdfast", *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    slot = tmp_path / "store" / "models" / "fraud" / "journal" / "0000000010.json"
    while child.poll() is None and not slot.exists():
        os.sched_yield()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    before = len(registry.versions("fraud"))
    migrate().run()

    assert before >= 9
    assert [info.number for info in registry.versions("fraud")] == list(range(1, 61))
    assert registry.resolve("fraud@v60").tags == {"n": "59"}
    assert registry.verify().whole


def test_a_version_made_from_another_is_found_where_that_one_is(
    theirs: Any, migrate: Callable[..., Any], registry: Registry, model_folder: Folder
) -> None:
    theirs.create_registered_model("fraud")
    theirs.create_model_version("fraud", str(model_folder("m1", 1.0)))
    theirs.create_model_version("fraud", "models:/fraud/1")

    done = migrate().run()

    assert (done.new, done.references) == (2, ())
    first, second = registry.manifest("fraud@v1"), registry.manifest("fraud@v2")
    assert first.artifacts == second.artifacts


def test_an_import_reads_a_model_as_often_for_many_versions_as_for_one(
    theirs: Any, migrate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    theirs.create_registered_model("fraud")
    for number in range(1, 5):
        theirs.create_model_version("fraud", f"s{number}")
    asked: list[str] = []
    read = SqlAlchemyStore.get_registered_model

    def counted(store: Any, name: str) -> Any:
        asked.append(name)
        return read(store, name)

    monkeypatch.setattr(SqlAlchemyStore, "get_registered_model", counted)

    done = migrate().run()

    assert (done.new, len(done.references)) == (4, 4)
    assert len(asked) <= 1


def test_a_postgresql_database_is_brought_over(
    mlflow: Any, database_server: Postgres, registry: Registry, model_folder: Folder
) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    from holdfast.gateways.mlflow.migration import Migration

    assert mlflow
    uri = database_server.new_database()
    store = SqlAlchemyStore(uri.replace("postgresql:", "postgresql+psycopg:"))
    fill(store, model_folder)
    first = Migration(registry, uri, ["Production"]).run()
    again = Migration(registry, uri, ["Production"]).run()
    store._dispose_engine()

    assert (first.models, first.new, again.new) == (3, 5, 0)
    assert registry.resolve("fraud@production").number == 4
    assert registry.resolve("fraud@v5").tags == {"n": "5"}
    assert registry.verify().whole


def test_what_a_tracking_server_has_is_fetched_with_its_run(
    mlflow: Any, their_port: int, theirs: Any, registry: Registry, model_folder: Folder
) -> None:
    from holdfast.gateways.mlflow.migration import Migration

    url = f"http://127.0.0.1:{their_port}"
    before = mlflow.get_tracking_uri()
    client = mlflow.MlflowClient(tracking_uri=url, registry_uri=url)
    run = client.create_run(client.create_experiment("e", f"mlflow-artifacts:/{1}"))
    mlflow.set_tracking_uri(url)  # by which MLflow 2 finds where artifacts are sent
    client.log_artifacts(run.info.run_id, str(model_folder()), "model")
    mlflow.set_tracking_uri(before)
    client.log_metric(run.info.run_id, "auc", 0.9)
    client.log_param(run.info.run_id, "depth", "3")
    client.create_registered_model("fraud", {"team": "risk"})
    source = f"{run.info.artifact_uri}/model"
    client.create_model_version("fraud", source, run.info.run_id, {"n": "1"})
    client.set_registered_model_alias("fraud", "champion", "1")
    theirs.create_model_version("fraud", "s3://gone/x")
    folder = Path(str(registry.location)).parent / "logged"
    done = Migration(registry, url, ["champion"]).run()

    assert (done.new, done.references, done.unmade) == (2, ("fraud@1.1.0",), {})
    manifest = registry.manifest("fraud@production")
    assert (manifest.metrics, manifest.hyperparameters) == ({"auc": 0.9}, {"depth": "3"})
    assert manifest.lineage.run_id == run.info.run_id
    stored = registry.fetch("fraud@production").paths["model"]
    assert (stored / "weights.json").read_bytes() == (folder / "weights.json").read_bytes()


def test_importing_what_imports_warns_of_nothing(mlflow: Any, tmp_path: Path) -> None:
    """MLflow loads the plugin when it is imported, and warns where that fails."""
    assert mlflow
    program = "import holdfast.gateways.mlflow.migration"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "holdfast" not in done.stderr
