"""A process forks while its threads are at a registry: the child has nothing of theirs."""

import subprocess
import sys
from pathlib import Path

from tests.registry.conftest import Grow
from tests.servers.running import Endpoint

_PATIENCE_S = 60
_PROGRAM = """
import multiprocessing, os, sys, threading
from datetime import UTC, datetime
from pathlib import Path
import holdfast

store = sys.argv[1]
holds, go = threading.Event(), threading.Event()
held_by = []

def clock():
    if threading.current_thread().name == "writer" and not held_by:  # it holds the lock by now
        held_by.append(os.getpid())
        holds.set()
        go.wait()
    return datetime.now(UTC)

registry = None if "://" in store else holdfast.open(store, by="ann", clock=clock)

def begin(verb):
    writer = threading.Thread(target=verb, name="writer")
    writer.start()
    holds.wait()
    return writer

ours, theirs = os.pipe()  # what a child waits at until the parent is done

def live_on():
    os.close(theirs)
    os.read(ours, 1)

def forked(work=live_on):
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    return child

def end(child):
    os.close(theirs)
    child.join()
"""


def ran(program: str, *arguments: object) -> list[str]:
    """Return the lines that a program of its own process prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_a_child_forked_while_a_thread_promotes_keeps_nobody_waiting(
    grow: Grow, store: Path
) -> None:
    grow(1)
    program = (
        "writer = begin(lambda: registry.promote('iris@1.0.0'))\n"
        "child = forked()\n"
        "go.set()\n"
        "writer.join()\n"
        "other = holdfast.open(store, by='ben', lock_timeout_s=0)\n"
        "print(other.gc(grace_s=0).freed_blobs)\n"
        "print(other.tag('iris@1.0.0', {'seen': 'yes'}).changed)\n"
        "print((Path(store, 'models/iris/active_version.json').read_text().split()[2]))\n"
        "end(child)\n"
    )

    assert ran(program, store) == ["0", "True", '"1.0.0",']


def test_a_child_forked_inside_a_commit_has_to_take_the_lock_itself(
    grow: Grow, store: Path
) -> None:
    grow(1)
    program = (
        "def train():\n"
        "    os.close(theirs)\n"
        "    print(holdfast.open(store, by='kid', lock_timeout_s=0).note('iris@1', 'hi').changed)\n"
        "    print(registry.note('iris@1', 'hello').changed, flush=True)\n"
        "def clock():\n"
        "    if not held_by:\n"
        "        held_by.append(os.getpid())\n"
        "        child = forked(train)\n"
        "        child.join()\n"
        "        print(child.exitcode)\n"
        "    return datetime.now(UTC)\n"
        "registry = holdfast.open(store, by='ann', clock=clock)\n"
        "print(registry.promote('iris@1.0.0').changed)\n"
        "print([entry.by for entry in registry.entries('iris')])\n"
    )
    program = program.replace("iris@1'", "iris@1.0.0'")

    assert ran(program, store) == ["True", "True", "0", "True", "['ann', 'kid', 'ann', 'ann']"]


def test_a_child_that_exits_leaves_what_its_parent_is_registering(
    grow: Grow, store: Path, tmp_path: Path
) -> None:
    grow(1)
    (tmp_path / "model.txt").write_text("another")
    program = (
        "done = []\n"
        "writer = begin(lambda: done.append(registry.register('iris', sys.argv[2])))\n"
        "scratch = registry._session.scratch()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "go.set()\n"
        "writer.join()\n"
        "print(done[0].ref, scratch.exists(), registry.verify().whole)\n"
    )

    assert ran(program, store, tmp_path / "model.txt") == ["iris@1.1.0 True True"]


def test_a_child_that_exits_leaves_what_its_parent_loaded(grow: Grow, store: Path) -> None:
    grow(1)
    program = (
        "(Path(store) / 'models/iris/versions/1.0.0/model.txt').unlink()\n"
        "mine = registry.paths('iris@1.0.0')['model']\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    theirs_too = registry.paths('iris@1.0.0')['model']\n"
        "    print(theirs_too.read_text().strip(), theirs_too.is_relative_to(mine.parents[1]))\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "print(mine.read_text().strip())\n"
    )

    assert ran(program, store) == ["iris 0 False", "iris 0"]


def test_a_child_forked_from_a_process_that_used_a_bucket_is_told_and_does_not_hang(
    moto: Endpoint, tmp_path: Path
) -> None:
    program = (
        "options = dict(pair.split('=', 1) for pair in sys.argv[3:])\n"
        "def opened():\n"
        "    return holdfast.open(store, options=options, cache=Path(sys.argv[2]))\n"
        "registry = opened()\n"
        "print(registry.models())\n"
        "def look():\n"
        "    for way in (registry.models, opened):\n"
        "        try:\n"
        "            print(way(), flush=True)\n"
        "        except holdfast.errors.StoreError as error:\n"
        "            print(error.code, error.problem, flush=True)\n"
        "child = forked(look)\n"
        "child.join()\n"
    )
    options = [f"{name}={value}" for name, value in moto.options.items()]
    problem = (
        "store cannot be reached from here: this process was forked from one that used a bucket"
    )
    lines = ran(program, f"s3://{moto.make_bucket()}/models", tmp_path / "cache", *options)

    assert lines == ["[]", problem, problem]
