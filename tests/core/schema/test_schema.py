"""Reading a schema: the shapes that are understood, and where the others are wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.schema import Column, parse
from holdfast.errors import InvalidInputError

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
PAGE = Path(__file__).parents[3] / "docs" / "design" / "schema-rules.md"


def columns(schema: Schema) -> tuple[Column, ...]:
    signature = parse(schema, "input_schema")
    assert signature is not None
    return signature.columns


def whole(schema: Schema) -> Column:
    signature = parse(schema, "output_schema")
    assert signature is not None
    return signature.whole


def only(**words: object) -> Column:
    """Return the one column of a table that says *words* of it."""
    (column,) = columns({"type": "object", "properties": {"age": words}})
    return column


def test_no_schema_is_no_signature() -> None:
    assert parse(None, "input_schema") is None


def test_a_table_has_a_column_for_every_property() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "number", "dtype": "float64", "minimum": 0, "unit": "years"},
            "job": {"type": "string", "enum": ["cook", "clerk"], "description": "of today"},
        },
        "required": ["age"],
        "title": "kept and ignored",
    }

    assert columns(schema) == (
        Column("age", "number", dtype="float64", minimum=0, unit="years"),
        Column("job", "string", required=False, enum=("cook", "clerk"), description="of today"),
    )
    assert whole(schema) == Column("", "object")


def test_an_array_of_rows_has_the_columns_of_a_row() -> None:
    row = {"type": "object", "properties": {"age": NUMBER}, "required": ["age"]}
    rows = {"type": "array", "items": row}

    assert columns(rows) == columns(row)
    assert whole(rows).shape == (None,)


@pytest.mark.parametrize("schema", [{"required": []}, {}])
def test_nothing_is_required_unless_it_is_listed(schema: Schema) -> None:
    (column,) = columns({"type": "object", "properties": {"age": NUMBER}, **schema})

    assert not column.required


def test_an_array_of_numbers_is_one_unnamed_column() -> None:
    schema = {"type": "array", "items": NUMBER, "dtype": "float64", "shape": [None, 30]}

    assert columns(schema) == (Column("", "number", dtype="float64", shape=(None, 30)),)


def test_a_model_card_of_the_classic_shape_is_understood() -> None:
    taken = {"type": "array", "items": {**NUMBER, "description": "[sepal_length, petal_length]"}}
    schema = {
        "type": "object",
        "properties": {
            "prediction": {"type": "integer", "enum": [0, 1, 2]},
            "probabilities": {"type": "array", "items": NUMBER},
        },
    }

    assert columns(taken) == (
        Column("", "number", shape=(None,), description="[sepal_length, petal_length]"),
    )
    assert columns(schema) == (
        Column("prediction", "integer", required=False, enum=(0, 1, 2)),
        Column("probabilities", "number", required=False, shape=(None,)),
    )


def test_a_lone_value_is_the_whole() -> None:
    assert columns({"type": "integer", "enum": [0, 1]}) == (Column("", "integer", enum=(0, 1)),)


def test_a_table_without_columns_is_the_whole() -> None:
    assert columns({"type": "object"}) == (Column("", "object"),)


def test_nested_fields_have_dotted_names_and_follow_their_object() -> None:
    home = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    orders = {"type": "array", "items": {"type": "object", "properties": {"price": NUMBER}}}
    schema = {"type": "object", "properties": {"home": home, "orders": orders}}

    assert columns(schema) == (
        Column("home", "object", required=False),
        Column("home.city", "string", parent="home"),
        Column("orders", "object", required=False, shape=(None,)),
        Column("orders.price", "number", required=False, parent="orders"),
    )


@pytest.mark.parametrize(
    "words",
    [
        {"type": ["number", "null"]},
        {"type": "number", "nullable": True},
        {"anyOf": [NUMBER, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, NUMBER], "title": "Age"},
        {"anyOf": [NUMBER, {"type": "null"}, {"type": "null"}]},
    ],
)
def test_null_is_admitted_in_every_spelling(words: Schema) -> None:
    assert only(**words) == Column("age", "number", required=False, nullable=True)


def test_null_must_be_among_the_categories_to_be_admitted_by_type() -> None:
    assert only(type=["string", "null"], enum=["a", None]).nullable
    assert only(type="string", nullable=True, enum=["a"]).nullable
    assert not only(type=["string", "null"], enum=["a"]).nullable


def test_an_array_and_its_elements_may_be_null_independently() -> None:
    elements = only(type="array", items={"type": ["number", "null"]})
    array = only(type=["array", "null"], items=NUMBER)

    assert (elements.type, elements.nullable) == ("null|number", False)
    assert (array.type, array.nullable) == ("number", True)


def test_nothing_but_null_is_a_type() -> None:
    assert (only(type="null").type, only(type="null").nullable) == ("null", True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, "any"),
        ({"type": ["string", "integer"]}, "integer|string"),
        ({"type": ["integer", "number"]}, "number"),
        ({"type": "number", "dtype": "int32"}, "integer"),
        ({"type": "string", "dtype": "object"}, "string"),
        ({"dtype": "float32"}, "number"),
        ({"dtype": "bool"}, "boolean"),
        ({"dtype": "datetime64[ns]"}, "string"),
        ({"dtype": "object"}, "any"),
        ({"enum": [1, 2.5]}, "number"),
        ({"enum": [1, 2.0]}, "integer"),
        ({"enum": ["a", None]}, "string"),
        ({"const": True}, "boolean"),
        ({"minimum": 0}, "number"),
        ({"properties": {}}, "object"),
        ({"items": NUMBER}, "number"),
        ({"items": True}, "any"),
        ({"items": {"dtype": "int8"}}, "integer"),
        ({"type": "array", "items": {"nullable": True}}, "any"),
        ({"type": "array", "items": {}, "dtype": "uint8"}, "integer"),
    ],
)
def test_the_type_is_stated_or_implied(words: Schema, expected: str) -> None:
    assert only(**words).type == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"type": "number"}, None),
        ({"type": "number", "shape": []}, None),
        ({"type": "number", "shape": [None, 3]}, (None, 3)),
        ({"items": NUMBER}, (None,)),
        ({"items": NUMBER, "minItems": 3, "maxItems": 3}, (3,)),
        ({"items": NUMBER, "minItems": 1, "maxItems": 3}, (None,)),
        ({"items": NUMBER, "minItems": 1}, (None,)),
        ({"items": NUMBER, "shape": [3]}, (3,)),
        ({"items": NUMBER, "shape": [None], "minItems": 3, "maxItems": 3}, (3,)),
        ({"items": {"items": NUMBER}, "shape": [None, 4]}, (None, 4)),
        ({"items": {"items": NUMBER, "shape": [28, 28]}}, (None, 28, 28)),
        ({"items": {"items": NUMBER, "minItems": 4, "maxItems": 4}}, (None, 4)),
    ],
)
def test_the_shape_is_stated_or_follows_from_the_arrays(
    words: Schema, expected: tuple[int | None, ...] | None
) -> None:
    assert only(**words).shape == expected


def test_bounds_may_leave_out_their_own_value() -> None:
    column = only(type="number", exclusiveMinimum=0, exclusiveMaximum=1.5)

    assert (column.exclusive_minimum, column.exclusive_maximum) == (0, 1.5)


def test_what_array_and_elements_agree_on_is_read_once() -> None:
    column = only(
        type="array",
        items={"type": "number", "dtype": "float32", "unit": "cm", "description": "one"},
        dtype="float32",
        description="all",
    )

    assert (column.dtype, column.unit, column.description) == ("float32", "cm", "all; one")


def test_the_order_of_columns_is_read() -> None:
    schema = {"type": "object", "properties": {"b": NUMBER, "a": NUMBER}, "order": ["a", "b"]}

    assert whole(schema).order == ("a", "b")


def test_a_schema_with_twenty_thousand_columns_is_read() -> None:
    names = [f"gene{number}" for number in range(20_000)]
    schema = {"type": "object", "properties": dict.fromkeys(names, NUMBER), "required": names}

    assert len(columns(schema)) == 20_000


def deep(levels: int) -> Schema:
    schema: Schema = {"type": "number"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


AT_AGE: Mapping[str, tuple[Any, str]] = {
    "not a schema": (5, ""),
    "false": (False, ""),
    "an unknown type": ({"type": "double"}, ".type"),
    "an unknown type in a list": ({"type": ["number", "int"]}, ".type"),
    "no type in the list": ({"type": []}, ".type"),
    "a type that is a number": ({"type": 5}, ".type"),
    "a type that is a list in a list": ({"type": [["number"]]}, ".type"),
    "an object or a number": ({"type": ["object", "number"]}, ".type"),
    "a text with a numeric dtype": ({"type": "string", "dtype": "int64"}, ".type"),
    "nullable, a text": ({"type": "number", "nullable": "yes"}, ".nullable"),
    "nullable, a number": ({"type": "number", "nullable": 1}, ".nullable"),
    "bounds that cross": ({"minimum": 5, "maximum": 4}, ".minimum"),
    "bounds that leave nothing": ({"minimum": 5, "exclusiveMaximum": 5}, ".minimum"),
    "open bounds that leave nothing": (
        {"exclusiveMinimum": 5, "maximum": 5},
        ".exclusiveMinimum",
    ),
    "a bound that is a text": ({"type": "number", "minimum": "0"}, ".minimum"),
    "a bound that is true": ({"type": "number", "maximum": True}, ".maximum"),
    "a bound that is infinite": ({"type": "number", "maximum": float("inf")}, ".maximum"),
    "a bound of a text": ({"type": "string", "minimum": 0}, ".minimum"),
    "a bound of an array": ({"items": NUMBER, "minimum": 0}, ".minimum"),
    "no categories": ({"enum": []}, ".enum"),
    "categories that are a text": ({"enum": "ab"}, ".enum"),
    "a category of another type": ({"type": "integer", "enum": [1, "a"]}, ".enum"),
    "true among integers": ({"type": "integer", "enum": [1, True]}, ".enum"),
    "a half among integers": ({"type": "integer", "enum": [1, 1.5]}, ".enum"),
    "a category twice": ({"enum": [1, 1.0]}, ".enum"),
    "a category that is a list": ({"enum": [[1]]}, ".enum"),
    "a category that is NaN": ({"const": float("nan")}, ".const"),
    "categories of an array": ({"items": NUMBER, "enum": [1]}, ".enum"),
    "a shape that is a number": ({"type": "number", "shape": 3}, ".shape"),
    "a negative length": ({"type": "number", "shape": [-1]}, ".shape"),
    "a length that is true": ({"type": "number", "shape": [True]}, ".shape"),
    "a shape against the length": (
        {"items": NUMBER, "minItems": 3, "maxItems": 3, "shape": [4]},
        ".shape",
    ),
    "a shape against the arrays": ({"items": {"items": NUMBER}, "shape": [1, 2, 3]}, ".shape"),
    "an array without dimensions": ({"items": NUMBER, "shape": []}, ".shape"),
    "a count that is a text": ({"items": NUMBER, "minItems": "3"}, ".minItems"),
    "a count below zero": ({"items": NUMBER, "maxItems": -1}, ".maxItems"),
    "counts that cross": ({"items": NUMBER, "minItems": 3, "maxItems": 2}, ".minItems"),
    "items that are no schema": ({"type": "array", "items": [NUMBER]}, ".items"),
    "an inner array that may be null": (
        {"items": {"type": ["array", "null"], "items": NUMBER}},
        ".items.type",
    ),
    "two dtypes": ({"items": {"dtype": "int8"}, "dtype": "int16"}, ".items.dtype"),
    "two units": ({"items": {"unit": "cm"}, "unit": "m"}, ".items.unit"),
    "a dtype that is a number": ({"type": "number", "dtype": 64}, ".dtype"),
    "a unit that is a number": ({"type": "number", "unit": 5}, ".unit"),
    "a description that is a list": ({"type": "number", "description": []}, ".description"),
    "properties that are a list": ({"type": "object", "properties": []}, ".properties"),
    "properties of a number": ({"type": "number", "properties": {"a": {}}}, ".properties"),
    "a column without a name": ({"properties": {"": {}}}, ".properties"),
    "a column called by a number": ({"properties": {0: {}}}, ".properties"),
    "required as of old": ({"type": "number", "required": True}, ".required"),
    "a required column that is absent": ({"properties": {}, "required": ["a"]}, ".required"),
    "a required column that is a number": ({"properties": {}, "required": [[]]}, ".required"),
    "a required column twice": (
        {"properties": {"a": {}}, "required": ["a", "a"]},
        ".required",
    ),
    "an order with gaps": ({"properties": {"a": {}, "b": {}}, "order": ["a"]}, ".order"),
    "a reference": ({"$ref": "#/$defs/age"}, ".$ref"),
    "a choice of two": ({"anyOf": [NUMBER, {"type": "string"}]}, ".anyOf"),
    "a choice of one": ({"anyOf": [NUMBER]}, ".anyOf"),
    "a choice that is a dict": ({"anyOf": NUMBER}, ".anyOf"),
    "a choice of a reference or null": (
        {"anyOf": [{"$ref": "#/$defs/age"}, {"type": "null"}]},
        ".$ref",
    ),
    "a tuple": ({"type": "array", "prefixItems": [NUMBER]}, ".prefixItems"),
    "a nested column": ({"properties": {"b": {"minimum": "x"}}}, ".properties.b.minimum"),
}


@pytest.mark.parametrize(("words", "location"), AT_AGE.values(), ids=AT_AGE)
def test_a_refusal_names_the_place_and_what_to_do(words: Any, location: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        columns({"type": "object", "properties": {"age": words}})

    assert refusal.value.subject == f"input_schema.properties.age{location}"
    assert refusal.value.advice


@pytest.mark.parametrize("schema", [[], "number", True, 0])
def test_what_is_no_dict_is_no_schema(schema: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"output_schema must be a schema, not a \w+"):
        parse(schema, "output_schema")


def test_two_columns_may_not_share_a_dotted_name() -> None:
    schema = {
        "type": "object",
        "properties": {"a.b": NUMBER, "a": {"type": "object", "properties": {"b": NUMBER}}},
    }

    with pytest.raises(InvalidInputError, match=r"has two columns called 'a\.b'"):
        parse(schema, "input_schema")


def test_nesting_has_a_limit() -> None:
    assert len(columns(deep(32))) == 32
    with pytest.raises(InvalidInputError, match="is nested deeper than 32 levels"):
        columns(deep(33))


def test_the_schemas_on_the_page_are_understood() -> None:
    table, tensors = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    short, long = map(msgspec.json.decode, tensors.splitlines())

    assert [column.name for column in columns(msgspec.json.decode(table))] == ["age", "country"]
    assert columns(short) == columns(long)
