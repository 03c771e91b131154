"""What a pickle would make, as far as a scan needs to know it: stand-ins, never the things.

A value on the symbolic stack is a plain `None`, bool, number, str or bytes where the pickle says
so outright, a tuple of values, or one of the classes here.
"""

from dataclasses import dataclass, field
from typing import Final

from holdfast.formats.scanner.allowlist import Use

KEPT_ITEMS = 1024
"""Items of a list, dict or tuple that are kept; what lies beyond only counts as missing."""

KEPT_BYTES = 1024
"""Length up to which a string's content is kept."""


class Opaque:
    """A value whose content does not matter: a long string, a set, a large tuple."""

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
        items: As many as are kept.
        whole: False once an item was left out.
        sealed: True once an estimator holds it.
    """

    items: list[object] = field(default_factory=list)
    whole: bool = True
    sealed: bool = False

    def extend(self, items: list[object]) -> None:
        """Add *items* as far as there is room."""
        room = KEPT_ITEMS - len(self.items)
        self.items.extend(items[:room])
        self.whole &= len(items) <= room


@dataclass(slots=True, eq=False)
class Mapped:
    """A dict's entries whose keys are text or whole numbers.

    Attributes:
        entries: As many as are kept.
        whole: False once an entry was left out.
        sealed: True once a numpy type is made of it, or an estimator holds it.
    """

    entries: dict[str | int, object] = field(default_factory=dict)
    whole: bool = True
    sealed: bool = False

    def update(self, flat: list[object]) -> None:
        """Set the keys and values that alternate in *flat*."""
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if isinstance(key, str | int) and (
                key in self.entries or len(self.entries) < KEPT_ITEMS
            ):
                self.entries[key] = value
            else:
                self.whole = False


@dataclass(slots=True, eq=False)
class Made:
    """The result of a call, or an instance of a class.

    Attributes:
        maker: The class, or the function where only that is known; None if it was no global.
        args: Positional arguments of the call.
        state: What BUILD set, if anything.
        built: True once BUILD was applied.
        shared: True once it may be known in more than one place.
    """

    maker: Global | None
    args: tuple[object, ...] = ()
    state: object = None
    built: bool = False
    shared: bool = False

    def is_a(self, *paths: str) -> bool:
        """Tell whether the maker is one of *paths*."""
        return self.maker is not None and self.maker.path in paths
