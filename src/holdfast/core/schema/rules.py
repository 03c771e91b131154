"""What a changed schema demands: one table of rules, and the comparison that reads it.

The input is a promise to take, the output a promise to give: what is harmless on one side (taking
more, giving less) breaks callers on the other. `docs/design/schema-rules.md` is the same table
for users and gives the reasons; a test holds the two together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from holdfast.core.schema import ANY, Column, Side, Signature, parse
from holdfast.core.schema import matchers as found
from holdfast.core.schema.pairs import pairs
from holdfast.core.schema_change import SchemaChange
from holdfast.core.version import Level

__all__ = ["RULES", "Rule", "Schemas", "compare", "demanded"]

_FIRST: Final[dict[Level, int]] = {"major": 0, "minor": 1, "patch": 2}
_UNSAID: Final = frozenset(("null-refused", "order-withdrawn", "type-withdrawn"))
"""Rows that find something unsaid: an inferred schema did not see it, which takes nothing back."""

_SIDES: Final[tuple[Side, Side]] = ("input_schema", "output_schema")

Schemas = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
"""The input and the output schema of one version, as the manifest holds them."""


class Rule(Struct, frozen=True):
    """A row of the table.

    Attributes:
        id: Stable name.
        input: The level it demands where the input changed.
        output: The level it demands where the output changed.
        template: The sentence, without its subject; `old` and `new` are filled in.
        finds: Returns both values where the row applies to an old and a new column, else None.
    """

    id: str
    input: Level
    output: Level
    template: str
    finds: found.Finder

    def level(self, side: Side) -> Level:
        """Return the level demanded on *side*."""
        return self.input if side == "input_schema" else self.output


RULES: Final = (
    Rule(
        "schema-declared",
        "minor",
        "minor",
        "schema declared, {new}; there was none",
        found.added(lambda column: not column.name),
    ),
    Rule(
        "schema-withdrawn",
        "minor",
        "minor",
        "schema withdrawn, was {old}; nothing tells what still works",
        found.removed(lambda column: not column.name),
    ),
    Rule(
        "column-added-required",
        "major",
        "minor",
        "added and required, {new}",
        found.added(lambda column: bool(column.name) and column.required),
    ),
    Rule(
        "column-added-optional",
        "minor",
        "minor",
        "added and optional, {new}",
        found.added(lambda column: bool(column.name) and not column.required),
    ),
    Rule(
        "column-removed",
        "major",
        "major",
        "removed, was {old}",
        found.removed(lambda column: bool(column.name)),
    ),
    Rule("column-renamed", "major", "major", "renamed from {old} to {new}", found.renamed),
    Rule(
        "columns-reordered",
        "major",
        "major",
        "columns reordered, {new} instead of {old}",
        found.both(found.reordered),
    ),
    Rule(
        "order-declared",
        "patch",
        "patch",
        "order of columns declared, {new}; was {old}",
        found.both(found.order_declared),
    ),
    Rule(
        "order-withdrawn",
        "minor",
        "minor",
        "order of columns withdrawn, was {old}; now {new}",
        found.both(found.swap(found.order_declared)),
    ),
    Rule(
        "type-changed",
        "major",
        "major",
        "type changed from {old} to {new}",
        found.related("type", "changed"),
    ),
    Rule(
        "type-narrowed",
        "major",
        "minor",
        "type narrowed from {old} to {new}",
        found.related("type", "narrowed"),
    ),
    Rule(
        "type-widened",
        "minor",
        "major",
        "type widened from {old} to {new}",
        found.related("type", "widened"),
    ),
    Rule(
        "type-declared",
        "minor",
        "minor",
        "type declared as {new}, was {old}",
        found.both(found.type_declared),
    ),
    Rule(
        "type-withdrawn",
        "major",
        "major",
        "type withdrawn, was {old}, now {new}",
        found.both(found.swap(found.type_declared)),
    ),
    Rule(
        "dtype-changed",
        "major",
        "major",
        "dtype changed from {old} to {new}",
        found.related("dtype", "changed"),
    ),
    Rule(
        "dtype-narrowed",
        "major",
        "minor",
        "dtype narrowed from {old} to {new}",
        found.related("dtype", "narrowed"),
    ),
    Rule(
        "dtype-widened",
        "minor",
        "major",
        "dtype widened from {old} to {new}",
        found.related("dtype", "widened"),
    ),
    Rule(
        "dtype-restated",
        "patch",
        "patch",
        "dtype restated as {new}, equal to {old}",
        found.related("dtype", "restated"),
    ),
    Rule(
        "became-required",
        "major",
        "minor",
        "now {new}, was {old}",
        found.both(found.became_required),
    ),
    Rule(
        "became-optional",
        "minor",
        "major",
        "now {new}, was {old}",
        found.both(found.swap(found.became_required)),
    ),
    Rule(
        "null-refused",
        "major",
        "minor",
        "now {new}, was {old}",
        found.values(found.null_refused),
    ),
    Rule(
        "null-allowed",
        "minor",
        "major",
        "now {new}, was {old}",
        found.values(found.swap(found.null_refused)),
    ),
    Rule(
        "category-removed",
        "major",
        "minor",
        "category removed, {old}; left is {new}",
        found.values(found.category_removed),
    ),
    Rule(
        "category-added",
        "minor",
        "major",
        "category added, {new}; there was {old}",
        found.values(found.swap(found.category_removed)),
    ),
    Rule(
        "categories-declared",
        "major",
        "minor",
        "limited to the categories {new}, was {old}",
        found.values(found.categories_declared),
    ),
    Rule(
        "categories-withdrawn",
        "minor",
        "major",
        "categories withdrawn, now {new}, was limited to {old}",
        found.values(found.swap(found.categories_declared)),
    ),
    Rule(
        "range-tightened",
        "major",
        "minor",
        "range tightened from {old} to {new}",
        found.values(found.range_tightened),
    ),
    Rule(
        "range-widened",
        "minor",
        "major",
        "range widened from {old} to {new}",
        found.values(found.swap(found.range_tightened)),
    ),
    Rule(
        "rank-changed",
        "major",
        "major",
        "dimensions changed from {old} to {new}",
        found.both(found.rank_changed),
    ),
    Rule(
        "length-changed",
        "major",
        "major",
        "length changed, shape from {old} to {new}",
        found.both(found.length_changed),
    ),
    Rule(
        "length-fixed",
        "major",
        "minor",
        "length fixed, shape from {old} to {new}",
        found.both(found.length_fixed),
    ),
    Rule(
        "length-freed",
        "minor",
        "major",
        "length freed, shape from {old} to {new}",
        found.both(found.swap(found.length_fixed)),
    ),
    Rule(
        "unit-changed",
        "major",
        "major",
        "unit changed from {old} to {new}",
        found.both(found.unit_changed),
    ),
    Rule(
        "unit-declared",
        "patch",
        "patch",
        "unit declared as {new}, was {old}",
        found.both(found.unit_declared),
    ),
    Rule(
        "unit-withdrawn",
        "minor",
        "minor",
        "unit withdrawn, was {old}, now {new}",
        found.both(found.swap(found.unit_declared)),
    ),
    Rule(
        "description-changed",
        "patch",
        "patch",
        "description changed from {old} to {new}",
        found.both(found.description_changed),
    ),
)
"""The table. A row never changes its id; a new one is added where it reads best."""


def compare(old: Schemas, new: Schemas) -> tuple[SchemaChange, ...]:
    """Return every difference that a row of the table finds: major first, then side and column.

    Args:
        old: Input and output schema of the version compared against.
        new: The same of the version that follows it.

    Raises:
        InvalidInputError: If a schema cannot be understood, see `schema.parse`.
    """
    changes = [
        change
        for side, before, after in zip(_SIDES, old, new, strict=True)
        for change in _changes(side, parse(before, side), parse(after, side))
        if change.rule not in _UNSAID or not (after or {}).get("inferred")
    ]
    return tuple(
        sorted(
            changes,
            key=lambda difference: (
                _FIRST[difference.level],
                difference.side,
                difference.column,
                difference.rule,
            ),
        )
    )


def demanded(changes: Iterable[SchemaChange]) -> Level | None:
    """Return the highest level among *changes*, None if there are none."""
    return min((change.level for change in changes), key=_FIRST.__getitem__, default=None)


def _changes(side: Side, old: Signature | None, new: Signature | None) -> Iterator[SchemaChange]:
    noun = side.removesuffix("_schema")
    for before, after in pairs(old, new):
        if before == after:
            continue
        name = (before or after or Column("", ANY)).name
        subject = f"{noun} column {name!r}" if name else f"the {noun}"
        for rule in RULES:
            if texts := rule.finds(before, after):
                sentence = f"{subject}: {rule.template.format(old=texts[0], new=texts[1])}"
                yield SchemaChange(side, rule.id, name, rule.level(side), sentence)
