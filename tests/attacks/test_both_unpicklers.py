"""What acts in either of Python's unpicklers before it breaks is a finding, whatever acts.

Streams are put together by chance from pieces that name what a program registered under a number,
and run by the unpickler in C and the one in Python: all that they can reach is classes that write
down what is done to them. A scan that called such a stream unknown bytes would be wrong.
"""

import contextlib
import copyreg
import io
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from holdfast.formats import scan

_PIECES = (
    b"\x82\x05", b"\x82\x06", b"\x82\x07", b"\x83\x05\0", b")", b"]", b"}", b"\x8f", b"N", b"\x88",
    b"K\x01", b"M\x01\0", b"G" + bytes(8), b"U\x01a", b"U\0", b"X\x02\0\0\0no", b"C\x01a",
    b"S'a'\n", b"S'a\n", b"S'\n", b"Va\n", b"I1\n", b"(", b"t", b"l", b"d", b"e", b"u", b"\x90",
    b"a", b"s", b"0", b"1", b"2", b"\x94", b"h\0", b"\x85", b"\x86", b"\x87", b"\x91", b")R",
    b")R", b")\x81", b")\x81", b"NNs", b"Na", b"}NNsb", b"(K\x01tR", b")}Va\nNs\x92",
    b"\x80\x04", b"R", b"\x81", b"\x81", b"\x92", b"b", b"b", b"o", b"\x93",
)  # fmt: skip
_NAMED = (b"\x82\x05", b"\x82\x05)R", b"\x82\x06", b"\x82\x06)\x81", b"\x82\x07")
_LONGEST = 8
_ALL = {"made", "called", "gone through", "item", "appended", "state", "function"}

acts: list[str] = []


class Table(dict[Any, Any]):
    """Attributes that write down that they are set."""

    def __setitem__(self, key: object, value: object) -> None:
        acts.append("attribute")


class Open:
    """Something that does not mind any use, and writes down each that the stream had a part in."""

    def __new__(cls, *args: object, **keywords: object) -> Self:
        if args or keywords:
            acts.append("made")
        return super().__new__(cls)

    def __init__(self, *args: object, **keywords: object) -> None:
        pass

    def __call__(self, *args: object) -> "Open":
        acts.append("called")
        return self

    def __iter__(self) -> Iterator[object]:
        acts.append("gone through")
        return iter(())

    def __setitem__(self, key: object, value: object) -> None:
        acts.append("item")

    def append(self, _: object) -> None:
        """Take what APPEND hands over."""
        acts.append("appended")


class Stated(Open):
    """What is handed its state."""

    def __setstate__(self, state: object) -> None:
        acts.append("state")


class Plain(Open):
    """What has its attributes set."""

    __slots__ = ()

    @property
    def __dict__(self) -> Table:  # type: ignore[override]
        return Table()


def function(*args: object) -> None:
    """Write down a call that hands over anything."""
    if args:
        acts.append("function")


@pytest.fixture
def registered() -> Iterator[None]:
    """Register the classes and the function under numbers, and forget what these were before."""
    copyreg.clear_extension_cache()
    things: dict[int, Any] = {5: Stated, 6: Plain, 7: function}
    for code, thing in things.items():
        copyreg.add_extension(thing.__module__, thing.__name__, code)
    yield
    for code, thing in things.items():
        copyreg.remove_extension(thing.__module__, thing.__name__, code)
    copyreg.clear_extension_cache()


def _acts_of(stream: bytes) -> list[str]:
    acts.clear()
    for unpickler in (pickle.Unpickler, pickle._Unpickler):
        with contextlib.suppress(Exception):  # the last byte is no instruction
            unpickler(io.BytesIO(stream)).load()
    return list(acts)


@pytest.mark.usefixtures("registered")
@pytest.mark.filterwarnings("ignore")
def test_nothing_that_acts_is_taken_for_unknown_bytes(tmp_path: Path, extent: str) -> None:
    chance = random.Random(20)
    path = tmp_path / "weights.bin"
    seen: set[str] = set()
    missed = []
    for count in range(20_000):
        if extent != "whole" and count >= 3_000 and seen >= _ALL:
            break
        pieces = chance.choices(_PIECES, k=chance.randint(2, _LONGEST))
        stream = chance.choice(_NAMED) + b"".join(pieces) + b"\xff"
        done = _acts_of(stream)
        seen |= set(done)
        if done:
            path.write_bytes(stream)
            missed += [] if scan(path).unknown else [(stream, done)]

    assert missed == []
    assert seen >= _ALL
