"""Bytes out: a pair in memory, paths, a folder; every byte is checked before it is believed."""

import gc
import json
import os
import pickle
import platform
import shutil
import stat
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.registry import disk, hostile
from tests.registry.conftest import Grow, Text

from holdfast import Registry
from holdfast.errors import ConflictError, DamagedError, InvalidInputError, UntrustedError


def test_a_pair_predicts_as_the_two_it_was_made_of(
    registry: Registry,
    opened: Callable[..., Registry],
    rows: Any,
    classifier: LogisticRegression,
    scaler: StandardScaler,
) -> None:
    registry.promote(registry.register("iris", classifier, scaler))

    pair = opened().load("iris@production")

    assert np.array_equal(pair.predict(rows), classifier.predict(scaler.transform(rows)))
    assert np.allclose(pair.predict_proba(rows), classifier.predict_proba(scaler.transform(rows)))
    model, preprocessor = pair
    assert (type(model), type(preprocessor)) == (LogisticRegression, StandardScaler)


def test_a_file_of_no_format_comes_back_as_its_path(registry: Registry, text: Text) -> None:
    made = registry.register("iris", text("just words"))

    model, preprocessor = registry.load(made)

    assert model.read_text() == "just words"
    assert preprocessor is None


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
@pytest.mark.parametrize("role", ["model", "preprocessor", "manifest"])
def test_a_version_that_is_not_whole_is_not_loaded(
    registry: Registry,
    opened: Callable[..., Registry],
    tmp_path: Path,
    text: Text,
    role: str,
    hurt: disk.Hurt,
) -> None:
    made = registry.register("iris", text("model"), text("preprocessor", "scaler.txt"))
    artifacts = registry.manifest(made).artifacts
    digest = made.version.digest if role == "manifest" else artifacts[role].digest
    hurt(disk.blob(Path(registry.location), digest))

    for reader in (registry, opened()):
        for out in (reader.load, reader.paths):
            with pytest.raises(DamagedError, match=digest.removeprefix("sha256:")):
                out(made)
    with pytest.raises(DamagedError):
        opened().checkout(made, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("location", ["blob", "version folder"])
def test_a_payload_put_in_place_of_a_model_is_never_run(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    tmp_path: Path,
    classifier: LogisticRegression,
    location: str,
) -> None:
    made = registry.register("iris", classifier)
    blob = disk.blob(store, registry.manifest(made).artifacts["model"].digest)
    path = blob if location == "blob" else store / "models/iris/versions/1.0.0/model.joblib"
    path.unlink()
    path.write_bytes(hostile.payload(tmp_path / "ran"))

    def look() -> object:
        return opened().load(made).model

    if location == "blob":
        with pytest.raises(DamagedError):
            look()
    else:
        assert isinstance(look(), LogisticRegression)
    gc.collect()

    assert not (tmp_path / "ran").exists()


def test_a_payload_would_run_if_it_were_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(hostile.payload(tmp_path / "ran"))

    joblib.load(tmp_path / "model.pkl")

    assert (tmp_path / "ran").exists()


def test_a_hostile_pickle_is_refused_without_being_run(
    registry: Registry, store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.txt"
    path.write_bytes(hostile.payload(tmp_path / "ran"))

    with pytest.raises(UntrustedError, match="mkdir"):
        registry.register("iris", path)

    assert not (tmp_path / "ran").exists()
    assert registry.models() == []
    assert list(disk.files(store / "blobs")) == []


def test_an_object_that_is_refused_is_named_by_its_role(registry: Registry) -> None:
    class Chameleon:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, ("ran",)

    with pytest.raises(UntrustedError, match=r"^model\.joblib would run code"):
        registry.register("iris", Chameleon())


class Rewriter:
    """An object that changes another role's file while it is packaged."""

    def __init__(self, path: Path, content: bytes | None) -> None:
        self._path = path
        self._content = content

    def __reduce__(self) -> tuple[type[dict[Any, Any]], tuple[()]]:
        if self._content is None:
            self._path.unlink(missing_ok=True)
        else:
            self._path.write_bytes(self._content)
        return dict, ()


def test_the_bytes_that_are_stored_are_the_bytes_that_were_judged(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))
    swapped = Rewriter(path, hostile.payload(tmp_path / "ran"))

    with pytest.raises((UntrustedError, InvalidInputError)):
        registry.register("iris", path, artifacts={"other": swapped})

    assert registry.models() == []


def test_a_file_that_vanishes_while_it_is_registered_is_told(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "model.txt"
    path.write_text("words")

    with pytest.raises(InvalidInputError, match=r"model\.txt"):
        registry.register("iris", path, artifacts={"other": Rewriter(path, None)})

    assert registry.models() == []


def test_a_folder_is_handed_out_without_files_that_were_not_registered(
    registry: Registry, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "weights.txt").write_text("1 2 3")
    made = registry.register("iris", folder)
    (store / "models/iris/versions/1.0.0/model/planted.py").write_text("import os")

    loaded = registry.load(made).model

    assert [path.name for path in loaded.iterdir()] == ["weights.txt"]


def test_without_the_files_derived_from_the_journal_a_version_still_loads(
    registry: Registry, opened: Callable[..., Registry], store: Path, text: Text
) -> None:
    made = registry.register("iris", text("words"))
    shutil.rmtree(store / "models/iris/versions")

    def look() -> tuple[str, dict[str, bool]]:
        reader = opened()
        words = reader.load(made).model.read_text()
        return words, {role: path.exists() for role, path in reader.paths(made).items()}

    seen = look()
    gc.collect()

    assert seen == ("words", {"model": True, "manifest": True})


def test_a_path_that_was_handed_out_lives_as_long_as_the_process(
    registry: Registry, opened: Callable[..., Registry], store: Path, text: Text
) -> None:
    made = registry.register("iris", text("words"))
    shutil.rmtree(store / "models/iris/versions")

    def look() -> Path:
        model: Path = opened().load(made).model
        return model

    model = look()
    gc.collect()

    assert model.read_text() == "words"


def test_paths_lead_to_the_files_of_a_version(
    registry: Registry, classifier: LogisticRegression, scaler: StandardScaler
) -> None:
    made = registry.register("iris", classifier, scaler)

    paths = registry.paths(made)

    assert set(paths) == {"model", "preprocessor", "manifest"}
    assert isinstance(joblib.load(paths["preprocessor"]), StandardScaler)
    assert json.loads(paths["manifest"].read_bytes())["digest"] == made.version.digest


@pytest.mark.parametrize("there", [False, True])
def test_a_checkout_writes_files_of_its_own(
    registry: Registry, store: Path, tmp_path: Path, text: Text, *, there: bool
) -> None:
    made = registry.register("iris", text("model"), text("scaler", "scaler.txt"))
    target = tmp_path / "deep" / "out"
    if there:
        target.mkdir(parents=True)

    out = registry.checkout(made, target)
    (out / "model.txt").write_text("changed by its owner")

    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "model.txt",
        "preprocessor.txt",
    ]
    assert (out / "preprocessor.txt").read_text() == "scaler"
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o755
    assert registry.load(made).model.read_text() == "model"
    assert registry.verify().whole
    assert disk.leftovers(store) == []


def test_a_checkout_overwrites_nothing(registry: Registry, tmp_path: Path, text: Text) -> None:
    made = registry.register("iris", text("model"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")

    for target in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(InvalidInputError, match="exists and is not empty"):
            registry.checkout(made, target)

    assert (tmp_path / "full" / "thesis.txt").read_text() == "dear"
    assert (tmp_path / "file").read_text() == "dear"


def test_a_checkout_to_a_place_that_cannot_be_made_is_told(
    registry: Registry, tmp_path: Path, text: Text
) -> None:
    made = registry.register("iris", text("model"))
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InvalidInputError, match="cannot be made"):
        registry.checkout(made, tmp_path / "file" / "out")


def test_a_checkout_of_a_damaged_version_leaves_nothing_behind(
    registry: Registry, store: Path, tmp_path: Path, text: Text
) -> None:
    made = registry.register("iris", text("model"), text("scaler", "scaler.txt"))
    disk.flip(disk.blob(store, registry.manifest(made).artifacts["preprocessor"].digest))
    (tmp_path / "here").mkdir()

    with pytest.raises(DamagedError):
        registry.checkout(made, tmp_path / "here" / "out")

    assert list((tmp_path / "here").iterdir()) == []


def test_a_purged_version_has_no_bytes_to_give(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    for out in (registry.load, registry.paths, lambda ref: registry.checkout(ref, tmp_path / "o")):
        with pytest.raises(ConflictError, match="its bytes are gone"):
            out("iris@1.0.0")
    assert not (tmp_path / "o").exists()


def test_libraries_of_other_versions_are_told_once_with_both_numbers(
    registry: Registry, classifier: LogisticRegression, caplog: pytest.LogCaptureFixture
) -> None:
    installed = version("scikit-learn")
    packages = {"scikit-learn": "1.0.2", "numpy": version("numpy"), "nowhere": "3.1"}
    recorded = {"python": "3.8.1", "packages": packages}
    made = registry.register("iris", classifier, environment=recorded)
    for _ in range(2):
        registry.load(made)

    python = platform.python_version()
    (record,) = [
        log_record for log_record in caplog.records if "other versions" in log_record.message
    ]
    assert record.message == (
        "iris@1.0.0 was registered with other versions: "
        f"python 3.8.1 → {python}, nowhere 3.1 → not installed, scikit-learn 1.0.2 → {installed}"
    )


def test_libraries_of_the_same_versions_are_not_told(
    registry: Registry, classifier: LogisticRegression, caplog: pytest.LogCaptureFixture
) -> None:
    registry.load(registry.register("iris", classifier))

    assert "other versions" not in caplog.text
