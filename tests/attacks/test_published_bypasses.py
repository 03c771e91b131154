"""What other scanners of pickles are known to have passed is refused, and does run elsewhere."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.errors import InvalidInputError, UntrustedError


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> holdfast.Registry:
    """Return a registry that all the files are offered to."""
    return holdfast.open(tmp_path_factory.mktemp("store"))


def test_what_passed_elsewhere_is_refused(
    published_bypass: Any, registry: holdfast.Registry, tmp_path: Path
) -> None:
    path = tmp_path / published_bypass.name
    path.write_bytes(published_bypass.build(f"touch {tmp_path}/ran", f"{tmp_path}/ran"))

    with pytest.raises((UntrustedError, InvalidInputError)):  # some are not whole
        registry.register("bypass", path)
    assert not (tmp_path / "ran").exists()


_LOAD = """
import contextlib, importlib, os, pickle, pkgutil, sys, warnings, zipfile
warnings.simplefilter("ignore")

def load(loader, path):
    if loader == "pickle":
        with open(path, "rb") as stream:
            pickle.load(stream)
    elif loader == "member":
        with zipfile.ZipFile(path) as archive:
            pickle.loads(archive.read("m/config.p"))
    elif loader == "joblib":
        importlib.import_module("joblib").load(path)
    elif loader == "numpy":
        loaded = importlib.import_module("numpy").load(path, allow_pickle=True)
        getattr(loaded, "items", list)()
        dict(loaded)
    elif loader == "pandas":
        importlib.import_module("pandas").read_pickle(path)
    elif loader == "torch":
        importlib.import_module("torch").load(path, weights_only=False)

for line in sys.stdin.read().splitlines():
    loader, needs, path = line.split("|")
    try:
        needs and pkgutil.resolve_name(needs)
    except (ImportError, AttributeError):
        print(path)  # not there in this release
        continue
    with contextlib.suppress(BaseException):
        load(loader, path)
with contextlib.suppress(ChildProcessError):
    while True:
        os.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the payload is a program of Unix")
def test_they_do_run_where_they_are_loaded(
    published_bypasses: dict[str, Any], tmp_path: Path
) -> None:
    lines, paths = [], {}
    for number, (name, bypass) in enumerate(published_bypasses.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        program, path = folder / "program", folder / bypass.name
        program.write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
        program.chmod(0o700)
        path.write_bytes(bypass.build(str(program), f"{folder}/ran"))
        if bypass.live:
            paths[name] = path
            lines.append(f"{bypass.loader}|{bypass.needs}|{path}\n")

    command = [sys.executable, "-W", "ignore", "-c", _LOAD]
    result = subprocess.run(
        command, check=True, capture_output=True, input="".join(lines), text=True, cwd=tmp_path
    )

    absent = result.stdout.splitlines()
    idle = [
        name
        for name, path in paths.items()
        if not (path.parent / "ran").exists() and str(path) not in absent
    ]
    assert idle == []
    assert len(paths) - len(absent) > 40
