"""Modules planted in the folder in which somebody happens to work: none of them runs.

A download folder, a home or an unpacked archive may hold a `json.py`. Python looks there first for
`python -m`, for `python -c` and so for each process that multiprocessing spawns.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.serving import Serving, telling

import holdfast

_OTHERS = ("click", "msgspec", "numpy", "rich", "sklearn", "uvicorn", "semver", "joblib")


def _plant(folder: Path, names: set[str]) -> Path:
    folder.mkdir()
    marker = folder.parent / "ran"
    for name in names:
        line = f"open({str(marker)!r}, 'a').write({name!r} + chr(10))\n"
        (folder / f"{name}.py").write_text(line)
    return marker


def _loaded_by_python_itself(folder: Path) -> set[str]:
    folder.mkdir()
    (folder / "probe.py").write_text("import sys; print(*sys.modules)")
    command = [sys.executable, "-m", "probe"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_module_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    early = _loaded_by_python_itself(tmp_path / "probe")
    marker = _plant(tmp_path / "hostile", {*sys.stdlib_module_names, *_OTHERS} - early)

    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "ls", "--store", str(tmp_path / "store")],
        cwd=tmp_path / "hostile",
        capture_output=True,
        text=True,
        check=False,
    )

    assert "is not a store yet" in done.stderr
    assert not marker.exists()


def test_what_runs_from_its_own_source_is_still_found(tmp_path: Path) -> None:
    source = Path(holdfast.__file__).parent
    shutil.copytree(source, tmp_path / "holdfast", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "holdfast" / "__init__.py").open("a") as copied:
        copied.write("\nprint(__file__)\n")
    command = [sys.executable, "-m", "holdfast", "--version"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[0] == str(tmp_path / "holdfast" / "__init__.py")
    assert done.stdout.splitlines()[1].startswith("holdfast ")


def test_no_worker_imports_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = _loaded_by_python_itself(tmp_path / "probe")
    marker = _plant(tmp_path / "hostile", {*sys.stdlib_module_names, *_OTHERS} - early)
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.promote(telling(registry, 1))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(tmp_path / "hostile")

    with Serving(tmp_path / "store", tmp_path, "--workers", "1") as server:
        assert server.get("/ready")[0] == 200

    assert not marker.exists()
