"""Disks that are small or cannot be written, and the marker of tests that take minutes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.disks import Disk, in_memory


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "slow: exhaustive, takes minutes; run with `-m slow`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow ones out unless markers are asked for."""
    if not config.getoption("markexpr"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="exhaustive: run with -m slow"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty store."""
    path = tmp_path / "store"
    shelf.make_store(path)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """Return a function that mounts a small disk with options such as `size=1m`."""
    with contextlib.ExitStack() as stack:

        def mount(options: str) -> Disk:
            return stack.enter_context(in_memory(tmp_path / "disk", options))

        yield mount
