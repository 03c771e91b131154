"""What holds for all tests: servers run once a session, none is judged by time, some count.

The figures are those of `docs/reliability.md`.
"""

import os
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

Tally = Callable[[str, int], None]
_FIGURE = "figure: "

# A screen's width is the machine's own: what starts the tests may have set one for itself.
for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)

settings.register_profile("untimed", deadline=None, derandomize=True)
settings.load_profile("untimed")


_SAMPLE: Final = 25
"""Examples of each property where not all are asked for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for all."""
    text = "try every example and every sweep, not a sample of them"
    parser.addoption("--whole", action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep to a sample, unless all is asked for."""
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
