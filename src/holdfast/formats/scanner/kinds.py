"""What bytes are, told from the bytes themselves."""

import ast
import re
import struct
import tarfile
import warnings
from dataclasses import dataclass
from typing import Literal

from holdfast.formats.scanner.byte_sources import ByteSource

HEAD_BYTES = 1 << 16
"""How much of a file is looked at to tell its kind."""

_COMPRESSED = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x5d\x00": "lzma",
    b"\x78": "zlib",  # joblib looks at this one byte alone
}

# Containers that hold anything, and that neither Holdfast nor the formats it loads ever open.
_SEALED = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"MSCF": "cab",
    b"!<arch>\n": "ar",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"LZIP": "lzip",
    b"070701": "cpio",
    b"ZF0x": "joblib of before 2016",
}
_NATIVE = {
    b"\x7fELF": "ELF program",
    b"\xfe\xed\xfa\xce": "Mach-O program",
    b"\xfe\xed\xfa\xcf": "Mach-O program",
    b"\xce\xfa\xed\xfe": "Mach-O program",
    b"\xcf\xfa\xed\xfe": "Mach-O program",
    b"\xca\xfe\xba\xbe": "Java class or Mach-O program",
    b"\x00asm": "WebAssembly program",
    b"dex\n": "Android program",
}
_HDF5 = b"\x89HDF\r\n\x1a\n"
_XGBOOST_UBJ = re.compile(rb"\{L.{8}(learner|version)", re.DOTALL)
_XGBOOST_JSON = re.compile(rb'\s*\{\s*"(learner|version)"\s*:\s*[\[{]')
_LIGHTGBM = re.compile(rb"tree\r?\nversion=")
_PROGRAM = re.compile(rb"^\s*(import|from|def|class|async def|exec|eval|@)\b", re.MULTILINE)
_LZMA_SUFFIXES = (".xz", ".lzma")
_LZMA_PROPERTIES = b"\xe1"  # the least first byte that lzma never has
_LZW_CLEAR = 256
_LZW_BYTES = 27  # the first 24 codes, all of nine bits
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of content.

    Attributes:
        name: As it stands in a scan: `zip`, `text`, `unknown`, ...
        group: What has to be done to judge it.
    """

    name: str
    group: Literal[
        "data", "gguf", "npy", "program", "safetensors", "sealed", "text", "unknown", "zip"
    ]


UNKNOWN = Kind("unknown", "unknown")
"""Nothing that is known: kept as it is, and never loaded."""


_OWN = {
    b"\x93NUMPY": Kind("npy", "npy"),
    b"GGUF": Kind("gguf", "gguf"),
    b"CBM1": Kind("catboost", "data"),
}


def compression_of(head: bytes, suffix: str) -> str | None:
    """Name the compression that joblib, or pandas for the name's *suffix*, would undo by itself.

    That *head* bears its mark does not say that it is so compressed.
    """
    method = next((name for prefix, name in _COMPRESSED.items() if head.startswith(prefix)), None)
    if method is None and suffix in _LZMA_SUFFIXES and head[0:1] < _LZMA_PROPERTIES:
        return "lzma"  # without a mark: its first byte says how, and is not always the same
    return method


def kind_of(head: bytes, source: ByteSource) -> Kind:
    """Tell what *source*, which starts with *head*, holds; pickles have no sure signature."""
    return _by_signature(head, source) or _by_content(head, source) or UNKNOWN


def _by_signature(head: bytes, source: ByteSource) -> Kind | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Kind("zip", "zip")
    for prefix, kind in _OWN.items():
        if head.startswith(prefix):
            return kind
    if _is_hdf5(head, source):
        return Kind("hdf5", "sealed")
    for prefix, name in _SEALED.items():
        if head.startswith(prefix):
            return Kind(name, "sealed")
    if _is_compress(head):
        return Kind("compress", "sealed")
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return Kind("tar", "sealed")
    for prefix, name in _NATIVE.items():
        if head.startswith(prefix):
            return Kind(name, "program")
    if _is_windows_program(head):
        return Kind("Windows program", "program")
    return Kind("Python bytecode", "program") if _is_bytecode(head) else None


def _by_content(head: bytes, source: ByteSource) -> Kind | None:
    if head[8:9] == b"{" and (b'"data_offsets"' in head or b'"__metadata__"' in head[:64]):
        return Kind("safetensors", "safetensors")
    if source.suffix == ".safetensors":
        return Kind("safetensors", "safetensors")
    if _XGBOOST_UBJ.match(head):
        return Kind("xgboost-ubj", "data")
    if not _is_text(head):
        return None
    if _XGBOOST_JSON.match(head):
        return Kind("xgboost-json", "data")
    if _LIGHTGBM.match(head):
        return Kind("lightgbm", "data")
    if _is_program(head, source.suffix):
        return Kind("script", "program")
    return Kind("json" if head.lstrip()[:1] in (b"{", b"[") else "text", "text")


def _is_hdf5(head: bytes, source: ByteSource) -> bool:
    # a block of the user's own may come first; the signature then starts at a power of two
    starts = (0, *(512 << step for step in range(7)))
    return any(head[start : start + 8] == _HDF5 for start in starts) or (
        source.suffix in (".h5", ".hdf5") and _HDF5 in head
    )


def _is_compress(head: bytes) -> bool:
    """Tell whether codes of nine bits, each naming what was there, follow the two bytes' mark."""
    if head[:2] != b"\x1f\x9d" or len(head) < 5 or not 9 <= head[2] & 0x1F <= 16:  # noqa: PLR2004 - bits of a code
        return False
    clears = head[2] >> 7  # whether code 256 clears the table
    codes = head[3 : 3 + _LZW_BYTES]
    bits = int.from_bytes(codes, "little")
    for known in range(8 * len(codes) // 9):
        code = bits >> 9 * known & 0x1FF
        if known and clears and code == _LZW_CLEAR:
            break
        if code >= _LZW_CLEAR + known + (clears if known else 0):
            return False
    return True


def _is_old_tar(head: bytes) -> bool:
    """Tell whether a tar's first header is there without a mark: PyTorch reads such archives."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _is_windows_program(head: bytes) -> bool:
    if head[:2] != b"MZ" or len(head) < 64:  # noqa: PLR2004 - the header's length
        return False
    (start,) = struct.unpack_from("<I", head, 60)
    return head[start : start + 4] == b"PE\0\0"


def _is_bytecode(head: bytes) -> bool:
    # a two-byte version, a line break, flags of which only the lowest two are used
    return len(head) > 16 and head[2:4] == b"\r\n" and head[4] < 4 and head[5:8] == b"\0\0\0"  # noqa: PLR2004


def _is_text(head: bytes) -> bool:
    if not head or _CONTROL.search(head):
        return False
    whole = head if len(head) < HEAD_BYTES else head[:-4]  # a character may be cut in two
    try:
        whole.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(whole) - 4 and len(head) == HEAD_BYTES
    return True


def _is_program(head: bytes, suffix: str) -> bool:
    if suffix in (".py", ".pyw", ".pth", ".sh", ".bat", ".ps1", ".r") or head.startswith(b"#!"):
        return True
    if not _PROGRAM.search(head):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strange escapes in somebody's source
        try:
            ast.parse(head.decode("utf-8", "ignore"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
