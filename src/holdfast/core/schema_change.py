"""One difference between two versions' schemas: what `core/schema/rules.py` finds, and all show.

It stands apart because whoever shows a change needs none of the rules.
"""

from msgspec import Struct

from holdfast.core.version import Level


class SchemaChange(Struct, frozen=True):
    """One difference between two versions' schemas.

    Attributes:
        side: `input_schema` or `output_schema`.
        rule: Id of the row of `RULES` that found it.
        column: Dotted path, the old one where it was renamed; empty for the whole value.
        level: The least part of the version that must rise.
        sentence: Names the column and both values.
    """

    side: str
    rule: str
    column: str
    level: Level
    sentence: str
