"""Stores to be hurt, and disks that are small or cannot be written."""

import contextlib
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
def memory(memory: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in memory where there is one: for what is written to be looked at once."""
    return memory or tmp_path_factory.mktemp("memory")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """Return a function that mounts a small disk with options such as `size=1m`."""
    with contextlib.ExitStack() as stack:

        def mount(options: str) -> Disk:
            return stack.enter_context(in_memory(tmp_path / "disk", options))

        yield mount
