"""Signatures of models: what a stored schema says of every column.

A schema is kept as the caller wrote it: JSON Schema (2020-12) with four words of our own, `dtype`
(numpy's name), `shape` (null for any length), `unit`, and `order`: the columns of a table that may
be read by position, which `properties` cannot tell, since the manifest's bytes sort its keys. It
is read here to be checked at registration and compared by `core/schema/rules.py`. Words that
`docs/design/schema-rules.md` does not list are kept and ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from holdfast.core.schema import dtypes
from holdfast.core.schema.keywords import ANY, SchemaNode, spot
from holdfast.errors import InvalidInputError

__all__ = ["ANY", "Column", "Side", "Signature", "parse"]

Side = Literal["input_schema", "output_schema"]
Shape = tuple[int | None, ...]


class Column(Struct, frozen=True):
    """One value a model takes or gives: a column, a field, a tensor, or the whole.

    Attributes:
        name: Dotted path (`address.city`); empty for the whole value. The fields of objects in an
            array are named as those of one object (`orders.price`).
        type: `boolean`, `integer`, `number`, `string`, `object`, `null` or `any`; an array has its
            elements' type. Several are sorted and joined by `|`; `null` is among them where an
            element may be null.
        dtype: As the schema spells it, see `dtypes.canonical`.
        required: Always true for the whole value.
        nullable: Whether the value itself, not an element of it, may be null.
        minimum: Least value, itself admitted.
        maximum: Greatest value, itself admitted.
        enum: The categories, without null.
        shape: Lengths of an array, outermost first, None where any will do; None for a lone value.
        unit: Of the numbers, such as `cm`.
        exclusive_minimum: Bound below, itself not admitted.
        exclusive_maximum: Bound above, itself not admitted.
        order: An object's fields as they are read by position; None if only by name.
        parent: Name of the column this one is a field of; empty at the top.
    """

    name: str
    type: str
    dtype: str | None = None
    required: bool = True
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] | None = None
    shape: Shape | None = None
    unit: str | None = None
    description: str | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    order: tuple[str, ...] | None = None
    parent: str = ""


class Signature(Struct, frozen=True):
    """What one side of a model takes or gives.

    Attributes:
        columns: The named columns, an object before its fields; the whole value if none has a name.
        whole: The value as one: a table's row, an array of rows, a tensor, a lone value.
    """

    columns: tuple[Column, ...]
    whole: Column


def parse(schema: Mapping[str, Any] | None, side: Side) -> Signature | None:
    """Read a schema; none in, none out.

    Raises:
        InvalidInputError: If it is malformed, contradicts itself, or uses a word that can be
            neither read nor ignored; the subject is the place, such as
            `input_schema.properties.age.minimum`.
    """
    if schema is None:
        return None
    whole, *columns = _columns(spot(schema, side), Column("", ANY))
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise InvalidInputError(
                f"{side}.properties",
                f"has two columns called {column.name!r}, as a dot in a name equals a nested field",
                "rename one of them",
            )
        seen.add(column.name)
    return Signature(tuple(columns) or (whole,), whole)


def _columns(here: SchemaNode, base: Column) -> Iterator[Column]:
    """Yield the column at *here*, then its fields; *base* holds what its parent says of it."""
    levels = _levels(here)
    element = levels[-1]
    yield _column(levels, base)
    required = set(element.names("required") or ())
    for key, field in element.fields():
        name = f"{base.name}.{key}" if base.name else key
        yield from _columns(field, Column(name, ANY, required=key in required, parent=base.name))


def _levels(here: SchemaNode) -> list[SchemaNode]:
    """Return the arrays around the elements, outermost first, and the elements' schema last."""
    levels = [here]
    while "array" in levels[-1].types():
        array = levels[-1]
        array.check_not_of_elements()
        if len(levels) > 1 and array.may_be_null():
            advice = "let the whole array or its elements be null"
            raise array.refusal("type", "lets an array within an array be null", advice)
        levels.append(array.items())
    return levels


def _column(levels: list[SchemaNode], base: Column) -> Column:
    element, shape = levels[-1], _shape(levels)
    element.check_bounds()
    dtype = _agreed(levels, "dtype")
    null_element, lone = element.may_be_null(), shape is None
    words = _types(element, dtype)
    if not words or (null_element and not lone and words != {ANY}):
        words |= {"null"}
    return Column(
        name=base.name,
        type="|".join(sorted(words)),
        dtype=dtype,
        required=base.required,
        nullable=null_element if lone else len(levels) > 1 and levels[0].may_be_null(),
        minimum=element.words.get("minimum"),
        maximum=element.words.get("maximum"),
        enum=element.categories(),
        shape=shape,
        unit=_agreed(levels, "unit"),
        description="; ".join(filter(None, (level.text("description") for level in levels)))
        or None,
        exclusive_minimum=element.words.get("exclusiveMinimum"),
        exclusive_maximum=element.words.get("exclusiveMaximum"),
        order=_order(element),
        parent=base.parent,
    )


def _types(element: SchemaNode, dtype: str | None) -> frozenset[str]:
    """Return the types of an element, null aside, as far as its dtype does not tell more."""
    words = element.types() - {"null"}
    json_type = dtypes.json_type(dtypes.canonical(dtype)) if dtype else None
    if words == {"string"} and json_type in {"integer", "number"}:
        raise element.refusal("type", f"is string, but the dtype is {dtype}", "make the two agree")
    if words == {ANY} and json_type:
        return frozenset((json_type,))
    return frozenset(("integer",)) if words == {"number"} and json_type == "integer" else words


def _shape(levels: list[SchemaNode]) -> Shape | None:
    """Join `shape` with the arrays' own lengths.

    A shape under one array of free length stands for all dimensions: the short form of a tensor,
    `{"type": "array", "items": {"type": "number"}, "shape": [null, 30]}`.
    """
    lengths = tuple(level.length() for level in levels[:-1])
    depth = next((at for at, level in enumerate(levels) if level.shape() is not None), None)
    if depth is None:
        return lengths or None
    sizes, inner = levels[depth].shape() or (), lengths[depth:]
    if sizes and inner in {(), (None,)}:
        return lengths[:depth] + sizes
    pairs = list(zip(sizes, inner, strict=False))
    clash = any(None not in pair and pair[0] != pair[1] for pair in pairs)
    if clash or len(sizes) != len(inner):
        problem = f"is {_plain(sizes)}, which contradicts the arrays' lengths {_plain(inner)}"
        raise levels[depth].refusal("shape", problem, "fix one of them")
    joined = tuple(other if size is None else size for size, other in pairs)
    return lengths[:depth] + joined or None


def _plain(sizes: Shape) -> str:
    return f"[{', '.join('null' if size is None else str(size) for size in sizes)}]"


def _agreed(levels: list[SchemaNode], word: str) -> str | None:
    """Return what an array or its elements say under *word*, which both may if they agree."""
    shared_text: str | None = None
    for level in levels:
        text = level.text(word)
        if shared_text and text and text != shared_text:
            problem = f"is {text!r}, which contradicts {shared_text!r} above it"
            raise level.refusal(word, problem, "fix one of them")
        shared_text = shared_text or text
    return shared_text


def _order(element: SchemaNode) -> tuple[str, ...] | None:
    order, properties = element.names("order"), element.properties()
    if order is not None and len(order) < len(properties):
        missing = next(name for name in properties if name not in order)
        raise element.refusal("order", f"leaves out {missing!r}", "list every column")
    return order
