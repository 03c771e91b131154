"""Rows as they come in a request, before they are held against a schema."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Given", "NamedRows"]


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Rows by position under names of columns, as in a CSV file or a split frame.

    Attributes:
        texts: Whether all values are texts that stand for what the schema says.
    """

    names: tuple[str, ...]
    rows: list[Any]
    texts: bool = False


Given = list[Any] | dict[str, Any] | NamedRows | Any
"""A list of rows (lists, objects, lone values), columns by name (lists or arrays), named rows, or
a numpy array."""
