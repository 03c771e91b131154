"""How the rules compare a pair of columns: what changed, as the old and the new value."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from holdfast.core.schema import ANY, Column, dtypes
from holdfast.core.schema.keywords import category_key

_DEFAULT_DTYPES: Final = {"number": "float64", "integer": "int64", "boolean": "bool"}
_SHOWN: Final = 5
_LONGEST: Final = 60

Told = tuple[str, str]
Find = Callable[[Column, Column], Told | None]
Finder = Callable[[Column | None, Column | None], Told | None]
Relation = Literal["same", "restated", "widened", "narrowed", "changed"]


def added(find: Callable[[Column], bool]) -> Finder:
    """Report what *find* accepts among new columns."""
    return lambda old, new: (
        ("absent", _described(new)) if old is None and new is not None and find(new) else None
    )


def removed(find: Callable[[Column], bool]) -> Finder:
    """Report what *find* accepts among columns that are gone."""
    return lambda old, new: (
        (_described(old), "absent") if new is None and old is not None and find(old) else None
    )


def both(find: Find) -> Finder:
    """Look at a column that is there before and after, under one name."""
    return lambda old, new: find(old, new) if old and new and old.name == new.name else None


def values(find: Find) -> Finder:
    """Look at the values of a column, unless its type is another or was not or is not stated.

    Nothing was promised where no type was stated, and under a new type old bounds mean nothing.
    """
    return both(
        lambda old, new: (
            None
            if _half_stated(old, new) or _type_relation(old, new) == "changed"
            else find(old, new)
        )
    )


def swap(finder: Find) -> Find:
    """Look for the opposite: what *finder* finds from new to old, told from old to new."""

    def find(old: Column, new: Column) -> Told | None:
        texts = finder(new, old)
        return texts and (texts[1], texts[0])

    return find


def renamed(old: Column | None, new: Column | None) -> Told | None:
    """Report a renamed column."""
    return (repr(old.name), repr(new.name)) if old and new and old.name != new.name else None


def related(word: Literal["type", "dtype"], relation: Relation) -> Finder:
    """Look for one *relation* between the old and the new type, or dtype."""
    text = _type_text if word == "type" else _dtype_text

    def find(old: Column, new: Column) -> Told | None:
        if _half_stated(old, new) or _relation(old, new) != (word, relation):
            return None
        return text(old), text(new)

    return both(find)


def _relation(old: Column, new: Column) -> tuple[str, Relation]:
    """Report how type and dtype changed, as one change, and which of the two says it better."""
    by_type, by_dtype = _type_relation(old, new), _dtype_relation(old, new)
    if by_type == "changed":
        return "type", "changed"
    moves = {by_type, by_dtype} - {"same", "restated"}
    if not moves:
        return "dtype", by_dtype
    word = "dtype" if by_dtype in moves and (old.dtype or new.dtype) else "type"
    return word, moves.pop() if len(moves) == 1 else "changed"


def _type_relation(old: Column, new: Column) -> Relation:
    before, after = _admitted(old), _admitted(new)
    if before == after:
        return "same"
    return "widened" if before < after else "narrowed" if before > after else "changed"


def _admitted(column: Column) -> set[str]:
    words = set(column.type.split("|"))
    return words | {"integer"} if "number" in words else words


def _dtype_relation(old: Column, new: Column) -> Relation:
    before, after = _dtype(old), _dtype(new)
    if before == after:
        return "same" if old.dtype == new.dtype else "restated"
    if dtypes.holds(after, before):
        return "widened"
    return "narrowed" if dtypes.holds(before, after) else "changed"


def _dtype(column: Column) -> str:
    """Return the canonical dtype; undeclared, it is the one JSON's own values have."""
    if column.dtype:
        return dtypes.canonical(column.dtype)
    words = set(column.type.split("|")) - {"null"}
    return _DEFAULT_DTYPES.get(words.pop(), "object") if len(words) == 1 else "object"


def _half_stated(old: Column, new: Column) -> bool:
    return (old.type == ANY) != (new.type == ANY)


def type_declared(old: Column, new: Column) -> Told | None:
    """Report a type where there was none."""
    return ("not stated", _type_text(new)) if old.type == ANY != new.type else None


def reordered(old: Column, new: Column) -> Told | None:
    """Report the first column that is not where a caller by position expects it."""
    if not old.order or not new.order:
        return None
    known, new_names = set(old.order), set(new.order)
    before = [name for name in old.order if name in new_names]
    after = [name for name in new.order if name in known]
    if len(before) == len(known):  # none is gone, so each must be where it was
        after = list(new.order)
    return next(
        (
            (f"{previous!r} at position {position}", repr(other))
            for position, (previous, other) in enumerate(zip(before, after, strict=False), 1)
            if previous != other
        ),
        None,
    )


