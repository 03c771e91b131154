"""Verifying a store hashes it as fast as the machine can: every worker near SHA-256's own rate."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import holdfast

FILES = 16
FILE_BYTES = 25 << 20
ROUNDS = 7
pytestmark = pytest.mark.benchmark(group="verify 400 MB")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store of 400 MB in 16 files, all of them in the page cache."""
    folder = tmp_path_factory.mktemp("verify")
    os.chdir(folder)
    registry = holdfast.open(folder / "store", by="bench")
    for _ in range(FILES):
        (folder / "model.bin").write_bytes(os.urandom(FILE_BYTES))
        registry.register("fraud", folder / "model.bin")
    return folder / "store"


def blobs(store: Path) -> list[Path]:
    return sorted((store / "blobs" / "sha256").iterdir())


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_limit_sha256_one_core(benchmark: Any, store: Path) -> None:
    """Hash the same files one after the other."""
    files = blobs(store)
    benchmark.pedantic(lambda: list(map(digest, files)), rounds=ROUNDS, warmup_rounds=1)


def test_limit_sha256_all_cores(benchmark: Any, store: Path) -> None:
    """Hash them with a worker for each core."""
    files = blobs(store)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        benchmark.pedantic(lambda: list(workers.map(digest, files)), rounds=ROUNDS, warmup_rounds=1)


def test_holdfast_verify(benchmark: Any, store: Path) -> None:
    registry = holdfast.open(store)

    found = benchmark.pedantic(registry.verify, rounds=ROUNDS, warmup_rounds=1)

    assert found.whole
    assert found.size_bytes > FILES * FILE_BYTES
