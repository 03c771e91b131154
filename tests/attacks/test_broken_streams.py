"""Streams that act and then break, or act behind what looks like chance: always a finding.

Bytes that break before they act are taken for no pickle, however they begin. Each attack here does
act where it is loaded, which a process of its own proves, and must not slip through by that.
"""

import bz2
import gzip
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.formats import scan

Attack = Callable[[str], bytes]


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _call(command: str) -> bytes:
    return b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR"


def _args(command: str) -> bytes:
    return b"(" + _text(command) + b"t"


def _stack_global(module: bytes, name: str) -> bytes:
    return module + _text(name) + b"\x93"


def _constant_as_module(command: str) -> bytes:
    """Take the module's name from a module, so that the stream has no text that names it."""
    module_opcodes = _stack_global(_text("joblib.disk"), "os.__name__")
    return b"\x80\x04" + _stack_global(module_opcodes, "system") + _args(command) + b"R\xff"


def _environment(command: str) -> bytes:
    """Set a variable of the environment without a call: the next program that starts reads it."""
    environ = _stack_global(_text("joblib.disk"), "os.environ")
    return b"\x80\x04" + environ + _text("BASH_ENV") + _text(command) + b"s\xff"


def _long(command: str) -> bytes:
    # joblib takes a mebibyte at once: what precedes a break within the first is lost with it
    return _call(command) + bytes(3 << 20) + os.urandom(300_000)


def _cut(pack: Callable[[bytes], bytes]) -> Attack:
    return lambda command: pack(_long(command))[:-60_000]


def _damaged(pack: Callable[[bytes], bytes]) -> Attack:
    return lambda command: pack(_long(command))[:-60_000] + b"\xff" * 60_000


def _by_classes(command: str) -> bytes:
    """Have classes call one another: `bytes(map(system, [command]))`, by their numbers."""
    handed = b"(\x82\x05](" + _text(command) + b"et"
    return b"\x82\x09(\x82\x08" + handed + b"\x81t\x81\xff"


_EXTENSIONS: dict[str, Attack] = {
    "by one byte": lambda command: b"\x82\x05" + _args(command) + b"R\xff",
    "by two bytes": lambda command: b"\x83\x05\x00" + _args(command) + b"R\xff",
    "by four bytes": lambda command: b"\x84\x05\0\0\0" + _args(command) + b"R\xff",
    "of a high number": lambda command: b"\x84\x70\x11\x01\0" + _args(command) + b"R\xff",
    "as a marked object": lambda command: b"(\x82\x05" + _text(command) + b"o\xff",
    "as a new object": _by_classes,
    "from the memo": lambda command: b"\x82\x05\x940" + _args(command) + b"\x94h\x00h\x01R\xff",
    "whole": lambda command: b"\x80\x02\x82\x05" + _args(command) + b"R.",
}
"""Calls of what the loading program registered under 5, 8, 9 or 70,000."""

_SPLIT: dict[str, Attack] = {
    "a list as arguments": lambda command: b"\x82\x05](" + _text(command) + b"eR\xff",
    "a set as arguments": lambda command: b"\x82\x05\x8f(" + _text(command) + b"\x90R\xff",
    "a dict as arguments": lambda command: b"\x82\x05}" + _text(command) + b"NsR\xff",
}
"""Calls that Python's own unpickler makes and C's does not; joblib builds on the former."""

_BROKEN: dict[str, Attack] = {
    "names in escaped letters": lambda command: (
        b"Vp\\u006fsix\nVsyst\\u0065m\n\x93" + _args(command) + b"R\xff"
    ),
    "no instruction": lambda command: _call(command) + b"\xff",
    "the end": _call,
    "nothing on the stack": lambda command: _call(command) + b"000000",
    "a global that is no text": lambda command: _call(command) + b"NN\x93",
    "text without quotes": lambda command: _call(command) + b"Sx\n",
    "extension 0": lambda command: _call(command) + b"\x82\x00",
    "a number that was not registered": lambda command: _call(command) + b"\x82\x63",
    "a module's constant as a module": _constant_as_module,
}

_PACKED: dict[str, Attack] = {
    "zlib cut": _cut(zlib.compress),
    "zlib damaged": _damaged(zlib.compress),
    "gzip cut": _cut(gzip.compress),
    "gzip damaged": _damaged(gzip.compress),
    "bz2 cut": _cut(lambda content: bz2.compress(content, 1)),
    "xz cut": _cut(lzma.compress),
    "lzma cut": _cut(lambda content: lzma.compress(content, lzma.FORMAT_ALONE)),
}

_IN_A_ROW: dict[str, Attack] = {
    "second": lambda command: b"N." + _call(command) + b"\xff",
    "second, marked": lambda command: (
        pickle.dumps({"rate": 0.5}) + b"\x80\x04" + _call(command) + b"\xff"
    ),
    "thirtieth": lambda command: b"N." * 29 + _call(command) + b".",
    "before garbage": lambda command: b"N." + _call(command) + b"." + os.urandom(50),
}
"""Behind other pickles in one file, where programs that read one after the other find them."""

