"""The schemas of a version: those that are given, else those that its example or objects tell."""

from collections.abc import Mapping
from typing import Any

from holdfast.core import schema
from holdfast.core.manifest import plain
from holdfast.errors import InvalidInputError
from holdfast.formats import example
from holdfast.registry.facts import Facts

__all__ = ["schemas"]


def schemas(
    sources: Mapping[str, object], facts: Facts
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, Any]:
    """Return the schemas given, else those of the example, else those of the fitted objects.

    Categories that a model learned are its own: an example of plain texts has them, too.

    Returns:
        Of the input, of the output, and the first rows of the example.

    Raises:
        InvalidInputError: If one is not a schema, or the input's does not admit the example:
            a version is asked its example before it serves, and would never be ready.
    """
    shown = example.describe(facts["input_example"]) if "input_example" in facts else None
    fitted = example.from_fitted(sources)
    inferred, learned = fitted.input_schema, False
    if shown is not None:
        inferred = example.with_categories(shown.schema, fitted.input_schema)
        learned = inferred != shown.schema
    input_schema = facts.get("input_schema", _inferred(inferred))  # an explicit `None` means none
    output_schema = facts.get("output_schema", _inferred(fitted.output_schema))
    signature = schema.parse(input_schema, "input_schema")
    schema.parse(output_schema, "output_schema")
    rows = plain(shown.rows, "input_example") if shown else None
    if signature is not None and rows and (learned or "input_schema" in facts):
        _require_admitted(signature, rows)
    return plain(input_schema, "input_schema"), plain(output_schema, "output_schema"), rows


def _require_admitted(signature: schema.Signature, rows: Any) -> None:
    try:
        from holdfast.rows.checking import Checker
        from holdfast.rows.refusal import Refusal
    except ImportError:  # numpy comes with what predicts
        return
    try:
        Checker(signature)(rows)
    except Refusal as refusal:
        problem = f"does not fit the input schema: {refusal}"
        raise InvalidInputError("input_example", problem, "fix one of the two") from refusal


def _inferred(json_schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mark a schema that nobody declared: what it does not say was not seen, not withdrawn."""
    return None if json_schema is None else {**json_schema, "inferred": True}
