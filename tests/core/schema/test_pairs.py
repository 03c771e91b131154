"""Which columns meet: renames, nested fields, positions."""

from typing import Any

import msgspec

from holdfast.core.schema.rules import compare, demanded
from holdfast.core.schema_change import SchemaChange

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}


def table(required: list[str] | None = None, /, **columns: Schema) -> Schema:
    """Return a table of *columns*, all required unless a list says otherwise."""
    names = list(columns) if required is None else required
    return {"type": "object", "properties": columns, "required": names}


def tensor(*shape: int | None) -> Schema:
    return {"type": "array", "items": {"type": "number"}, "shape": list(shape)}


def ordered(*names: str) -> Schema:
    properties = dict.fromkeys(names, NUMBER)
    required = list(names)
    return {"type": "object", "properties": properties, "required": required, "order": required}


def inputs(old: Schema | None, new: Schema | None) -> tuple[SchemaChange, ...]:
    return compare((old, None), (new, None))


def test_a_rename_is_one_change_though_others_of_its_kind_stay() -> None:
    old = table(age=NUMBER, debt=NUMBER, name={"type": "string"})
    new = table(years=NUMBER, debt=NUMBER, name={"type": "string"})

    assert [change.rule for change in inputs(old, new)] == ["column-renamed"]


def test_two_columns_gone_and_two_of_their_kind_come_are_not_guessed_to_be_renames() -> None:
    changes = inputs(table(a=NUMBER, b=NUMBER), table(c=NUMBER, d=NUMBER))

    assert [change.rule for change in changes] == [
        *["column-removed"] * 2,
        *["column-added-required"] * 2,
    ]


def test_an_object_is_renamed_with_its_fields_in_one_change() -> None:
    address = {**table(city={"type": "string"}, zip={"type": "string"}), "description": "home"}
    moved = table(city={"type": "string"}, zip={"type": "string"})

    changes = inputs(table(home=address), table(address=moved))

    assert [(change.rule, change.column) for change in changes] == [("column-renamed", "home")]


def test_an_object_with_other_fields_is_not_the_old_one_renamed() -> None:
    changes = inputs(table(home=table(city=NUMBER)), table(address=table(street=NUMBER)))

    assert {change.rule for change in changes} == {"column-removed", "column-added-required"}


def test_nested_fields_are_compared_by_their_dotted_path() -> None:
    old = table(home=table(city={"type": "string"}))
    new = table(home=table(city={"type": "string"}, zip={"type": "string"}))

    (change,) = inputs(old, new)

    assert (change.rule, change.column, change.level) == (
        "column-added-required",
        "home.zip",
        "major",
    )


def test_the_fields_of_objects_in_an_array_are_compared() -> None:
    def orders(dtype: str) -> Schema:
        item = table(price={"type": "number", "dtype": dtype})
        return table(orders={"type": "array", "items": item})

    (change,) = inputs(orders("float64"), orders("float32"))

    assert (change.rule, change.column) == ("dtype-narrowed", "orders.price")


def test_one_row_and_an_array_of_rows_are_not_the_same_input() -> None:
    changes = inputs(table(age=NUMBER), {"type": "array", "items": table(age=NUMBER)})

    assert [(change.rule, change.column) for change in changes] == [("rank-changed", "")]


def test_the_fields_below_a_changed_type_are_not_listed() -> None:
    changes = inputs(table(a=NUMBER, b=NUMBER), tensor(None, 2))

    assert [change.rule for change in changes] == ["rank-changed", "type-changed"]


def test_a_column_with_a_dot_in_its_name_is_not_a_nested_field() -> None:
    flat = {"type": "object", "properties": {"home.city": {"type": "string"}}}
    nested = table([], home=table(city={"type": "string"}))

    assert demanded(inputs(flat, nested)) == "major"


def test_a_column_inserted_before_others_moves_those_that_are_read_by_position() -> None:
    old, new = ordered("age", "income"), ordered("age", "debt", "income")
    new["required"] = ["age", "income"]

    changes = inputs(old, new)

    assert {(change.rule, change.level) for change in changes} == {
        ("columns-reordered", "major"),
        ("column-added-optional", "minor"),
    }


def test_the_order_of_the_remaining_columns_counts_when_one_is_gone() -> None:
    changes = inputs(ordered("a", "b", "c"), ordered("a", "c"))
    moved = inputs(ordered("a", "b", "c"), ordered("c", "a"))

    assert [change.rule for change in changes] == ["column-removed"]
    assert {change.rule for change in moved} == {"column-removed", "columns-reordered"}


def test_a_renamed_column_keeps_its_position() -> None:
    changes = inputs(ordered("a", "b"), ordered("x", "b"))

    assert [change.rule for change in changes] == ["column-renamed"]


def test_the_order_of_keys_means_nothing_since_the_stored_bytes_sort_them() -> None:
    schema = table(b=NUMBER, a={"type": "string"})
    stored = msgspec.json.decode(msgspec.json.encode(schema, order="sorted"))

    assert inputs(schema, stored) == ()


def test_the_short_form_of_a_tensor_equals_the_long_one() -> None:
    long = {
        "type": "array",
        "items": {"type": "array", "items": NUMBER, "minItems": 30, "maxItems": 30},
    }

    assert inputs(tensor(None, 30), long) == ()
