"""What a version records: given, found out by itself, and refused."""

import importlib.metadata
import json
import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.registry import disk
from tests.registry.conftest import Clock, Text

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Environment, Manifest
from holdfast.errors import InvalidInputError
from holdfast.registry import provenance

GIVEN: dict[str, Any] = {
    "description": "Tells irises apart",
    "author": "Ann",
    "framework": "our own",
    "algorithm": "nearest centroid",
    "metrics": {"accuracy": 0.95, "latency_ms": 3},
    "hyperparameters": {"shrink": None, "metric": "euclidean", "bins": [1, 2]},
    "training_data": {"source": "s3://irises", "samples": 150, "features": ["a", "b"]},
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}},
    "output_schema": {"type": "string"},
    "input_example": [{"a": 1.5}],
    "limitations": ["Only three species", "Only adults"],
    "lineage": {
        "git_commit": "c" * 40,
        "git_dirty": True,
        "code_version": "3.1",
        "data_window": "2026-Q1",
        "parents": ["iris@0.9.0"],
        "run_id": "run 7",
    },
    "environment": {"python": "3.12.1", "packages": {"centroid": "1.0"}},
    "metadata": {"ticket": {"id": 12, "open": False}},
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git repository with one commit; the process stands in it."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print('training')\n")
    for arguments in (
        ["init", "--quiet"],
        ["add", "train.py"],
        ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    monkeypatch.chdir(folder)
    return folder


def test_every_fact_that_is_given_is_recorded(registry: Registry, clock: Clock, text: Text) -> None:
    clock.on("2026-04-01T12:00")

    manifest = registry.manifest(registry.register("iris", text("one"), **GIVEN))

    assert manifest.metrics == GIVEN["metrics"]
    assert manifest.hyperparameters == GIVEN["hyperparameters"]
    assert manifest.training_data == GIVEN["training_data"]
    assert manifest.metadata == GIVEN["metadata"]
    assert manifest.input_example == GIVEN["input_example"]
    assert (manifest.input_schema, manifest.output_schema) == (
        GIVEN["input_schema"],
        GIVEN["output_schema"],
    )
    assert manifest.limitations == tuple(GIVEN["limitations"])
    assert manifest.lineage == Lineage(
        "c" * 40, git_dirty=True, code_version="3.1", data_window="2026-Q1",
        parents=("iris@0.9.0",), run_id="run 7",
    )  # fmt: skip
    assert manifest.environment == Environment("3.12.1", {"centroid": "1.0"})
    assert [manifest.description, manifest.author, manifest.framework, manifest.algorithm] == [
        "Tells irises apart",
        "Ann",
        "our own",
        "nearest centroid",
    ]
    assert (manifest.name, manifest.version, manifest.number) == ("iris", "1.0.0", 1)
    assert (manifest.registered_by, manifest.registered_at[:16]) == ("ann", "2026-04-01T12:00")


def test_a_sentence_will_do_for_limitations(registry: Registry, text: Text) -> None:
    made = registry.register("iris", text("one"), limitations="Only adults")

    assert registry.manifest(made).limitations == ("Only adults",)


@pytest.mark.parametrize("as_file", [False, True])
def test_an_estimator_tells_what_it_is(
    registry: Registry,
    tmp_path: Path,
    classifier: LogisticRegression,
    scaler: StandardScaler,
    *,
    as_file: bool,
) -> None:
    model: object = classifier
    if as_file:
        model = tmp_path / "classifier.pkl"
        (tmp_path / "classifier.pkl").write_bytes(pickle.dumps(classifier))

    manifest = registry.manifest(registry.register("iris", model, scaler))

    assert (manifest.framework, manifest.algorithm) == ("scikit-learn", "LogisticRegression")
    assert (manifest.hyperparameters["C"], manifest.hyperparameters["random_state"]) == (0.5, 7)
    assert manifest.environment.python == platform.python_version()
    installed = {name: importlib.metadata.version(name) for name in ("scikit-learn", "numpy")}
    assert installed.items() <= manifest.environment.packages.items()
    assert manifest.scan["model"].executes_code
    assert manifest.scan["model"].unknown == ()


def test_what_an_estimator_tells_can_be_said_otherwise(
    registry: Registry, classifier: LogisticRegression
) -> None:
    made = registry.register("iris", classifier, **GIVEN)

    manifest = registry.manifest(made)
    assert (manifest.framework, manifest.algorithm) == ("our own", "nearest centroid")
    assert manifest.hyperparameters == GIVEN["hyperparameters"]
    assert manifest.input_schema == GIVEN["input_schema"]
    assert manifest.environment.packages == {"centroid": "1.0"}


@pytest.mark.parametrize(
    "example",
    [
        np.array([[1.5, 2.0], [0.5, 1.0]]),
        [[1.5, 2.0], [0.5, 1.0]],
        pd.DataFrame({"length": [1.5, 0.5], "width": [2.0, 1.0]}),
        [{"length": 1.5, "width": 2.0}, {"length": 0.5, "width": 1.0}],
    ],
    ids=["numpy", "lists", "pandas", "records"],
)
def test_an_example_gives_the_schema_and_is_kept(
    registry: Registry, text: Text, example: object
) -> None:
    made = registry.register("iris", text("one"), input_example=example)

    manifest = registry.manifest(made)
    assert manifest.input_schema is not None
    assert manifest.input_schema["inferred"]
    table = manifest.input_schema["type"] == "object"
    example_rows = [list(row.values()) for row in manifest.input_example] if table else None
    assert (example_rows or manifest.input_example) == [[1.5, 2.0], [0.5, 1.0]]
    if table:
        assert {
            name: part["type"] for name, part in manifest.input_schema["properties"].items()
        } == {
            "length": "number",
            "width": "number",
        }


def test_a_schema_that_is_given_wins_over_the_example(registry: Registry, text: Text) -> None:
    made = registry.register(
        "iris", text("one"), input_example=[{"a": 1, "b": 2}], input_schema=GIVEN["input_schema"]
    )

    assert registry.manifest(made).input_schema == GIVEN["input_schema"]


def test_none_says_aloud_that_there_is_no_schema(
    registry: Registry, classifier: LogisticRegression
) -> None:
    manifest = registry.manifest(registry.register("iris", classifier))
    refused = registry.register("rose", classifier, input_schema=None, output_schema=None)

    none = registry.manifest(refused)
    assert manifest.input_schema is not None
    assert (none.input_schema, none.output_schema) == (None, None)


def test_the_commit_of_the_training_code_is_found(
    registry: Registry, repository: Path, text: Text
) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()

    clean = registry.manifest(registry.register("iris", text("one"))).lineage
    (repository / "notes.txt").write_text("not tracked, so it counts for nothing")
    untracked = registry.manifest(registry.register("iris", text("two"))).lineage
    (repository / "train.py").write_text("print('changed')\n")
    dirty = registry.manifest(registry.register("iris", text("three"))).lineage

    assert (clean.git_commit, clean.git_dirty) == (head, False)
    assert untracked == clean
    assert (dirty.git_commit, dirty.git_dirty) == (head, True)


def test_a_repository_without_a_commit_tells_none(
    registry: Registry, tmp_path: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)

    made = registry.register("iris", text("one"))

    assert registry.manifest(made).lineage == Lineage()


def test_a_working_folder_that_may_not_be_looked_into_tells_of_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "closed" / "inner")
    (tmp_path / "closed").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # the superuser looks into everything
    try:
        lineage = provenance.lineage()
    finally:
        os.seteuid(user)
        (tmp_path / "closed").chmod(0o700)

    assert lineage == Lineage()


