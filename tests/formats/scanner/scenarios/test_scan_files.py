import gzip
import io
import json
import os
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
from safetensors.numpy import save_file

from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError, StoreError
from holdfast.formats import scan
from holdfast.formats.scanner import globals_of, kind_of, root_of

ARRAY = np.arange(6.0).reshape(2, 3)


def _scan(folder: Path, name: str, content: bytes) -> Scan:
    (folder / name).write_bytes(content)
    return scan(folder / name)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _zip(members: dict[str, bytes], squeeze: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", squeeze) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"a,b\n1,2\n", "text"),
        ("größe\n".encode(), "text"),
        (b"\xef\xbb\xbfwith a mark", "text"),
        (b"# Card\n\n```python\nimport holdfast\n```\nDon't\n", "text"),
        (b"class,age\nfirst,3\n", "text"),
        (b"xylophone\n", "text"),
        ("é".encode() * 40_000, "text"),
        (b'{"a": [1]}', "json"),
        (b"[1, 2]", "json"),
        (b"GGUF\x03\0\0\0" + bytes(30), "gguf"),
        (b"tree\nversion=v4\n", "lightgbm"),
        (b'{"learner":{"attributes":{}},"version":[3,0,0]}', "xgboost-json"),
        (b"{L" + bytes(7) + b"\x07learner{", "xgboost-ubj"),
        (b"\x1f\x8b\x08" + gzip.compress(b"a,b\n", mtime=0)[3:], "gzip"),
        (b"\x00\x01\x02" * 99, "unknown"),
        (b"\x78\x9c but no zlib", "unknown"),
        (b"\x5d\x00 but no lzma", "unknown"),
        (b"MZ but no program at all", "text"),
        (b"\xfe\xff\x00a", "unknown"),
        (_npy(ARRAY), "npy"),
        (_npy(np.zeros(2, [("a", "<f4"), ("b", "<i2", (3,)), ("c", [("d", "S2")])])), "npy"),
        (_zip({"a.npy": _npy(ARRAY)}), "npz"),
        (_zip({"a.npy": b"no array"}), "zip"),
        (_zip({"notes.txt": b"hello", "folder/": b""}), "zip"),
        (_zip({"schema.json": b'{"title": "of a form"}'}), "zip"),
        (_zip({}), "zip"),
    ],
)
def test_data_is_told_by_content_and_passes(content: bytes, kind: str, tmp_path: Path) -> None:
    assert _scan(tmp_path, "weights.bin", content) == Scan(kind)


@pytest.mark.parametrize("squeeze", [np.savez, np.savez_compressed])
def test_arrays_in_an_archive_pass(squeeze: object, tmp_path: Path) -> None:
    squeeze(tmp_path / "a.npz", a=ARRAY, b=np.zeros((0, 2)))  # type: ignore[operator]

    assert scan(tmp_path / "a.npz") == Scan("npz")


def test_a_newer_npy_header_is_read(tmp_path: Path) -> None:
    header = "{'descr': '<f8', 'fortran_order': True, 'shape': (1,), }".ljust(70) + "\n"
    content = b"\x93NUMPY\x03\x00" + struct.pack("<I", len(header)) + header.encode() + bytes(8)

    assert _scan(tmp_path, "a.npy", content) == Scan("npy")


@pytest.mark.parametrize(
    ("header", "finding"),
    [
        (
            "{'descr': 'q8', 'fortran_order': False, 'shape': (1,)}",
            "numpy type not understood: 'q8'",
        ),
        ("{'descr': '<f', 'fortran_order': False, 'shape': (1,)}", "has no length"),
        ("{'descr': [3], 'fortran_order': False, 'shape': (1,)}", "its header is strange"),
        ("{'descr': 3, 'fortran_order': False, 'shape': (1,)}", "its header is strange"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", "its shape is strange"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': [1]}", "not the keys of an array"),
        ("{'shape': (1,)}", "not the keys of an array"),
    ],
)
def test_a_strange_npy_header_is_a_finding(header: str, finding: str, tmp_path: Path) -> None:
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(8)
    (doubt,) = _scan(tmp_path, "a.npy", content).unknown

    assert finding in doubt


