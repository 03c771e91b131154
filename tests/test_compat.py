"""Code written for single-folder registries, run unchanged on `holdfast.compat`."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import holdfast
from holdfast.compat import ModelRegistry, RegistryError
from holdfast.core.policy import Policy

GOOD = {"roc_auc": 0.91, "recall": 0.72}
WORSE = {"roc_auc": 0.60, "recall": 0.40}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """A fitted model and its scaler on disk."""
    rows = np.linspace(-1, 1, 20).reshape(-1, 1)
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression().fit(scaler.transform(rows), rows[:, 0] > 0)
    joblib.dump(model, tmp_path / "model.pkl")
    joblib.dump(scaler, tmp_path / "preprocessor.pkl")
    return {
        "model_path": tmp_path / "model.pkl",
        "preprocessor_path": tmp_path / "preprocessor.pkl",
    }


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "store")


def test_versions_are_counted_from_v1(registry: ModelRegistry, files: dict[str, Any]) -> None:
    versions = [registry.register(**files, metrics=GOOD) for _ in range(3)]

    assert versions == ["v1", "v2", "v3"]


def test_registering_copies_and_never_moves(registry: ModelRegistry, files: dict[str, Any]) -> None:
    before = {path: path.read_bytes() for path in files.values()}
    registry.register(**files, metrics=GOOD)

    assert {path: path.read_bytes() for path in files.values()} == before


def test_a_manifest_shows_what_old_code_reads(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    version = registry.register(**files, metrics=GOOD, metadata={"git_commit": "abc1234"})
    manifest = registry.get_manifest(version)
    digest = hashlib.sha256(files["model_path"].read_bytes()).hexdigest()

    assert manifest["version"] == "v1"
    assert manifest["model_sha256"] == digest
    assert len(manifest["preprocessor_sha256"]) == 64
    assert manifest["metrics"] == GOOD
    assert manifest["metadata"] == {"git_commit": "abc1234"}
    assert manifest["status"] == "registered"
    assert "promoted_at" not in manifest
    assert manifest["registered_at"]


def test_promotion_moves_production_and_archives_the_one_before(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    first = registry.register(**files, metrics=GOOD)
    second = registry.register(**files, metrics=WORSE)
    registry.promote(first)
    registry.stage(second)
    staged = registry.get_manifest(second)["status"]
    registry.promote(second)

    assert staged == "staging"
    assert registry.current_version() == second
    assert registry.get_manifest(first)["status"] == "archived"
    assert registry.get_manifest(second)["status"] == "production"
    assert registry.get_manifest(second)["promoted_at"]


def test_the_live_files_load_and_predict(registry: ModelRegistry, files: dict[str, Any]) -> None:
    registry.promote(registry.register(**files, metrics=GOOD))
    paths = registry.current_artifacts()
    scaler, model = joblib.load(paths["preprocessor"]), joblib.load(paths["model"])

    assert model.predict(scaler.transform([[0.9]])).tolist() == [True]
    assert paths["manifest"].exists()


def test_rollback_returns_the_version_that_is_live_now(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    first, second = (registry.register(**files, metrics=GOOD) for _ in range(2))
    registry.promote(first)
    registry.promote(second)
    returned = registry.rollback()

    assert returned == first == registry.current_version()
    assert registry.get_manifest(second)["status"] == "archived"


def test_rollback_with_nothing_before_says_it_in_the_old_words(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    with pytest.raises(RegistryError, match=r"^No previous version to roll back to\.$"):
        registry.rollback()
    registry.promote(registry.register(**files, metrics=GOOD))

    with pytest.raises(RegistryError, match=r"^No previous version to roll back to\.$"):
        registry.rollback()


def test_nothing_live_is_said_in_the_old_words(registry: ModelRegistry) -> None:
    assert registry.current_version() is None
    with pytest.raises(RegistryError, match=r"^No version is currently promoted\.$"):
        registry.current_artifacts()


@pytest.mark.parametrize("verb", ["promote", "stage", "get_manifest"])
def test_an_unknown_version_is_said_in_the_old_words(
    registry: ModelRegistry, files: dict[str, Any], verb: str
) -> None:
    registry.register(**files, metrics=GOOD)

    with pytest.raises(RegistryError, match=r"^Version 'v99' not found in registry\.$"):
        getattr(registry, verb)("v99")


def test_compare_gives_metrics_and_their_difference(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    a = registry.register(**files, metrics={"roc_auc": 0.9939, "recall": 0.9561, "old": 1})
    b = registry.register(**files, metrics={"roc_auc": 0.9854, "recall": 0.9386, "new": 1})
    compared = registry.compare(a, b)

    assert compared[a]["roc_auc"] == 0.9939
    assert compared["delta (b - a)"] == {"recall": -0.0175, "roc_auc": -0.0085}


def test_more_than_nine_versions_come_in_order(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    for _ in range(12):
        registry.register(**files, metrics=GOOD)

    assert [manifest["version"] for manifest in registry.list_versions()] == [
        f"v{number}" for number in range(1, 13)
    ]


def test_purging_keeps_the_newest_archived(registry: ModelRegistry, files: dict[str, Any]) -> None:
    for _ in range(12):
        registry.promote(registry.register(**files, metrics=GOOD))
    deleted = registry.purge_archived(keep_last_n=2)

    assert deleted == [f"v{number}" for number in range(1, 10)]
    assert [manifest["version"] for manifest in registry.list_versions()] == ["v10", "v11", "v12"]
    assert registry.rollback() == "v11"


def test_purging_with_0_deletes_all_archived_versions(
    registry: ModelRegistry, files: dict[str, Any], tmp_path: Path
) -> None:
    for number in range(3):
        files["model_path"].write_text(f'{{"weights": {number}}}')
        registry.promote(registry.register(**files, metrics=GOOD))
    deleted = registry.purge_archived(keep_last_n=0)
    blobs = [path.read_bytes() for path in (tmp_path / "store" / "blobs" / "sha256").iterdir()]

    assert deleted == ["v1", "v2"]
    assert [manifest["version"] for manifest in registry.list_versions()] == ["v3"]
    assert b'{"weights": 0}' not in blobs
    assert b'{"weights": 2}' in blobs
    with pytest.raises(RegistryError, match="No previous version"):
        registry.rollback()


def test_purging_nothing_is_no_error(registry: ModelRegistry, files: dict[str, Any]) -> None:
    before = registry.purge_archived()
    registry.register(**files, metrics=GOOD)

    assert (before, registry.purge_archived(keep_last_n=0)) == ([], [])


def test_a_number_is_not_used_again_after_a_purge(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    for _ in range(3):
        registry.promote(registry.register(**files, metrics=GOOD))
    registry.purge_archived(keep_last_n=0)

    assert registry.register(**files, metrics=GOOD) == "v4"
    with pytest.raises(RegistryError, match="not found"):
        registry.get_manifest("v1")


def test_a_registry_opened_again_knows_what_was(
    registry: ModelRegistry, files: dict[str, Any], tmp_path: Path
) -> None:
    registry.promote(registry.register(**files, metrics=GOOD))

    assert ModelRegistry(tmp_path / "store").current_version() == "v1"


def test_what_is_done_is_logged_in_the_old_words(
    registry: ModelRegistry, files: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="holdfast.compat"):
        first, second = (registry.register(**files, metrics=GOOD) for _ in range(2))
        registry.promote(first)
        registry.stage(second)
        registry.promote(second)
        registry.rollback()
        registry.purge_archived(keep_last_n=0)

    assert caplog.messages == [
        "Registered v1 | ROC-AUC 0.9100",
        "Registered v2 | ROC-AUC 0.9100",
        "Promoted v1 -> production | previous = none",
        "v2 -> staging",
        "Promoted v2 -> production | previous = v1",
        "ROLLBACK: v2 -> v1",
        "Purged archived version v2",
    ]


def test_a_damaged_live_version_is_not_handed_out(
    registry: ModelRegistry, files: dict[str, Any]
) -> None:
    registry.promote(registry.register(**files, metrics=GOOD))
    path = registry.current_artifacts()["model"]
    path.chmod(0o644)
    path.write_bytes(b"rotten")

    with pytest.raises(RegistryError, match=r"model\.pkl"):
        registry.current_artifacts()


def test_a_missing_file_and_a_folder_that_is_no_store_are_registry_errors(
    registry: ModelRegistry, files: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=r"absent\.pkl"):
        registry.register(tmp_path / "absent.pkl", files["preprocessor_path"], GOOD)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miau")
    with pytest.raises(RegistryError, match="not a store"):
        ModelRegistry(tmp_path / "photos")


def test_every_move_is_in_the_history_and_the_open_gate_too(
    registry: ModelRegistry, files: dict[str, Any], tmp_path: Path
) -> None:
    first, second = (registry.register(**files, metrics=m) for m in (GOOD, WORSE))
    registry.promote(first)
    registry.promote(second)
    registry.rollback()
    history = [past.what for past in holdfast.open(tmp_path / "store").history("model")]

    opened = "clean_scan true → false; max_regression 0.05 → none; schema declared → any"
    assert history[0] == f"set policy: {opened}"
    assert history[-3:] == ["promote 1.0.0", "promote 1.0.0 → 1.1.0", "rollback 1.1.0 → 1.0.0"]


def test_a_model_that_has_a_policy_keeps_its_gate(files: dict[str, Any], tmp_path: Path) -> None:
    holdfast.open(tmp_path / "store").set_policy("model", Policy())
    registry = ModelRegistry(tmp_path / "store")
    registry.promote(registry.register(**files, metrics=GOOD))
    worse = registry.register(**files, metrics=WORSE)

    with pytest.raises(RegistryError, match="roc_auc"):
        registry.promote(worse)


CARD: dict[str, Any] = {
    "description": "Iris flowers",
    "author": "somebody",
    "framework": "scikit-learn",
    "algorithm": "LogisticRegression",
    "hyperparameters": {"C": 1.0},
    "training_data": {"source": "made up", "samples": 20},
    "performance": {"accuracy": 0.973, "note": "hold-out"},
    "limitations": ["small"],
}


@pytest.fixture
def by_name(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(base_dir=str(tmp_path / "models"))


def test_a_model_saved_by_name_comes_back_with_its_metadata(
    by_name: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    metadata = dict(CARD)
    by_name.save_model("iris", "1.2.0", model, metadata)
    output = capsys.readouterr().out
    loaded, loaded_metadata = by_name.load_model("iris", "1.2.0")

    assert output.startswith("Saved iris v1.2.0 to ")
    assert Path(output.split(" to ")[1].strip()).is_dir()
    assert loaded.predict([[1.0]]).tolist() == [1]
    assert loaded_metadata == metadata
    assert loaded_metadata["saved_at"]


def test_a_classic_card_fills_the_manifest(by_name: ModelRegistry, tmp_path: Path) -> None:
    by_name.save_model(
        "iris", "1.2.0", LogisticRegression().fit([[0.0], [1.0]], [0, 1]), dict(CARD)
    )
    card = holdfast.open(tmp_path / "models").card("iris@1.2.0")

    assert isinstance(card, dict)
    assert card["description"] == "Iris flowers"
    assert card["performance"] == {"accuracy": 0.973}
    assert card["limitations"] == ["small"]
    assert card["hyperparameters"] == {"C": 1.0}


def test_versions_by_name_are_listed_as_semver(by_name: ModelRegistry) -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    for version in ("1.10.0", "1.9.0", "2.0.0", "1.2.0"):
        by_name.save_model("iris", version, model, {})

    assert by_name.list_versions("iris") == ["1.2.0", "1.9.0", "1.10.0", "2.0.0"]
    assert by_name.list_versions("absent") == []


def test_a_saved_version_is_never_overwritten(by_name: ModelRegistry) -> None:
    by_name.save_model("iris", "1.2.0", LogisticRegression(C=1).fit([[0.0], [1.0]], [0, 1]), {})

    with pytest.raises(RegistryError, match="other bytes"):
        by_name.save_model("iris", "1.2.0", LogisticRegression(C=2).fit([[0.0], [1.0]], [0, 1]), {})
    with pytest.raises(RegistryError, match="not found"):
        by_name.load_model("iris", "9.0.0")
