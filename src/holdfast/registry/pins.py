"""Pinned heads: a journal must have the entries that they name."""

from holdfast.core.heads import Head
from holdfast.core.state import State
from holdfast.errors import DamagedError


def compare(pin: Head | None, slot: str, seq: int, head: str) -> None:
    """Refuse another entry than the one that was pinned, when its place is read.

    Raises:
        DamagedError: If it is another.
    """
    if pin is not None and seq == pin.seq and head != pin.sha256:
        raise DamagedError(
            slot,
            f"is sha256:{head}, but the head {pin} was pinned",
            "the journal was rewritten or replaced; restore it from a copy",
        )


def check(pin: Head | None, state: State) -> None:
    """Refuse a journal that ends before the head that was pinned.

    Raises:
        DamagedError: If it does.
    """
    if pin is not None and state.seq < pin.seq:
        raise DamagedError(
            f"journal of {state.model}",
            f"ends at entry {state.seq}, but the head {pin} was pinned",
            "it was truncated or is an older copy; restore it from a newer one",
        )
