"""Objects that lend memory to numpy by an item of a special name, however the item gets in."""

import collections
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils import Bunch

from holdfast import formats

_SPECIAL = "__array_interface__"
_THERE = np.arange(8, dtype=np.uint8)


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _memory() -> bytes:
    return pickle.dumps(_THERE.__array_interface__, 3)[2:-1]


def _rebuilt(items: bytes) -> bytes:
    return (
        b"ccopyreg\n_reconstructor\ncsklearn.utils._bunch\nBunch\ncbuiltins\ndict\n"
        + items
        + b"\x87R"
    )


def _ordered(pairs: bytes) -> bytes:
    return b"ccollections\nOrderedDict\n" + pairs + b"\x85R"


_SCALAR = (
    b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + _text(f"U{len(_SPECIAL)}") + b"\x85R"
    + b"C\x4c" + _SPECIAL.encode("utf-32-le") + b"\x86R"
)  # fmt: skip
_ITEMS: dict[str, Callable[[], bytes]] = {
    "a dict": lambda: b"}" + _text(_SPECIAL) + _memory() + b"s",
    "pairs": lambda: b"](" + _text(_SPECIAL) + _memory() + b"\x86e",
    "pairs as lists": lambda: b"](](" + _text(_SPECIAL) + _memory() + b"ee",
    "pairs in a tuple": lambda: _text(_SPECIAL) + _memory() + b"\x86\x85",
    "an ordered dict of pairs": lambda: _ordered(b"](" + _text(_SPECIAL) + _memory() + b"\x86e"),
    "numpy's text as a key": lambda: b"}" + _SCALAR + _memory() + b"s",
    "a key in escapes": lambda: b"}V__array\\u005finterface__\n" + _memory() + b"s",
    "a key in a string's escapes": lambda: b"}S'__array\\x5finterface__'\n" + _memory() + b"s",
}


@pytest.mark.parametrize("items", _ITEMS.values(), ids=_ITEMS)
def test_memory_lent_to_numpy_is_refused(items: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x03" + _rebuilt(items()) + b".")

    lent = np.asarray(pickle.loads(path.read_bytes()))

    assert lent.tolist() == _THERE.tolist()
    assert lent.ctypes.data == _THERE.ctypes.data
    assert formats.scan(path).unknown


def _labelled(name: object) -> pd.Series:
    lent: dict[str, object] = dict(_THERE.__array_interface__)
    return pd.Series([lent, "more"], index=[name, "b"], dtype=object)


@pytest.mark.parametrize(
    "series",
    [
        _labelled(_SPECIAL),
        _labelled(np.str_(_SPECIAL)),
        pd.Series([collections.OrderedDict(_THERE.__array_interface__)], [_SPECIAL]),
        pd.Series([None, _THERE.__array_interface__], ["b", _SPECIAL]),
    ],
    ids=["a label", "numpy's text as a label", "an ordered dict", "a later item"],
)
@pytest.mark.parametrize("library", [pickle, joblib])
def test_memory_lent_by_a_series_is_refused(
    series: pd.Series, library: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    with path.open("wb") as stream:
        library.dump(series, stream)

    with path.open("rb") as stream:
        lent = np.asarray(library.load(stream))

    assert lent.tolist() == _THERE.tolist()
    assert any("an array of dicts" in doubt for doubt in formats.scan(path).unknown)


def test_a_series_of_other_objects_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(pd.Series(["a", None, {"b": 1}, (1, 2)], name="__missing__")))

    assert formats.scan(path).unknown == ()


def test_a_dict_in_a_series_may_not_come_to_lend_memory_later(tmp_path: Path) -> None:
    later: dict[str, object] = {}
    series = pd.Series([later], index=[_SPECIAL], dtype=object)
    content = pickle.dumps((series, later), 4).removesuffix(b"\x86\x94.")
    path = tmp_path / "model.pkl"
    path.write_bytes(content + _text("typestr") + _text("|u1") + b"s\x86.")

    assert pickle.loads(path.read_bytes())[0][_SPECIAL] == {"typestr": "|u1"}
    assert any("in use" in doubt for doubt in formats.scan(path).unknown)


@pytest.mark.parametrize("protocol", range(6))
def test_a_bunch_of_estimators_passes_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Bunch(first=LinearRegression(), other="drop"), protocol))

    assert formats.scan(path).unknown == ()
