"""The rows in an input as it was logged, by name of their columns, whatever face it came through.

A version's own schema decides what is answered; here a row that cannot be read is not measured.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

_UNDER: Final = ("instances", "inputs", "dataframe_records")
_SPLIT: Final = ("dataframe_split",)

Columns = dict[str, list[Any]]


def columns_of(document: Any, names: Sequence[str]) -> Columns | None:
    """Return an input's values by column; `None` if it has no rows that can be read.

    Args:
        document: What was logged, decoded: a list of rows or of objects, columns by name, one
            row, a split frame, tensors by name, or a body of `/predict` with one of these.
        names: Of the columns by position, where rows are lists; empty if that is not known.
    """
    if isinstance(document, Mapping):
        return _of_object(document, names)
    if isinstance(document, list):
        return _of_list(document, names)
    return None


def _of_object(document: Mapping[str, Any], names: Sequence[str]) -> Columns | None:
    for name in _SPLIT:
        if name in document:
            return columns_of(document[name], names)
    if isinstance(document.get("data"), list) and isinstance(document.get("columns"), list | tuple):
        return _of_list(document["data"], [str(name) for name in document["columns"]])
    for name in _UNDER:
        if name in document and name not in names:
            return columns_of(document[name], names)
    if document and all(isinstance(column, list) for column in document.values()):
        lengths = {len(column) for column in document.values()}
        return {str(key): column for key, column in document.items()} if len(lengths) == 1 else None
    return {str(key): [value] for key, value in document.items()} if document else None


def _of_list(rows: list[Any], names: Sequence[str]) -> Columns | None:
    if not rows:
        return None
    if all(isinstance(row, Mapping) for row in rows):
        if all({"name", "shape", "data"} <= row.keys() for row in rows):
            return _of_tensors(rows, names)
        keys = dict.fromkeys(chain.from_iterable(rows))
        return {str(key): [row.get(key) for row in rows] for key in keys}
    if not names:
        return None
    if len(names) == 1 and not any(isinstance(row, list) for row in rows):
        return {names[0]: rows}
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _of_tensors(tensors: list[Mapping[str, Any]], names: Sequence[str]) -> Columns | None:
    """Read the tensors of the Open Inference Protocol: one a column, or all in one."""
    shapes = [tensor["shape"] for tensor in tensors]
    if not all(isinstance(shape, list) and shape and _are_sizes(shape) for shape in shapes):
        return None
    matrix = [2, len(names)]
    if len(tensors) == 1 and [len(shapes[0]), shapes[0][-1]] == matrix and len(names) > 1:
        flat = _flat(tensors[0]["data"])
        if len(flat) != shapes[0][0] * len(names):
            return None
        return {name: flat[index :: len(names)] for index, name in enumerate(names)}
    columns = {str(tensor["name"]): _flat(tensor["data"]) for tensor in tensors}
    lengths = {len(column) for column in columns.values()}
    return columns if lengths == {shapes[0][0]} else None


def _are_sizes(shape: list[Any]) -> bool:
    return all(type(size) is int and size >= 0 for size in shape)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return []
    while data and all(isinstance(item, list) for item in data):
        data = list(chain.from_iterable(data))
    return list(data)
