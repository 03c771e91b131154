"""Archives, arrays, tensors and graphs that lie or carry a payload, each in another way.

An attack is a function of the payload's shell command; it gives the file's name and content.
"""

import functools
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable

import numpy as np

Attack = Callable[[str], tuple[str, bytes]]


def evil(command: str) -> bytes:
    return f"cos\nsystem\n(S'{command}'\ntR.".encode()


def zipped(members: dict[str, bytes], squeeze: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", squeeze) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, squeeze)
    return stream.getvalue()


def _under(name: str) -> Attack:
    return lambda command: (name, evil(command))


def _member(file: str, member: str, squeeze: int = zipfile.ZIP_STORED) -> Attack:
    return lambda command: (file, zipped({member: evil(command)}, squeeze))


def _unnamed(archive: bytes) -> bytes:
    content = bytearray(archive.replace(b"abc", b""))
    content[26] = 0
    table, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    content[table + 28] = 0
    content[end + 12 : end + 20] = struct.pack("<II", end - table, table)
    return bytes(content)


def _nested(command: str) -> tuple[str, bytes]:
    inner = zipped({"a/b.txt": evil(command)}, zipfile.ZIP_DEFLATED)
    return "model.zip", zipped({"in.npz": zipped({"z": inner}, zipfile.ZIP_DEFLATED)})


def _nested_too_deep(_: str) -> tuple[str, bytes]:
    content = b"x"
    for _level in range(12):
        content = zipped({"a": content})
    return "deep.zip", content


def _torch_renamed(command: str) -> tuple[str, bytes]:
    return "model.pt", zipped({
        "archive/data.pkl": b"\x80\x02}.", "archive/version": b"3\n",
        "archive/other.txt": evil(command), "archive/data/0": b"\0" * 64,
    })  # fmt: skip


def _torch_storage(command: str) -> tuple[str, bytes]:
    members = {"archive/data.pkl": b"\x80\x02}.", "archive/data/0": evil(command)}
    return "model.pt", zipped(members)


def _torch_persistent_id(_: str) -> tuple[str, bytes]:
    identity = b"\x80\x02X\x06\x00\x00\x00modulectorch.nn\nModule\n\x86Q."
    return "model.pt", zipped({"archive/data.pkl": identity})


def _torch_before_1_6(command: str) -> tuple[str, bytes]:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return "model.pt", magic + b"\x80\x02M\xe9\x03." + b"\x80\x02}." + evil(command)


def _torch_before_0_2(_: str) -> tuple[str, bytes]:
    header = b"storages".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    return "model.pt", (header.ljust(257, b"\0") + b"ustar\x0000").ljust(1024, b"\0")


def _zip_behind_a_pickle(command: str) -> tuple[str, bytes]:
    return "model.pt", b"\x80\x02}." + zipped({"archive/data.pkl": evil(command)})


def _pickle_before_a_zip(command: str) -> tuple[str, bytes]:
    return "model.npz", evil(command) + zipped({"a.npy": _npy(np.zeros(3))})


def _zip_behind_a_zip(_: str) -> tuple[str, bytes]:
    return "a.npz", zipped({"a.npy": _npy(np.zeros(3))}) + zipped({"b.npy": _npy(np.zeros(3))})


def _zip_without_a_table(_: str) -> tuple[str, bytes]:
    return "a.npz", zipped({"a.npy": _npy(np.zeros(3))})[:-30]


def _too_many_members(_: str) -> tuple[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"")
        archive.filelist *= 100_001  # the table alone; what it points at is one member
    return "a.zip", stream.getvalue()


def _length_twice(_: str) -> tuple[str, bytes]:
    content = bytearray(zipped({"weights.bin": b"\1" * 100}))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 99)
    return "a.zip", bytes(content)


def _bytes_behind_a_zip(_: str) -> tuple[str, bytes]:
    return "a.npz", zipped({"a.npy": _npy(np.zeros(3))}) + b"\x00" * 40


def _name_twice(command: str) -> tuple[str, bytes]:
    honest = zipped({"data.pkl": b"\x80\x02}.", "data.pkk": evil(command)})
    return "model.pt", honest.replace(b"data.pkk", b"data.pkl")


