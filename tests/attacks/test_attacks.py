import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Tally

from holdfast import formats
from holdfast.errors import InvalidInputError, UnsupportedError

PickleAttack = Callable[[str], bytes]
FileAttack = Callable[[str], tuple[str, bytes]]


def test_no_pickle_passes(
    hostile_pickle: PickleAttack, tmp_path: Path, marker: Path, tally: Tally
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_pickle(f"touch {marker}"))

    scan = formats.scan(path)

    tally("hostile files refused", 1)
    assert scan.unknown
    assert scan.executes_code
    assert not marker.exists()


def test_no_joblib_file_passes(
    hostile_joblib: PickleAttack, tmp_path: Path, marker: Path, tally: Tally
) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(hostile_joblib(f"touch {marker}"))

    scan = formats.scan(path)

    tally("hostile files refused", 1)
    assert scan.unknown
    assert scan.executes_code
    assert not marker.exists()


def test_no_model_passes_that_would_act_once_it_predicts(
    hostile_model: PickleAttack, tmp_path: Path, marker: Path, tally: Tally
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_model(f"touch {marker}"))

    scan = formats.scan(path)

    tally("hostile files refused", 1)
    assert scan.unknown
    assert not marker.exists()


def test_no_other_file_passes(
    hostile_file: FileAttack, tmp_path: Path, marker: Path, tally: Tally
) -> None:
    name, content = hostile_file(f"touch {marker}")
    (tmp_path / name).write_bytes(content)

    scan = formats.scan(tmp_path / name)

    tally("hostile files refused", 1)
    assert scan.unknown
    assert scan.executes_code
    assert not marker.exists()


def test_no_file_passes_in_a_folder(hostile_file: FileAttack, tmp_path: Path, marker: Path) -> None:
    name, content = hostile_file(f"touch {marker}")
    folder = tmp_path / "model"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / name).write_bytes(content)
    (folder / "config.json").write_text("{}")

    assert formats.scan(folder).unknown
    assert not marker.exists()


def test_packaging_a_hostile_pickle_never_runs_it(
    hostile_pickle: PickleAttack, tmp_path: Path, marker: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_pickle(f"touch {marker}"))

    with contextlib.suppress(InvalidInputError):  # some are not whole
        formats.package(path, "model", tmp_path)

    assert not marker.exists()


def test_packaging_a_hostile_joblib_file_never_runs_it(
    hostile_joblib: PickleAttack, tmp_path: Path, marker: Path
) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(hostile_joblib(f"touch {marker}"))

    with contextlib.suppress(InvalidInputError):  # some are not whole
        formats.package(path, "model", tmp_path)

    assert not marker.exists()


def test_packaging_another_hostile_file_never_runs_it(
    hostile_file: FileAttack, tmp_path: Path, marker: Path
) -> None:
    name, content = hostile_file(f"touch {marker}")
    (tmp_path / name).write_bytes(content)

    with contextlib.suppress(InvalidInputError):  # a refusal is as good
        formats.package(tmp_path / name, "model", tmp_path)

    assert not marker.exists()


_LOAD_ALL = """
import contextlib, joblib, numpy, pandas, pickle, sys
for path in sys.argv[2:]:
    with contextlib.suppress(Exception), open(path, "rb") as stream:
        joblib.load(path) if sys.argv[1] == "joblib" else pickle.load(stream)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the payload is a command of Unix")
@pytest.mark.parametrize("loader", ["pickle", "joblib"])
def test_the_payloads_do_run_where_they_are_loaded(
    loader: str, live_attacks: dict[str, dict[str, PickleAttack]], tmp_path: Path
) -> None:
    """Keep the attacks honest: one that cannot work proves nothing about its refusal."""
    attacks = live_attacks[loader]
    paths = {name: tmp_path / f"{number}.bin" for number, name in enumerate(attacks)}
    for name, path in paths.items():
        path.write_bytes(attacks[name](f"touch {path.with_suffix('.ran')}"))

    command = [sys.executable, "-W", "ignore", "-c", _LOAD_ALL, loader]
    subprocess.run([*command, *map(str, paths.values())], check=True, capture_output=True)

    idle = [name for name, path in paths.items() if not path.with_suffix(".ran").exists()]
    assert idle == []


_PREDICT_ALL = """
import contextlib, pickle, sys
for path in sys.argv[1:]:
    with contextlib.suppress(Exception), open(path, "rb") as stream:
        pickle.load(stream).predict([[0.0, 1.0, 2.0]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the payload is a command of Unix")
def test_the_models_do_act_where_they_predict(
    live_models: dict[str, PickleAttack], tmp_path: Path
) -> None:
    paths = {name: tmp_path / f"{number}.bin" for number, name in enumerate(live_models)}
    for name, path in paths.items():
        path.write_bytes(live_models[name](f"touch {path.with_suffix('.ran')}"))

    command = [sys.executable, "-W", "ignore", "-c", _PREDICT_ALL, *map(str, paths.values())]
    subprocess.run(command, check=True, capture_output=True)

    idle = [name for name, path in paths.items() if not path.with_suffix(".ran").exists()]
    assert idle == []


def test_a_joblib_file_is_not_taken_for_a_pickle(tmp_path: Path, hidden_in_array: bytes) -> None:
    """As a pickle, it would run what joblib passes over as an array's bytes."""
    path = tmp_path / "model.pkl"
    path.write_bytes(hidden_in_array)

    assert formats.scan(path).unknown == ()
    with pytest.raises(InvalidInputError, match="does not contain pickle"):
        formats.package(path, "model", tmp_path, "pickle")


def test_the_pickle_format_refuses_to_load_what_joblib_wrote(
    tmp_path: Path, hidden_in_array: bytes, marker: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hidden_in_array)

    with pytest.raises(UnsupportedError, match="was written by joblib"):
        formats.load("pickle", path)
    assert not marker.exists()
