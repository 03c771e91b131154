"""Universal Binary JSON: whether a document is whole, and what stands at one place of it."""

import struct
from collections.abc import Sequence
from typing import Any, Final

from holdfast.core import strict_json

__all__ = ["check", "find"]

_LENGTHS: Final = {
    b"i": "b", b"U": "B", b"I": ">h", b"u": ">H", b"l": ">i", b"m": ">I", b"L": ">q", b"M": ">Q",
}  # fmt: skip
_SIZES: Final = {
    **{mark: struct.calcsize(form) for mark, form in _LENGTHS.items()},
    b"d": 4, b"D": 8, b"h": 2, b"C": 1, b"B": 1,
}  # fmt: skip
_NUMBERS: Final = {**_LENGTHS, b"d": ">f", b"D": ">d"}
_CONSTANTS: Final = {b"Z": None, b"N": None, b"T": True, b"F": False}
_EMPTY: Final = (*_CONSTANTS,)
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


def find(raw: bytes, keys: Sequence[str]) -> Any:
    """Return what stands under keys, each within the one before; None if nothing does.

    Numbers, texts, arrays and objects are read; all beside them is passed over.

    Raises:
        ValueError: If the document ends early or is not UBJSON, or an object has one of the keys
            twice, which readers take for different values.
    """
    walk = _Walk(raw)
    mark = walk.mark()
    for key in keys:
        found = walk.enter(key) if mark == b"{" else None
        if found is None:
            return None
        mark = found
    return _Reader(raw, walk.at).read(mark, 0)


class _Walk:
    """A place in a document."""

    def __init__(self, raw: bytes, at: int = 0) -> None:
        self.raw = raw
        self.at = at

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
        kind, count = self.head()
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

    def head(self) -> tuple[bytes | None, int | None]:
        """Read what a container says before its items: the kind of all, and how many there are."""
        kind = count = None
        if self.raw[self.at : self.at + 1] == b"$":
            self.skip(1)
            kind = self.mark()
        if self.raw[self.at : self.at + 1] == b"#":
            self.skip(1)
            count = self.length()
            if count < 0:
                raise ValueError(f"fewer than no items at byte {self.at:,}")
        if kind is not None and count is None:
            raise ValueError(f"a kind without a count at byte {self.at:,}")
        return kind, count

    def enter(self, key: str) -> bytes | None:
        """Go to the value of a key of an object that was begun; return its mark, None for none."""
        kind, count = self.head()
        found: tuple[bytes, int] | None = None
        while count != 0 and (count is not None or self.raw[self.at : self.at + 1] != b"}"):
            is_it = self.text() == key.encode()
            mark = self.mark() if kind is None else kind
            if is_it and found is not None:
                raise ValueError(f"the key {key!r} appears twice in one object")
            found = (mark, self.at) if is_it else found
            self.value(mark, 0)
            count = None if count is None else count - 1
        if found is None:
            return None
        mark, self.at = found
        return mark

    def text(self) -> bytes:
        """Read a text behind its length."""
        length = self.length()
        self.skip(length)
        return self.raw[self.at - length : self.at]

    def item(self, kind: bytes | None, *, has_keys: bool, depth: int) -> None:
        if has_keys:
            self.skip(self.length())
        self.value(self.mark() if kind is None else kind, depth + 1)


class _Reader(_Walk):
    """Reads values from a place on."""

    def read(self, mark: bytes, depth: int) -> Any:
        """Read the value behind its mark."""
        if depth > _DEEPEST:
            raise ValueError("nests too deep")
        if mark in _NUMBERS:
            self.skip(_SIZES[mark])
            return struct.unpack_from(_NUMBERS[mark], self.raw, self.at - _SIZES[mark])[0]
        if mark in (b"S", b"H"):
            return self.text().decode("utf-8", "replace")
        if mark in (b"[", b"{"):
            return self._container(has_keys=mark == b"{", depth=depth)
        if mark not in _CONSTANTS:
            raise ValueError(f"nothing known at byte {self.at - 1:,}")
        return _CONSTANTS[mark]

    def _container(self, *, has_keys: bool, depth: int) -> Any:
        kind, count = self.head()
        if count is not None and kind in _NUMBERS and not has_keys:
            self.skip(count * _SIZES[kind])
            form = f">{count}{_NUMBERS[kind][-1]}"
            return list(struct.unpack_from(form, self.raw, self.at - count * _SIZES[kind]))
        if count is not None and count > len(self.raw):
            raise ValueError(f"ends early: {count:,} items announced at byte {self.at:,}")
        closing = b"}" if has_keys else b"]"
        items: list[Any] = []
        while count != len(items) and (
            count is not None or self.raw[self.at : self.at + 1] != closing
        ):
            name = self.text().decode("utf-8", "replace") if has_keys else ""
            value = self.read(self.mark() if kind is None else kind, depth + 1)
            items.append((name, value) if has_keys else value)
        if count is None:
            self.skip(1)
        return strict_json.distinct(items) if has_keys else items