_LOADERS: dict[str, dict[str, Attack]] = {
    "pickle": _BROKEN | _EXTENSIONS,
    "python": _BROKEN | _EXTENSIONS | _SPLIT,
    "joblib": _PACKED,
    "in a row": _IN_A_ROW,
    "environment": {"a variable of the environment": _environment},
}
_ALL = {
    f"{loader}: {name}": attack
    for loader, attacks in _LOADERS.items()
    for name, attack in attacks.items()
}


@pytest.mark.parametrize("attack", _ALL.values(), ids=_ALL)
@pytest.mark.parametrize("name", ["model.pkl", "weights.bin"])
def test_what_acts_is_a_finding_however_it_ends(attack: Attack, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(attack("true"))

    result = scan(path)

    assert result.unknown
    assert result.executes_code
    assert result.kind != "unknown"


_LOAD = """
import contextlib, copyreg, os, pickle, sys
copyreg.add_extension("posix", "system", 5)
copyreg.add_extension("builtins", "map", 8)
copyreg.add_extension("builtins", "bytes", 9)
copyreg._inverted_registry[70_000] = "posix", "system"

def environment(stream):  # bash reads the file that it names
    with contextlib.suppress(Exception):
        pickle.load(stream)
    os.system("bash -c true")

def in_a_row(stream):
    while True:
        pickle.load(stream)

def joblib(stream):
    import joblib
    joblib.load(stream)

load = {"pickle": pickle.load, "python": pickle._load, "in a row": in_a_row, "joblib": joblib,
        "environment": environment}[sys.argv[1]]
for path in sys.argv[2:]:
    with contextlib.suppress(Exception), open(path, "rb") as stream:
        load(stream)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the payload is a command of Unix")
@pytest.mark.parametrize("loader", _LOADERS)
def test_each_of_them_does_act_where_it_is_loaded(loader: str, tmp_path: Path) -> None:
    paths = {}
    for number, (name, attack) in enumerate(_LOADERS[loader].items()):
        paths[name] = tmp_path / f"{number}.bin"
        program = tmp_path / f"{number}.sh"
        program.write_text(f"#!/bin/sh\ntouch {paths[name]}.ran\n")
        program.chmod(0o700)
        paths[name].write_bytes(attack(str(program)))

    command = [sys.executable, "-W", "ignore", "-c", _LOAD, loader]
    subprocess.run([*command, *map(str, paths.values())], check=True, capture_output=True)

    idle = [name for name, path in paths.items() if not Path(f"{path}.ran").exists()]
    assert idle == []


_FAILING = {
    "a number is called": b"K\x01)R)R",
    "text is called": b"U\x01a]R}b",
    "a list is called": b"](K\x01tRNNs",
    "nothing is called": b"N(NtRNa",
    "a number as a class": b"K\x01)\x81)R",
    "a tuple as a class": b"))}\x92}b",
    "a number as arguments": b"K\x01K\x01RNNs",
    "no arguments": b"]NR}b",
    "text in one quote": b"S'\n)R)R",
    "text whose quotes differ": b"S'a\"\n)R)R",
    "letters that do not exist": b"V\\u00\n\x82\x05(K\x01tR",
    "a name of other letters": b"V\xc4\\}\nVsystem\n\x93",
    "letters one by one as arguments": b"\x82\x05Vmore than eight \\d letters\nR",
    "a short pickle before chance": b"\x80\x04G\0\0\0\0\0\0\0\0.",
}


@pytest.mark.parametrize("stream", _FAILING.values(), ids=_FAILING)
def test_what_fails_in_both_unpicklers_before_it_acts_is_chance(
    stream: bytes, tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(stream + b"\xff\x00")

    assert scan(tmp_path / "weights.bin").unknown == ()


@pytest.mark.parametrize(
    ("dictionary", "length", "answer"),
    [
        (1 << 31, (1 << 64) - 1, "Memory usage"),
        (3 << 28, 1 << 37, "Memory usage"),
        ((1 << 32) - 1, 1, "Memory usage"),
        ((1 << 31) + (5 << 8), 1, "not supported"),
        (1 << 31, 1 << 38, "not supported"),
    ],
)
def test_a_head_of_lzma_asks_for_memory_only_where_its_reader_takes_it(
    dictionary: int, length: int, answer: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.lzma"
    path.write_bytes(struct.pack("<BIQB", 0x5D, dictionary, length, 0) + bytes(40))

    with pytest.raises(lzma.LZMAError, match=answer):
        lzma.LZMADecompressor(memlimit=1 << 26).decompress(path.read_bytes())
    assert bool(scan(path).unknown) is (answer == "Memory usage")


def test_what_would_need_a_registered_number_to_be_text_or_a_container_is_chance(
    tmp_path: Path,
) -> None:
    for stream in (
        b"\x82\x05Na",
        b"\x82\x05NNs",
        b"\x82\x052\x93",
        b"\x82\x05NR",
        b"\x82\x05}b",
        b"\x82\x05)\x81",
        b"\x82\x05)R",
        b"\x83\x05\x07]R",
        b"\x82\x05\x8a\x02\x01\x01RNNs",
    ):
        (tmp_path / "weights.bin").write_bytes(stream + b"\xff\x00")

        assert scan(tmp_path / "weights.bin").unknown == ()
