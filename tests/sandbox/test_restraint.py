"""What a system has, and what becomes of it where it lacks something.

What lacks is taken away by a filter of system calls, put on before the program starts.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving, telling

import holdfast
from holdfast.sandbox import Restraint, chosen

ROOT = Path(__file__).parents[2]
HAS = chosen("auto")
whole = pytest.mark.skipif(HAS is None or bool(HAS.missing), reason="the kernel lacks something")

WITHOUT = """
import errno, os, sys
from holdfast.sandbox import kernel
load, equal, refuse, allow = 0x20, 0x15, 0x00050000 | errno.ENOSYS, 0x7FFF0000
program = [(load, 0, 0, 0)]
for number in map(int, sys.argv[1].split(",")):
    program += [(equal, 0, 1, number), (0x06, 0, 0, refuse)]
kernel.forbid_new_privileges()
kernel.filter_system_calls([*program, (0x06, 0, 0, allow)])
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
LANDLOCK, SECCOMP = "444,445,446", "317,277"

TRIED = """
import json, pickle, sys
from pathlib import Path
from holdfast.sandbox import Nursery, Trial, chosen

class Writes:
    def __reduce__(self):
        return open, (sys.argv[1] + "/mark", "w")

folder = Path(sys.argv[1])
restraint = chosen("auto")
with Nursery(restraint) as nursery:
    told = []
    for name, held in (("calm", [1]), ("wild", Writes())):
        path = folder / name
        path.write_bytes(pickle.dumps(held))
        trial = Trial("tests.sandbox.works:unpickle", {"path": str(path)}, [path])
        told.append(nursery.run(trial).problem)
print(json.dumps([str(restraint), *told]))
"""


def without(calls: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run Python on a system that lacks some calls."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, calls, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_it_says_what_is_in_force_and_what_is_missing() -> None:
    assert str(Restraint()) == "none"
    assert len(Restraint().missing) == 3
    assert str(Restraint(True, 0, True)) == (  # noqa: FBT003
        "no new privileges, seccomp, no file opened for writing, limits"
    )
    assert Restraint(True, 2, True).missing == ("Landlock 3 or later",)  # noqa: FBT003
    assert Restraint(True, 7, True).missing == ()  # noqa: FBT003


def test_off_is_none() -> None:
    assert chosen("off") is None


@whole
def test_without_landlock_trials_open_nothing_for_writing(tmp_path: Path) -> None:
    done = without(LANDLOCK, "-c", TRIED, str(tmp_path))

    assert done.stdout == (
        '["no new privileges, seccomp, no file opened for writing, limits", null, '
        '"PermissionError: [Errno 1] Operation not permitted: '
        f"'{tmp_path}/mark'\"]\n"
    ), done.stderr
    assert not (tmp_path / "mark").exists()


@whole
@pytest.mark.parametrize(
    ("calls", "lacks"),
    [
        (LANDLOCK, "Landlock 3 or later"),
        (SECCOMP, "seccomp filters, Landlock 3 or later, resource limits"),
    ],
)
def test_a_server_that_requires_it_all_is_refused_and_says_what_lacks(
    tmp_path: Path, calls: str, lacks: str
) -> None:
    telling(holdfast.open(tmp_path / "store", by="ana"), 1)
    command = ["-m", "holdfast", "serve", MODEL, "--store", str(tmp_path / "store")]
    done = without(calls, *command, "--sandbox", "require")

    assert done.returncode != 0
    assert f"--sandbox require needs what this system lacks: {lacks}" in done.stderr


@whole
@pytest.mark.parametrize(
    ("calls", "says"),
    [
        (LANDLOCK, "no new privileges, seccomp, no file opened for writing, limits"),
        (SECCOMP, "none: this system has none"),
    ],
)
def test_a_server_says_what_is_in_force_when_it_starts_and_when_it_is_asked(
    tmp_path: Path, calls: str, says: str
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    before = [sys.executable, "-c", WITHOUT, calls]
    server = Serving(tmp_path / "store", tmp_path, "--sandbox", "auto", before=before)
    with server:
        until(lambda: server.get("/ready")[1]["live"] == {MODEL: "1.1.0"})
        sandbox_status = server.get("/ready")[1]["sandbox"]

    assert sandbox_status == says
    assert f"sandbox: {says}" in server.log
