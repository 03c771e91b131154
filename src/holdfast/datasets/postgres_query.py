"""A query of PostgreSQL as record batches: typed as the server says, and the same each time.

Types come from the result's columns and never from its values, so that an empty result, and one
whose first rows are null, have the types of any other. Settings of the session, of the role and of
the server that change how values are written, in which order a table is gone through or how sums
are split are set for the transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from holdfast.errors import InvalidInputError

__all__ = ["SETTINGS", "batches"]

_ROWS_AT_ONCE: Final = 65_536
_WIDEST: Final = 38
"""Digits of a decimal of 128 bits."""

SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "synchronize_seqscans": "off",  # a scan that joins another one begins in the middle
    "max_parallel_workers_per_gather": "0",  # sums in another order are other numbers
}
_AS_TEXT: Final = ("json", "jsonb", "uuid", "interval", "inet", "cidr", "numeric")
_PLAIN: Final = {
    "bool": "bool", "int2": "int16", "int4": "int32", "int8": "int64", "oid": "uint32",
    "float4": "float", "float8": "double", "date": "date32", "bytea": "binary",
}  # fmt: skip


def batches(opened: Any, text: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Go through the rows of one query that reads; one batch at least, which tells the columns.

    Args:
        opened: A connection of psycopg, which is closed at the end.
        text: The query.
        parameters: By name, `%(name)s` in the query.

    Raises:
        InvalidInputError: If a value does not fit its column.
    """
    import pyarrow as pa

    with opened:
        opened.read_only = True
        settings = ", ".join(f"set_config('{name}', '{to}', true)" for name, to in SETTINGS.items())
        opened.execute(f"SELECT {settings}")
        with opened.cursor(name="holdfast") as cursor:  # which takes one query that reads
            _read_as_text(cursor)
            cursor.execute(text.encode(), parameters or None)
            columns = cursor.description or ()
            names = [column.name for column in columns]
            types = [_type(pa, opened, column) for column in columns]
            if not names:
                raise InvalidInputError("query", "has no result", "write one SELECT")
            yield _batch(pa, names, types, [])
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                yield _batch(pa, names, types, rows)


def _read_as_text(cursor: Any) -> None:
    from psycopg.types.string import TextLoader

    for name in _AS_TEXT:
        cursor.adapters.register_loader(name, TextLoader)


def _type(pa: Any, opened: Any, column: Any) -> Any:
    """Return Arrow's type of a result's column; of what it has none for, a text."""
    known = opened.adapters.types.get(column.type_code)
    if known is None:
        return pa.string()
    found = _scalar(pa, known.name, column)
    return found if known.oid == column.type_code else pa.list_(found)


def _scalar(pa: Any, name: str, column: Any) -> Any:
    if name in _PLAIN:
        return pa.type_for_alias(_PLAIN[name])
    if name == "numeric":  # without a declared scale, each value has one of its own
        if column.precision is None or not column.precision >= (column.scale or 0) >= 0:
            return pa.string()
        wide = pa.decimal128 if column.precision <= _WIDEST else pa.decimal256
        return wide(column.precision, column.scale) if column.precision <= 76 else pa.string()  # noqa: PLR2004 - digits of a decimal of 256 bits
    return {
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }.get(name, pa.string())


def _batch(pa: Any, names: Sequence[str], types: Sequence[Any], rows: Sequence[Any]) -> Any:
    arrays = []
    for place, (name, of) in enumerate(zip(names, types, strict=True)):
        values = [row[place] for row in rows]
        try:
            is_decimal = pa.types.is_decimal(of)
            read = pa.array(values, pa.string() if is_decimal else of)
            arrays.append(read.cast(of) if is_decimal else read)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            message = next(iter(str(error).splitlines()), "")
            problem = f"has a column {name!r} whose values are not {of}: {message}"[:300]
            raise InvalidInputError("query", problem, "CAST it in the query") from error
    return pa.RecordBatch.from_arrays(
        arrays, schema=pa.schema(list(zip(names, types, strict=True)))
    )
