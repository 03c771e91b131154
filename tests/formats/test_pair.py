import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.errors import NotFoundError, UnsupportedError
from holdfast.formats.pair import Pair

ROWS = np.random.default_rng(3).random((20, 2)) * 100
LABELS = (ROWS[:, 0] > 50).astype(int)


def _manifest(**facts: Any) -> Manifest:
    artifact = Artifact("model.bin", "joblib", (File("model.bin", "0" * 64, 1),))
    return Manifest(
        name="iris", version="1.2.0", number=1, registered_at="2026-01-01T00:00:00.000000Z",
        registered_by="ada", artifacts={"model": artifact}, **facts,
    )  # fmt: skip


def _pair(**parts: object) -> Pair:
    return Pair("iris@1.2.0", _manifest(), parts)


def test_rows_pass_through_the_preprocessor_to_the_model() -> None:
    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), LABELS)
    pair = _pair(model=model, preprocessor=scaler)

    assert np.array_equal(pair.predict(ROWS), model.predict(scaler.transform(ROWS)))
    assert np.array_equal(pair.predict_proba(ROWS), model.predict_proba(scaler.transform(ROWS)))


def test_a_preprocessor_may_be_a_function() -> None:
    model = LinearRegression().fit(ROWS / 100, LABELS)
    pair = _pair(model=model, preprocessor=lambda rows: rows / 100)

    assert np.allclose(pair.predict(ROWS), model.predict(ROWS / 100))


def test_without_a_preprocessor_rows_go_as_they_are() -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    pair = _pair(model=model)

    assert np.array_equal(pair.predict(ROWS), model.predict(ROWS))
    assert pair.preprocessor is None


def test_a_pair_unpacks_as_model_and_preprocessor() -> None:
    model, preprocessor = _pair(model="m", preprocessor="p", notes="n")

    assert (model, preprocessor) == ("m", "p")


def test_a_model_without_probabilities_says_so() -> None:
    pair = _pair(model=LinearRegression().fit(ROWS, LABELS))

    with pytest.raises(UnsupportedError, match="a LinearRegression without predict_proba"):
        pair.predict_proba(ROWS)


def test_tensors_do_not_predict() -> None:
    pair = _pair(model={"weights": ROWS})

    with pytest.raises(UnsupportedError, match=r"use `\.parts\['model'\]` as its own library"):
        pair.predict(ROWS)


def test_a_kept_file_does_not_predict_and_is_named() -> None:
    pair = _pair(model=Path("store/model.gguf"))

    with pytest.raises(UnsupportedError, match=r"open .*model\.gguf"):
        pair.predict(ROWS)


def test_a_preprocessor_that_does_nothing_is_named() -> None:
    pair = _pair(model=LinearRegression().fit(ROWS, LABELS), preprocessor={"mean": 3})

    with pytest.raises(UnsupportedError, match="has a dict without transform as its preprocessor"):
        pair.predict(ROWS)


def test_a_version_without_the_role_model_names_its_roles() -> None:
    with pytest.raises(NotFoundError, match="role 'model' not found; nearest: encoder"):
        _pair(encoder="x").predict(ROWS)


def test_it_shows_what_it_holds() -> None:
    pair = _pair(model=LinearRegression(), preprocessor=StandardScaler())

    assert repr(pair) == "Pair('iris@1.2.0', model=LinearRegression, preprocessor=StandardScaler)"


def test_its_notebook_view_is_a_table_in_which_nothing_is_live() -> None:
    hostile = "<script>alert(1)</script>"
    manifest = _manifest(framework=hostile, algorithm=None, metrics={"<b>auc": 0.9})
    shown = Pair(hostile, manifest, {hostile: LinearRegression()})._repr_html_()

    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert ">0.9</td>" in shown
    assert "algorithm" not in shown


def _asked_in_a_fork(pair: Pair, carry: Callable[[Pair], Pair] = lambda pair: pair) -> list[str]:
    """Return what a forked process is warned of when it asks a pair, and hears no more of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                carry(pair).predict(ROWS)
            os.write(writing, "\n".join(str(item.message) for item in caught).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_that_asks_what_its_parent_loaded_is_warned() -> None:
    fitted = Doubling()
    pair = Pair("iris@1.2.0", _manifest(framework="xgboost"), {"model": fitted})
    plain = Pair("iris@1.2.0", _manifest(), {"model": fitted})
    (warning,) = _asked_in_a_fork(pair)

    assert f"iris@1.2.0 was loaded in process {os.getpid()} and is asked in process" in warning
    assert warning.endswith(
        "none of the threads of xgboost: the call may never return; load it after the fork"
    )
    assert _asked_in_a_fork(plain) == []
    assert _asked_in_a_fork(pair, lambda pair: pickle.loads(pickle.dumps(pair))) == []


class Doubling:
    def predict(self, rows: Any) -> Any:
        return rows * 2
