"""A Bunch that lends memory to numpy by an item of a special name, however the item gets in."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("protocol", range(6))
def test_a_bunch_of_estimators_passes_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Bunch(first=LinearRegression(), other="drop"), protocol))

    assert formats.scan(path).unknown == ()
