"""The attacks on what a model holds, run for real in one child, and what the scan says of each."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from holdfast import formats

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="payloads are commands of Unix")

_ADDRESS = 0x1122334455667788
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LOAD_ALL = f"""
import array, contextlib, joblib, json, pickle, sys
from pathlib import Path
import numpy as np
folder = Path(sys.argv[1])

leak = joblib.load(folder / "leak.joblib")
actual = id(leak["object"])

there = array.array("d", [3.0, 1.0, 4.0])
raw = (folder / "memory.joblib").read_bytes()
place = there.buffer_info()[0].to_bytes(8, "little")
(folder / "here.joblib").write_bytes(raw.replace(({_ADDRESS}).to_bytes(8, "little"), place))
memory = np.asarray(joblib.load(folder / "here.joblib"))

reader = joblib.load(folder / "reader.joblib")
read = reader.predict([str(folder / "secret.txt")])
for path in sorted(folder.glob("chain-*.joblib")):
    with contextlib.suppress(Exception):
        joblib.load(path).predict([[0.0, 1.0, 2.0]])
print(json.dumps([int(leak["address"][0]), actual, memory.tolist(), int(read[0])]))
"""


@dataclass(frozen=True)
class Loaded:
    """What a child had of the files in a folder, which it loaded by plain joblib."""

    folder: Path
    address: int
    actual_address: int
    memory: list[float]
    read: int


def _reader() -> Any:
    """Make a model whose answer tells which letters are in the file that a row names."""
    words = CountVectorizer(input="filename", vocabulary=list(_LETTERS), token_pattern=r"\w")
    model: Any = make_pipeline(words, Ridge().fit(np.eye(26), np.zeros(26)))
    model[1].coef_, model[1].intercept_ = 2.0 ** np.arange(26), 0.0
    return model


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory,
    hostile_chains: dict[str, Callable[[str], bytes]],
    memory_attacks: dict[str, Callable[[int], bytes]],
) -> Loaded:
    """Load and ask every attack once, in a child."""
    folder = tmp_path_factory.mktemp("chains")
    for name, attack in memory_attacks.items():
        (folder / f"{name}.joblib").write_bytes(attack(_ADDRESS))
    for number, chain in enumerate(hostile_chains.values()):
        path = folder / f"chain-{number}.joblib"
        path.write_bytes(chain(f"touch {path.with_suffix('.ran')}"))
    (folder / "secret.txt").write_text("m e l o n")
    joblib.dump(_reader(), folder / "reader.joblib")
    command = [sys.executable, "-W", "ignore", "-c", _LOAD_ALL, str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Loaded(folder, *json.loads(output))


def test_chains_act_once_they_predict_and_are_refused(
    loaded: Loaded, hostile_chains: dict[str, Callable[[str], bytes]]
) -> None:
    paths = [loaded.folder / f"chain-{number}.joblib" for number in range(len(hostile_chains))]
    idle = [
        name
        for name, path in zip(hostile_chains, paths, strict=True)
        if not path.with_suffix(".ran").exists()
    ]

    assert idle == []
    assert all(formats.scan(path).unknown for path in paths)


def test_an_array_over_objects_tells_their_addresses_and_is_refused(loaded: Loaded) -> None:
    assert loaded.address == loaded.actual_address

    doubts = formats.scan(loaded.folder / "leak.joblib").unknown
    assert any("over what is not bytes" in doubt for doubt in doubts)


def test_a_bunch_reads_memory_at_an_address_and_is_refused(loaded: Loaded) -> None:
    assert loaded.memory == [3.0, 1.0, 4.0]

    doubts = formats.scan(loaded.folder / "memory.joblib").unknown
    assert any("__array_interface__" in doubt for doubt in doubts)


def test_a_file_comes_back_through_a_prediction_and_is_refused(loaded: Loaded) -> None:
    assert [letter for bit, letter in enumerate(_LETTERS) if loaded.read >> bit & 1] == sorted(
        "melon"
    )

    doubts = formats.scan(loaded.folder / "reader.joblib").unknown
    assert any("of a file in input" in doubt for doubt in doubts)


def test_a_threshold_of_a_frame_is_refused_by_scikit_learn_too(
    hostile_threshold: bytes, tmp_path: Path
) -> None:
    """A threshold takes a method by its name only of what says that it is a classifier."""
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_threshold)

    with pytest.raises(TypeError, match="not an estimator instance"):
        pickle.loads(path.read_bytes()).predict([[0.0, 1.0, 2.0]])

    assert formats.scan(path).unknown
