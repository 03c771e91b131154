"""A file to store and a store to put it in."""

from pathlib import Path

import pytest

from holdfast.store.local import LocalStore


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of 90 kB outside the store."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights, " * 10_000)
    return path


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store in a folder that does not exist yet."""
    return LocalStore(tmp_path / "store")