def _two_names_for_one(command: str) -> tuple[str, bytes]:
    content = zipped({"weights.bin": evil(command)})
    return "model.zip", content.replace(b"weights.bin", b"license.txt", 1)


def _encrypted(command: str) -> tuple[str, bytes]:
    content = bytearray(zipped({"data.pkl": evil(command)}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return "model.pt", bytes(content)


def _link(_: str) -> tuple[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("weights.bin")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return "model.zip", stream.getvalue()


def _overlapping(_: str) -> tuple[str, bytes]:
    content = bytearray(zipped({"a.bin": b"\1" * 100, "b.bin": b"\1" * 100}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = struct.pack("<I", 20)
    return "model.zip", bytes(content)


def _odd_compression(command: str) -> tuple[str, bytes]:
    content = bytearray(zipped({"data.pkl": evil(command)}))
    for start in (8, content.index(b"PK\x01\x02") + 10):
        content[start : start + 2] = struct.pack("<H", 97)
    return "model.pt", bytes(content)


def _wrong_checksum(command: str) -> tuple[str, bytes]:
    content = zipped({"data.bin": evil(command) + b"\0" * 200}, zipfile.ZIP_DEFLATED)
    at = content.index(b"PK\x01\x02") + 16
    return "model.zip", content[:14] + b"abcd" + content[18:at] + b"abcd" + content[at + 4 :]


@functools.cache  # squeezing so much takes a second
def _squeezed() -> bytes:
    return gzip.compress(b"\x80\x02B\0\0\0\x11" + bytes(260 << 20), mtime=0)


def _bomb(_: str) -> tuple[str, bytes]:
    return "weights.bin.gz", _squeezed()


@functools.cache
def _squeezed_member() -> bytes:
    return zipped({"a": b"\x80\x02B\0\0\0\x10" + bytes(260 << 20)}, zipfile.ZIP_DEFLATED)


def _zip_bomb(_: str) -> tuple[str, bytes]:
    return "a.zip", _squeezed_member()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


class _Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.command,)


def _objects(command: str) -> bytes:
    return _npy(np.array([_Payload(command), 1], dtype=object))


def _npy_with_header(header: str, rest: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + rest


def _lying_shape(_: str) -> tuple[str, bytes]:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }\n"
    return "a.npy", _npy_with_header(header, b"\0" * 64)


def _hidden_behind_the_shape(command: str) -> tuple[str, bytes]:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n"
    return "a.npy", _npy_with_header(header, b"\0" * 8 + evil(command))


def _code_in_the_header(command: str) -> tuple[str, bytes]:
    header = f"{{'descr': __import__('os').system({command!r}), 'shape': (1,)}}\n"
    return "a.npy", _npy_with_header(header)


def _deep_header(_: str) -> tuple[str, bytes]:
    return "a.npy", _npy_with_header("[" * 60_000)


def _safetensors(header: dict[str, object] | bytes, length: int | None = None) -> Attack:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    prefix = struct.pack("<Q", len(raw) if length is None else length)
    return lambda _: ("model.safetensors", prefix + raw + b"\0" * 16)


def _tensor(start: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [(end - start) // 4], "data_offsets": [start, end]}


def _field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    size = len(content)
    return bytes([*_varint(number << 3 | 2), *_varint(size)]) + content


def _varint(value: int) -> list[int]:
    return [value] if value < 128 else [value & 127 | 128, *_varint(value >> 7)]


def _graph(location: str, *, nested: bool = False) -> Attack:
    entry = _field(1, b"location") + _field(2, location.encode())
    tensor = _field(8, b"w") + _field(13, entry) + _field(14, 1)
    graph = _field(2, b"g") + _field(5, tensor)
    if nested:  # a graph in an attribute of a node, as the branches of an If are
        graph = _field(1, _field(4, b"If") + _field(5, _field(1, b"then") + _field(6, graph)))
    return lambda _: ("model.onnx", _field(1, 8) + _field(2, b"made") + _field(7, graph))


def _skops(*nodes: dict[str, object], protocol: int = 2) -> Attack:
    schema = {
        "__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
        "content": list(nodes), "protocol": protocol, "_skops_version": "0.16",
    }  # fmt: skip
    return lambda _: ("model.skops", zipped({"schema.json": json.dumps(schema).encode()}))


def _node(module: str, name: str, loader: str, **more: object) -> dict[str, object]:
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def _generator(name: str) -> dict[str, object]:
    state = _node("builtins", "dict", "DictNode", content={
        "bit_generator": _node("builtins", "str", "JsonNode", content=json.dumps(name)),
    })  # fmt: skip
    return _node("numpy.random._generator", "Generator", "RandomGeneratorNode",
                 content={"bit_generator": state})  # fmt: skip


def _magic(name: str, content: bytes) -> Attack:
    return lambda _: (name, content.ljust(600, b"\1"))


def _gguf_that_is_a_pickle(command: str) -> tuple[str, bytes]:
    return "model.gguf", b"GGUF\x03\0\0\0\x01" + b"0" + evil(command)


FILES: dict[str, Attack] = {
    "pickle named txt": _under("notes.txt"),
    "pickle named json": _under("config.json"),
    "pickle named csv": _under("data.csv"),
    "pickle named onnx": _under("model.onnx"),
    "pickle named safetensors": _under("model.safetensors"),
    "pickle named npy": _under("a.npy"),
    "pickle named nothing": _under("model"),
    "zip member named txt": _member("model.zip", "README.txt"),
    "zip member named npy": _member("model.npz", "a.npy", zipfile.ZIP_DEFLATED),
    "zip member in bzip2": _member("model.zip", "a.bin", zipfile.ZIP_BZIP2),
    "zip member in lzma": _member("model.zip", "a.bin", zipfile.ZIP_LZMA),
    "zip member in broken bzip2": lambda command: (
        "a.zip", zipped({"a": evil(command) * 9}, zipfile.ZIP_BZIP2).replace(b"1AY&SY", b"1AX&SY")),
    "zip member without a name": lambda command: (
        "a.zip", _unnamed(zipped({"abc": evil(command)}))),
    "zip member that climbs": _member("model.zip", "../../etc/cron.d/x"),
    "zip member at the root": _member("model.zip", "/etc/passwd"),
    "zip member on a drive": _member("model.zip", "C:\\x.bin"),
    "zip in zip in zip": _nested,
    "zips without end": _nested_too_deep,
    "torch: another member": _torch_renamed,
    "torch: a storage": _torch_storage,
    "torch: a persistent id": _torch_persistent_id,
    "torch before 1.6": _torch_before_1_6,
    "torch before 0.2": _torch_before_0_2,
    "zip behind a pickle": _zip_behind_a_pickle,
    "pickle before a zip": _pickle_before_a_zip,
    "bytes behind a zip": _bytes_behind_a_zip,
    "zip behind a zip": _zip_behind_a_zip,
    "zip without a table": _zip_without_a_table,
    "zip of too many members": _too_many_members,
    "zip with two lengths for a member": _length_twice,
    "a member's name twice": _name_twice,
    "two names for one member": _two_names_for_one,
    "encrypted member": _encrypted,
    "symbolic link": _link,
    "overlapping members": _overlapping,
    "unknown compression": _odd_compression,
    "wrong checksum": _wrong_checksum,
    "gzip bomb": _bomb,
    "zip bomb": _zip_bomb,
    "npy of objects": lambda command: ("a.npy", _objects(command)),
    "npz of objects": lambda command: ("a.npz", zipped({"a.npy": _objects(command)})),
    "npy: lying shape": _lying_shape,
    "npy: hidden behind the shape": _hidden_behind_the_shape,
    "npy: code in the header": _code_in_the_header,
    "npy: deep header": _deep_header,
    "npy: endless header": lambda _: ("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{"),
    "safetensors: endless header": _safetensors({"a": _tensor(0, 16)}, 1 << 60),
    "safetensors: short header": _safetensors({"a": _tensor(0, 16)}, 3),
    "safetensors: overlap": _safetensors({"a": _tensor(0, 12), "b": _tensor(8, 16)}),
    "safetensors: gap": _safetensors({"a": _tensor(0, 4), "b": _tensor(8, 16)}),
    "safetensors: beyond the end": _safetensors({"a": _tensor(0, 1 << 40)}),
    "safetensors: unnamed bytes": _safetensors({"a": _tensor(0, 8)}),
    "safetensors: wrong length": _safetensors({"a": _tensor(0, 16, "F64")}),
    "safetensors: a name twice": _safetensors(
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
        b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    ),
    "safetensors: no table": _safetensors(b'["data_offsets"]', 16),
    "safetensors: deep header": _safetensors(b'{"data_offsets":' + b"[" * 100_000),
    "onnx: weights above": _graph("../../../etc/passwd"),
    "onnx: weights at the root": _graph("/etc/passwd"),
    "onnx: weights on a drive": _graph("C:/Windows/win.ini"),
    "onnx: weights behind a backslash": _graph("..\\weights.bin"),
    "onnx: weights of a graph within": _graph("../weights.bin", nested=True),
    "skops: function": _skops(_node("os", "system", "FunctionNode")),
    "skops: type": _skops(_node("subprocess", "Popen", "TypeNode")),
    "skops: object": _skops(_node("joblib.memory", "Memory", "ObjectNode")),
    "skops: old function": _skops(
        _node("builtins", "function", "FunctionNode",
              content={"module_path": "os", "function": "system"}), protocol=0),
    "skops: method": _skops(_node("builtins", "str", "MethodNode", content={"func": "format"})),
    "skops: operator": _skops(_node("operator", "methodcaller", "OperatorFuncNode")),
    "skops: unknown loader": _skops(_node("builtins", "dict", "BrandNewNode")),
    "skops: no class": _skops({"__loader__": "ObjectNode"}),
    "skops: numpy function as a bit generator": _skops(_generator("seed")),
    "skops: call of an estimator": _skops(
        _node("xgboost.core", "Booster", "ConstructorFromReduceNode")),
    "skops: protocol of tomorrow": _skops(protocol=99),
    "skops: an endless schema": lambda _: (
        "a.skops", zipped({"schema.json": b" " * ((1 << 26) + 1)}, zipfile.ZIP_DEFLATED)),
    "skops: generator without a state": _skops(
        _node("numpy.random._generator", "Generator", "RandomGeneratorNode")),
    "skops: no JSON": lambda _: ("a.skops", zipped({"schema.json": b'{"__loader__":'})),
    "gguf that is a pickle": _gguf_that_is_a_pickle,
    "7z": _magic("model.pt", b"7z\xbc\xaf\x27\x1c\0\4"),
    "rar": _magic("model.pt", b"Rar!\x1a\x07\x01\0"),
    "zstd": _magic("model.pt.zst", b"\x28\xb5\x2f\xfd"),
    "hdf5": _magic("model.h5", b"\x89HDF\r\n\x1a\n"),
    "hdf5 behind a block of the user's": _magic("model.bin", b"\1" * 512 + b"\x89HDF\r\n\x1a\n"),
    "keras": lambda _: ("m.keras", zipped({
        "config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"})),
    "TorchScript": lambda _: ("m.pt", zipped({
        "m/data.pkl": b"\x80\x02}.", "m/constants.pkl": b"\x80\x02).", "m/code/a.py": b"x"})),
    "torch.export": lambda _: ("m.pt2", zipped({"m/archive_format": b"pt2", "m/version": b"1"})),
    "ELF program": _magic("weights.bin", b"\x7fELF\x02\x01\x01"),
    "Windows program": _magic("weights.bin", b"MZ".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0"),
    "Mach-O program": _magic("weights.bin", b"\xcf\xfa\xed\xfe"),
    "Java class": _magic("weights.bin", b"\xca\xfe\xba\xbe"),
    "Python bytecode": _magic("weights.bin", b"\xa7\x0d\r\n\0\0\0\0" + bytes(8) + b"\xe3"),
    "Python source": lambda _: ("train.txt", b"import os\n\nos.system('true')\n"),
    "shell script": lambda _: ("weights", b"#!/bin/sh\ntrue\n"),
}  # fmt: skip
LARGE = {"gzip bomb", "zip bomb", "zip of too many members"}
"""Too large for those who try many files, and long in the making."""
