"""Filters and orders, read as MLflow's own reader of SQL reads them."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.gateways.mlflow.conftest import AS_IN_3, in_order

from holdfast.gateways.mlflow import filter_language
from holdfast.gateways.mlflow.filter_language import MODELS, VERSIONS, Language, clauses, holds
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem

NAMES = ["name", "run_id", "source_path", "version_number", "x", "attribute.name", "tags.n"]
NAMES += ["tag.n", "tags.`x y`", 'tags."x y"', "tags.a.b", "y.z", "`name`", "tags.`a.b`"]
COMPARATORS = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ilike", "IN", "not in", "NOT  IN"]
TEXTS = ["'a'", '"a"', "'it''s'", "'%A_'", "'a AND b'", "'('", "''", "'größe'"]
VALUES = [*TEXTS, "1", "-3", "1.5", "alpha", "('a')", "('a','b')", "()", "(1, 2)", "('a', 1)"]
JOINS = [" AND ", " and ", "  AND  ", "\nAND\n"]
SOUND = [name for name in NAMES if name not in ("x", "y.z", "`name`")]


def read(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except MlflowProblem as problem:
        return "refused", problem.message


def ours(text: str, language: Language) -> Any:
    return read(lambda: [(c.is_tag, c.key, c.comparator, c.value) for c in clauses(text, language)])


def theirs(text: str, language: Language) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils

    kind = SearchModelUtils if language is MODELS else SearchModelVersionUtils
    try:
        found = kind.parse_search_filter(text)
    except MlflowException as error:
        return "refused", in_order(error.message)
    except ValueError as error:  # it fails where only runs can be compared with NULL
        return "refused", str(error)
    return [
        (c["type"] == "tag", c["key"], " ".join(c["comparator"].split()), c["value"]) for c in found
    ]


@AS_IN_3
@pytest.mark.parametrize("language", [MODELS, VERSIONS], ids=["models", "versions"])
def test_filters_are_read_as_mlflow_reads_them(mlflow: Any, language: Language) -> None:
    assert mlflow
    choose = random.Random(16)
    for _ in range(1500):
        parts = []
        for _ in range(choose.choice((1, 1, 2, 3))):
            names = choose.choice((NAMES, SOUND))
            space = choose.choice((" ", "  ", " "))
            comparison = choose.choice(names), choose.choice(COMPARATORS), choose.choice(VALUES)
            parts.append(space.join(comparison))
        text = choose.choice(JOINS).join(parts)

        assert ours(text, language) == theirs(text, language), text


@pytest.mark.parametrize(
    "text",
    [
        *("name", "name = 'a' OR name = 'b'", "name =", "= 'a'", "name = 'a';", "1 = 1", "AND"),
        *("name = 'a' name = 'b'", "name='a'AND name='b'", "name='a'", "name!='a'", " name = 'a' "),
        *("(name = 'a')", "name = name", "'a' = 'b'", "name IS NULL", "name = 'a", "name == 'a'"),
        *(
            "name = 'a' AND",
            "AND name = 'a'",
            "name = 'a' AND AND name = 'b'",
        ),
        *("NOT name = 'a'", "name NOT LIKE 'a'", "name <> 'a'", "name = 'a' -- b", "name = 'a', b"),
        *(
            "tags.a-b = 'x'",
            "tags.`a-b` = 'x'",
            "tags.order = 'x'",
            "tags.name = 'x'",
            "\x00",
            "💥",
        ),
    ],
)
def test_odd_filters_are_taken_or_refused_as_by_mlflow(mlflow: Any, text: str) -> None:
    assert mlflow
    mine, their = ours(text, VERSIONS), theirs(text, VERSIONS)

    assert (mine[:1] == ("refused",)) == (their[:1] == ("refused",)), (mine, their)
    if isinstance(mine, list):
        assert mine == their


ORDERS = ["name", "name ASC", "name desc", "name  DESC", "timestamp", "timestamp DESC", "x", ""]
ORDERS += [
    "last_updated_timestamp",
    "creation_timestamp DESC",
    "version_number",
    "run_id",
    "name up",
]
ORDERS += ["name ASC DESC", "`name`", "`name` DESC", "tags.n", "1", "name,", " name", "name DESC x"]
ORDERS += ["attribute.name", "y.name", "name = 'a'", "(name)", "'name'", "-name"]


@pytest.mark.parametrize("text", ORDERS)
@pytest.mark.parametrize("language", [MODELS, VERSIONS], ids=["models", "versions"])
def test_orders_are_read_as_mlflow_reads_them(mlflow: Any, text: str, language: Language) -> None:
    assert mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchModelVersionUtils, SearchUtils

    def own() -> tuple[str, bool]:
        key, ascends = filter_language.ordered(text)
        chosen = filter_language.model_key if language is MODELS else filter_language.version_key
        return chosen(key), ascends

    try:
        if language is MODELS:
            their: Any = SearchUtils.parse_order_by_for_search_registered_models(text)
        else:
            kind, key, up = SearchModelVersionUtils.parse_order_by_for_search_model_versions(text)
            their = ("refused", "Invalid order_by entity: tag") if kind == "tag" else (key, up)
    except MlflowException as error:
        their = "refused", in_order(error.message)

    own_words = read(own)
    if own_words[0] == their[0] == "refused":  # MLflow before 3.18 knows one word less
        own_words, their = (
            str(words[1]).replace("'attributes', ", "") for words in (own_words, their)
        )
    assert own_words == their


def test_an_order_of_versions_may_write_attribute_in_the_plural() -> None:
    assert filter_language.version_key("attributes.name") == "name"
    assert filter_language.version_key("attribute.name") == "name"
    with pytest.raises(MlflowProblem, match="entity: tag"):
        filter_language.version_key("tags.name")


@AS_IN_3
def test_patterns_match_as_in_mlflow(mlflow: Any) -> None:
    assert mlflow
    from mlflow.utils.search_utils import SearchUtils

    choose = random.Random(17)
    for _ in range(4000):
        text = "".join(choose.choices("aAb.é", k=choose.randrange(6)))
        pattern = "".join(choose.choices("aAb.%_é", k=choose.randrange(6)))
        for comparator in ("LIKE", "ILIKE"):
            their = SearchUtils.get_comparison_func(comparator)(text, pattern)

            assert holds(comparator)(text, pattern) == their, (comparator, text, pattern)


def test_a_pattern_of_many_wildcards_takes_no_more_time_than_a_plain_one() -> None:
    text = "a" * 100_000

    assert not holds("LIKE")(text, "%a" * 200 + "%b")
    assert holds("LIKE")(text, "%a" * 200 + "%")


def test_a_list_that_does_not_end_is_refused_at_once(mlflow: Any) -> None:
    assert mlflow
    text = "name IN (" + r"'\'" * 40

    assert ours(text, MODELS)[0] == "refused"
