"""The front matter as the Hub's own library reads it, which takes seconds to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from holdfast.core.cards import Today, front_matter, markdown
from holdfast.core.manifest import Manifest

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData


def read(manifest: Manifest, today: Today) -> ModelCardData:
    """Return the card's data as huggingface_hub sees it."""
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCard(markdown.render(manifest, today)).data
    assert isinstance(data, ModelCardData)
    return data


def first(data: ModelCardData) -> EvalResult:
    """Return the first metric as huggingface_hub sees it."""
    return (data.eval_results or [])[0]


def metadata(manifest: Manifest, **open_keys: object) -> Manifest:
    """Return *manifest* with other open keys."""
    return structs.replace(manifest, metadata=open_keys)


def numbers(data: ModelCardData) -> dict[str, float]:
    """Return the metrics that the Hub would show."""
    return {result.metric_type: result.metric_value for result in data.eval_results or []}


def test_the_hub_reads_the_same_numbers(iris: Manifest, iris_today: Today) -> None:
    data = read(iris, iris_today)

    assert numbers(data) == {"accuracy": 0.968, "log_loss": 1e-05}
    assert data.model_name == "iris"


def test_the_hub_reads_task_and_dataset_of_the_metrics(iris: Manifest, iris_today: Today) -> None:
    result = first(read(iris, iris_today))

    assert result.metric_name == "accuracy"
    assert result.task_type == "tabular-classification"
    assert (result.dataset_name, result.dataset_type) == ("scikit-learn/iris", "scikit-learn/iris")


def test_the_hubs_keys_come_from_metadata(iris: Manifest, iris_today: Today) -> None:
    data = read(iris, iris_today)

    assert data.library_name == "sklearn"
    assert data.license == "apache-2.0"
    assert data.pipeline_tag == "tabular-classification"
    assert data.datasets == ["scikit-learn/iris"]
    assert data.tags == ["botany", "holdfast", "reviewed", "team:botany"]


def test_a_library_the_hub_spells_alike_keeps_its_name(bare: Manifest, bare_today: Today) -> None:
    assert read(structs.replace(bare, framework="xgboost"), bare_today).library_name == "xgboost"


def test_the_front_matter_of_a_bare_version_is_one_tag(bare: Manifest, bare_today: Today) -> None:
    assert front_matter.render(bare, bare_today) == '---\ntags:\n- "holdfast"\n---'


@pytest.mark.parametrize(
    ("open_keys", "training_data", "dataset"),
    [
        ({"evaluation_data": "held out", "datasets": ["a/b"]}, {"source": "UCI"}, "held out"),
        ({"datasets": "a/b"}, {"source": "UCI"}, "a/b"),
        ({}, {"source": "UCI"}, "UCI"),
        ({}, {}, "unknown"),
    ],
)
def test_metrics_name_the_nearest_known_data(
    open_keys: dict[str, object],
    training_data: dict[str, object],
    dataset: str,
    bare: Manifest,
    iris_today: Today,
) -> None:
    manifest = structs.replace(bare, metadata=open_keys, training_data=training_data)

    result = first(read(manifest, iris_today))

    assert (result.dataset_name, result.dataset_type) == (dataset, dataset)


def test_an_unknown_task_is_the_hubs_other(bare: Manifest, iris_today: Today) -> None:
    assert first(read(bare, iris_today)).task_type == "other"


def test_several_languages_stay_a_list_and_one_becomes_a_word(
    bare: Manifest, bare_today: Today
) -> None:
    several = read(metadata(bare, language=["en", "fr"]), bare_today)
    single = read(metadata(bare, language=["en"]), bare_today)

    assert (several.language, single.language) == (["en", "fr"], "en")


@pytest.mark.parametrize("value", [1e-05, 1e16, 1.5e300, -0.25, 3, 3.0, 10**25, float("inf")])
def test_every_number_is_read_back_as_that_number(
    value: float, bare: Manifest, bare_today: Today
) -> None:
    today = Today(**{**fields(bare_today), "metrics": {"m": value}})

    assert numbers(read(bare, today)) == {"m": value}


def test_what_is_not_a_number_stays_so(bare: Manifest, bare_today: Today) -> None:
    today = Today(**{**fields(bare_today), "metrics": {"m": float("nan")}})

    assert str(numbers(read(bare, today))["m"]) == "nan"


def fields(today: Today) -> dict[str, Any]:
    """Return the arguments that make *today*."""
    return {name: getattr(today, name) for name in Today.__slots__}


@given(data=st.data())
def test_typed_text_is_read_back_and_never_breaks_out(
    data: st.DataObject, typed: st.SearchStrategy[str], bare: Manifest, bare_today: Today
) -> None:
    text = data.draw(typed.filter(str.strip))
    manifest = metadata(bare, pipeline_tag=text, datasets=[text, text], license_link=text)
    today = Today(**{**fields(bare_today), "metrics": {text: 0.5}})

    read_back = read(manifest, today)

    assert read_back.pipeline_tag == text
    assert read_back.datasets == [text, text]
    assert read_back["license_link"] == text
    assert numbers(read_back) == {text: 0.5}
    assert read_back.license is None


@given(data=st.data())
def test_typed_text_adds_no_line_to_the_front_matter(
    data: st.DataObject, typed: st.SearchStrategy[str], bare: Manifest, bare_today: Today
) -> None:
    text = data.draw(typed.filter(str.strip))

    block = front_matter.render(metadata(bare, pipeline_tag=text), bare_today)

    assert [line.partition(":")[0] for line in block.splitlines()] == [
        "---",
        "pipeline_tag",
        "tags",
        '- "holdfast"',
        "---",
    ]


@given(data=st.data())
def test_the_hub_reads_every_card(
    data: st.DataObject,
    manifests: st.SearchStrategy[Manifest],
    todays: st.SearchStrategy[Today],
) -> None:
    from huggingface_hub import ModelCard

    manifest, today = data.draw(manifests), data.draw(todays)
    read_back = read(manifest, today)

    assert numbers(read_back) == dict(today.metrics)
    assert ModelCard(markdown.render(manifest, today)).text.startswith("\n# ")
