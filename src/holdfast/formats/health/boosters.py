"""Files of LightGBM, XGBoost and CatBoost: whether all their trees are there.

LightGBM leaps through its text by the lengths that its head names, and ends the process where they
are not those of the text.
"""

import re
import struct
from pathlib import Path

import msgspec

from holdfast.core import strict_json
from holdfast.formats.health import ubjson

_LONGEST_HEAD = 1 << 24
_SIZES = re.compile(rb"^tree_sizes=([0-9 ]*)$", re.MULTILINE)
_TREES_END = b"end of trees"
_CATBOOST_HEAD = struct.Struct("<4sI")


def lightgbm_problem(path: Path) -> str | None:
    """Return why LightGBM could not read its text, None if it can."""
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_HEAD)
        if b"\r" in text.partition(b"Tree=0")[0]:
            return "has the line ends of Windows, over which LightGBM ends the process (dos2unix)"
        head, first, _ = text.partition(b"\n\nTree=0\n")
        sizes = _SIZES.search(head)
        if not first:
            whole = _TREES_END in text and not (sizes and sizes[1].split())
            return None if whole else "has no trees: it is cut short"
        at = len(head) + 2 if sizes else max(0, text.find(_TREES_END))
        for number, size in enumerate(sizes[1].split() if sizes else ()):
            stream.seek(at)
            mark = b"Tree=%d\n" % number
            if stream.read(len(mark)) != mark:
                return f"does not have tree {number} where its head says: it is cut short or edited"
            at += int(size)
        stream.seek(at)
        rest = stream.read()
    if not rest.startswith(_TREES_END):
        return "does not end behind its last tree: it is cut short or edited"
    return _rest_problem(rest)


def _rest_problem(rest: bytes) -> str | None:
    """Look at what follows the trees: parameters, and the categories of a frame's columns."""
    if b"\nparameters:" in rest and b"\nend of parameters" not in rest:
        return "is cut short in its parameters"
    categories = rest.rpartition(b"\npandas_categorical:")[2].strip()
    try:
        if b"\npandas_categorical:" in rest:
            strict_json.decode(categories)
    except ValueError:
        return "is cut short in the categories of its columns"
    return None


def xgboost_problem(path: Path) -> str | None:
    """Return where an XGBoost file breaks off, None if it is whole."""
    raw = path.read_bytes()
    try:
        if raw.lstrip()[:2] == b"{L":
            ubjson.check(raw)
        else:
            msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return f"is cut short or damaged: {error}"
    return None


def catboost_problem(path: Path) -> str | None:
    """Return why a CatBoost file cannot be whole, None if it can."""
    size_bytes = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(_CATBOOST_HEAD.size)
    if len(head) < _CATBOOST_HEAD.size:
        return "is cut short: it has no length"
    length = _CATBOOST_HEAD.unpack(head)[1]
    if length > size_bytes - _CATBOOST_HEAD.size:
        return f"is cut short: it announces {length:,} bytes of {size_bytes:,}"
    return None
