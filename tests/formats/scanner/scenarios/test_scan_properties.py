"""Whatever Python's own unpicklers name, the scan names too: tried on programs made at random."""

import contextlib
import copyreg
import io
import pickle
import struct
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.byte_sources import of_bytes
from holdfast.formats.scanner.findings import Budget, Findings, UnreadableError
from holdfast.formats.scanner.pickle_vm import Dialect, Machine


class _Stub:
    """Stands for every class that a program names, and lets the program go on."""

    calls = 0

    def __new__(cls, *_: object, **__: object) -> Self:
        _Stub.calls += 1
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        _Stub.calls += 1

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __hash__(self) -> int:
        return 1

    def extend(self, items: object) -> None:
        pass

    append = add = extend


class _Registered(_Stub):
    """Counts no instance that is made of nothing and not initialised."""

    def __new__(cls, *args: object, **keywords: object) -> Self:
        _Stub.calls += bool(args or keywords)
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        _Stub.calls += 1


_REGISTERED = ("registered", "Thing")
_CODES = (1, 5, 300)


@pytest.fixture(autouse=True)
def _extension_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program that registered some numbers, as Python keeps them for unpicklers."""
    for code in _CODES:
        monkeypatch.setitem(copyreg._inverted_registry, code, _REGISTERED)  # type: ignore[attr-defined]


class _Recorder:
    """Notes what an unpickler looks up, and imports nothing."""

    def __init__(self, known: dict[str, object]) -> None:
        self.known = known
        self.names: set[str] = set()

    def find(self, module: str, name: str) -> Any:
        if (module, name) == _REGISTERED:
            return _Registered  # by its number: no name is read
        path = f"{module}.{name}"
        self.names.add(path if path.isprintable() else ascii(path)[1:-1])
        return self.known.get(f"{module}.{name}", _Stub)


def _seen_in_python(program: bytes) -> set[str]:
    recorder = _Recorder({})

    class Unpickler(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return recorder.find(module, name)

    with contextlib.suppress(Exception):
        Unpickler(io.BytesIO(program)).load()
    return recorder.names


def _seen_in_c(program: bytes) -> set[str]:
    recorder = _Recorder({})

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return recorder.find(module, name)

    with contextlib.suppress(Exception):
        Unpickler(io.BytesIO(program)).load()
    return recorder.names


def _seen_in_joblib(program: bytes) -> set[str]:
    known = {
        "joblib.numpy_pickle.NumpyArrayWrapper": NumpyArrayWrapper,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "copyreg._reconstructor": __import__("copyreg")._reconstructor,
        "builtins.object": object,
        "pandas.core.indexes.base._new_Index": lambda cls, state: cls.__new__(cls, **state),
    }
    recorder = _Recorder(known)

    class Unpickler(NumpyUnpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            return recorder.find(module, name)

    with contextlib.suppress(Exception):
        Unpickler("", io.BytesIO(program), ensure_native_byte_order=False).load()
    return recorder.names


def _followed(program: bytes, dialect: Dialect) -> tuple[Findings, Machine]:
    findings = Findings(AllowList(), Budget.of_size(len(program)))
    machine = Machine(of_bytes(program, "").reader(), findings, dialect)
    try:
        machine.run()
    except UnreadableError as error:
        findings.doubt(str(error))
    return findings, machine


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _oddities(findings: Findings) -> set[str]:
    return set(findings.doubts) - set(findings.names)


_NAMES = ["shop.A", "shop.sub.B", "shop.b.c", "builtins.list", "collections.OrderedDict"]
_GLOBALS = [
    spelled
    for module, _, name in (path.rpartition(".") for path in _NAMES)
    for spelled in (
        f"c{module}\n{name}\n".encode(),
        _text(module) + _text(name) + b"\x93",
        b"V" + module.encode() + b"\nU" + bytes([len(name)]) + name.encode() + b"\x93",
        f"(Nishop\n{name}\n".encode(),
    )
]
_PLAIN = [
    b"N", b"\x88", b"K\x05", b"I7\n", b"I01\n", b"F1.5\n", b"L3L\n", b"\x8a\x01\x05", b"S'a'\n",
    b"U\x01a", b"C\x01a", _text("key"), b"]", b"}", b")", b"\x8f", b"(", b"0", b"1", b"2", b"l",
    b"d", b"t", b"\x85", b"\x86", b"\x87", b"\x91", b"a", b"e", b"s", b"u", b"\x90", b"b", b"R",
    b"o", b"\x81", b"\x92", b"q\x01", b"h\x01", b"p2\n", b"g2\n", b"r\x03\0\0\0", b"j\x03\0\0\0",
    b"\x94", b"h\x00", b"\x80\x02", b"\x80\x04", b"\x82\x01", b"Px\n", b"Q", b"\x98", b"\x96" +
    struct.pack("<Q", 2) + b"ab", b"\x95" + struct.pack("<Q", 3), b"\x95" + struct.pack("<Q", 9),
    b")R", b")\x81", b"}b", b"(NtR", b".", b"\x82\x05)R", b"\x83\x2c\x01]\x81", b"\x84\5\0\0\0",
    b"\x82\x05}U\x01aNsb", b"\x82\x00", b"\x84\xff\xff\xff\xff", b"Sa\n", b"U\x01\xe9", b"\x93",
]  # fmt: skip
_PROGRAMS = st.lists(st.sampled_from(_GLOBALS + _PLAIN), max_size=30).map(
    lambda parts: b"".join(parts) + b"."
)


@settings(max_examples=1500, deadline=None)
@given(_PROGRAMS)
@example(b"(S'x'\nios\nsystemX")
def test_the_scan_names_what_the_unpickler_in_python_names(program: bytes) -> None:
    _Stub.calls = 0
    seen = _seen_in_python(program)
    findings, machine = _followed(program, "plain")

    assert seen <= set(findings.names)
    assert machine.calls or not _Stub.calls


@settings(max_examples=1500, deadline=None)
@given(_PROGRAMS)
@example(b"\x95" + struct.pack("<Q", 3) + b"cshop\nA\n.")
def test_the_scan_names_what_the_unpickler_in_c_names(program: bytes) -> None:
    """That one loses the start of a name that crosses a frame's end: a finding of its own."""
    _Stub.calls = 0
    seen = _seen_in_c(program)
    findings, machine = _followed(program, "plain")

    assert seen <= set(findings.names) or _oddities(findings)
    assert machine.calls or not _Stub.calls


