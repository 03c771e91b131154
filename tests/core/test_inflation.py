"""Compressed bytes of others, within bounds."""

import zlib

import pytest

from holdfast.core.inflation import inflated

PACKED = zlib.compress(b"a" * 1000)


def test_what_was_packed_comes_back() -> None:
    assert inflated(PACKED, 100, 1000) == b"a" * 1000


@pytest.mark.parametrize(
    ("raw", "most_compressed", "most", "problem"),
    [
        (PACKED, len(PACKED) - 1, 1000, "more than 16 bytes"),
        (PACKED, 100, 999, "cut short, or more than 999 bytes unpacked"),
        (PACKED[:-1], 100, 1000, "cut short"),
        (PACKED + b"x", 100, 1000, "cut short"),
        (b"", 100, 1000, "cut short"),
    ],
)
def test_what_is_too_much_or_not_whole_is_refused(
    raw: bytes, most_compressed: int, most: int, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        inflated(raw, most_compressed, most)
