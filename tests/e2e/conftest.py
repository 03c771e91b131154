"""One browser for all tests of a module; a server for each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.browsing import Stage, launched, staged


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return the browser."""
    with launched() as started:
        yield started


@pytest.fixture
def stage(browser: Any, tmp_path: Path) -> Iterator[Stage]:
    """Return a server whose store a test may change."""
    with staged(browser, tmp_path) as made:
        yield made