def test_tensors_pass(tmp_path: Path) -> None:
    save_file({"a": ARRAY, "b": np.zeros(3, "int8")}, tmp_path / "w.bin", metadata={"by": "us"})

    assert scan(tmp_path / "w.bin") == Scan("safetensors")


def test_a_header_of_tensors_whose_length_looks_like_a_pickle_passes(tmp_path: Path) -> None:
    """128 and 4 start a pickle of protocol 4, and the length of a header of 1152 bytes."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).ljust(1152)
    content = struct.pack("<Q", 1152) + header.encode() + b"abcd"

    assert _scan(tmp_path, "w.safetensors", content) == Scan("safetensors")


def test_a_wrong_file_named_safetensors_is_a_finding(tmp_path: Path) -> None:
    assert _scan(tmp_path, "w.safetensors", b"short").unknown == ("ends early, at byte 5",)


def test_an_archive_of_an_honest_pickle_passes(tmp_path: Path) -> None:
    stream = io.BytesIO()
    joblib.dump({"a": ARRAY}, stream)
    result = _scan(tmp_path, "bundle.zip", _zip({"model.joblib": stream.getvalue()}))

    assert result.kind == "zip"
    assert result.executes_code
    assert result.unknown == ()


def test_an_archive_within_an_archive_is_read_where_it_lies(tmp_path: Path) -> None:
    inner = _zip({"a.npy": _npy(ARRAY)})

    assert _scan(tmp_path, "a.zip", _zip({"in.zip": inner}, zipfile.ZIP_STORED)) == Scan("zip")
    assert _scan(tmp_path, "b.zip", _zip({"in.zip": inner})) == Scan("zip")


def test_a_large_archive_packed_in_another_is_not_unpacked(tmp_path: Path) -> None:
    inner = _zip({"zeros": bytes((1 << 26) + 1)}, zipfile.ZIP_STORED)
    (doubt,) = _scan(tmp_path, "a.zip", _zip({"in.zip": inner})).unknown

    assert doubt == "in.zip: an archive within a compressed one, too large to read"


def test_a_packed_archive_of_files_is_not_opened(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"))

    assert scan(tmp_path / "model.tar.gz").unknown == (
        "tar: may hold anything, and is not opened here",
    )


def test_a_packed_stream_that_stops_is_a_finding(tmp_path: Path) -> None:
    stream = io.BytesIO()
    joblib.dump({"a": np.random.default_rng(1).random(9000)}, stream)
    cut = gzip.compress(stream.getvalue(), mtime=0)[:30_000]

    assert any("compressed data ends early" in doubt
               for doubt in _scan(tmp_path, "m.joblib.gz", cut).unknown)  # fmt: skip


def test_a_stream_by_a_library_that_is_missing_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lz4", "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)
    result = _scan(tmp_path, "m.joblib.lz4", b"\x04\x22\x4d\x18" + bytes(9))

    assert result.unknown == ("compressed by lz4, which is not installed",)


def test_a_stream_by_lz4_is_followed(tmp_path: Path) -> None:
    pytest.importorskip("lz4.frame", reason="lz4 is not installed")
    joblib.dump({"a": ARRAY}, tmp_path / "m.joblib", compress=("lz4", 3))

    assert scan(tmp_path / "m.joblib").kind == "joblib"
    assert scan(tmp_path / "m.joblib").unknown == ()


def _torch_state() -> bytes:
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x03tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0(K\x03t(K\x01t\x89}tR"
    return b"\x80\x02}U\x06weight" + tensor + b"s."


def test_tensors_as_torch_saves_them_pass(tmp_path: Path) -> None:
    members = {
        "archive/data.pkl": _torch_state(), "archive/version": b"3\n",
        "archive/data/0": b"\x80\x02ab" * 3,
    }  # fmt: skip
    result = _scan(tmp_path, "model.pt", _zip(members, zipfile.ZIP_STORED))

    assert result.kind == "torch"
    assert result.unknown == ()


def test_tensors_as_torch_saved_them_before_zip_pass(tmp_path: Path) -> None:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    numbers = b"\x80\x02M\xe9\x03." + b"\x80\x02}."
    result = _scan(
        tmp_path, "model.pt", magic + numbers + _torch_state() + b"\x80\x02]." + b"\1" * 20
    )

    assert result.kind == "torch"
    assert result.unknown == ()


def test_a_folder_is_judged_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "a.txt").write_text("hello")
    (folder / "b" / "c" / "bad.bin").write_bytes(b"\x80\x02cos\nsystem\n.")
    (folder / "b" / "cut.pkl").write_bytes(b"\x80\x04N0N0")
    result = scan(folder)

    assert result.kind == "folder"
    assert result.globals == ("os.system",)
    assert result.unknown == (
        "b/cut.pkl: pickle stream broken at byte 6: ends early, at byte 6",
        "os.system",
    )


def test_a_folder_of_data_passes(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.json").write_text("{}")

    assert scan(tmp_path / "tokenizer") == Scan("folder")


def test_a_tensorflow_graph_is_reported_wherever_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "model" / "inner"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    finding = "TensorFlow graph: can read and write files when it runs"

    assert scan(folder).kind == "tensorflow-savedmodel"
    assert scan(folder.parent).unknown == (f"inner/saved_model.pb: {finding}",)


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "more").symlink_to(tmp_path, target_is_directory=True)

    assert scan(tmp_path / "model").unknown == ("more: not a regular file, so not read",)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\x80\x02cos\nsystem\n.")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").symlink_to(tmp_path / "blob")

    assert scan(tmp_path / "model").unknown == ("os.system",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert scan(tmp_path / "pipe").unknown == ("not a regular file, so not read",)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything"
)
def test_a_file_that_may_not_be_read_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    (tmp_path / "model.bin").chmod(0)

    with pytest.raises(StoreError, match="cannot be read: Permission denied"):
        scan(tmp_path / "model.bin")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux alone has such a file")
@pytest.mark.parametrize("ask", [scan, kind_of, globals_of, root_of])
def test_a_disk_that_fails_says_nothing_of_a_files_content(ask: Callable[[Path], object]) -> None:
    """The first page of a process is never there: the system answers with an input/output error."""
    with pytest.raises(StoreError, match="mem cannot be read: Input/output error; check the disk"):
        ask(Path("/proc/self/mem"))


def test_a_file_that_went_is_no_finding(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        root_of(tmp_path / "model.bin")


def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")

    with pytest.raises(InvalidInputError, match=r"allowed '\*' does not name a constructor"):
        scan(tmp_path / "a.txt", ["*"])


def _lzw(codes: list[int], flags: int = 0x90) -> bytes:
    bits = sum(code << 9 * index for index, code in enumerate(codes))
    return b"\x1f\x9d" + bytes([flags]) + bits.to_bytes((9 * len(codes) + 7) // 8, "little")


@pytest.mark.parametrize(
    "content",
    [
        _lzw(list(b"a model that compress packed, long enough")),
        _lzw([97, 257, 258, 259]),
        _lzw([97, 256, 0x1FF]),
        _lzw([97, 256, 257], 0x10),
        _lzw([97]),
    ],
    ids=["letters", "repeated", "cleared", "no clearing", "one letter"],
)
def test_what_compress_wrote_is_sealed(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.Z").write_bytes(content)

    assert scan(tmp_path / "model.Z").kind == "compress"
    assert scan(tmp_path / "model.Z").unknown


@pytest.mark.parametrize(
    "content",
    [
        b"\x1f\x9d",
        _lzw([97, 98, 99])[:4],
        _lzw([97, 98, 99], 0x91),
        _lzw([97, 98, 99], 0x88),
        _lzw([300, 98, 99]),
        _lzw([97, 258, 99]),
        _lzw([97, 257], 0x10),
    ],
    ids=["mark alone", "no code", "17 bits", "8 bits", "first code", "later code", "no clearing"],
)
def test_what_compress_cannot_have_written_is_unknown(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(content)

    assert scan(tmp_path / "weights.bin") == Scan("unknown")


def test_bytes_that_unpack_a_little_by_chance_are_unknown(tmp_path: Path) -> None:
    """What comes out of them before they break is followed as well, and does nothing."""
    packed = zlib.compress(bytes(range(250)) * 4)
    (tmp_path / "weights.bin").write_bytes(packed[:150] + b"\xff" * 150)

    assert scan(tmp_path / "weights.bin") == Scan("unknown")
