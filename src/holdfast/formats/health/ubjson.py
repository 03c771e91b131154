"""Universal Binary JSON, passed over from end to end: whether a document is whole."""

import struct
from typing import Final

__all__ = ["check"]

_LENGTHS: Final = {
    b"i": "b", b"U": "B", b"I": ">h", b"u": ">H", b"l": ">i", b"m": ">I", b"L": ">q", b"M": ">Q",
}  # fmt: skip
_SIZES: Final = {
    **{mark: struct.calcsize(form) for mark, form in _LENGTHS.items()},
    b"d": 4, b"D": 8, b"h": 2, b"C": 1, b"B": 1,
}  # fmt: skip
_EMPTY: Final = (b"Z", b"N", b"T", b"F")
_WIDTHS: Final = {**_SIZES, **dict.fromkeys(_EMPTY, 0)}
"""Of items of one kind, which stand there without their marks."""
_DEEPEST: Final = 200


def check(raw: bytes) -> None:
    """Pass over one document.

    Raises:
        ValueError: If it ends early, something follows it, or it is not UBJSON.
    """
    walk = _Walk(raw)
    walk.value(walk.mark(), 0)
    if walk.at != len(raw):
        raise ValueError(f"more follows at byte {walk.at:,}")


class _Walk:
    """A place in a document."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def mark(self) -> bytes:
        self.skip(1)
        return self.raw[self.at - 1 : self.at]

    def skip(self, count: int) -> None:
        if count < 0 or self.at + count > len(self.raw):
            raise ValueError(f"ends early: {count:,} bytes announced at byte {self.at:,}")
        self.at += count

    def length(self) -> int:
        mark = self.mark()
        form = _LENGTHS.get(mark)
        if form is None:
            raise ValueError(f"no length at byte {self.at - 1:,}")
        self.skip(struct.calcsize(form))
        return int(struct.unpack_from(form, self.raw, self.at - struct.calcsize(form))[0])

    def value(self, mark: bytes, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("nests too deep")
        if mark in _SIZES:
            self.skip(_SIZES[mark])
        elif mark in (b"S", b"H"):
            self.skip(self.length())
        elif mark in (b"[", b"{"):
            self.items(has_keys=mark == b"{", depth=depth)
        elif mark not in _EMPTY:
            raise ValueError(f"nothing known at byte {self.at - 1:,}")

    def items(self, *, has_keys: bool, depth: int) -> None:
        kind = count = None
        if self.raw[self.at : self.at + 1] == b"$":
            self.skip(1)
            kind = self.mark()
        if self.raw[self.at : self.at + 1] == b"#":
            self.skip(1)
            count = self.length()
        if kind is not None and count is None:
            raise ValueError(f"a kind without a count at byte {self.at:,}")
        if count is not None and kind in _WIDTHS and not has_keys:
            self.skip(count * _WIDTHS[kind])
            return
        if count is not None:
            for _ in range(count):
                self.item(kind, has_keys=has_keys, depth=depth)
            return
        closing = b"}" if has_keys else b"]"
        while self.raw[self.at : self.at + 1] != closing:
            self.item(None, has_keys=has_keys, depth=depth)
        self.skip(1)

    def item(self, kind: bytes | None, *, has_keys: bool, depth: int) -> None:
        if has_keys:
            self.skip(self.length())
        self.value(self.mark() if kind is None else kind, depth + 1)
