"""Models that somebody trusted and should not have: what they do under restraint makes no mark."""

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.attacks.conftest import marked_files
from tests.attacks.hostile_code import ATTACKS, BY_ROOT_ALONE, MESSAGE, Code, Ground
from tests.conftest import Tally
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving, telling

import holdfast
from holdfast.errors import HoldfastError, InvalidInputError, UnsupportedError
from holdfast.registry.trial_runs import try_load
from holdfast.sandbox import Nursery, Trial, TrialLimits, TrialOutcome, Trials, chosen

_ROOT = Path(__file__).parents[2]
_RESTRAINT = chosen("auto")
pytestmark = pytest.mark.skipif(
    _RESTRAINT is None or bool(_RESTRAINT.missing),
    reason=f"the kernel lacks {_RESTRAINT.missing if _RESTRAINT else 'seccomp'}",
)

_PIPES = """
def pipe(fd):
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
"""


_FORGED = """
if 'holdfast-trial-' in os.getcwd():
    [os.write(fd, b'{"result": null}\\n') for fd in range(3, 256) if pipe(fd)]
    os._exit(0)
"""


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    assert _RESTRAINT is not None
    with Nursery(_RESTRAINT) as trials:
        yield trials


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.listener.close()


def ask(trials: Trials, tmp_path: Path, content: bytes, **limits: Any) -> TrialOutcome:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    work = "tests.sandbox.works:unpickle"
    return trials.run(Trial(work, {"path": str(path)}, [path], (), TrialLimits(**limits)))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_code_that_was_trusted_makes_no_mark(
    trials: Trials, tmp_path: Path, ground: Ground, attack: str
) -> None:
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(attack))))

    assert ground.is_untouched()
    assert MESSAGE not in (outcome.problem or "")
    assert outcome.problem is None or "NameError" not in outcome.problem
    assert outcome.problem is None or "SyntaxError" not in outcome.problem


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_every_attack_works_where_nothing_restrains_it(tmp_path: Path, tally: Tally) -> None:
    """Keep the attacks honest, in a namespace where they harm nobody else."""
    own = ["unshare", "--pid", "--fork", "--mount", "--mount-proc"]
    if os.geteuid() != 0:
        own += ["--user", "--map-root-user"]
    command = [*own, sys.executable, "-m", "tests.attacks.unrestrained", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr)

    assert done.returncode == 0, done.stderr[-2000:]
    worked = json.loads(done.stdout)
    excused = () if os.geteuid() == 0 else BY_ROOT_ALONE
    assert [name for name in ATTACKS if not worked[name] and name not in excused] == []
    tally("ways to do harm proved to work unrestrained", sum(map(bool, worked.values())))


FATAL: dict[str, tuple[str, str]] = {
    "abort": ("os.abort()", "SIGABRT"),
    "a wild pointer": ("ctypes.string_at(0)", "SIGSEGV"),
    "an endless loop": ("while True: pass", "took longer than"),
    "a sleep": ("import time; time.sleep(1000)", "took longer than"),
    "memory without end": ("x = bytearray(1 << 40)", "MemoryError"),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(1 << 24))", "MemoryError"),
    "an exit": ("raise SystemExit(0)", "SystemExit"),
    "the exit at once": ("os._exit(0)", "ended by itself with status 0"),
    "files without end": (
        "n = 0\nwhile n < 9000: open(f'f{n}', 'wb').write(bytes(1 << 20)); n += 1",
        "wrote more than",
    ),
    "names without end": (
        "n = 0\nwhile True: open(f'f{n}', 'w').close(); n += 1",
        "wrote more than",
    ),
    "files below a folder too deep to look into": (
        "import time\nfor n in range(40): os.mkdir('d' * 200); os.chdir('d' * 200)\ntime.sleep(99)",
        "wrote more than",
    ),
    "a file that takes its room at once": (
        "os.posix_fallocate(os.open('x', os.O_CREAT | os.O_RDWR), 0, 1 << 26)",
        "not permitted",
    ),
    "a large file": ("open('x', 'wb').write(bytes(1 << 27))", "File too large"),
    "the calls of another machine": ("libc.syscall(0x40000000 | 39)", "SIGSYS"),
    "a cut of what is told": ("import gc; os.write(2, b'x'); os.kill(os.getpid(), 9)", "SIGKILL"),
}


@pytest.mark.parametrize(("attack", "word"), FATAL.values(), ids=FATAL.keys())
def test_a_version_that_kills_its_process_has_failed(
    trials: Trials, tmp_path: Path, ground: Ground, attack: str, word: str
) -> None:
    quick: dict[str, Any] = {"time_s": 1.0} if word == "took longer than" else {}
    if word == "wrote more than":
        quick = {"folder_bytes": 64 << 20}
    code = pickle.dumps(Code(ground.code(attack)))
    outcome = ask(trials, tmp_path, code, memory_bytes=2 << 30, **quick)
    after = ask(trials, tmp_path, pickle.dumps([1, 2]))

    assert outcome.problem is not None
    assert word in outcome.problem
    assert after == TrialOutcome(None, "list")


def test_an_answer_without_end_is_cut(trials: Trials, tmp_path: Path, ground: Ground) -> None:
    code = (
        "fds = [fd for fd in range(3, 256) if pipe(fd)]\nwhile True: os.write(fds[0], b'x' * 65536)"
    )
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(_PIPES + code))))

    assert outcome.problem == "answered with more than 65536 bytes"


_OTHER_FORMS = {
    "a list": "[1]",
    "nothing": "{}",
    "text": '"x"',
    "no JSON": "nonsense",
    "no number": "NaN",
    "cut short": '{"result": 1',
    "a key twice": '{"result": 1, "result": 2}',
    "both": '{"result": 1, "problem": null}',
    "another key": '{"result": 1, "more": 2}',
    "a problem of another type": '{"problem": ["x"]}',
    "depth": "[" * 30_000,
}


