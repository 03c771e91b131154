"""The classic JSON card."""

import json

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.cards import Today, classic
from holdfast.core.manifest import Manifest

KEYS = [
    "name",
    "version",
    "description",
    "created_at",
    "updated_at",
    "author",
    "framework",
    "algorithm",
    "hyperparameters",
    "training_data",
    "performance",
    "input_schema",
    "output_schema",
    "limitations",
]


def test_the_classic_card_has_its_fourteen_keys_in_order(iris: Manifest, iris_today: Today) -> None:
    card = classic.render(iris, iris_today)

    assert list(card) == KEYS


def test_the_classic_card_states_the_manifest(iris: Manifest, iris_today: Today) -> None:
    card = classic.render(iris, iris_today)

    assert card["created_at"] == "2026-06-02T15:30:00.000000Z"
    assert card["author"] == "Botany team"
    assert card["hyperparameters"] == {"max_depth": None, "n_estimators": 100}
    assert card["input_schema"] == iris.input_schema
    assert card["limitations"] == ["Knows no other species.", "Takes no missing values."]


def test_the_classic_card_states_what_was_learnt_later(iris: Manifest, iris_today: Today) -> None:
    card = classic.render(iris, iris_today)

    assert card["performance"] == {"accuracy": 0.968, "log_loss": 1e-05}
    assert card["updated_at"] == "2026-06-09T08:00:00.000000Z"


def test_a_bare_version_has_empty_values_and_no_missing_keys(
    bare: Manifest, bare_today: Today
) -> None:
    card = classic.render(bare, bare_today)

    assert list(card) == KEYS
    assert [card[key] for key in KEYS[5:]] == [None, None, None, {}, {}, {}, None, None, []]


def test_values_that_json_cannot_hold_are_said_as_text(bare_today: Today) -> None:
    fresh = Manifest(
        name="fresh",
        version="1.0.0",
        number=1,
        registered_at="",
        registered_by="",
        artifacts={},
        hyperparameters={"seed": {3, 1}, "missing": float("nan"), "estimator": dict},
    )

    card = classic.render(fresh, bare_today)

    assert card["hyperparameters"] == {
        "estimator": "<class 'dict'>",
        "missing": "nan",
        "seed": [1, 3],
    }
    assert list(card["hyperparameters"]) == ["estimator", "missing", "seed"]


@given(data=st.data())
def test_every_classic_card_is_json_and_keeps_its_keys(
    data: st.DataObject,
    manifests: st.SearchStrategy[Manifest],
    todays: st.SearchStrategy[Today],
) -> None:
    manifest, today = data.draw(manifests), data.draw(todays)

    card = classic.render(manifest, today)

    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert list(card) == KEYS