def _head(folder: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("state", ["branch", "packed", "detached", "work tree"])
def test_where_git_cannot_be_asked_the_commit_is_read_from_its_files(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str
) -> None:
    folder, head = repository, _head(repository)
    if state == "packed":
        _git(repository, "pack-refs", "--all")
    if state == "detached":
        _git(repository, "checkout", "--quiet", "--detach")
    if state == "work tree":
        folder = tmp_path / "beside"
        _git(repository, "worktree", "add", "--quiet", str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(repository))

    lineage = provenance.lineage()

    assert (lineage.git_commit, lineage.git_dirty) == (head, None)


@pytest.mark.parametrize("head", ["ref: ../../secret", "ref: refs/heads/none", "words", ""])
def test_a_head_that_names_no_commit_tells_none(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    (tmp_path / "secret").write_text("c" * 40)

    assert provenance.head_commit(tmp_path) is None


def test_a_head_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".git").write_bytes(b"\xff\xfe")

    assert provenance.head_commit(tmp_path) is None
    assert provenance.head_commit(tmp_path / "deep") is None
    assert provenance.head_commit(Path("/")) is None


def test_lineage_that_is_given_leaves_the_commit_as_found(
    registry: Registry, repository: Path, text: Text
) -> None:
    made = registry.register("iris", text("one"), lineage={"run_id": "7"})

    lineage = registry.manifest(made).lineage
    assert (repository / ".git").exists()
    assert lineage.run_id == "7"
    assert lineage.git_commit is not None


def test_where_there_is_no_repository_there_is_no_commit(
    registry: Registry, tmp_path: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    made = registry.register("iris", text("one"))

    assert registry.manifest(made).lineage == Lineage()


def test_a_later_commit_does_not_make_the_same_model_another(
    registry: Registry, repository: Path, text: Text
) -> None:
    registry.register("iris", text("one"), version="1.0.0")
    (repository / "train.py").write_text("print('changed')\n")

    again = registry.register("iris", text("one"), version="1.0.0")

    assert not again.created


def test_trust_is_recorded_with_what_was_found(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cmypackage\nmake_model\n(tR.")

    made = registry.register("iris", path, trust="reviewed by Ann")

    scan = registry.manifest(made).scan["model"]
    assert scan.trusted == "reviewed by Ann"
    assert scan.unknown == ("mypackage.make_model",)


def test_what_json_cannot_hold_is_kept_as_text(registry: Registry, text: Text) -> None:
    metadata: dict[Any, object] = {"where": Path("/data"), 3: np.float32(0.5)}
    made = registry.register(
        "iris",
        text("one"),
        hyperparameters={"missing": float("nan"), "seed": 2**70, "classes": {2, 1}, "of": int},
        metadata=metadata,
    )

    manifest = registry.manifest(made)
    assert manifest.hyperparameters["missing"] == "nan"
    assert int(manifest.hyperparameters["seed"]) == 2**70
    assert manifest.hyperparameters["classes"] == [1, 2]
    assert manifest.metadata["3"] == 0.5
    assert "/data" in manifest.metadata["where"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", 5),
        ("description", "\ud800"),
        ("author", Path("ann")),
        ("framework", 5),
        ("algorithm", ["a"]),
        ("hyperparameters", [1]),
        ("training_data", "s3://irises"),
        ("metadata", [1]),
        ("limitations", [1]),
        ("limitations", 5),
        ("lineage", {"commit": "c"}),
        ("lineage", {"git_dirty": "yes"}),
        ("environment", {"os": "Linux"}),
        ("trust", 5),
        ("reason", 5),
        ("key", 5),
        ("metrics", None),
        ("metrics", [0.5]),
        ("metrics", {1: 0.5}),
        ("metrics", {"": 0.5}),
        ("metrics", {"auc": float("nan")}),
        ("metrics", {"auc": float("inf")}),
        ("metrics", {"auc": 10**400}),
        ("metrics", {"auc": "0.5"}),
        ("metrics", {"auc": None}),
        ("metrics", {"auc": True}),
        ("metrics", {"auc": 1 + 2j}),
        ("input_schema", {"type": "nonsense"}),
        ("input_schema", "number"),
        ("output_schema", 5),
        ("input_example", []),
        ("input_example", [[1.0], [1.0, 2.0]]),
        ("input_example", object()),
        ("artifacts", ["tokenizer"]),
        ("formats", {"model": "nonsense"}),
        ("formats", {"modle": "joblib"}),
        ("bump", "huge"),
        ("bump", None),
        ("version", "v1"),
        ("version", "1.2"),
        ("version", ""),
        ("version", 1),
    ],
)
def test_a_fact_of_the_wrong_kind_is_refused_and_nothing_is_written(
    registry: Registry, store: Path, text: Text, name: str, value: object
) -> None:
    registry.register("iris", text("one"))
    before = disk.journals(store)
    facts: dict[str, Any] = {name: value}

    with pytest.raises((InvalidInputError, TypeError)):
        registry.register("iris", text("two"), **facts)

    assert disk.journals(store) == before
    assert registry.verify().whole


@pytest.mark.parametrize("misspelt", ["metric", "autor", "trusted", "input_scheme"])
def test_a_misspelt_fact_is_not_dropped_in_silence(
    registry: Registry, text: Text, misspelt: str
) -> None:
    facts: dict[str, Any] = {misspelt: "x"}

    with pytest.raises((InvalidInputError, TypeError)):
        registry.register("iris", text("one"), **facts)


def test_a_misspelt_fact_names_the_nearest(registry: Registry, text: Text) -> None:
    facts: dict[str, Any] = {"metric": {"auc": 0.9}}

    with pytest.raises(InvalidInputError, match="fact 'metric' is unknown; there are metrics"):
        registry.register("iris", text("one"), **facts)


def test_a_role_is_given_once(registry: Registry, text: Text) -> None:
    with pytest.raises(InvalidInputError, match="role 'model' is given twice"):
        registry.register("iris", text("one"), artifacts={"model": text("two")})

    assert registry.models() == []


def test_the_manifest_names_every_field_that_the_format_lists(
    registry: Registry, store: Path, text: Text
) -> None:
    made = registry.register("iris", text("one"))

    page = (Path(__file__).parents[2] / "docs" / "design" / "format.md").read_text()
    section = page.partition("## 5. Manifests")[2].partition("`artifacts` maps")[0]
    raw = json.loads(disk.blob(store, made.version.digest).read_bytes())
    assert set(raw) == {*Manifest.__struct_fields__} - {"reference"}  # of versions without bytes
    assert all(f"`{field}`" in section for field in raw)
    assert list(raw) == sorted(raw)


def test_the_author_is_the_systems_user_unless_named(store: Path, text: Text) -> None:
    made = holdfast.open(store).register("iris", text("one"))

    assert made.version.registered_by == _user()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody unknown")
def test_a_user_without_a_name_is_unknown() -> None:
    program = (
        "import os, holdfast.registry as r; os.setuid(54321); "
        "print(r.open_registry('/nowhere')._session.by)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "unknown"


def test_packages_that_are_not_installed_have_no_version(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"ctensorflow\nfunction\n(tR.")

    made = registry.register("iris", path, trust="reviewed")

    assert "tensorflow" not in registry.manifest(made).environment.packages


def _user() -> str:
    done = subprocess.run(["id", "-un"], check=False, capture_output=True, text=True)
    return done.stdout.strip() or f"user {os.getuid()}"


def test_a_name_that_breaks_the_rules_is_refused_before_anything_is_written(
    registry: Registry, store: Path, text: Text
) -> None:
    refused = []
    for name in ("..", "../iris", "a//b", "a\nb", "a\x00b", "a@b", "c:\\x", " iris", "", "x" * 251):
        with pytest.raises(HoldfastError) as caught:
            registry.register(name, text("one"))
        refused.append(type(caught.value))

    assert set(refused) == {InvalidInputError}
    assert not store.exists()


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "fact", ["hyperparameters", "training_data", "metadata", "input_schema", "input_example"]
)
def test_what_is_nested_too_deeply_is_refused(registry: Registry, text: Text, fact: str) -> None:
    facts: Any = {fact: nested(5000)}
    with pytest.raises(InvalidInputError, match=f"^{fact} is nested too deeply"):
        registry.register("iris", text("weights"), **facts)


def test_what_readers_would_refuse_for_its_depth_is_refused(registry: Registry, text: Text) -> None:
    with pytest.raises(InvalidInputError, match="nests over 100 levels; flatten it"):
        registry.register("iris", text("weights"), metadata=nested(150))


def test_a_parameter_of_many_megabytes_is_refused(registry: Registry, text: Text) -> None:
    for value in ("a" * (20 << 20), list(range(1 << 20)), ["a" * (2 << 20)]):
        with pytest.raises(InvalidInputError, match="parameter 'x' has more than 1,048,576"):
            registry.register("iris", text("weights"), hyperparameters={"x": value})
