"""How complete a card is, and what open keys may hold."""

import pytest
from msgspec import structs

from holdfast.core.cards.fields import FACTS, completeness, listed, words
from holdfast.core.manifest import Manifest


def test_a_full_manifest_misses_no_fact(iris: Manifest) -> None:
    assert completeness(iris) == (14, 14, ())


def test_a_bare_manifest_misses_every_fact(bare: Manifest) -> None:
    assert completeness(bare) == (0, 14, FACTS)


def test_missing_facts_are_named_by_the_path_that_fills_them(iris: Manifest) -> None:
    poorer = structs.replace(iris, author=None, metadata={"license": "mit"})

    assert completeness(poorer) == (12, 14, ("author", "metadata.intended_use"))


def test_blank_text_fills_no_fact(iris: Manifest) -> None:
    blank = structs.replace(iris, author=" \n", limitations=("",), input_schema={})

    assert completeness(blank)[2] == ("author", "input_schema", "limitations")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (None, ()),
        ("", ()),
        ({}, ()),
        ([], ()),
        ("mit", ("mit",)),
        (["mit", " ", None, "bsd"], ("mit", "bsd")),
        (0, ("0",)),
        ({"name": "mit"}, ('{"name": "mit"}',)),
    ],
)
def test_an_open_key_holds_one_text_many_or_none(value: object, texts: tuple[str, ...]) -> None:
    assert listed(value) == texts


def test_words_are_the_same_for_equal_mappings() -> None:
    assert words({"b": 1, "a": None}) == words({"a": None, "b": 1}) == '{"a": null, "b": 1}'
