"""Compressed bytes of others, unpacked within bounds: a few bytes can stand for gigabytes."""

import zlib


def inflated(raw: bytes, most_compressed: int, most: int) -> bytes:
    """Return what zlib packed.

    Args:
        raw: All of it, nothing before or behind.
        most_compressed: Bytes that *raw* may have.
        most: Bytes that are unpacked at most.

    Raises:
        ValueError: If either is more, or *raw* is cut short or followed by something.
        zlib.error: If it is damaged.
    """
    if len(raw) > most_compressed:
        raise ValueError(f"more than {most_compressed} bytes")
    inflating = zlib.decompressobj()
    text = inflating.decompress(raw, most)
    if inflating.unconsumed_tail or not inflating.eof or inflating.unused_data:
        raise ValueError(f"cut short, or more than {most} bytes unpacked")
    return text
