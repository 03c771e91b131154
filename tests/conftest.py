"""What holds for all tests: servers run once a session, none is judged by time, some count.

The figures are those of `docs/reliability.md`.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

Tally = Callable[[str, int], None]
Extent = Literal["short", "whole"]
_FIGURE = "figure: "

# A screen's width is the machine's own: what starts the tests may have set one for itself.
for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)
# Without bytecode beside the source, each of hundreds of processes would compile all that it
# imports, which takes it longer than what it is begun for.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Each of the processes among which tests are shared has one core: threads that wait for each other
# on it burn what all need. The libraries read this when they are imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

settings.register_profile("untimed", deadline=None, derandomize=True)
settings.load_profile("untimed")


_LONGEST: Final = (
    "tests/faults/", "tests/serving/test_server.py", "tests/test_docs.py",
    "tests/attacks/test_sandbox.py", "tests/serving/test_doors.py", "tests/registry/test_damage.py",
    "tests/attacks/test_attacks.py", "tests/formats/scanner/", "tests/cli/test_rollout_run.py",
    "tests/registry/bundles/", "tests/serving/", "tests/store/", "tests/registry/",
)  # fmt: skip
"""Begun first, so that no process is left with a long file when the others have ended."""
_SAMPLE: Final = 25
"""Examples of each property where not all are asked for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for all."""
    text = "try every example and every sweep, not a sample of them"
    parser.addoption("--whole", action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, and keep to a sample unless all is asked for."""
    items.sort(key=_turn)
    if config.getoption("--whole"):
        return
    sweeps = [item for item in items if item.get_closest_marker("sweep")]
    config.hook.pytest_deselected(items=sweeps)
    items[:] = [item for item in items if item not in set(sweeps)]
    for test in {item.obj for item in items if isinstance(item, pytest.Function)}:
        inner = getattr(test, "__func__", test)
        chosen = getattr(inner, "_hypothesis_internal_use_settings", None)
        if chosen is not None:
            fewer = settings(chosen, max_examples=min(_SAMPLE, chosen.max_examples))
            inner._hypothesis_internal_use_settings = fewer


def _turn(item: pytest.Item) -> int:
    longest = (turn for turn, path in enumerate(_LONGEST) if item.nodeid.startswith(path))
    return next(longest, len(_LONGEST))


@pytest.fixture(scope="session")
def extent(pytestconfig: pytest.Config) -> Extent:
    """Return how much is asked for, for tests that draw a sample of what they could try."""
    return "whole" if pytestconfig.getoption("--whole") else "short"


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Count what a test tried; equal names are added up over all tests."""

    def count(name: str, number: int) -> None:
        record_property(f"{_FIGURE}{name}", number)

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the tests that passed."""
    figures = Counter[str]()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name.startswith(_FIGURE) and isinstance(value, int):
                figures[name.removeprefix(_FIGURE)] += value
    if figures:
        terminalreporter.section("figures")
        for name, number in sorted(figures.items()):
            terminalreporter.write_line(f"{number:>9,}  {name}")
