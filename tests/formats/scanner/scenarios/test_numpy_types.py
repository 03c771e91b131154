"""Types that contradict themselves: numpy would read other lengths, or addresses for objects."""

import struct
from pathlib import Path

import pytest

from holdfast.formats import scan

FLAT = b"NNN"


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _dtype(code: str, state: bytes = b"") -> bytes:
    return b"cnumpy\ndtype\nU" + bytes([len(code)]) + code.encode() + b"\x85R" + state


def _state(inner: bytes = FLAT, size: int = -1, flags: int = 0) -> bytes:
    return b"(K\x03U\x01|" + inner + _int(size) + _int(-1) + _int(flags) + b"tb"


def _fields(*fields: tuple[str, str, int], hidden: bytes = b"") -> bytes:
    names = b"(" + b"".join(b"U\x01" + name.encode() for name, _, _ in fields) + b"t"
    table = b"".join(
        b"U\x01" + name.encode() + _dtype(code) + _int(offset) + b"\x86s"
        for name, code, offset in fields
    )
    return b"N" + names + b"}" + hidden + table


def _part(code: str, shape: bytes) -> bytes:
    return _dtype(code) + shape + b"\x86NN"


@pytest.mark.parametrize(
    "dtype",
    [
        _dtype("f8", _state()),
        _dtype("O8", _state(flags=63)),
        _dtype("S5", _state(size=5)),
        _dtype("U7", _state(size=28, flags=8)),
        _dtype("V6", _state(_fields(("a", "i2", 0), ("b", "f4", 2)), 6, 16)),
        _dtype("V16", _state(_fields(("a", "O8", 0), ("b", "f8", 8)), 16, 27)),
        _dtype("V12", _state(_part("f4", b"K\x03\x85"), 12)),
    ],
)
def test_types_as_numpy_pickles_them_pass(dtype: bytes, tmp_path: Path) -> None:
    path = tmp_path / "type.pkl"
    path.write_bytes(b"\x80\x02" + dtype + b".")

    assert scan(path).unknown == ()


@pytest.mark.parametrize(
    ("dtype", "finding"),
    [
        (_dtype("f8", _state(flags=63)), "its flags contradict it"),
        (_dtype("O8", _state(flags=0)), "its flags contradict it"),
        (_dtype("f8", _state(size=9)), "its lengths contradict each other"),
        (_dtype("z8", _state()), "'z8'"),
        (_dtype("f8", b"N\x85b"), "its state is strange"),
        (_dtype("f8", b"}b"), "its state is strange"),
        (_dtype("f8", _state(b"NU\x01aN", 8)), "its state is strange"),
        (_dtype("V8", _state(b"NU\x01a}", 8)), "its state is strange"),
        (_dtype("O8", _state(_fields(("a", "f8", 0)), 8)), "its lengths contradict each other"),
        (_dtype("V4", _state(_fields(("a", "f8", 0)), 8)), "its lengths contradict each other"),
        (_dtype("V8", _state(_fields(("a", "f8", 1)), 8)), "a field lies outside"),
        (_dtype("V8", _state(_fields(("a", "f8", -1)), 8)), "a field lies outside"),
        (_dtype("V8", _state(_fields(("a", "O8", 0)), 8)), "its flags contradict it"),
        (_dtype("V8", _state(b"N(U\x01at}", 8)), "a field is missing"),
        (_dtype("V8", _state(b"N(Nt}", 8)), "a field is missing"),
        (_dtype("V8", _state(_fields(("a", "f8", 0), hidden=b"NNs"), 8)), "fields are hidden"),
        (_dtype("V8", _state(b"N(U\x01aU\x01at}U\x01a" + _dtype("f4") + b"K\0\x86s", 8)),
         "fields are hidden"),
        (_dtype("V9", _state(_part("f4", b"K\x03\x85"), 9)), "its lengths contradict each other"),
        (_dtype("V8", _state(b"K\x01NN", 8)), "its lengths contradict each other"),
        (_dtype("V8", _state(_part("f4", b"N\x85"), 8)), "its shape is strange"),
        (b"cnumpy\ndtype\n)R" + _state(), "its code is not text"),
    ],
)  # fmt: skip
def test_types_that_contradict_themselves_are_findings(
    dtype: bytes, finding: str, tmp_path: Path
) -> None:
    path = tmp_path / "type.pkl"
    path.write_bytes(b"\x80\x02" + dtype + b".")

    assert any(finding in doubt for doubt in scan(path).unknown)


def test_types_within_types_without_end_are_given_up(tmp_path: Path) -> None:
    dtype = _dtype("f8")
    for _ in range(20):
        dtype = _dtype("V8", _state(dtype + b"K\x01\x85\x86NN", 8))
    path = tmp_path / "type.pkl"
    path.write_bytes(b"\x80\x02" + dtype + b".")

    assert any("numpy type not understood" in doubt for doubt in scan(path).unknown)
