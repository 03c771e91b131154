"""LightGBM's own categories are known without an example, so that rows of JSON can be served."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

import holdfast
from holdfast.core import schema
from holdfast.formats import learned_categories
from holdfast.rows import predictor
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal

lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
ROWS: list[dict[str, Any]] = [
    {"size": 0.5, "kind": "x", "rank": 3},
    {"size": -1, "kind": "z", "rank": 1},
    {"size": None, "kind": None, "rank": 2},
]
Give = Callable[[Any, Path], object]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["size", "kind", "rank"])
    found["size"] = found["size"].astype(float)
    found["kind"] = pd.Categorical(found["kind"], categories=["x", "y", "z"])
    found["rank"] = pd.Categorical(found["rank"], categories=[1, 2, 3])
    return found


@pytest.fixture(scope="module")
def fitted() -> Any:
    chance = np.random.default_rng(0)
    data = frame(
        [
            {
                "size": number,
                "kind": chance.choice(["x", "y", "z"]),
                "rank": chance.choice([1, 2, 3]),
            }
            for number in chance.normal(size=400)
        ]
    )
    target = data["size"] + 2 * (data["kind"] == "x") - 3 * (data["rank"] == 1)
    return lightgbm.LGBMRegressor(n_estimators=9, verbose=-1).fit(data, target)


def _text(model: Any, folder: Path) -> str:
    model.booster_.save_model(folder / "model.txt")
    return str(folder / "model.txt")


def _dumped(name: str, protocol: int | None = None) -> Give:
    def give(model: Any, folder: Path) -> object:
        joblib.dump(model, folder / name, protocol=protocol)
        return folder / name

    return give


@pytest.mark.parametrize(
    "give",
    [
        lambda model, _: model,
        lambda model, _: model.booster_,
        _text,
        _dumped("model.joblib"),
        _dumped("model.joblib.gz"),
        _dumped("model.pkl", 2),
    ],
    ids=["estimator", "booster", "text", "joblib", "gzip", "pickle"],
)
def test_a_model_with_categories_and_no_example_answers_rows_as_it_answers_frames(
    fitted: Any, tmp_path: Path, give: Give
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    done = registry.register("prices", give(fitted, tmp_path))
    ready = predictor.loaded("prices", registry.load(done), "")
    rows = Checker(ready.input_schema)(ROWS)
    answers: Any = ready.predict(rows)

    assert (registry.manifest(done).input_schema or {})["order"] == ["size", "kind", "rank"]
    assert list(answers) == pytest.approx(list(fitted.predict(frame(ROWS))))


def test_a_category_that_was_not_learned_is_refused(fitted: Any) -> None:
    check = Checker(schema.parse(learned_categories.schema_of(fitted), "input_schema"))

    with pytest.raises(Refusal, match="one of 'x', 'y', 'z'"):
        check([{"size": 1.0, "kind": "q", "rank": 1}])


def test_a_pickled_booster_tells_what_its_estimator_does(fitted: Any, tmp_path: Path) -> None:
    path = tmp_path / "booster.joblib"
    joblib.dump(fitted.booster_, path)

    assert learned_categories.schema_of(path) == learned_categories.schema_of(fitted)


def test_a_pickle_that_says_it_twice_or_escaped_or_cut_or_within_tells_nothing(
    fitted: Any, tmp_path: Path
) -> None:
    twice = lightgbm.LGBMRegressor()
    twice.__dict__ |= vars(fitted) | {"notes": fitted.booster_.model_to_string()}
    around = {"model": fitted}
    for name, model, protocol in (
        ("twice.joblib", twice, None),
        ("escaped.pkl", fitted, 0),
        ("around.joblib", around, None),
        ("cut.joblib.gz", fitted, None),
    ):
        joblib.dump(model, tmp_path / name, protocol=protocol)
    cut = tmp_path / "cut.joblib.gz"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-40])
    (tmp_path / "behind.joblib.gz").write_bytes(whole + whole[:40])

    for path in tmp_path.iterdir():
        assert learned_categories.schema_of(path) is None, path.name


def test_what_has_no_categories_tells_nothing(tmp_path: Path) -> None:
    data = np.arange(60.0).reshape(30, 2)
    plain = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(data, data[:, 0])
    plain.booster_.save_model(tmp_path / "plain.txt")
    (tmp_path / "words.txt").write_text("words")
    joblib.dump(plain, tmp_path / "plain.joblib")

    names = ("plain.txt", "words.txt", "plain.joblib", "none.txt")
    for model in (plain, plain.booster_, object(), *(tmp_path / name for name in names)):
        assert learned_categories.schema_of(model) is None


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"feature_names=size kind rank", b"feature_names=size kind"),
        (b"pandas_categorical:[[", b"pandas_categorical:[[1],["),
        (b'"x", "y"', b'["x"], "y"'),
        (b"pandas_categorical:[[", b"pandas_categorical:[7, ["),
        (b"pandas_categorical:[[", b"pandas_categorical:[["[:-2] + b"null, [["),
        (b"feature_infos=", b"other="),
    ],
)
def test_a_text_whose_parts_do_not_fit_together_tells_nothing(
    fitted: Any, tmp_path: Path, was: bytes, becomes: bytes
) -> None:
    path = Path(_text(fitted, tmp_path))
    assert was in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(was, becomes))

    assert learned_categories.schema_of(path) is None
