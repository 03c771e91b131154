"""Arrays, series and tensors of any library, known by what they can do and never imported."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Protocol, TypeGuard

from holdfast.core.schema import dtypes

__all__ = [
    "Array",
    "categories",
    "dtype_name",
    "first",
    "has_null",
    "is_array",
    "is_null",
    "is_sequence",
    "plain_values",
    "unwrapped",
]

_NULLS: Final = frozenset(("NAType", "NaTType"))
_TIMES: Final = ("datetime64", "timedelta64")


class Array(Protocol):
    """What numpy, pandas, polars and torch agree on; `shape` has at least one axis."""

    @property
    def dtype(self) -> object:
        """Of the elements."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    def __len__(self) -> int:
        """Return the length of the first axis."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Go over the rows."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return a part."""
        ...


def is_array(value: object) -> TypeGuard[Array]:
    """Tell whether *value* is an array of at least one axis."""
    return _can_list(value) and bool(getattr(value, "shape", ()))


def is_sequence(value: object) -> TypeGuard[Array | list[Any] | tuple[Any, ...]]:
    """Tell whether *value* is an array, a list or a tuple."""
    return isinstance(value, list | tuple) or is_array(value)


def unwrapped(value: object) -> object:
    """Turn an array, or a lone value of an array's library, into Python's own."""
    if not _can_list(value):
        return value
    name = dtypes.canonical(str(getattr(value, "dtype", "")))
    if name in _TIMES and hasattr(value, "astype") and not hasattr(value, "head"):
        # numpy would count nanoseconds where it could give a date
        value = value.astype(f"{name}[us]")
    method = getattr(value, "tolist", None) or getattr(value, "to_list", None)
    return method() if method else value


def _can_list(value: object) -> bool:
    return hasattr(value, "dtype") and (hasattr(value, "tolist") or hasattr(value, "to_list"))


def first(values: Array | list[Any] | tuple[Any, ...], count: int) -> list[Any]:
    """Return the first rows as Python's own values."""
    head = getattr(values, "head", None)  # a series may read a slice as labels
    part = unwrapped(head(count) if callable(head) else values[:count])
    return list(part) if isinstance(part, list | tuple) else [part]


def dtype_name(values: object) -> str | None:
    """Return numpy's name of the dtype, None where there is none or numpy has no such thing."""
    name = dtypes.canonical(str(getattr(values, "dtype", "")))
    return name if name == "object" or dtypes.json_type(name) else None


def categories(dtype: object) -> list[str | bool | int | float] | None:
    """Return the categories a dtype declares, if they are lone values."""
    declared = getattr(dtype, "categories", None)
    return plain_values(declared) if is_array(declared) else None


def plain_values(values: Array) -> list[str | bool | int | float] | None:
    """Return what an array holds, if it is texts, numbers and truth values alone."""
    listed = unwrapped(values)
    scalars = (
        [value for value in listed if isinstance(value, str | bool | int | float)]
        if isinstance(listed, list)
        else []
    )
    return scalars if len(scalars) == len(values) else None


def is_null(value: object) -> bool:
    """Tell whether a lone value stands for none: None, NaN, or pandas' NA and NaT."""
    if value is None or type(value).__name__ in _NULLS:
        return True
    return isinstance(value, float | Decimal) and math.isnan(value)


def has_null(values: Array) -> bool:
    """Tell whether any element of an array of numbers, times or categories stands for none."""
    missing = getattr(values, "isna", None)
    if callable(missing):  # pandas
        return bool(missing().any())
    count = getattr(values, "null_count", None)
    if callable(count):  # polars, for which NaN is a value that equals itself
        return bool(count()) or any(map(is_null, values))
    unequal: Any = values != values  # noqa: PLR0124 - true of NaN and NaT alone
    return bool(unequal.any())
