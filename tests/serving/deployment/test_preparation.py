from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from tests.registry.disk import blob, flip
from tests.serving.facing import NUMBER, NUMBERS, Does, made
from tests.serving.serving import MODEL, due, estimating

import holdfast
from holdfast.errors import DamagedError, UnsupportedError
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal
from holdfast.serving.deployment import preparation


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    registry = holdfast.open(tmp_path / "store", by="ana")
    estimating(registry, 1)
    return registry


def test_a_version_is_loaded_tried_out_and_warm(registry: holdfast.Registry) -> None:
    loaded = preparation.load(registry, MODEL, "1.1.0")

    assert loaded.predict([[0.0]]).tolist() == [due("1.1.0")]
    assert f"sha256:{loaded.digest}" == registry.resolve(f"{MODEL}@1.1.0").digest
    assert loaded.call_us is not None
    assert loaded.call_us > 0


def test_a_damaged_version_is_not_loaded(registry: holdfast.Registry, tmp_path: Path) -> None:
    flip(blob(tmp_path / "store", registry.manifest(f"{MODEL}@1.1.0").artifacts["model"].digest))

    with pytest.raises(DamagedError):
        preparation.load(registry, MODEL, "1.1.0")


def test_without_an_example_nothing_is_tried() -> None:
    assert preparation.try_out(made(Does(lambda _rows: 1 / 0))) is None


def raising(_rows: Any) -> Any:
    raise RuntimeError("no weights")


def leaving(_rows: Any) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("predict", "example", "problem"),
    [
        (raising, [[1, 2]], "RuntimeError: no weights"),
        (leaving, [[1, 2]], "SystemExit: 3"),
        (
            lambda rows: rows[:, 0] * float("inf"),
            [[1, 2]],
            "the output is not a finite number",
        ),
        (lambda rows: rows[:1, 0], [[1, 2], [3, 4]], "the output has 1 values for 2 rows"),
        (lambda rows: rows[:, 0], [[-1, 2]], "age"),
    ],
    ids=["raises", "exits", "infinite", "too few", "refused"],
)
def test_a_version_that_fails_on_its_own_example_says_how(
    predict: Any, example: Any, problem: str
) -> None:
    loaded = made(Does(predict), input_schema=NUMBERS, output_schema=NUMBER, input_example=example)

    with pytest.raises(UnsupportedError, match=f"failed on its own input_example: .*{problem}"):
        preparation.try_out(loaded)


def _flats() -> Any:
    """Return a frame with categories of texts and of numbers, and what to learn from it."""
    import pandas as pd

    chance = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "city": pd.Categorical(chance.choice(["c", "a", "b"], 300), categories=["c", "a", "b"]),
            "area": chance.integers(20, 90, 300).astype(float),
            "floor": pd.Categorical(chance.integers(1, 4, 300)),
        }
    )
    return frame, ((frame.city == "b") | (frame.area > 50)).astype(int)


def _lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=1).fit(*_flats())


def _xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=5, enable_categorical=True).fit(*_flats())


def _booster() -> Any:
    return _xgboost().get_booster()


def _trees() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(*_flats())


@pytest.mark.parametrize("learn", [_lightgbm, _xgboost, _booster, _trees])
def test_categories_come_to_the_model_as_it_learned_them(
    learn: Callable[[], Any], tmp_path: Path
) -> None:
    frame, labels = _flats()
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.register("flats", learn(), version="1.0.0", input_example=frame.head(3))
    loaded = preparation.load(registry, "flats", "1.0.0")
    check = Checker(loaded.input_schema)
    predictions = loaded.predict(check(frame.to_dict("records")))

    assert np.mean((np.asarray(predictions) > 0.5) == labels) > 0.95
    with pytest.raises(Refusal, match="must be one of 'c', 'a', 'b', not 'z'"):
        check([{"city": "z", "area": 50.0, "floor": 1}])


def _bytes_read(act: Callable[[], object]) -> int:
    """Count the bytes that this process asks the system for meanwhile."""

    def count() -> int:
        words = Path("/proc/self/io").read_text().split()
        return int(words[words.index("rchar:") + 1])

    before = count()
    act()
    return count() - before


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count")
@pytest.mark.parametrize("kind", ["data", "code"])
def test_a_large_version_is_not_read_again_for_the_sandbox(tmp_path: Path, kind: str) -> None:
    """Data alone is not tried out; of code, this process reads no more than without a trial."""
    from holdfast.sandbox import Nursery, chosen

    restraint = chosen("auto")
    if restraint is None:
        pytest.skip("this system restrains nothing")
    store = holdfast.open(tmp_path / "store", by="ana")
    store.register("small", _made(tmp_path, kind, 1 << 4))
    preparation.load(store, "small", "1.0.0")  # reads the libraries, too
    store.register("large", _made(tmp_path, kind, 1 << 22))
    size_bytes = store.manifest("large@1.0.0").artifacts["model"].size_bytes
    plain = _bytes_read(lambda: preparation.load(store, "large", "1.0.0"))
    with Nursery(restraint) as nursery:
        tried = _bytes_read(lambda: preparation.load(store, "large", "1.0.0", nursery))

    assert size_bytes > 16 << 20
    assert plain < 3.5 * size_bytes  # three times, and what libraries read
    assert tried < plain + size_bytes / 2


def _made(folder: Path, kind: str, count: int) -> Any:
    if kind == "code":
        model = LinearRegression()
        model.coef_, model.intercept_ = np.ones(count), 0.0
        return model
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((4, count >> 2), np.float32), "weights")
    entry = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 4])
    answer = helper.make_tensor_value_info("sums", TensorProto.FLOAT, [None, count >> 2])
    product = helper.make_node("MatMul", ["rows", "weights"], ["sums"])
    graph = helper.make_graph([product], "product", [entry], [answer], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    assert onnx.__version__
    return path
