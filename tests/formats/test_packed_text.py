"""Text packed by gzip or zstd: read like the plain one, and refused where it is no such thing."""

import errno
import gzip
import io
import tracemalloc
import zlib
from pathlib import PurePath

import pyarrow as pa
import pytest

from holdfast.formats import packed_text

TEXT = b"".join(b"%d,%d\n" % (number, number * 7919 % 10_007) for number in range(40_000))
HALVES = (TEXT[: len(TEXT) // 2], TEXT[len(TEXT) // 2 :])
SAYS_NOTHING = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"size"


def zstd(text: bytes) -> bytes:
    return bytes(pa.compress(text, "zstd", asbytes=True))


def opened(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def read(content: bytes, packing: str) -> bytes:
    return packed_text.text_of(opened(content), packing).read()


@pytest.mark.parametrize(
    ("name", "inner", "packing"),
    [
        ("rows.csv", "rows.csv", ""),
        ("rows.csv.gz", "rows.csv", "gzip"),
        ("june/rows.JSONL.ZST", "june/rows.JSONL", "zstd"),
        ("rows.gz", "rows", "gzip"),
        ("rows.csv.bz2", "rows.csv.bz2", ""),
    ],
)
def test_a_name_tells_how_it_is_packed(name: str, inner: str, packing: str) -> None:
    assert packed_text.inner_name(PurePath(name)) == (PurePath(inner), packing)


@pytest.mark.parametrize(
    ("packing", "content"),
    [
        ("", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(HALVES[0]) + gzip.compress(HALVES[1])),
        ("gzip", gzip.compress(b"") + gzip.compress(TEXT) + gzip.compress(b"")),
        ("gzip", gzip.compress(TEXT) + b"\0" * 512),
        ("zstd", zstd(TEXT)),
        ("zstd", zstd(HALVES[0]) + zstd(HALVES[1])),
        ("zstd", SAYS_NOTHING + zstd(TEXT)),
    ],
)
def test_all_members_are_one_text(packing: str, content: bytes) -> None:
    assert read(content, packing) == TEXT


@pytest.mark.parametrize(
    ("packing", "content"), [("gzip", gzip.compress(TEXT)), ("zstd", zstd(TEXT))]
)
def test_it_goes_back_to_the_beginning_whoever_moved_the_file(packing: str, content: bytes) -> None:
    file = opened(content)
    text = packed_text.text_of(file, packing)
    first = text.readline()
    file.seek(0, io.SEEK_END)
    text.seek(0)
    again = text.readline()
    file.seek(7)
    rest = text.read()
    text.seek(0)

    assert first == again == b"0,0\n"
    assert again + rest == TEXT
    assert text.read(100) == TEXT[:100]
    text.close()
    assert not file.closed


def test_it_is_read_forward_alone() -> None:
    text = packed_text.text_of(opened(gzip.compress(TEXT)), "gzip")
    text.read(200_000)

    with pytest.raises(io.UnsupportedOperation):
        text.seek(10)


def damaged(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes(16) + packed[middle + 16 :]


@pytest.mark.parametrize(
    ("packing", "content", "problem"),
    [
        ("gzip", gzip.compress(TEXT)[:-1], "gzip data is cut short; fetch it again"),
        ("gzip", gzip.compress(TEXT)[:2000], "gzip data is cut short"),
        ("gzip", gzip.compress(TEXT)[:5], "gzip data is cut short"),
        ("gzip", damaged(gzip.compress(TEXT)), "gzip data is damaged; fetch it again"),
        ("gzip", gzip.compress(TEXT)[:-8] + bytes(8), "gzip data is damaged"),
        ("gzip", gzip.compress(TEXT) + b"more", "gzip data is damaged"),
        ("zstd", zstd(TEXT)[:-1], "zstd data is cut short; fetch it again"),
        ("zstd", zstd(TEXT)[:2000], "zstd data is cut short"),
        ("zstd", zstd(TEXT)[:9] + b"\xff" * 9 + zstd(TEXT)[18:], "zstd data is damaged; fetch it"),
        ("zstd", zstd(TEXT) + b"more", "zstd data is"),
        ("gzip", TEXT, "not packed by gzip; rename it without .gz"),
        ("gzip", zstd(TEXT), "not packed by gzip; rename it without .gz"),
        ("gzip", b"", "not packed by gzip"),
        ("zstd", TEXT, "not packed by zstd; rename it without .zst"),
    ],
)
def test_what_is_not_whole_is_said(packing: str, content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(content, packing)


def bomb(packing: str, unpacked_bytes: int) -> bytes:
    """Pack zeros, of which nobody has to hold all at once."""
    zeros = bytes(1 << 20)
    if packing == "zstd":
        return zstd(zeros) * (unpacked_bytes >> 20)
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(zeros) for _ in range(unpacked_bytes >> 20)]
    return b"".join(pieces) + packer.flush()


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_ends_early_and_is_never_held(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_text, "FREE_BYTES", 8 << 20)
    content, taken = bomb(packing, 64 << 20), 0
    text = packed_text.text_of(opened(content), packing)
    tracemalloc.start()
    try:
        problem = ""
        while not problem and taken < 64 << 20:
            try:
                taken += len(text.read(1 << 16))
            except ValueError as error:
                problem = str(error)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    limit = max(8 << 20, 200 * len(content))
    assert taken <= limit < 64 << 20
    assert taken > limit - (1 << 17)
    assert peak < 4 << 20
    assert problem.endswith("200 times its size; unpack it yourself")


class Failing(io.BytesIO):
    """A file on a disk that fails behind its first bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0 and self.tell() >= 1000:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(min(size or 0, 1000))


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_what_the_disk_says_is_passed_on(packing: str) -> None:
    content = gzip.compress(TEXT) if packing == "gzip" else zstd(TEXT)

    with pytest.raises(OSError, match="Input/output error"):
        packed_text.text_of(Failing(content), packing).read()  # type: ignore[arg-type]
