"""What XGBoost's own file says of the columns that it was trained on: their names and categories.

From 3.1 on a model remembers the categories that it learned, and takes one that it did not learn
for the first. So whoever serves it must know them: they are read from the file, or from what an
object would write, and nothing is loaded.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core import strict_json
from holdfast.formats.health import ubjson
from holdfast.formats.scanner import kind_of

__all__ = ["columns_of"]

_MOST_BYTES: Final = 1 << 28
"""Files beyond this are not read for their categories."""
_CATEGORY: Final = "c"


class _Trees(msgspec.Struct, frozen=True):
    cats: dict[str, Any] = {}


class _Booster(msgspec.Struct, frozen=True):
    model: _Trees = _Trees()
    gbtree: "_Booster | None" = None


class _Learner(msgspec.Struct, frozen=True):
    feature_names: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    gradient_booster: _Booster = _Booster()


class _Document(msgspec.Struct, frozen=True):
    learner: _Learner = _Learner()


def columns_of(model: object) -> dict[str, list[Any] | None] | None:
    """Return the columns of a model with categories, each with its categories, None for numbers.

    Args:
        model: A booster, an estimator around one, or the path of a file of XGBoost's.

    Returns:
        None for a model without categories, and for what is not XGBoost's.
    """
    learner = _learner(model)
    if learner is None:
        return None
    trees = learner.gradient_booster.gbtree or learner.gradient_booster  # the former of `dart`
    encoders = trees.model.cats.get("enc") or []
    names, kinds = learner.feature_names, learner.feature_types
    if _CATEGORY not in kinds or not len(names) == len(kinds) == len(encoders):
        return None
    found = {
        name: _values(encoder) if kind == _CATEGORY else None
        for name, kind, encoder in zip(names, kinds, encoders, strict=True)
    }
    told = [found[name] for name, kind in zip(names, kinds, strict=True) if kind == _CATEGORY]
    return found if all(told) else None


def _learner(model: object) -> _Learner | None:
    if isinstance(model, str | os.PathLike):
        return _of_file(Path(model))
    return _of_object(model)


def _of_file(path: Path) -> _Learner | None:
    kind = kind_of(path) if path.is_file() else None
    if kind not in ("xgboost-json", "xgboost-ubj") or path.stat().st_size > _MOST_BYTES:
        return None
    raw = path.read_bytes()
    return _of_binary(raw) if kind == "xgboost-ubj" else _decoded(raw)


def _decoded(raw: bytes) -> _Learner:
    if b'"cats"' not in raw or b'"c"' not in raw:  # most have none, and may be long
        return _Learner()
    return strict_json.decode(raw, _Document).learner


def _of_object(model: object) -> _Learner | None:
    if not any(cls.__module__.partition(".")[0] == "xgboost" for cls in type(model).__mro__):
        return None
    booster: Any = model.get_booster() if hasattr(model, "get_booster") else model
    if _CATEGORY not in (booster.feature_types or ()):
        return None
    return _of_binary(bytes(booster.save_raw("ubj")))


def _of_binary(raw: bytes) -> _Learner:
    learner = ("learner",)
    kinds = ubjson.find(raw, (*learner, "feature_types"))
    if not kinds or _CATEGORY not in kinds:
        return _Learner()
    names = ubjson.find(raw, (*learner, "feature_names"))
    booster = (*learner, "gradient_booster")
    cats = ubjson.find(raw, (*booster, "model", "cats"))
    if cats is None:
        cats = ubjson.find(raw, (*booster, "gbtree", "model", "cats"))
    document = {
        "feature_names": names or [],
        "feature_types": kinds,
        "gradient_booster": {"model": {"cats": cats or {}}},
    }
    return msgspec.convert(document, _Learner)


def _values(encoder: dict[str, Any]) -> list[Any]:
    """Return one column's categories: texts that follow each other in bytes, or whole numbers.

    Returns:
        Nothing where a text has a letter beyond ASCII: XGBoost 3.2 counts letters there and keeps
        as many bytes, so that the last texts are cut, and where one ends is not told.
    """
    values = encoder.get("values") or []
    offsets = encoder.get("offsets")
    if offsets is None:
        return list(values)
    text = bytes(value & 0xFF for value in values)
    if not text.isascii():
        return []
    return [text[start:end].decode() for start, end in pairwise(offsets)]