@pytest.mark.parametrize("answer", _OTHER_FORMS.values(), ids=_OTHER_FORMS.keys())
def test_an_answer_of_another_form_is_a_failure(
    trials: Trials, tmp_path: Path, ground: Ground, answer: str
) -> None:
    write = f"[os.write(fd, b'''{answer}\\n''') for fd in range(3, 256) if pipe(fd)]"
    code = f"{_PIPES}{write}; os._exit(0)"
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(code))))

    assert outcome.problem is not None


_OPENERS = ("joblib", "numpy", "sklearn.pipeline")


def test_models_of_allowed_names_make_no_mark_if_they_are_trusted(
    trials: Trials, tmp_path: Path, marker: Path, hostile_model: Callable[[str], bytes]
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_model(f"touch {marker}"))
    registry = holdfast.open(tmp_path / "store", by="mallory")
    with contextlib.suppress(InvalidInputError, UnsupportedError):  # some were never fitted
        registry.register("m", path, trust="it came from a friend")
        try_load(registry, "m@1.0.0", trials, [[0.0, 1.0, 2.0]])
    trials.run(Trial("tests.sandbox.works:open_all", {"path": str(path)}, [path], _OPENERS))

    assert not marker.exists()


@pytest.mark.parametrize(
    "step", [64, pytest.param(16, marks=pytest.mark.sweep), pytest.param(1, marks=pytest.mark.long)]
)
def test_no_hostile_file_makes_its_mark_once_it_is_trusted(
    trials: Trials, tmp_path: Path, marker: Path, tally: Tally, step: int
) -> None:
    """Load by the format that it was registered in, and open it in every other way."""
    registry = holdfast.open(tmp_path / "store", by="mallory")
    files = marked_files(marker)[::step]
    for number, (name, content) in enumerate(files):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(content)
        with contextlib.suppress(HoldfastError):
            registry.register(f"m{number}", path, trust="it came from a friend")
            try_load(registry, f"m{number}@1.0.0", trials, [[0.0, 1.0, 2.0]])
        opening = Trial("tests.sandbox.works:open_all", {"path": str(path)}, [path], _OPENERS)
        trials.run(opening)

        assert not marker.exists(), name
    tally("hostile files trusted, and harmless under restraint", len(files))


_OPENED = """
import joblib, numpy, os, signal, sklearn.pipeline, sys
from tests.sandbox.works import open_all
for path in sys.argv[2:]:
    child = os.fork()
    if not child:
        signal.alarm(60)  # some never end, and most of these by computing
        signal.setitimer(signal.ITIMER_PROF, 1.0)
        open_all({"path": path})
        os._exit(0)
    os.waitpid(child, 0)
    if os.path.exists(sys.argv[1]):
        os.unlink(sys.argv[1])
        os.write(2, b"worked,")
"""


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.long)])
def test_hostile_files_make_their_marks_where_nothing_restrains_them(
    tmp_path: Path, marker: Path, tally: Tally, step: int
) -> None:
    """Keep the table honest: what can act when it is opened in these ways does."""
    paths = []
    for number, (name, content) in enumerate(marked_files(marker)[::step]):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(content)
        paths.append(str(path))
    command = [sys.executable, "-W", "ignore", "-c", _OPENED, str(marker), *paths]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=_ROOT, stdin=subprocess.DEVNULL
    )
    worked = done.stderr.count("worked,")

    assert worked > len(paths) // 5
    tally("hostile files proved to act unrestrained", worked)


def fails(server: Serving, version: str) -> bool:
    return f"{MODEL}@{version}" in server.get("/ready")[1].get("failed", {})


def test_a_server_goes_on_with_the_version_before_one_that_acts_or_crashes(
    tmp_path: Path, ground: Ground
) -> None:
    registry = holdfast.open(tmp_path / "store", by="mallory")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    attacks = {
        "1.2.0": "os.abort()",
        "1.3.0": ATTACKS["a program"],
        "1.4.0": "ctypes.string_at(0)",
        "1.5.0": "x = []\nwhile True: x.append(bytes(1 << 28))",  # these are never written to
        "1.6.0": f"{_PIPES}{_FORGED}{ATTACKS['a program']}",
        "1.7.0": f"{_PIPES}{_FORGED}{ATTACKS['a file']}",
    }
    for version, attack in attacks.items():
        path = tmp_path / f"{version}.pkl"
        path.write_bytes(pickle.dumps(Code(ground.code(attack))))
        registry.register(MODEL, path, version=version, trust="it came from a friend")
    own = tmp_path / "temporary"
    own.mkdir()
    where = {"TMPDIR": str(own)}
    options = ("--sandbox", "require")
    with Serving(tmp_path / "store", tmp_path, *options, environment=where) as server:
        for version in attacks:
            registry.promote(f"{MODEL}@{version}", force=True, reason="what can happen")
            until(partial(fails, server, version))
        status, readiness = server.get("/ready")

        assert (status, readiness["live"]) == (200, {MODEL: "1.1.0"})
        assert "SIGABRT" in server.log
        assert "SIGSEGV" in server.log
        assert "MemoryError" in server.log
        for version in ("1.2.0", "1.3.0", "1.4.0", "1.5.0"):
            assert f"{MODEL}@{version} failed its trial" in server.log
        for version in ("1.6.0", "1.7.0"):  # they claimed to have passed, and were loaded
            assert f"{MODEL}@{version} takes no traffic" in server.log
            assert f"{MODEL}@{version} failed its trial" not in server.log
        assert "seccomp" in readiness["sandbox"]

    assert ground.is_untouched()
