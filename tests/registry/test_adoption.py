"""Adopting a folder of model files: planned first, ordered, paired, and left as it was."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tests.formats.code.packages import pickled, plain_names, shop
from tests.registry import disk, hostile
from tests.registry.crew import Crew, Job, step

from holdfast import Registry
from holdfast.errors import InvalidInputError, UntrustedError
from holdfast.registry.adoption import AdoptionPlan

DAY_S = 86_400


@pytest.fixture
def attic(tmp_path: Path) -> Path:
    """Return an empty folder of old models."""
    folder = tmp_path / "attic"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, thing: object, day: int) -> Path:
    """Write a thing to a file that was changed on a day of 2025."""
    path = folder / name
    if isinstance(thing, bytes):
        path.write_bytes(thing)
    elif name.endswith(".json"):
        path.write_text(json.dumps(thing))
    else:
        joblib.dump(thing, path)
    then = 1_735_689_600 + day * DAY_S
    os.utime(path, (then, then))
    return path


def model(seed: int) -> LogisticRegression:
    fitted = LogisticRegression(C=seed + 1.0)
    return fitted.fit([[0.0], [1.0]], [0, 1])


def roles(plan: AdoptionPlan) -> dict[str, str]:
    return {row.file: row.role for row in plan.rows}


def test_files_become_versions_in_order_of_their_time(registry: Registry, attic: Path) -> None:
    for index, name in enumerate(("model_final.pkl", "model.pkl", "model_v2.joblib")):
        put(attic, name, model(index), day=30 - index)

    adopted = registry.adopt("iris", attic)

    assert {file: info.version for file, info in adopted.versions.items()} == {
        "model_v2.joblib": "1.0.0",
        "model.pkl": "1.1.0",
        "model_final.pkl": "1.2.0",
    }
    assert adopted.live is None
    assert registry.load("iris@v3").model.C == 1.0


def test_files_of_one_time_are_ordered_by_name_as_people_count(
    registry: Registry, attic: Path
) -> None:
    for index, name in enumerate(("model_v10.pkl", "model_v9.pkl", "model.pkl", "model_v2.pkl")):
        put(attic, name, model(index), day=1)

    plan = registry.adopt_plan("iris", attic)

    assert [row.file for row in plan.models] == [
        "model.pkl",
        "model_v2.pkl",
        "model_v9.pkl",
        "model_v10.pkl",
    ]


def test_the_plan_tells_of_every_file_and_writes_nothing(
    registry: Registry, store: Path, attic: Path
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    put(attic, "model_v2.pkl", model(2), day=2)
    put(attic, "model_final.pkl", model(2), day=3)
    put(attic, "scaler.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)
    put(attic, "model_v1.json", {"auc": 0.9}, day=1)
    put(attic, "README.md", b"# Old models\n", day=1)
    put(attic, ".hidden.pkl", model(9), day=1)
    before = disk.listing(attic)

    plan = registry.adopt_plan("iris", attic)

    assert roles(plan) == {
        "model_v1.pkl": "model",
        "model_v2.pkl": "model",
        "model_final.pkl": "duplicate",
        "scaler.pkl": "preprocessor",
        "model_v1.json": "metrics",
        "README.md": "skipped",
    }
    first, second = plan.models
    assert (first.preprocessor, first.metrics) == ("scaler.pkl", "model_v1.json")
    assert (second.preprocessor, second.metrics) == ("scaler.pkl", None)
    assert "model_final.pkl" in second.note
    assert plan.questions == ()
    assert first.modified.startswith("2025-01-02")
    assert not store.exists()
    assert disk.listing(attic) == before


def test_the_run_does_what_the_plan_said_and_leaves_the_folder_as_it_was(
    registry: Registry, attic: Path
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    put(attic, "model_v2.pkl", model(2), day=2)
    put(attic, "copy of model_v2.pkl", model(2), day=3)
    put(attic, "scaler.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)
    put(attic, "model_v1_metrics.json", {"metrics": {"auc": 0.9, "note": "good"}}, day=1)
    plan = registry.adopt_plan("iris", attic)
    before = disk.listing(attic)

    adopted = registry.adopt("iris", attic, live="model_v2.pkl", reason="moving in")

    assert adopted.plan == plan
    assert list(adopted.versions) == ["model_v1.pkl", "model_v2.pkl"]
    assert (adopted.live, registry.resolve("iris@production").version) == ("1.1.0", "1.1.0")
    manifest = registry.manifest("iris@1.0.0")
    assert manifest.metrics == {"auc": 0.9}
    assert manifest.metadata["adopted"]["file"] == "model_v1.pkl"
    assert manifest.metadata["adopted"]["modified"].startswith("2025-01-02")
    assert set(manifest.artifacts) == {"model", "preprocessor"}
    assert manifest.lineage.git_commit is None
    assert {past.reason for past in registry.history("iris")} == {"moving in"}
    assert disk.listing(attic) == before
    assert registry.verify().whole


def test_preprocessors_are_matched_by_what_tells_versions_apart(
    registry: Registry, attic: Path
) -> None:
    for mark, thing in (
        ("v1", StandardScaler().fit([[0.0], [1.0]])),
        ("v2", MinMaxScaler().fit([[0.0], [1.0]])),
    ):
        put(attic, f"model_{mark}.pkl", model(len(mark) + int(mark[1])), day=int(mark[1]))
        put(attic, f"scaler_{mark}.pkl", thing, day=int(mark[1]))

    adopted = registry.adopt("iris", attic)

    assert adopted.plan.questions == ()
    assert isinstance(registry.load("iris@1.0.0").preprocessor, StandardScaler)
    assert isinstance(registry.load("iris@1.1.0").preprocessor, MinMaxScaler)


def test_where_a_preprocessor_cannot_be_told_it_is_asked_for_and_nothing_is_written(
    registry: Registry, store: Path, attic: Path
) -> None:
    put(attic, "model_final.pkl", model(1), day=1)
    put(attic, "scaler_a.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)
    put(attic, "scaler_b.pkl", MinMaxScaler().fit([[0.0], [1.0]]), day=2)

    plan = registry.adopt_plan("iris", attic)
    with pytest.raises(
        InvalidInputError, match=r"model_final\.pkl=scaler_a\.pkl\|scaler_b\.pkl\|none"
    ):
        registry.adopt("iris", attic)

    assert (plan.questions, plan.choices) == (
        ("model_final.pkl",),
        ("scaler_a.pkl", "scaler_b.pkl"),
    )
    assert not store.exists()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"model_final.pkl": "scaler_b.pkl"}, MinMaxScaler),
        ({"*": "scaler_a.pkl"}, StandardScaler),
        ({"*": "scaler_a.pkl", "model_final.pkl": "scaler_b.pkl"}, MinMaxScaler),
        ({"model_final.pkl": "none"}, type(None)),
    ],
)
def test_an_answer_names_the_preprocessor(
    registry: Registry, attic: Path, answer: dict[str, str], expected: type
) -> None:
    put(attic, "model_final.pkl", model(1), day=1)
    put(attic, "scaler_a.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)
    put(attic, "scaler_b.pkl", MinMaxScaler().fit([[0.0], [1.0]]), day=2)

    registry.adopt("iris", attic, preprocessors=answer)

    assert isinstance(registry.load("iris@1.0.0").preprocessor, expected)


@pytest.mark.parametrize(
    "answer", [{"model_x.pkl": "scaler.pkl"}, {"model.pkl": "scaler_x.pkl"}, {"*": "model.pkl"}]
)
def test_an_answer_that_names_no_file_is_refused(
    registry: Registry, store: Path, attic: Path, answer: dict[str, str]
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    put(attic, "scaler.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)

    with pytest.raises(InvalidInputError, match="is not in the folder"):
        registry.adopt("iris", attic, preprocessors=answer)

    assert not store.exists()


def test_a_preprocessor_is_known_by_its_class_whatever_its_name(
    registry: Registry, attic: Path
) -> None:
    put(attic, "model.pkl", DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]), day=1)
    put(attic, "thing.pkl", StandardScaler().fit([[0.0], [1.0]]), day=1)

    assert roles(registry.adopt_plan("iris", attic)) == {
        "model.pkl": "model",
        "thing.pkl": "preprocessor",
    }


@pytest.mark.parametrize("live", ["model_v2.pkl", "model_final.pkl", "latest.pkl"])
def test_the_live_file_may_be_named_by_any_of_its_copies(
    registry: Registry, attic: Path, live: str
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    put(attic, "model_v2.pkl", model(2), day=2)
    put(attic, "model_final.pkl", model(2), day=3)
    (attic / "latest.pkl").symlink_to("model_v2.pkl")

    adopted = registry.adopt("iris", attic, live=live)

    assert adopted.live == "1.1.0"
    assert registry.load("iris@production").model.C == 3.0


def test_a_live_file_that_is_not_there_is_refused_before_anything_is_written(
    registry: Registry, store: Path, attic: Path
) -> None:
    put(attic, "model.pkl", model(1), day=1)

    with pytest.raises(InvalidInputError, match="is not one of the models"):
        registry.adopt("iris", attic, live="model_v9.pkl")

    assert not store.exists()


def test_adopting_again_adds_only_what_is_new(registry: Registry, attic: Path) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    first = registry.adopt("iris", attic, live="model_v1.pkl")
    put(attic, "model_v2.pkl", model(2), day=2)

    second = registry.adopt("iris", attic, live="model_v1.pkl")

    assert second.versions["model_v1.pkl"].version == first.versions["model_v1.pkl"].version
    assert [info.version for info in registry.versions("iris")] == ["1.0.0", "1.1.0"]
    assert [past.op for past in registry.history("iris")] == [
        "registered",
        "promoted",
        "registered",
    ]


def test_an_adoption_that_was_killed_goes_on_when_it_is_run_again(
    registry: Registry, store: Path, attic: Path, crew: Crew
) -> None:
    for index in range(12):
        put(attic, f"model_v{index}.pkl", model(index), day=index)
    registry.init()
    kills = 0
    for after_s in (0.02, 0.04, 0.06, 0.08):
        (outcomes,) = crew.work([Job(store, [step("adopt", "iris", attic)])], kill_after_s=after_s)
        kills += not outcomes

    adopted = registry.adopt("iris", attic, live="model_v11.pkl")

    assert kills > 0
    assert [info.version for info in adopted.versions.values()] == [
        f"1.{index}.0" for index in range(12)
    ]
    assert [registry.load(f"iris@v{index + 1}").model.C for index in range(12)] == [
        index + 1.0 for index in range(12)
    ]
    assert len(registry.versions("iris")) == 12
    assert registry.verify().whole


def test_a_hostile_pickle_among_the_files_stops_the_adoption_before_it_begins(
    registry: Registry, store: Path, tmp_path: Path, attic: Path
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    put(attic, "model_v2.pkl", hostile.payload(tmp_path / "ran"), day=2)

    plan = registry.adopt_plan("iris", attic)
    with pytest.raises(UntrustedError, match=r"model_v2\.pkl"):
        registry.adopt("iris", attic)

    assert [row.findings for row in plan.models] == [(), plan.models[1].findings]
    assert any("mkdir" in finding for finding in plan.models[1].findings)
    assert not store.exists()
    assert not (tmp_path / "ran").exists()


def test_a_hostile_preprocessor_stops_the_adoption_too(
    registry: Registry, store: Path, tmp_path: Path, attic: Path
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    put(attic, "scaler.pkl", hostile.payload(tmp_path / "ran"), day=2)

    with pytest.raises(UntrustedError, match=r"scaler\.pkl"):
        registry.adopt("iris", attic)

    assert not store.exists()
    assert not (tmp_path / "ran").exists()


def test_a_hostile_file_under_an_innocent_name_is_seen(
    registry: Registry, store: Path, tmp_path: Path, attic: Path
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    put(attic, "notes.txt", hostile.payload(tmp_path / "ran"), day=2)

    with pytest.raises(UntrustedError, match=r"notes\.txt"):
        registry.adopt("iris", attic)

    assert not store.exists()


def test_with_a_reason_to_trust_hostile_files_are_taken_in_and_marked(
    registry: Registry, tmp_path: Path, attic: Path
) -> None:
    put(attic, "model.pkl", hostile.payload(tmp_path / "ran"), day=1)

    adopted = registry.adopt("iris", attic, trust="it is a test")

    scan = registry.manifest(adopted.versions["model.pkl"]).scan["model"]
    assert scan.trusted == "it is a test"
    assert scan.unknown
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("trouble", ["broken link", "empty file", "cut pickle", "pipe"])
def test_a_file_that_cannot_be_taken_is_skipped_with_a_note(
    registry: Registry, attic: Path, trouble: str
) -> None:
    put(attic, "model_v1.pkl", model(1), day=1)
    path = attic / "model_v2.pkl"
    match trouble:
        case "broken link":
            path.symlink_to("nowhere.pkl")
        case "empty file":
            path.write_bytes(b"")
        case "cut pickle":
            path.write_bytes(pickle.dumps(model(2))[:40])
        case _:
            os.mkfifo(path)

    plan = registry.adopt_plan("iris", attic)
    row = next(row for row in plan.rows if row.file == "model_v2.pkl")

    assert [candidate.file for candidate in plan.models if not candidate.findings] == [
        "model_v1.pkl"
    ]
    assert row.note or row.findings
    assert row.role == "skipped" or row.findings


@pytest.mark.parametrize("content", ["nothing", "only words", "no folder", "a file"])
def test_a_folder_without_models_is_refused(
    registry: Registry, store: Path, attic: Path, content: str
) -> None:
    folder = attic
    match content:
        case "only words":
            (attic / "README.md").write_text("# Nothing here\n")
        case "no folder":
            folder = attic / "missing"
        case "a file":
            folder = put(attic, "model.pkl", model(1), day=1)
        case _:
            pass

    with pytest.raises(InvalidInputError, match="folder"):
        registry.adopt("iris", folder)

    assert not store.exists()


def test_adopting_into_a_model_that_exists_goes_on_behind_it(
    registry: Registry, attic: Path, classifier: LogisticRegression
) -> None:
    registry.register("iris", classifier, version="3.1.0")
    put(attic, "model.pkl", model(1), day=1)

    adopted = registry.adopt("iris", attic)

    assert adopted.versions["model.pkl"].version.startswith("3.2.")


@pytest.mark.parametrize(
    ("content", "metrics"),
    [
        (b'{"auc": 0.5, "name": "x", "best": true}', {"auc": 0.5}),
        (b'{"metrics": {"auc": 0.5}, "epochs": 3}', {"auc": 0.5}),
        (b'{"metrics": [0.5]}', {}),
        (b"[0.5]", {}),
        (b'{"auc": 0.5', {}),
        (b'{"auc": NaN}', {}),
        (b'\xef\xbb\xbf{"auc": 0.5}', {"auc": 0.5}),
        (b'{"auc": 0.5, "loss": NaN, "lift": Infinity}', {"auc": 0.5}),
    ],
)
def test_metrics_are_the_numbers_of_a_json_file_of_the_same_name(
    registry: Registry, attic: Path, content: bytes, metrics: dict[str, float]
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    put(attic, "model.metrics.json", content, day=1)

    adopted = registry.adopt("iris", attic)

    assert adopted.versions["model.pkl"].metrics == metrics


def test_metrics_that_are_not_finite_are_left_out_aloud(registry: Registry, attic: Path) -> None:
    put(attic, "model.pkl", model(1), day=1)
    put(attic, "model.json", b'{"auc": 0.5, "loss": NaN, "lift": Infinity}', day=1)

    (row,) = registry.adopt_plan("iris", attic).models

    assert row.note == "LogisticRegression; not finite, left out: lift, loss"


def _version(attic: Path, name: str, seed: int, *, day: int = 1) -> None:
    folder = attic / name
    folder.mkdir(parents=True)
    put(folder, "model.pkl", model(seed), day=day)
    put(folder, "preprocessor.pkl", StandardScaler().fit([[float(seed)], [9.0]]), day=day)
    put(folder, "metrics.json", {"auc": seed / 100}, day=day)
    put(folder, "notes.txt", b"words", day=day)


@pytest.mark.parametrize(
    "folders",
    [
        ("v1", "v2", "v10"),
        ("2026-01-05", "2026-01-12", "2026-02-02"),
        ("run_9", "run_10", "run_11"),
    ],
)
def test_folders_of_versions_become_versions_in_the_order_of_their_names(
    registry: Registry, attic: Path, folders: tuple[str, ...]
) -> None:
    for index, name in enumerate(folders):
        _version(attic, name, index, day=30 - index)

    adopted = registry.adopt("iris", attic, live=f"{folders[1]}/model.pkl")

    assert list(adopted.versions) == [f"{name}/model.pkl" for name in folders]
    assert [info.metrics for info in adopted.versions.values()] == [
        {"auc": 0.0}, {"auc": 0.01}, {"auc": 0.02},
    ]  # fmt: skip
    assert adopted.live == "1.1.0"
    for index, info in enumerate(adopted.versions.values()):
        pair = registry.load(info.ref)
        assert (pair.model.C, pair.preprocessor.mean_[0]) == (index + 1.0, (index + 9.0) / 2)


def test_a_version_s_files_may_lie_deeper_and_beside_files_of_the_folder(
    registry: Registry, attic: Path
) -> None:
    _version(attic, "v2/artifacts", 2)
    put(attic, "model_v1.pkl", model(1), day=1)

    plan = registry.adopt_plan("iris", attic)

    assert [(row.file, row.preprocessor) for row in plan.models] == [
        ("model_v1.pkl", "v2/artifacts/preprocessor.pkl"),
        ("v2/artifacts/model.pkl", "v2/artifacts/preprocessor.pkl"),
    ]


def test_several_models_in_the_folder_of_a_version_are_versions_each(
    registry: Registry, attic: Path
) -> None:
    _version(attic, "v1", 1)
    put(attic / "v1", "model_b.pkl", model(2), day=1)

    assert len(registry.adopt("iris", attic).versions) == 2


def test_a_folder_among_the_files_may_be_a_model(registry: Registry, attic: Path) -> None:
    put(attic, "model.pkl", model(1), day=1)
    (attic / "archive").mkdir()
    (attic / "archive" / "old.pkl").write_bytes(pickle.dumps({"a": 1}))

    plan = registry.adopt_plan("iris", attic)

    assert roles(plan)["archive/old.pkl"] == "model"


def test_what_the_store_holds_does_not_depend_on_the_folder_staying(
    registry: Registry,
    opened: Callable[..., Registry],
    attic: Path,
    rows: Any,
    classifier: Any,
    scaler: Any,
) -> None:
    put(attic, "model.pkl", classifier, day=1)
    put(attic, "scaler.pkl", scaler, day=1)
    registry.adopt("iris", attic, live="model.pkl")

    shutil.rmtree(attic)

    assert opened().load("iris@production").predict(rows).shape == (150,)
    assert opened().verify().whole


def test_links_that_lead_out_of_the_folder_are_passed_over(
    registry: Registry, attic: Path, tmp_path: Path
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    put(tmp_path, "other.pkl", model(2), day=1)
    (tmp_path / "secret.json").write_text('{"pin": 1234}')
    (attic / "other.pkl").symlink_to(tmp_path / "other.pkl")
    (attic / "model.json").symlink_to(tmp_path / "secret.json")

    plan = registry.adopt_plan("iris", attic)

    rows = {row.file: row for row in plan.rows}
    assert [row.file for row in plan.models] == ["model.pkl"]
    assert plan.models[0].metrics is None
    assert (
        rows["other.pkl"].note == rows["model.json"].note == "a link that leads out of the folder"
    )


def test_a_metric_beyond_what_numbers_can_be_is_left_out(registry: Registry, attic: Path) -> None:
    put(attic, "model.pkl", model(1), day=1)
    (attic / "model.json").write_text(f'{{"auc": 0.5, "loss": {10**400}}}')

    plan = registry.adopt_plan("iris", attic)

    assert plan.models[0].metrics == "model.json"
    assert "left out: loss" in plan.models[0].note


def test_every_version_keeps_the_code_that_is_given(
    registry: Registry, attic: Path, tmp_path: Path
) -> None:
    for name in ("model_v1.pkl", "model_v2.pkl"):
        path = pickled(attic / name)
        path.write_bytes(path.read_bytes() + name.encode())
    source = shop(tmp_path / "src", 3)
    with pytest.raises(UntrustedError, match=r"shop\.scoring"):
        registry.adopt("shop", attic, code=source)
    adopted = registry.adopt("shop", attic, code=source, trust="our own", live="model_v2.pkl")
    again = registry.adopt("shop", attic, code=source, trust="our own")

    assert [info.version for info in adopted.versions.values()] == ["1.0.0", "1.1.0"]
    assert again.versions == adopted.versions | {"model_v2.pkl": registry.resolve("shop@1.1.0")}
    assert {"code", "model"} == registry.manifest("shop@1.0.0").artifacts.keys()
    assert registry.load("shop@production").predict([[2.0]]) == [6.0]
    assert plain_names() == []


def test_code_needs_trust_though_the_files_need_none(
    registry: Registry, attic: Path, tmp_path: Path
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    with pytest.raises(UntrustedError, match="script: code"):
        registry.adopt("iris", attic, code=shop(tmp_path, 2))

    assert registry.models() == []


def test_other_code_makes_other_versions(registry: Registry, attic: Path, tmp_path: Path) -> None:
    put(attic, "model.pkl", model(1), day=1)
    registry.adopt("iris", attic)
    for factor in (2, 3, 3):
        registry.adopt("iris", attic, code=shop(tmp_path / str(factor), factor), trust="ours")

    assert [info.version for info in registry.versions("iris")] == ["1.0.0", "1.1.0", "1.2.0"]


def test_code_that_is_none_is_refused_before_anything_is_written(
    registry: Registry, attic: Path, tmp_path: Path
) -> None:
    put(attic, "model.pkl", model(1), day=1)
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InvalidInputError, match=r"holds no Python module|does not exist"):
            registry.adopt("iris", attic, code=source, trust="ours")

    assert registry.models() == []


def test_a_misspelt_option_is_refused(registry: Registry, attic: Path) -> None:
    put(attic, "model.pkl", model(1), day=1)
    with pytest.raises(InvalidInputError, match="option 'alive' is unknown; there are live, trust"):
        registry.adopt("iris", attic, alive="model.pkl")  # type: ignore[call-arg]
