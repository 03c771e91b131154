"""Stores to be hurt, and disks that are small or cannot be written."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.disks import Disk, in_memory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty store."""
    path = tmp_path / "store"
    shelf.make_store(path)
    return path


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder in memory where there is one: for what is written to be looked at once."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """Return a function that mounts a small disk with options such as `size=1m`."""
    with contextlib.ExitStack() as stack:

        def mount(options: str) -> Disk:
            return stack.enter_context(in_memory(tmp_path / "disk", options))

        yield mount


@pytest.fixture(scope="package", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give these tests a user of their own: what one remembers spares the next system calls."""
    with pytest.MonkeyPatch.context() as here:
        here.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
