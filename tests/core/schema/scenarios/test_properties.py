"""Whatever the schemas: what is not called breaking does not break, by jsonschema as the oracle.

jsonschema knows no dtypes; `explicit` tells it in JSON Schema's words which numbers they hold.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from holdfast.core.schema.rules import compare, demanded
from holdfast.core.schema_change import SchemaChange

Schema = dict[str, Any]

NUMERIC = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64"),
]

NAMES = ("a", "b", "c")
LIMITS: Mapping[str, Any] = {
    **{name: np.iinfo(name) for name in NUMERIC if "int" in name},
    **{name: np.finfo(name) for name in NUMERIC if "float" in name},
}


def inputs(old: Schema | None, new: Schema | None) -> tuple[SchemaChange, ...]:
    return compare((old, None), (new, None))


def outputs(old: Schema | None, new: Schema | None) -> tuple[SchemaChange, ...]:
    return compare((None, old), (None, new))


def explicit(schema: Schema) -> Schema:
    """Say in JSON Schema's words which numbers a dtype holds."""
    plain = dict(schema)
    if "properties" in schema:
        plain["properties"] = {
            key: explicit(subschema) for key, subschema in schema["properties"].items()
        }
    if "items" in schema:
        plain["items"] = explicit(schema["items"])
    limits = LIMITS.get(schema.get("dtype", ""))
    if limits is not None:
        bounds = {"minimum": float(limits.min), "maximum": float(limits.max)}
        plain["allOf"] = [{"anyOf": [{"type": "null"}, bounds]}]
    return plain


def admits(schema: Schema, value: object) -> bool:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    return bool(Draft202012Validator(explicit(schema)).is_valid(value))


BOUNDS = st.sampled_from([None, None, -5, 0, 3, 7.5])


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    kind = draw(st.sampled_from(["integer", "number"]))
    family = "int" if kind == "integer" else "float"
    dtype = draw(st.sampled_from([None, *(name for name in NUMERIC if family in name)]))
    schema: Schema = {"type": kind}
    if dtype:
        schema["dtype"] = dtype
    low, high = sorted([draw(BOUNDS) or 0, (draw(BOUNDS) or 0) + 3])
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high + 1
    return with_null(schema, admit=draw(st.booleans()))


KINDS: list[tuple[str, list[Any]]] = [
    ("string", ["u", "v", "w"]),
    ("integer", [0, 1, 2]),
    ("boolean", [True]),
]


@st.composite
def categories(draw: st.DrawFn) -> Schema:
    kind, universe = draw(st.sampled_from(KINDS))
    schema: Schema = {"type": kind}
    if draw(st.booleans()):
        schema["enum"] = draw(st.lists(st.sampled_from(universe), min_size=1, unique=True))
    return with_null(schema, admit=draw(st.booleans()))


def with_null(schema: Schema, *, admit: bool) -> Schema:
    if not admit:
        return schema
    listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **listed}


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[Schema]) -> Schema:
    schema: Schema = {"type": "array", "items": draw(items)}
    length = draw(st.sampled_from([None, 1, 2]))
    if length:
        schema |= {"minItems": length, "maxItems": length}
    return with_null(schema, admit=draw(st.integers(0, 3)) == 0)


@st.composite
def objects(draw: st.DrawFn, fields: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(st.sampled_from(NAMES), fields, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required}


LEAVES = st.one_of(numbers(), categories())
FIELDS = st.one_of(LEAVES, LEAVES, arrays(LEAVES), arrays(objects(LEAVES)), objects(LEAVES))
SCHEMAS = st.one_of(objects(FIELDS), arrays(objects(FIELDS)), arrays(LEAVES), LEAVES)


WHOLE: list[float] = [-5, -4, 0, 1, 3, 4, 5, 7, 200, 40000, 2**40]
EDGES: dict[str, list[Any]] = {
    "string": ["u", "v", "w", "", "zz"],
    "boolean": [True, False],
    "integer": WHOLE,
    "number": [*WHOLE, 0.5, 3.25, 7.5, 1e300, -1e39],
}


@st.composite
def edited(draw: st.DrawFn, schema: Schema) -> Schema:
    """Return *schema* with some of its words drawn anew: mostly close to it."""
    words = {
        word: value for word, value in schema.items() if draw(st.integers(0, 7)) or word == "type"
    }
    if "properties" in schema:
        properties = {
            key: draw(edited(subschema)) if draw(st.booleans()) else subschema
            for key, subschema in schema["properties"].items()
            if draw(st.integers(0, 9))
        }
        for name in NAMES:
            if draw(st.integers(0, 5)) == 0:
                properties[name] = draw(LEAVES)
        required = [
            name for name in properties if name in schema["required"] or not draw(st.integers(0, 5))
        ]
        return {**words, "properties": properties, "required": required}
    if "items" in schema:
        return {**words, "items": draw(edited(schema["items"]))}
    if draw(st.integers(0, 2)) == 0:
        return draw(LEAVES)
    return words


@st.composite
def values(draw: st.DrawFn, schema: Schema) -> object:
    """Draw a value that *schema* mostly admits, at the edges of what it admits."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "null" in types and draw(st.integers(0, 3)) == 0:
        return None
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    if types[0] == "array":
        count = schema.get("maxItems", draw(st.integers(0, 3)))
        return [draw(values(schema.get("items", {"type": "string"}))) for _ in range(count)]
    if types[0] == "object":
        return {
            name: draw(values(field))
            for name, field in schema["properties"].items()
            if name in schema.get("required", ()) or draw(st.booleans())
        }
    return draw(st.sampled_from(EDGES[types[0]]))


@given(SCHEMAS, SCHEMAS)
def test_a_contract_does_not_differ_from_itself(schema: Schema, other: Schema) -> None:
    assert compare((schema, other), (schema, other)) == ()


MANY_MAJOR = settings(suppress_health_check=[HealthCheck.filter_too_much], deadline=None)


@MANY_MAJOR
@given(st.data())
def test_what_the_old_input_admits_the_new_one_admits_unless_it_is_major(
    data: st.DataObject,
) -> None:
    old = data.draw(SCHEMAS)
    new = data.draw(edited(old))
    assume(demanded(inputs(old, new)) != "major")
    sent = data.draw(st.lists(values(old), min_size=1, max_size=5))

    assert [value for value in sent if admits(old, value) and not admits(new, value)] == []


@MANY_MAJOR
@given(st.data())
def test_what_the_new_output_gives_the_old_one_promised_unless_it_is_major(
    data: st.DataObject,
) -> None:
    old = data.draw(SCHEMAS)
    new = data.draw(edited(old))
    assume(demanded(outputs(old, new)) != "major")
    given_back = data.draw(st.lists(values(new), min_size=1, max_size=5))

    assert [value for value in given_back if admits(new, value) and not admits(old, value)] == []


@given(st.data())
def test_a_change_and_its_reverse_are_found_together(data: st.DataObject) -> None:
    old = data.draw(SCHEMAS)
    new = data.draw(edited(old))

    assert bool(inputs(old, new)) == bool(inputs(new, old))
