"""Processes that die while a version is loaded or called, and what those after them do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.facing import Does, made

from holdfast.errors import UnsupportedError
from holdfast.serving.swapping.aside import Aside

_WORKER = """
import ctypes, os, sys
from pathlib import Path
from tests.serving.facing import Does, made
from holdfast.serving.swapping.aside import Aside

folder, name, harm = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
aside = Aside(folder, name)
calm = aside.watched(made(Does(lambda rows: rows), "1.0.0"))
wild = aside.watched(made(Does(lambda rows: eval(harm)), "1.1.0"))
calm.predict([[1.0]])
if sys.argv[4] == "load":
    with aside.loading("iris", "1.1.0"):
        eval(harm)
wild.predict([[1.0]])
"""
HARMS = {
    "a wild pointer": "ctypes.string_at(0)",
    "an abort": "os.abort()",
    "an exit": "os._exit(0)",
    "a kill": "os.kill(os.getpid(), 9)",
}


def end(folder: Path, name: str, harm: str, when: str = "call") -> None:
    """Have a worker die."""
    command = [sys.executable, "-c", _WORKER, str(folder), name, harm, when]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("when", ["call", "load"])
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS.keys())
def test_who_was_running_when_a_worker_died_is_found(tmp_path: Path, harm: str, when: str) -> None:
    end(tmp_path, "a", harm, when)
    aside = Aside(tmp_path, "b")
    (strike,) = aside._strikes()

    assert (strike.model, strike.version) == ("iris", "1.1.0")
    assert not aside.holds("iris", "1.1.0")


def test_a_version_that_ended_three_workers_within_an_hour_is_set_aside(tmp_path: Path) -> None:
    now_s = 1000.0
    aside = Aside(tmp_path, "before", lambda: now_s)
    for number in range(3):
        end(tmp_path, str(number), "os.abort()")
        aside = Aside(tmp_path, f"after {number}", lambda: now_s)

    with pytest.raises(UnsupportedError, match=r"iris@1\.1\.0: ended 3 workers within an hour"):
        aside.require("iris", "1.1.0")
    aside.require("iris", "1.0.0")
    aside.require("other", "1.1.0")
    now_s += 3601
    aside.require("iris", "1.1.0")


def test_each_death_counts_once_and_a_living_worker_s_calls_do_not(tmp_path: Path) -> None:
    living = Aside(tmp_path, "living")
    end(tmp_path, "a", "os.abort()")
    others: list[Aside] = []

    def look(rows: object) -> object:
        others.extend(Aside(tmp_path, f"other {number}") for number in range(4))
        return rows

    loaded = living.watched(made(Does(look), "2.0.0"))
    loaded.predict([[1.0]])

    assert [one.version for one in others[-1]._strikes()] == ["1.1.0"]


def test_calls_that_raise_or_overlap_leave_no_mark(tmp_path: Path) -> None:
    aside = Aside(tmp_path, "a")
    depth = 0

    def deep(rows: object) -> object:
        nonlocal depth
        depth += 1
        if depth == 40:
            raise ValueError("enough")
        return loaded.predict(rows)

    loaded = aside.watched(made(Does(deep), "1.0.0"))
    with pytest.raises(ValueError, match="enough"):
        loaded.predict([[1.0]])
    with pytest.raises(ValueError, match="no"), aside.loading("iris", "1.0.0"):
        raise ValueError("no")

    assert not any((tmp_path / "a.running").read_bytes()[:16])


def test_lines_that_a_model_wrote_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "ended-workers").write_bytes(b'[]\n{"model": 1}\n\xff\n')
    (tmp_path / "forged.running").write_bytes(b"\1" * 512 + b"\0" * 512)

    assert not Aside(tmp_path, "a").holds("iris", "1.1.0")


def test_names_without_room_are_not_marked_and_without_a_folder_nothing_is(tmp_path: Path) -> None:
    loaded = made(Does(lambda rows: rows), "1.0.0")
    aside = Aside(tmp_path, "a")
    with aside.loading("x" * 600, "1.0.0"):
        assert not any((tmp_path / "a.running").read_bytes())

    assert Aside(None, "a").watched(loaded) is loaded
    assert not Aside(None, "a").holds("iris", "1.0.0")
    assert os.listdir(tmp_path) == ["a.running"]
