"""Registering 200 MB costs little more than hashing and copying them."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

import holdfast

SIZE_BYTES = 200 << 20
ROUNDS = 7
pytestmark = pytest.mark.benchmark(group="register 200 MB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("register")
    os.chdir(folder)
    with (folder / "model.bin").open("wb") as file:
        for _ in range(SIZE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    return folder


def changed(path: Path) -> None:
    """Give the file other content, and what was written before time to reach the disk."""
    with path.open("r+b") as file:
        file.write(os.urandom(16))
    os.sync()


def test_limit_hash_and_copy(benchmark: Any, folder: Path) -> None:
    """One SHA-256 pass, then one copy by the kernel, without fsync."""
    source, target = folder / "model.bin", folder / "copy.bin"

    def setup() -> None:
        target.unlink(missing_ok=True)
        changed(source)

    def hash_and_copy() -> None:
        with source.open("rb") as file, target.open("xb") as copy:
            hashlib.file_digest(file, "sha256")
            file.seek(0)
            while os.copy_file_range(file.fileno(), copy.fileno(), 1 << 24):
                pass

    benchmark.pedantic(hash_and_copy, setup=setup, rounds=ROUNDS, warmup_rounds=1)
    target.unlink()


def test_limit_hash_and_durable_copy(benchmark: Any, folder: Path) -> None:
    """The same with an fsync, without which the copy may be lost."""
    source, target = folder / "model.bin", folder / "copy.bin"

    def setup() -> None:
        target.unlink(missing_ok=True)
        changed(source)

    def hash_and_copy() -> None:
        with source.open("rb") as file, target.open("xb") as copy:
            hashlib.file_digest(file, "sha256")
            file.seek(0)
            while os.copy_file_range(file.fileno(), copy.fileno(), 1 << 24):
                pass
            os.fsync(copy.fileno())

    benchmark.pedantic(hash_and_copy, setup=setup, rounds=ROUNDS, warmup_rounds=1)
    target.unlink()


def test_limit_hash(benchmark: Any, folder: Path) -> None:
    def hash_alone() -> None:
        with (folder / "model.bin").open("rb") as file:
            hashlib.file_digest(file, "sha256")

    benchmark.pedantic(hash_alone, rounds=ROUNDS, warmup_rounds=1)


def test_holdfast_first(benchmark: Any, folder: Path) -> None:
    registry = holdfast.open(folder / "store")
    source = folder / "model.bin"

    def setup() -> None:
        for version in registry.versions("m") if registry.models() else ():
            if version.status != "purged":
                registry.purge("m", versions=[version], grace_s=0)
        changed(source)

    def register() -> None:
        registry.register("m", source, bump="minor")

    benchmark.pedantic(register, setup=setup, rounds=ROUNDS, warmup_rounds=1)


def test_holdfast_same_bytes_again(benchmark: Any, folder: Path) -> None:
    registry = holdfast.open(folder / "store")
    registry.register("m", folder / "model.bin", bump="minor")
    benchmark.pedantic(
        lambda: registry.register("m", folder / "model.bin", bump="minor"),
        rounds=ROUNDS,
        warmup_rounds=1,
    )


def test_mlflow_log_and_register(benchmark: Any, folder: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)

    class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, _context: Any, model_input: list[str]) -> list[str]:
            return model_input

    def log() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pyfunc.log_model(
                name="model",
                python_model=Model(),
                artifacts={"model": str(folder / "model.bin")},
                pip_requirements=[],
                registered_model_name="m",
            )

    benchmark.pedantic(log, setup=lambda: changed(folder / "model.bin"), rounds=5, warmup_rounds=1)


def test_modelstore_upload(benchmark: Any, folder: Path) -> None:
    modelstore = pytest.importorskip("modelstore")
    store = modelstore.ModelStore.from_file_system(
        root_directory=str(folder / "modelstore"), create_directory=True
    )

    def upload() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store.upload("m", model=str(folder / "model.bin"))

    benchmark.pedantic(upload, rounds=3, warmup_rounds=0)
