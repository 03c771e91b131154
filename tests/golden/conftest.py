"""Stores as earlier releases wrote them, unpacked: a test module's `KEPT` says which."""

import tarfile
from pathlib import Path

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a store with each that its module names."""
    if "store" in metafunc.fixturenames:
        names = [path.name.removesuffix(".tar.xz") for path in metafunc.module.KEPT]
        metafunc.parametrize("store", metafunc.module.KEPT, ids=names, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a store as it was kept, unpacked."""
    with tarfile.open(request.param, "r:xz") as tar:
        tar.extractall(tmp_path, filter="fully_trusted")
    return tmp_path / "store"
