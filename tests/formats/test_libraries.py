"""Imports of several threads."""

import subprocess
import sys
from pathlib import Path

_MODULE = """
import {package}.gate
{package}.gate.gate()
import {package}.{other}
class Kept:
    pass
"""
_GATE = """
import threading
_both = threading.Barrier(2)
def gate():
    try:
        _both.wait(0.5)  # both threads are in the middle of an import, unless one waits outside
    except threading.BrokenBarrierError:
        pass
"""
_LOAD = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from holdfast import formats
from holdfast.errors import HoldfastError
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
def load(name):
    try:
        return type(formats.load(sys.argv[2], folder / f"{name}.pkl")).__name__
    except HoldfastError as error:
        return str(error)
with ThreadPoolExecutor(2) as threads:
    print(*threads.map(load, ("one", "two")), sep="\\n")
"""


def _loaded(folder: Path, format_name: str) -> list[str]:
    package = folder / "twins"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "gate.py").write_text(_GATE)
    for name, other in (("one", "two"), ("two", "one")):
        (package / f"{name}.py").write_text(_MODULE.format(package="twins", other=other))
        (folder / f"{name}.pkl").write_bytes(b"ctwins.%s\nKept\n)\x81." % name.encode())
    command = [sys.executable, "-c", _LOAD, str(folder), format_name]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return ran.stdout.split()


def test_modules_that_import_each_other_are_imported_by_one_thread_at_a_time(
    tmp_path: Path,
) -> None:
    (tmp_path / "pickle").mkdir()
    (tmp_path / "joblib").mkdir()

    assert _loaded(tmp_path / "pickle", "pickle") == ["Kept", "Kept"]
    assert _loaded(tmp_path / "joblib", "joblib") == ["Kept", "Kept"]
