"""Keras, in a process of its own: its backend is chosen once."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

_KEPT = """
import sys
from pathlib import Path
import keras, numpy as np
from holdfast import formats
folder = Path(sys.argv[1])
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="relu")])
model.compile(optimizer="adam", loss="mse")
packaged = formats.package(model, "model", folder)
assert (packaged.format, packaged.path.name) == ("keras", "model.keras"), packaged
assert packaged.description.framework == "keras"
assert packaged.description.hyperparameters == {"backend": "torch"}
loaded = formats.load("keras", packaged.path)
rows = np.random.default_rng(0).random((3, 4)).astype("float32")
assert type(loaded) is type(model)
assert np.allclose(loaded.predict(rows, verbose=0), model.predict(rows, verbose=0))
assert formats.package(packaged.path, "model", folder).format == "keras"
assert "keras archive: its layers may hold code" in formats.scan(packaged.path).unknown
"""


def test_a_keras_model_comes_back_whole(tmp_path: Path) -> None:
    if not (find_spec("keras") and find_spec("torch")):  # importing them here sets the backend
        pytest.skip("Keras or PyTorch is not installed")
    environment = {"KERAS_BACKEND": "torch", "HOME": str(tmp_path)}

    subprocess.run([sys.executable, "-c", _KEPT, str(tmp_path)], check=True, env=environment)
