"""What a pickle would make, as far as a scan needs to know it: stand-ins, never the things.

A value on the symbolic stack is a plain `None`, bool, number, str or bytes where the pickle says
so outright, a tuple of values, or one of the classes here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from holdfast.formats.scanner.allowlist import Use

KEPT_ITEMS = 1024
"""Plain items of a list, dict or tuple that are kept; of what lies beyond, only objects are."""

KEPT_BYTES = 1024
"""Length up to which a string's content is kept."""


_SHORT = 8  # tuples that are looked through at once


class Opaque:
    """A value whose content does not matter: long text or bytes, a large tuple of plain values."""

    __slots__ = ()


OPAQUE: Final = Opaque()


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function named by module and name, with what may be done with it."""

    module: str
    name: str
    use: Use | None

    @property
    def path(self) -> str:
        """The name in one piece."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Listed:
    """A list or a set.

    Attributes:
        items: As many as are kept, and every object.
        whole: False once a plain item was left out.
    """

    items: list[object] = field(default_factory=list)
    whole: bool = True

    def extend(self, items: list[object]) -> None:
        """Add *items* as far as there is room, and objects beyond it."""
        room = max(0, KEPT_ITEMS - len(self.items))
        self.items.extend(items[:room])
        self.items.extend(item for item in items[room:] if not is_plain(item))
        self.whole &= len(items) <= room


@dataclass(slots=True, eq=False)
class Mapped:
    """A dict's entries whose keys are text or whole numbers.

    Attributes:
        entries: As many as are kept.
        whole: False once an entry was left out.
        sealed: True once a numpy type is made of it, or a pandas object holds it.
        others: Objects under other keys, as keys, beyond the room, or written over since.
    """

    entries: dict[str | int, object] = field(default_factory=dict)
    whole: bool = True
    sealed: bool = False
    others: list[object] = field(default_factory=list)

    def update(self, flat: list[object]) -> None:
        """Set the keys and values that alternate in *flat*."""
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if isinstance(key, str | int) and (
                key in self.entries or len(self.entries) < KEPT_ITEMS
            ):
                self._keep(self.entries.get(key))  # who copied the dict before has that one
                self.entries[key] = value
            else:
                self.whole = False
                self._keep(key)
                self._keep(value)

    def _keep(self, value: object) -> None:
        if not is_plain(value):
            self.others.append(value)


@dataclass(slots=True, eq=False)
class Made:
    """The result of a call, or an instance of a class.

    Attributes:
        maker: The class, or the function where only that is known; None if it was no global.
        args: Positional arguments of the call.
        state: What BUILD set, if anything.
        built: True once BUILD was applied.
        shared: True once it may be known in more than one place.
        items: What was appended to it or set in it, keys and values alike.
    """

    maker: Global | None
    args: tuple[object, ...] = ()
    state: object = None
    built: bool = False
    shared: bool = False
    items: Listed = field(default_factory=Listed)

    def is_a(self, *paths: str) -> bool:
        """Tell whether the maker is one of *paths*."""
        return self.maker is not None and self.maker.path in paths


def is_plain(value: object) -> bool:
    """Tell whether nothing can be hidden in a value: a number, text, bytes or None."""
    match value:
        case Made():
            return value.maker is not None and value.maker.path.endswith(".multiarray.scalar")
        case tuple():
            return len(value) <= _SHORT and not any(
                isinstance(item, tuple) or not is_plain(item) for item in value
            )
        case Global() | Listed() | Mapped():
            return False
    return True


def parts_within(*values: object) -> Iterator[object]:
    """Go through all that tuples, lists and dicts hold, as often as they hold it.

    What was made before is a part, and not looked into: it was judged when it was made. One byte of
    a pickle may name a large value once more, so whoever judges values has to count this way.
    """
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        match value:
            case tuple():
                parts = value
            case Listed():
                parts = tuple(value.items)
            case Mapped():
                parts = (*value.entries.values(), *value.others)
            case _:
                continue
        yield from parts
        waiting += parts
