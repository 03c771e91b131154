"""Files that wear the scan out: giving up is a finding, whatever they would have been."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.formats.scanner import findings, scan

_WORK = 20_000


@pytest.fixture(autouse=True)
def _little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant less work, so that the files stay small; the paths are the same."""
    monkeypatch.setattr(findings, "_INSTRUCTIONS", _WORK)


def _call(command: str) -> bytes:
    return b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR."


def _worn(command: str) -> bytes:
    return b"N0" * (_WORK // 2 + 1) + _call(command)


def _zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("model.bin", content)
    return stream.getvalue()


_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "bare": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "gzip in gzip": lambda content: gzip.compress(gzip.compress(content), mtime=0),
    "zip": _zipped,
    "gzip in zip": lambda content: _zipped(gzip.compress(content, mtime=0), zipfile.ZIP_STORED),
    "zip in gzip": lambda content: gzip.compress(_zipped(content), mtime=0),
    "zip in zip": lambda content: _zipped(_zipped(content)),
}


def _objects(content: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def _torch(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("m/data.pkl", content)
        archive.writestr("m/version", b"3\n")
    return stream.getvalue()


_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "behind another pickle": lambda content: b"N." + content,
    "behind ten others": lambda content: b"N." * 10 + content,
    "in an array of objects": _objects,
    "in an archive of arrays of objects": lambda content: _zipped(_objects(content)),
    "in a torch archive": _torch,
    "in the third of torch's five": lambda content: pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2) + content,
    "in a zlib stream that breaks": lambda content: zlib.compress(
        content + os.urandom(9_000))[:-999],
}  # fmt: skip


@pytest.mark.parametrize("embed", _PLACES.values(), ids=_PLACES)
def test_no_place_in_a_file_hides_that_the_scan_gave_up(
    embed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(embed(_worn("true")))

    result = scan(path)

    assert any("given up" in line for line in result.unknown)
    assert result.executes_code


@pytest.mark.parametrize("pack", _PACKED.values(), ids=_PACKED)
def test_instructions_beyond_the_budget_are_a_finding(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(pack(_worn("true")))

    result = scan(path)

    assert any("given up" in line for line in result.unknown)
    assert result.executes_code


@pytest.mark.parametrize(
    "prologue",
    [b"N0", b"(0", b")0", b"K\x010", b"I1\n0", b"\x880", b"]0"],
    ids=["none", "mark", "tuple", "number", "line", "true", "list"],
)
def test_no_prologue_wears_the_scan_out_unseen(prologue: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(prologue * _WORK + _call("true"))

    assert any("given up" in line for line in scan(path).unknown)


def test_a_worn_out_scan_is_a_finding_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.txt").write_bytes(_worn("true"))
    (tmp_path / "model" / "b.txt").write_bytes(b"harmless")

    assert any("given up" in line for line in scan(tmp_path / "model").unknown)


def test_a_large_value_that_every_call_is_handed_wears_the_scan_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bytes of each call name it again, and it is judged again."""
    monkeypatch.setattr(findings, "_INSTRUCTIONS", 1_000_000)
    path = tmp_path / "model.pkl"
    value = b"(" + b"N" * 1000 + b"tq\x00cpandas.core.indexes.base\n_new_Index\nq\x0100"
    path.write_bytes(b"\x80\x02" + value + b"h\x01h\x00R0" * 2000 + b"N.")

    assert any("given up" in line for line in scan(path).unknown)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_bytes_beyond_the_budget_are_a_finding(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_INFLATED_FLOOR", 1 << 16)
    path = tmp_path / "model.bin"
    skipped = b"B" + (1 << 22).to_bytes(4, "little") + bytes(1 << 22) + b"0"
    path.write_bytes(pack(skipped + _call("true")))

    assert any("given up" in line for line in scan(path).unknown)


def _broken_later(command: str) -> bytes:
    """Break after all that joblib reads before it runs, within what a larger read would lose."""
    noise = zlib.compress(_call(command) + bytes(3 << 20) + os.urandom(16_000))
    return noise[:-7_000] + b"\xff" * 7_000


def _lzma_of_a_large_dictionary(command: str) -> bytes:
    packed = bytearray(lzma.compress(_call(command), lzma.FORMAT_ALONE))
    packed[1:5] = (1 << 29).to_bytes(4, "little")
    return bytes(packed)


_UNPACKED_BY_JOBLIB = [_broken_later, _lzma_of_a_large_dictionary, _worn,
                       lambda command: gzip.compress(_worn(command), mtime=0)]  # fmt: skip


@pytest.mark.parametrize("attack", _UNPACKED_BY_JOBLIB)
def test_what_joblib_unpacks_and_runs_is_a_finding(
    attack: Callable[[str], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(attack("true"))

    result = scan(path)

    assert result.unknown
    assert result.executes_code


_LOAD = """
import contextlib, joblib, sys
for path in sys.argv[1:]:
    with contextlib.suppress(Exception):
        joblib.load(path)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the payload is a command of Unix")
def test_joblib_does_run_them(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.joblib" for number in range(len(_UNPACKED_BY_JOBLIB))]
    for path, attack in zip(paths, _UNPACKED_BY_JOBLIB, strict=True):
        path.write_bytes(attack(f"touch {path}.ran"))  # type: ignore[no-untyped-call]

    command = [sys.executable, "-W", "ignore", "-c", _LOAD, *map(str, paths)]
    subprocess.run(command, check=True, capture_output=True)

    assert [path.name for path in paths if not Path(f"{path}.ran").exists()] == []


def test_a_second_zip_of_too_many_members_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.formats.scanner.archives._MEMBERS", 3)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}", pickle.dumps(number))
    (tmp_path / "notes.txt").write_bytes(b"notes\n" + stream.getvalue())

    assert any("members" in line for line in scan(tmp_path / "notes.txt").unknown)
