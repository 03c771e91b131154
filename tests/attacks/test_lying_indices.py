"""Estimators of allowed classes whose numbers end the process that follows them."""

import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving, estimating

import holdfast
from holdfast import formats
from holdfast.sandbox import chosen

ROWS = np.array([[0.0], [1.0], [2.0], [3.0]])
VALUES = ROWS.ravel()


def _spline_of_a_degree_beyond_its_knots() -> bytes:
    """Nothing checks it but the trial: the library takes the degree for a length."""
    model = make_pipeline(SplineTransformer(n_knots=3), LinearRegression()).fit(ROWS, VALUES)
    model[0].bsplines_[0].k = 1 << 28
    return pickle.dumps(model)


def _columns_beyond_the_shape() -> bytes:
    rows = np.array([[0.0], [0.0], [1.0], [2.0]])
    model = make_pipeline(OneHotEncoder(min_frequency=2), LinearRegression()).fit(rows, VALUES)
    model[0]._default_to_infrequent_mappings = [np.full(3, 1 << 30)]
    return pickle.dumps(model)


FATAL = {
    "1.2.0": (_spline_of_a_degree_beyond_its_knots, "failed its trial"),
    "1.3.0": (_columns_beyond_the_shape, "holds a OneHotEncoder whose"),
}


@pytest.mark.parametrize("version", FATAL)
def test_they_pass_the_gate_and_end_a_process(tmp_path: Path, version: str) -> None:
    """Keep the test below honest."""
    path = tmp_path / "model.pkl"
    path.write_bytes(FATAL[version][0]())
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')).predict([[0.0], [1.0]])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True)

    assert formats.scan(path).unknown == ()
    assert done.returncode < 0


@pytest.mark.skipif(chosen("auto") is None, reason="nothing restrains a trial here")
def test_a_server_goes_on_with_the_version_before_them(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="mallory")
    registry.promote(estimating(registry, 1))
    for version, (write, _word) in FATAL.items():
        path = tmp_path / f"{version}.pkl"
        path.write_bytes(write())
        registry.register(MODEL, path, version=version, input_example=[[0.0], [1.0]])

    def fails(server: Serving, version: str) -> bool:
        ready: dict[str, Any] = server.get("/ready")[1]
        return f"{MODEL}@{version}" in ready.get("failed", {})

    with Serving(tmp_path / "store", tmp_path, "--sandbox", "auto") as server:
        for version in FATAL:
            registry.promote(f"{MODEL}@{version}", force=True, reason="what can happen")
            until(partial(fails, server, version))
        status, readiness = server.get("/ready")

        assert (status, readiness["live"]) == (200, {MODEL: "1.1.0"})
        assert server.process.poll() is None
        for version, (_write, word) in FATAL.items():
            assert word in readiness["failed"][f"{MODEL}@{version}"] + server.log
