"""The table of rules: each row finds its change and no other, and nothing slips through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.schema.rules import RULES, Rule, compare, demanded
from holdfast.core.schema_change import SchemaChange

PAGE = Path(__file__).parents[3] / "docs" / "design" / "schema-rules.md"

Schema = dict[str, Any]
Maybe = Schema | None
Compared = Callable[[Maybe, Maybe], tuple[SchemaChange, ...]]

NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}


def table(required: list[str] | None = None, /, **columns: Schema) -> Schema:
    """Return a table of *columns*, all required unless a list says otherwise."""
    names = list(columns) if required is None else required
    return {"type": "object", "properties": columns, "required": names}


def column(**words: object) -> Schema:
    return table(age=dict(words))


def age(**words: object) -> Schema:
    return column(type="number", **words)


def tensor(*shape: int | None) -> Schema:
    return {"type": "array", "items": {"type": "number"}, "shape": list(shape)}


def ordered(*names: str) -> Schema:
    properties = dict.fromkeys(names, NUMBER)
    return {"type": "object", "properties": properties, "required": [*names], "order": [*names]}


def inputs(old: Maybe, new: Maybe) -> tuple[SchemaChange, ...]:
    return compare((old, None), (new, None))


def outputs(old: Maybe, new: Maybe) -> tuple[SchemaChange, ...]:
    return compare((None, old), (None, new))


@dataclass(frozen=True, slots=True)
class Case:
    """A change that a row finds, its sentence on the input, and a change the row must not find."""

    old: Maybe
    new: Maybe
    sentence: str
    near_old: Maybe
    near_new: Maybe


AGE = table(age=NUMBER)
BOTH = table(age=NUMBER, income=NUMBER)
TWO = table(age=NUMBER, income=WHOLE)
COUNTRY = ["at", "de", "fr"]

CASES: Mapping[str, Case] = {
    "schema-declared": Case(
        None, AGE, "the input: schema declared, object; there was none", AGE, AGE
    ),
    "schema-withdrawn": Case(
        tensor(30),
        None,
        "the input: schema withdrawn, was array [30] of number; nothing tells what still works",
        None,
        None,
    ),
    "column-added-required": Case(
        AGE,
        TWO,
        "input column 'income': added and required, integer",
        AGE,
        table(["age"], age=NUMBER, income=NUMBER),
    ),
    "column-added-optional": Case(
        AGE,
        table(["age"], age=NUMBER, income={"type": "number", "dtype": "float32"}),
        "input column 'income': added and optional, number (float32)",
        AGE,
        TWO,
    ),
    "column-removed": Case(
        TWO,
        AGE,
        "input column 'income': removed, was integer",
        TWO,
        table(["age"], age=NUMBER, income=WHOLE),
    ),
    "column-renamed": Case(
        TWO,
        table(years=NUMBER, income=WHOLE),
        "input column 'age': renamed from 'age' to 'years'",
        TWO,
        table(years=TEXT, income=WHOLE),
    ),
    "columns-reordered": Case(
        ordered("age", "income"),
        ordered("income", "age"),
        "the input: columns reordered, 'income' instead of 'age' at position 1",
        ordered("age", "income"),
        ordered("age", "income", "debt"),
    ),
    "order-declared": Case(
        BOTH,
        ordered("age", "income"),
        "the input: order of columns declared, 'age', 'income'; was by name only",
        ordered("age", "income"),
        ordered("income", "age"),
    ),
    "order-withdrawn": Case(
        ordered("age", "income"),
        BOTH,
        "the input: order of columns withdrawn, was 'age', 'income'; now by name only",
        BOTH,
        table(income=NUMBER, age=NUMBER),
    ),
    "type-changed": Case(
        age(),
        column(type="string"),
        "input column 'age': type changed from number to string",
        age(),
        column(type=["number", "null"]),
    ),
    "type-narrowed": Case(
        age(),
        column(type="integer"),
        "input column 'age': type narrowed from number to integer",
        column(type="integer"),
        age(),
    ),
    "type-widened": Case(
        column(type="integer"),
        column(type=["integer", "string"]),
        "input column 'age': type widened from integer to integer or string",
        column(type=["integer", "string"]),
        column(type=["string", "integer"]),
    ),
    "type-declared": Case(
        column(),
        age(minimum=0),
        "input column 'age': type declared as number, was not stated",
        column(),
        column(description="years"),
    ),
    "type-withdrawn": Case(
        age(minimum=0),
        column(),
        "input column 'age': type withdrawn, was number, now not stated",
        age(),
        column(type=["string", "number"]),
    ),
    "dtype-changed": Case(
        column(dtype="int64"),
        column(dtype="uint64"),
        "input column 'age': dtype changed from int64 to uint64",
        column(type="integer", dtype="int32"),
        column(type="integer", dtype="int64"),
    ),
    "dtype-narrowed": Case(
        age(dtype="float64"),
        age(dtype="float32"),
        "input column 'age': dtype narrowed from float64 to float32",
        age(dtype="float64"),
        age(dtype="double"),
    ),
    "dtype-widened": Case(
        column(type="integer", dtype="int32"),
        column(type="number"),
        "input column 'age': dtype widened from int32 to float64 by default",
        column(type="integer", dtype="int64"),
        column(type="number", dtype="float32"),
    ),
    "dtype-restated": Case(
        age(),
        age(dtype="float64"),
        "input column 'age': dtype restated as float64, equal to float64 by default",
        age(dtype="float64"),
        age(dtype="float64", title="Age"),
    ),
    "became-required": Case(
        table([], age=NUMBER),
        AGE,
        "input column 'age': now required, was optional",
        table([], age=NUMBER),
        table([], age=NUMBER, income=NUMBER),
    ),
    "became-optional": Case(
        AGE,
        table([], age=NUMBER),
        "input column 'age': now optional, was required",
        table([], age=NUMBER),
        {"type": "object", "properties": {"age": NUMBER}},
    ),
    "null-refused": Case(
        column(type=["number", "null"]),
        age(),
        "input column 'age': now never null, was nullable",
        age(nullable=True),
        column(type=["null", "number"]),
    ),
    "null-allowed": Case(
        age(),
        age(nullable=True),
        "input column 'age': now nullable, was never null",
        age(),
        age(nullable=False),
    ),
    "category-removed": Case(
        column(type="string", enum=COUNTRY),
        column(type="string", enum=["at"]),
        "input column 'age': category removed, 'de', 'fr'; left is 'at'",
        column(type="string", enum=COUNTRY),
        column(type="string", enum=["fr", "de", "at"]),
    ),
    "category-added": Case(
        column(type="string", enum=["at"]),
        column(type="string", enum=COUNTRY),
        "input column 'age': category added, 'de', 'fr'; there was 'at'",
        column(type="number", enum=[0, 1]),
        column(type="number", enum=[0.0, 1.0]),
    ),
    "categories-declared": Case(
        column(type="string"),
        column(type="string", enum=COUNTRY),
        "input column 'age': limited to the categories 'at', 'de', 'fr', was any string",
        column(type="string", enum=["at"]),
        column(type="string", enum=COUNTRY),
    ),
    "categories-withdrawn": Case(
        column(type="string", enum=COUNTRY),
        column(type="string"),
        "input column 'age': categories withdrawn, now any string, was limited to 'at', 'de', 'fr'",
        column(type="string", enum=COUNTRY),
        column(type="number"),
    ),
    "range-tightened": Case(
        age(minimum=0, maximum=150),
        age(minimum=0, maximum=120),
        "input column 'age': range tightened from [0, 150] to [0, 120]",
        age(minimum=0, maximum=120),
        age(minimum=0.0, maximum=120),
    ),
    "range-widened": Case(
        age(exclusiveMinimum=0),
        age(minimum=0),
        "input column 'age': range widened from (0, inf) to [0, inf)",
        age(minimum=0),
        age(exclusiveMinimum=0),
    ),
    "rank-changed": Case(
        tensor(None, 30),
        tensor(None, 30, 1),
        "the input: dimensions changed from array [null, 30] of number "
        "to array [null, 30, 1] of number",
        tensor(None, 30),
        tensor(None, 31),
    ),
    "length-changed": Case(
        tensor(None, 30),
        tensor(None, 28),
        "the input: length changed, shape from [null, 30] to [null, 28]",
        tensor(None, 30),
        tensor(None, None),
    ),
    "length-fixed": Case(
        tensor(None, None),
        tensor(None, 30),
        "the input: length fixed, shape from [null, null] to [null, 30]",
        tensor(None, 28),
        tensor(None, 30),
    ),
    "length-freed": Case(
        tensor(None, 30),
        tensor(None, None),
        "the input: length freed, shape from [null, 30] to [null, null]",
        tensor(None, None),
        tensor(None, 30),
    ),
    "unit-changed": Case(
        age(unit="cm"),
        age(unit="m"),
        "input column 'age': unit changed from cm to m",
        age(unit="cm"),
        age(unit=" cm "),
    ),
    "unit-declared": Case(
        age(),
        age(unit="cm"),
        "input column 'age': unit declared as cm, was no unit",
        age(unit="cm"),
        age(unit="m"),
    ),
    "unit-withdrawn": Case(
        age(unit="cm"),
        age(),
        "input column 'age': unit withdrawn, was cm, now no unit",
        age(unit="cm"),
        age(unit="m"),
    ),
    "description-changed": Case(
        age(description="years"),
        age(description="full years"),
        "input column 'age': description changed from 'years' to 'full years'",
        age(description="years"),
        age(description="years", title="Age"),
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize(("noun", "compared"), [("input", inputs), ("output", outputs)])
def test_a_row_finds_its_change_and_nothing_else(rule: Rule, noun: str, compared: Compared) -> None:
    case = CASES[rule.id]

    (change,) = compared(case.old, case.new)

    assert (change.side, change.rule) == (f"{noun}_schema", rule.id)
    assert change.level == (rule.input if noun == "input" else rule.output)
    assert change.sentence == case.sentence.replace("input", noun, 1)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_row_leaves_a_change_of_another_kind_alone(rule: Rule) -> None:
    case = CASES[rule.id]

    changes = inputs(case.near_old, case.near_new) + outputs(case.near_old, case.near_new)

    assert rule.id not in {change.rule for change in changes}


def page_rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip("| ") for cell in line.split(" | ")] for line in lines]
    return [row for row in rows if len(row) == 4 and row[0].startswith("`")]


def test_the_page_has_the_ids_levels_and_sentences_of_the_table() -> None:
    stated = {row[0].strip("`"): (row[1], row[2], row[3]) for row in page_rows()}

    assert stated == {rule.id: (rule.input, rule.output, CASES[rule.id].sentence) for rule in RULES}


def test_what_is_safe_on_one_side_breaks_the_other_wherever_a_change_has_a_direction() -> None:
    opposite = {"narrowed": "widened", "tightened": "widened", "refused": "allowed"}
    levels = {rule.id: (rule.input, rule.output) for rule in RULES}
    directed = [
        (levels[name], levels[f"{stem}-{opposite[end]}"])
        for name in levels
        for stem, _, end in [name.rpartition("-")]
        if end in opposite
    ]

    assert directed == [(("major", "minor"), ("minor", "major"))] * 4


def test_changes_come_major_first_then_by_side_and_column() -> None:
    old = (table(b=NUMBER, a=NUMBER), table(["p"], p=NUMBER, q=NUMBER))
    new = (
        table([], b=TEXT, a=TEXT),
        table([], p=NUMBER, q={"type": "string", "description": "x"}),
    )

    changes = compare(old, new)

    assert [(change.level, change.side, change.column) for change in changes] == [
        ("major", "input_schema", "a"),
        ("major", "input_schema", "b"),
        ("major", "output_schema", "p"),
        ("major", "output_schema", "q"),
        ("minor", "input_schema", "a"),
        ("minor", "input_schema", "b"),
        ("patch", "output_schema", "q"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "level"),
    [
        (table(a=NUMBER), table(a=NUMBER, b=NUMBER), "major"),
        (table(a=NUMBER), table(["a"], a={**NUMBER, "unit": "cm"}, b=NUMBER), "minor"),
        (table(a=NUMBER), table(a={**NUMBER, "unit": "cm"}), "patch"),
        (table(a=NUMBER), table(a=NUMBER), None),
        (None, None, None),
    ],
)
def test_the_highest_level_is_demanded(old: Maybe, new: Maybe, level: str | None) -> None:
    assert demanded(inputs(old, new)) == level
