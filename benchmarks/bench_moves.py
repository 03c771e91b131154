"""A promotion and a rollback cost little more than the one durable file they write."""

import os
from pathlib import Path
from typing import Any

import pytest

ROUNDS = 60
MODEL = "fraud"
pytestmark = pytest.mark.benchmark(group="move production")


def test_limit_durable_create(benchmark: Any, tmp_path: Path) -> None:
    """Create a file that must not exist, as long as an entry; fsync it and its folder."""
    names = (tmp_path / f"{number}.json" for number in range(10_000))

    def create() -> None:
        file = os.open(next(names), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(file, b"x" * 600)
        os.fsync(file)
        os.close(file)
        folder = os.open(tmp_path, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    benchmark.pedantic(create, rounds=ROUNDS, warmup_rounds=3)


def test_holdfast_promote(benchmark: Any, registry: Any) -> None:
    count = len(registry.versions(MODEL))
    turns = iter(range(10_000))

    def promote() -> None:
        registry.promote(f"{MODEL}@v{count // 2 + next(turns) % 2}")

    benchmark.pedantic(promote, rounds=ROUNDS, warmup_rounds=3)


def test_holdfast_rollback(benchmark: Any, registry: Any) -> None:
    count = len(registry.versions(MODEL))

    def setup() -> None:
        for number in (count // 2, count // 2 + 1):
            registry.promote(f"{MODEL}@v{number}")

    benchmark.pedantic(
        lambda: registry.rollback(MODEL), setup=setup, rounds=ROUNDS, warmup_rounds=3
    )


def test_mlflow_set_alias(benchmark: Any, mlflow_client: Any) -> None:
    """Both moves are this call there; what was live before, its caller must know."""
    turns = iter(range(10_000))

    def promote() -> None:
        mlflow_client.set_registered_model_alias(MODEL, "production", str(50 + next(turns) % 2))

    benchmark.pedantic(promote, rounds=ROUNDS, warmup_rounds=3)


def test_modelstore_set_state(benchmark: Any, model_store: Any) -> None:
    store, ids = model_store
    turns = iter(range(10_000))

    def promote() -> None:
        store.set_model_state(MODEL, ids[50 + next(turns) % 2], "production")

    benchmark.pedantic(promote, rounds=ROUNDS, warmup_rounds=3)