@settings(max_examples=500, deadline=None)
@example(b"i", b"")
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
def test_the_scan_survives_any_bytes(content: bytes, start: bytes) -> None:
    findings, _ = _followed(start + content, "joblib")

    assert _seen_in_python(start + content) <= set(findings.names)


_WRAPPER = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n"
_TYPE = b"cnumpy\ndtype\nU\x02u1\x89\x88\x87R"
_STATE = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def _note(count: bytes, dtype: bytes, more: bytes = b"") -> bytes:
    items = _text("subclass") + b"cnumpy\nndarray\n" + _text("shape") + count + _text("order")
    items += _text("C") + _text("dtype") + dtype + _text("allow_mmap") + b"\x89" + more
    return b"}(" + items + b"u"


_ALIGNED = _text("numpy_array_alignment_bytes") + b"K\x10"
_NOTES = [
    _WRAPPER + b")\x81" + _note(b"K\x03\x85", _TYPE) + b"b",
    _WRAPPER + b")\x81" + _note(b"K\x03\x85", _TYPE + _STATE) + b"b" + b"N0N",
    _WRAPPER + b")\x81" + _note(b"K\x03\x85", _TYPE, _ALIGNED) + b"b" + b"\x02NN" + b"N0N",
    _WRAPPER + b")\x81" + _note(b")", _TYPE) + b"b",
    _WRAPPER + b")\x81" + _note(b"J\xff\xff\xff\xff\x85", _TYPE) + b"b",
    _WRAPPER + b")\x81" + _note(b"K\x01\x85", b"cnumpy\ndtype\nU\x02O8\x85R") + b"b",
    b"ccopyreg\n_reconstructor\n" + _WRAPPER + b"cbuiltins\nobject\nN\x87R"
    + _note(b"K\x01\x85", _TYPE) + b"b",
    b"cpandas.core.indexes.base\n_new_Index\n" + _WRAPPER + b"}\x86R",
    _note(b"K\x04\x85", _TYPE) + b"b",
    _WRAPPER + b")\x81",
    _WRAPPER,
    b"\x95" + struct.pack("<Q", 200),
]  # fmt: skip
_JOBLIB = st.lists(st.sampled_from(_NOTES * 3 + _GLOBALS + _PLAIN), max_size=20).map(
    lambda parts: b"\x80\x02" + b"".join(parts) + b"."
)


@settings(max_examples=1500, deadline=None)
@given(_JOBLIB)
def test_nothing_joblib_names_is_hidden_by_array_bytes(program: bytes) -> None:
    """A finding is as good as a name: nobody loads such a file unread."""
    findings, _ = _followed(program, "joblib")

    assert _oddities(findings) or _seen_in_joblib(program) <= set(findings.names)
