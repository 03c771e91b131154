"""Creating an object of which there may be one: whatever the answer, the slot is read."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from holdfast.errors import StoreError
from holdfast.store import InDoubtError, TakenError
from holdfast.store.objects.client import Client

_ATTEMPTS: Final = 8
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


def create(wire: Client, key: str, data: bytes, read: Callable[[str], bytes | None]) -> None:
    """Write an object that must not exist.

    "It exists" may be the echo of an attempt of ours whose answer was lost, or a service's way to
    say that two asked at once and neither may have won. So the slot is read: our bytes after an
    attempt that may have been done are a success, any others a rival's; nothing there means once
    more, the same bytes under the same name.

    Raises:
        TakenError: If somebody else's object is there.
        InDoubtError: If an attempt may have been done, or still be under way, and reading could
            not tell.
        StoreError: If nothing was written.
    """
    doubt: InDoubtError | None = None
    for pause_s in _pauses():
        try:
            return wire.create(key, data)
        except TakenError:
            pass
        except InDoubtError as error:
            doubt = error
        try:
            content = read(key)
        except StoreError:
            if doubt is None:
                raise
        else:
            if content is not None and (content != data or doubt is None):
                raise TakenError(key)
            if content is not None:
                return None
        time.sleep(pause_s)
    raise doubt or StoreError(
        wire.address(key), "kept answering that others are writing it", "call again"
    )


def _pauses() -> Iterator[float]:
    """Go through the waits between attempts: each up to twice the one before, at random."""
    longest = _FIRST_PAUSE_S
    for _ in range(_ATTEMPTS):
        yield random.uniform(0, longest)  # noqa: S311 - rivals must not step in time
        longest = min(2 * longest, _LONGEST_PAUSE_S)
