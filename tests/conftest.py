"""What holds for all tests: servers run once a session, none is judged by time, some count.

The figures are those of `docs/reliability.md`.
"""

import faulthandler
import gc
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from coverage import Coverage
from hypothesis import settings

from holdfast import scratch

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

# A process that runs tests is traced by now; what it starts is not to be.
for _name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS_")]:
    if "PYTEST_XDIST_WORKER" in os.environ:
        del os.environ[_name]

settings.register_profile("untimed", deadline=None, derandomize=True)
settings.load_profile("untimed")


_LONGEST: Final = (
    "tests/faults/", "tests/serving/test_server.py", "tests/test_docs.py",
    "tests/attacks/test_sandbox.py", "tests/serving/scenarios/test_doors.py",
    "tests/registry/scenarios/test_damage.py",
    "tests/attacks/test_attacks.py", "tests/formats/scanner/", "tests/cli/test_rollout_run.py",
    "tests/registry/bundles/", "tests/serving/", "tests/store/", "tests/registry/",
)  # fmt: skip
"""Begun first, so that no process is left with a long file when the others have ended."""
_SLOW: Final = Path(__file__).with_name("slow.txt")
"""Names the tests that take most of the time, which `make coverage` runs."""
_LONGEST_TEST_S: Final = 600
"""No test of the short form takes so long, however busy the machine is."""
_SAMPLE: Final = 25
"""Examples of each property where not all are asked for."""
_TRACED: Final = (
    "tests/core/", "tests/gateways/", "tests/batch/", "tests/retraining/", "tests/monitoring/",
    "tests/datasets/", "tests/recording/", "tests/cli/",
    "tests/registry/scenarios/test_approvals.py",
    "tests/registry/scenarios/test_authenticated_approvals.py",
    "tests/registry/scenarios/test_code.py", "tests/registry/scenarios/test_keys.py",
    "tests/registry/scenarios/test_trust.py", "tests/registry/scenarios/test_clocks.py",
)  # fmt: skip
"""Where slow tests are the only ones that run through much of the code."""
_STORY: Final = "/scenarios/"
_REPEATING: Final = ("tests/attacks/", "tests/faults/", "tests/golden/")
"""Where each line that is run was run by a test of its own."""
_COVERAGE: Final = Coverage.current()
_untraced: Final[set[str]] = set()
_is_traced = True


_IN_MEMORY: Final = (
    "tests/registry/", "tests/cli/", "tests/predictions/", "tests/rollouts/", "tests/golden/",
    "tests/signing/", "tests/notices/", "tests/test_compat.py", "tests/gateways/",
    "tests/recording/", "tests/datasets/", "tests/batch/", "tests/monitoring/",
)  # fmt: skip
"""Where many stores are written and the disk, which takes most of the time, is not the point.

What servers, payloads and disks may do is tried on the disk: a server may write in `/dev/shm`.
"""
_ON_DISK: Final = (
    "tests/registry/scenarios/test_buckets.py",
    "tests/registry/scenarios/test_vanished_stores.py",
)
"""Among them, what counts requests: caches in memory ask for more."""
_NAMED_BYTES: Final = 60
"""Longer bytes do not name a case."""
_ROOM_BYTES: Final = 1 << 30
"""Below it memory is not written to; a test that is over leaves nothing there."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for all."""
    text = "try every example and every sweep, not a sample of them"
    parser.addoption("--whole", action="store_true", help=text)
    text = "leave out the tests of tests/slow.txt"
    parser.addoption("--quick", action="store_true", help=text)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name binary cases by their argument: packed bytes hold times, and workers must agree."""
    binary = isinstance(val, bytes) and (len(val) > _NAMED_BYTES or not val.isascii())
    return argname if binary else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the search for garbage, which reads all that tests and libraries made so far.

    What is there then stays for the session, so no later search has to read it again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, and keep to a sample unless all is asked for."""
    items.sort(key=_turn)
    slow = set(_SLOW.read_text().splitlines())
    _untraced.update(_not_to_trace(items, slow))
    if config.getoption("--whole"):
        return
    left_out = [item for item in items if item.get_closest_marker("sweep")]
    if config.getoption("--quick"):
        left_out += [item for item in items if item.nodeid.partition("[")[0] in slow]
    config.hook.pytest_deselected(items=left_out)
    without = set(left_out)
    items[:] = [item for item in items if item not in without]
    for test in {item.obj for item in items if isinstance(item, pytest.Function)}:
        inner = getattr(test, "__func__", test)
        chosen = getattr(inner, "_hypothesis_internal_use_settings", None)
        if chosen is not None:
            fewer = settings(chosen, max_examples=min(_SAMPLE, chosen.max_examples))
            inner._hypothesis_internal_use_settings = fewer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the process of a test that waits for ever, with what each thread of it did.

    xdist tells which test that was, and begins another process for the others.
    """
    most_s = 4 * _LONGEST_TEST_S if item.config.getoption("--whole") else _LONGEST_TEST_S
    faulthandler.dump_traceback_later(most_s, exit=True, file=sys.__stderr__ or 2)
    _trace(on=item.nodeid not in _untraced)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_sessionfinish() -> None:
    """Let what was traced be written."""
    _trace(on=True)


def _not_to_trace(items: Iterable[pytest.Item], slow: Collection[str]) -> Iterator[str]:
    """Name the tests that count nothing towards coverage.

    Tracing makes code of ours take 2.5 times as long. Slow tests, stories and attacks run through
    what others ran through, but for those of `_TRACED`; those of the house's own rules through
    nothing.
    """
    for item in items:
        test = item.nodeid.partition("[")[0]
        is_long = test in slow or _STORY in test
        repeats = is_long and not test.startswith(_TRACED)
        if repeats or test.startswith(_REPEATING) or test.count("/") == 1:
            yield item.nodeid


def _trace(*, on: bool) -> None:
    """Have coverage, where it runs, count what follows, or not."""
    global _is_traced  # noqa: PLW0603 - as tracing itself, one for the process
    if _COVERAGE is None or on == _is_traced:
        return
    _is_traced = on
    if on:
        _COVERAGE.start()
    else:
        _COVERAGE.stop()


def _turn(item: pytest.Item) -> int:
    longest = (turn for turn, path in enumerate(_LONGEST) if item.nodeid.startswith(path))
    return next(longest, len(_LONGEST))


@pytest.fixture(scope="module", autouse=True)
def own_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each module a user of its own, without what the real one set up.

    What a user remembers of stores is looked through at each write: thousands of them, of all
    tests before, take longer than the write. And nothing of the tests stays with who runs them.
    """
    with pytest.MonkeyPatch.context() as here:
        here.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def memory() -> Iterator[Path | None]:
    """Return a folder in memory, where there is one with room."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shutil.disk_usage(shared).free < _ROOM_BYTES:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-tests-", dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(tmp_path: Path, memory: Path | None, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the test's own folder, in memory where that is all the same to it."""
    name = request.node.nodeid
    if memory is None or not name.startswith(_IN_MEMORY) or name.startswith(_ON_DISK):
        yield tmp_path
        return
    with scratch.folder(memory, prefix="") as folder:
        yield folder


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
