"""Names there and back: no two of MLflow's meet in one of Holdfast's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import names
from holdfast.gateways.mlflow import mlflow_names

any_name = st.text(min_size=1, max_size=300).filter(
    lambda name: name.strip() and not set("/:") & set(name) and name not in (".", "..")
)
tricky = st.text(alphabet="%@.\\ 25eaf∕~ü\u0308", min_size=1, max_size=12).filter(str.strip)
any_alias = st.from_regex(r"\A[\w-]{1,255}\Z")


@given(st.one_of(any_name, tricky))
def test_every_name_becomes_one_that_holdfast_takes_and_comes_back(name: str) -> None:
    model = mlflow_names.to_holdfast(name)
    kept = {mlflow_names.NAME: name}

    assert names.check_model(model) == model
    assert mlflow_names.to_mlflow(model, kept) == name
    if len(name) < 60:
        assert mlflow_names.to_mlflow(model, {}) == name


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("churn", "churn"),
        ("with space", "with space"),
        ("100%", "100%"),
        ("a%2Fb", "a%2Fb"),
        ("a%2fb", "a%252fb"),
        ("a@b", "a%40b"),
        ("team∕churn", "team/churn"),
        ("∕churn", "∕churn"),
        ("...", "%2e%2e%2e"),
        (" churn", "%20churn"),
    ],
)
def test_what_holdfast_takes_stays(name: str, model: str) -> None:
    assert mlflow_names.to_holdfast(name) == model
    assert mlflow_names.to_mlflow(model, {}) == name


def test_a_model_that_no_name_leads_to_is_not_seen() -> None:
    assert mlflow_names.to_mlflow("a∕b", {}) is None
    assert mlflow_names.to_mlflow("%41", {}) is None
    assert mlflow_names.to_mlflow("churn", {mlflow_names.NAME: "other"}) == "churn"


@given(any_alias)
def test_every_alias_becomes_one_that_holdfast_takes_and_comes_back(alias: str) -> None:
    kept = mlflow_names.alias_to_holdfast(alias)
    key = mlflow_names.alias_key(kept)

    assert names.check_alias(kept) == kept
    assert mlflow_names.alias_to_mlflow(kept, {key: alias} if key else {}) == alias


def test_an_alias_of_holdfast_with_dots_is_seen_as_it_is() -> None:
    assert mlflow_names.alias_to_mlflow("eu.west", {}) == "eu.west"
