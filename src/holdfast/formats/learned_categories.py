"""What boosters remember of the columns that they were trained on: their names and categories.

LightGBM's text says it, and XGBoost's own file (`xgboost_categories`). LightGBM's `predict` demands
the very categories of pandas that it learned. So whoever serves it from rows of JSON must know
them, and the text does: names and ranges in its head, categories in its last line, in the order of
the columns that have any. A pickle of a booster of LightGBM's, or of an estimator around
one, has that text in one piece: it is read there, and nothing is unpickled.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

from holdfast.core import strict_json
from holdfast.formats import xgboost_categories
from holdfast.formats.scanner import kind_of, root_of, unpacked_pickle

_HEAD_BYTES: Final = 1 << 24
_TAIL_BYTES: Final = 1 << 20
_NAMES: Final = re.compile(rb"^feature_names=(.*)$", re.MULTILINE)
_INFOS: Final = re.compile(rb"^feature_infos=(.*)$", re.MULTILINE)
_CATEGORIES: Final = b"\npandas_categorical:"
_LINES: Final = (b"feature_names=", b"feature_infos=", b"pandas_categorical:")
_NUMBERS: Final[dict[str, Any]] = {"dtype": "float64", "type": ["number", "null"]}
"""All other columns: what it compares is of double precision, and may be missing."""
_CODES: Final = re.compile(r"-?\d+(:-?\d+)*")
"""How the head writes the values of a column of categories; a range of numbers has brackets."""


def schema_of(model: object) -> dict[str, Any] | None:
    """Return the input schema of a booster with categories, None for all else.

    Args:
        model: A booster, an estimator around one, or the path of a booster's own file or, of
            LightGBM, of a pickle of either.
    """
    columns = xgboost_categories.columns_of(model)
    if columns is None:
        columns = _lightgbm_columns(model)
    if not columns:
        return None
    properties = {
        name: dict(_NUMBERS) if values is None else {"dtype": "category", "enum": [*values, None]}
        for name, values in columns.items()
    }
    order = list(columns)
    return {"type": "object", "properties": properties, "required": order, "order": order}


def _lightgbm_columns(model: object) -> dict[str, list[Any] | None]:
    text = _text_of(model)
    names, infos = (_words(pattern, text[0]) for pattern in (_NAMES, _INFOS))
    places = [at for at, info in enumerate(infos) if _CODES.fullmatch(info)]
    declared = _categories(text[1])
    if not declared or len(places) != len(declared) or len(names) != len(infos):
        return {}
    columns: dict[str, list[Any] | None] = dict.fromkeys(names)
    columns.update(zip((names[at] for at in places), declared, strict=True))
    return columns


def _text_of(model: object) -> tuple[bytes, bytes]:
    """Return beginning and end of a booster's text, nothing for another file."""
    if isinstance(model, str | os.PathLike):
        return _text_in(Path(model))
    if not any(cls.__module__.partition(".")[0] == "lightgbm" for cls in type(model).__mro__):
        return b"", b""
    booster: Any = getattr(model, "booster_", model)
    text = booster.model_to_string(num_iteration=1).encode()
    return text, text


def _text_in(path: Path) -> tuple[bytes, bytes]:
    kind = kind_of(path) if path.is_file() else None
    if kind == "lightgbm":
        return _ends(path)
    root = root_of(path) if kind in ("pickle", "joblib") else None
    if root is None or root.maker is None or not _is_booster(root.maker.module, root.maker.name):
        return b"", b""
    lines = _pickled_lines(path)
    return lines, lines


def _is_booster(module: str, name: str) -> bool:
    """Tell whether a class keeps one booster, which takes what the object takes."""
    return module.partition(".")[0] == "lightgbm" and name.startswith(("LGBM", "Booster"))


def _pickled_lines(path: Path) -> bytes:
    """Return the lines that tell of columns, nothing where a pickle has them twice or not at all.

    A text in a pickle is written as it is, so that its lines are lines of the file.
    """
    lines = []
    with unpacked_pickle(path).open() as stream:
        while line := stream.readline(_HEAD_BYTES):
            if line.startswith(_LINES):
                lines.append(line)
    return b"\n" + b"".join(lines) if len(lines) == len(_LINES) else b""


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return head, stream.read()


def _words(pattern: re.Pattern[bytes], text: bytes) -> list[str]:
    match = pattern.search(text)
    return match[1].decode("utf-8", "replace").split() if match else []


def _categories(text: bytes) -> list[list[Any]]:
    """Return the categories of each column that has any; none where they are not single values."""
    _, _, last = text.rpartition(_CATEGORIES)
    try:
        declared = strict_json.decode(last.strip()) if _CATEGORIES in text else None
    except ValueError:
        return []
    columns = declared if isinstance(declared, list) else []
    lone = all(isinstance(column, list) and all(map(_is_lone, column)) for column in columns)
    return columns if lone else []


def _is_lone(value: object) -> bool:
    return isinstance(value, str | int | float | bool)
