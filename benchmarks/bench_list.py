"""A journal of 10,000 versions is folded and listed in a moment."""

import pathlib
import shutil
from typing import Any

import pytest

import holdfast

MODEL = "fraud"
pytestmark = pytest.mark.benchmark(group="list all versions")


def test_holdfast_cold(benchmark: Any, registry: Any) -> None:
    """Open the store, read the fold that this user keeps and the journal behind it, sort."""
    benchmark.pedantic(
        lambda: holdfast.open(registry.location).versions(MODEL), rounds=15, warmup_rounds=1
    )


def test_holdfast_cold_without_folds(
    benchmark: Any, registry: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fold from the first entry on, as a user does who cannot keep a fold."""
    monkeypatch.setenv("HOME", "/dev/null")
    store = tmp_path / "store"
    without = shutil.ignore_patterns("versions", "sha256")
    shutil.copytree(registry.location, store, ignore=without)
    (store / "blobs" / "sha256").mkdir()
    benchmark.pedantic(lambda: holdfast.open(store).versions(MODEL), rounds=5, warmup_rounds=1)


def test_holdfast_running(benchmark: Any, registry: Any) -> None:
    benchmark.pedantic(lambda: registry.versions(MODEL), rounds=15, warmup_rounds=1)


def test_holdfast_cli(benchmark: Any, registry: Any, process: Any, program: str) -> None:
    command = process(program, "ls", MODEL, "--store", str(registry.location))
    benchmark.pedantic(command, rounds=9, warmup_rounds=1)


def test_mlflow_running(benchmark: Any, mlflow_client: Any) -> None:
    def search() -> None:
        found = mlflow_client.search_model_versions(f"name='{MODEL}'", max_results=20_000)
        assert len(found) >= 100

    benchmark.pedantic(search, rounds=7, warmup_rounds=1)


def test_modelstore_running(benchmark: Any, model_store: Any) -> None:
    store, _ids = model_store
    benchmark.pedantic(lambda: store.list_versions(MODEL), rounds=7, warmup_rounds=1)
