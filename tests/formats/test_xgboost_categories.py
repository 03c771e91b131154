"""XGBoost's own categories are known without an example, and an unknown one is no first one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import holdfast
from holdfast.core import schema
from holdfast.errors import InvalidInputError
from holdfast.formats import learned_categories
from holdfast.rows import predictor
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal

xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
CITIES, RANKS = ["Bonn", "Paris", "Tokyo"], [3, 4, 7]
ROWS: list[dict[str, Any]] = [
    {"size": 0.5, "city": "Bonn", "rank": 7},
    {"size": -1, "city": "Tokyo", "rank": 3},
    {"size": None, "city": "Paris", "rank": 4},
    {"size": 0.1, "city": None, "rank": 4},
]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["size", "city", "rank"])
    found["size"] = found["size"].astype(float)
    found["city"] = pd.Categorical(found["city"], categories=CITIES)
    found["rank"] = pd.Categorical(found["rank"], categories=RANKS)
    return found


def fit(**parameters: Any) -> Any:
    chance = np.random.default_rng(0)
    rows = [
        {"size": size, "city": chance.choice(CITIES), "rank": chance.choice(RANKS)}
        for size in chance.normal(size=300)
    ]
    data = frame(rows)
    target = data["size"] + 2 * (data["city"] == "Bonn") - 3 * (data["rank"] == 4)
    return xgboost.XGBRegressor(enable_categorical=True, n_estimators=9, **parameters).fit(
        data, target
    )


@pytest.fixture(scope="module")
def fitted() -> Any:
    return fit()


def _file(name: str) -> Callable[[Any, Path], object]:
    def give(model: Any, folder: Path) -> object:
        model.save_model(folder / name)
        return str(folder / name)

    return give


@pytest.mark.parametrize(
    "give",
    [
        lambda model, _: model,
        lambda model, _: model.get_booster(),
        _file("model.json"),
        _file("model.ubj"),
    ],
    ids=["estimator", "booster", "json", "binary"],
)
def test_a_model_with_categories_and_no_example_answers_rows_as_it_answers_frames(
    fitted: Any, tmp_path: Path, give: Callable[[Any, Path], object]
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    done = registry.register("prices", give(fitted, tmp_path))
    ready = predictor.loaded("prices", registry.load(done), "")
    answers: Any = ready.predict(Checker(ready.input_schema)(ROWS))

    assert (registry.manifest(done).input_schema or {})["order"] == ["size", "city", "rank"]
    assert list(answers) == pytest.approx(list(fitted.predict(frame(ROWS))))


def test_a_category_that_was_not_learned_is_refused(fitted: Any) -> None:
    check = Checker(schema.parse(learned_categories.schema_of(fitted), "input_schema"))

    with pytest.raises(Refusal, match="one of 'Bonn', 'Paris', 'Tokyo'"):
        check([{"size": 1.0, "city": "Oslo", "rank": 3}])


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_dropped_trees_tell_the_same(fitted: Any, tmp_path: Path, name: str) -> None:
    fit(booster="dart").save_model(tmp_path / name)

    assert learned_categories.schema_of(tmp_path / name) == learned_categories.schema_of(fitted)


def test_an_example_of_plain_texts_has_the_categories_that_were_learned(
    fitted: Any, tmp_path: Path
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    done = registry.register("prices", fitted, input_example=ROWS[:2])
    ready = predictor.loaded("prices", registry.load(done), "")
    answers: Any = ready.predict(Checker(ready.input_schema)(ROWS[:2]))

    assert list(answers) == pytest.approx(list(fitted.predict(frame(ROWS[:2]))))


def test_an_example_with_a_category_that_was_not_learned_is_refused(
    fitted: Any, tmp_path: Path
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ann")
    fitted.save_model(tmp_path / "model.ubj")
    example = [{"size": 0.5, "city": "Oslo", "rank": 7}]

    with pytest.raises(InvalidInputError, match="does not fit the input schema: city must be one"):
        registry.register("prices", tmp_path / "model.ubj", input_example=example)


def test_what_has_no_categories_tells_nothing(tmp_path: Path) -> None:
    data = np.arange(60.0).reshape(30, 2)
    plain = xgboost.XGBRegressor(n_estimators=2).fit(data, data[:, 0])
    columns = pd.DataFrame(data, columns=["a", "b"])
    named = xgboost.XGBRegressor(n_estimators=2).fit(columns, data[:, 0])
    for name in ("plain.json", "plain.ubj"):
        plain.save_model(tmp_path / name)
        named.save_model(tmp_path / f"named-{name}")

    for model in (plain, plain.get_booster(), named, *tmp_path.iterdir(), tmp_path / "none"):
        assert learned_categories.schema_of(model) is None


def test_letters_beyond_ascii_are_known_from_a_frame_alone(tmp_path: Path) -> None:
    data = pd.DataFrame({"city": pd.Categorical(["Köln", "Bonn", "Zürich"] * 20)})
    model = xgboost.XGBRegressor(enable_categorical=True, n_estimators=9).fit(data, np.arange(60))
    registry = holdfast.open(tmp_path / "store", by="ann")
    done = registry.register("prices", model, input_example=data[:3])
    ready = predictor.loaded("prices", registry.load(done), "")
    answers: Any = ready.predict(Checker(ready.input_schema)([{"city": "Zürich"}]))

    assert learned_categories.schema_of(model) is None
    assert list(answers) == pytest.approx(model.predict(data)[2:3].tolist())


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b'"feature_types":["float","c","c"]', b'"feature_types":["float","c"]'),
        (b'"feature_types":["float","c","c"]', b'"feature_types":["c","c","c"]'),
        (b'"enc":[', b'"enc":[{"offsets":[],"values":[]},'),
        (b'"cats":', b'"dogs":'),
    ],
)
def test_a_file_whose_parts_do_not_fit_together_tells_nothing(
    fitted: Any, tmp_path: Path, was: bytes, becomes: bytes
) -> None:
    path = tmp_path / "model.json"
    fitted.save_model(path)
    assert was in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(was, becomes))

    assert learned_categories.schema_of(path) is None