def order_declared(old: Column, new: Column) -> Told | None:
    """Report an order of columns where there was none."""
    return ("by name only", _listed(new.order)) if new.order and old.order is None else None


def became_required(old: Column, new: Column) -> Told | None:
    """Report an optional column that is required now."""
    return ("optional", "required") if new.required and not old.required else None


def null_refused(old: Column, new: Column) -> Told | None:
    """Report a nullable column that is so no longer."""
    return ("nullable", "never null") if old.nullable and not new.nullable else None


def category_removed(old: Column, new: Column) -> Told | None:
    """Report the categories that are gone."""
    if old.enum is None or new.enum is None:
        return None
    new_keys = {category_key(value) for value in new.enum}
    lost = [value for value in old.enum if category_key(value) not in new_keys]
    return (_listed(lost), _listed(new.enum)) if lost else None


def categories_declared(old: Column, new: Column) -> Told | None:
    """Report categories where any value was admitted."""
    if old.enum is not None or new.enum is None:
        return None
    return f"any {_type_text(old)}", _listed(new.enum)


def range_tightened(old: Column, new: Column) -> Told | None:
    """Report a range that no longer holds all of the old one."""
    (old_low, old_high), (new_low, new_high) = _range(old), _range(new)
    tighter = new_low > old_low or new_high < old_high
    return (_range_text(old), _range_text(new)) if tighter else None


def _range(column: Column) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return the lower and the upper bound, each with a mark that orders open against closed."""
    lows = ((column.minimum, 0), (column.exclusive_minimum, 1))
    highs = ((column.maximum, 0), (column.exclusive_maximum, -1))
    return (
        max(((value, mark) for value, mark in lows if value is not None), default=(-math.inf, 0)),
        min(((value, mark) for value, mark in highs if value is not None), default=(math.inf, 0)),
    )


def rank_changed(old: Column, new: Column) -> Told | None:
    """Report another number of dimensions; a lone value has none."""
    if len(old.shape or ()) == len(new.shape or ()):
        return None
    return _type_text(old), _type_text(new)


def length_changed(old: Column, new: Column) -> Told | None:
    """Report a fixed length that is another."""
    moved = any(None not in pair and pair[0] != pair[1] for pair in _lengths(old, new))
    return _shape_texts(old, new) if moved else None


def length_fixed(old: Column, new: Column) -> Told | None:
    """Report a free length that is fixed now."""
    fixed = any(length is None and other is not None for length, other in _lengths(old, new))
    return _shape_texts(old, new) if fixed else None


def _lengths(old: Column, new: Column) -> list[tuple[int | None, int | None]]:
    before, after = old.shape or (), new.shape or ()
    return list(zip(before, after, strict=True)) if len(before) == len(after) else []


def unit_changed(old: Column, new: Column) -> Told | None:
    """Report another unit: the same numbers now mean something else."""
    if not old.unit or not new.unit or old.unit == new.unit:
        return None
    return old.unit, new.unit


def unit_declared(old: Column, new: Column) -> Told | None:
    """Report a unit where there was none."""
    return ("no unit", new.unit) if new.unit and not old.unit else None


def description_changed(old: Column, new: Column) -> Told | None:
    """Report another description."""
    if old.description == new.description:
        return None
    return repr(_short(old.description)), repr(_short(new.description))


def _described(column: Column) -> str:
    return f"{_type_text(column)} ({column.dtype})" if column.dtype else _type_text(column)


def _type_text(column: Column) -> str:
    text = column.type.replace("|", " or ")
    return text if column.shape is None else f"array {_shape_text(column.shape)} of {text}"


def _dtype_text(column: Column) -> str:
    return column.dtype or f"{_dtype(column)} by default"


def _shape_texts(old: Column, new: Column) -> Told:
    return _shape_text(old.shape), _shape_text(new.shape)


def _shape_text(shape: tuple[int | None, ...] | None) -> str:
    return f"[{', '.join('null' if size is None else str(size) for size in shape or ())}]"


def _range_text(column: Column) -> str:
    (low, opened), (high, closed) = _range(column)
    if -low == high == math.inf:
        return "all numbers"
    left = "(" if opened or low == -math.inf else "["
    right = ")" if closed or high == math.inf else "]"
    return f"{left}{low}, {high}{right}"


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _listed(values: Iterable[Any] | None) -> str:
    items = list(values or ())
    shown = ", ".join(repr(value) for value in items[:_SHOWN])
    return f"{shown} and {len(items) - _SHOWN} more" if len(items) > _SHOWN else shown
