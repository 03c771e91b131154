"""Reads the journals of a folder before anybody asks, so that who asks first waits no longer."""

import contextlib
import time
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.web.below import session_of
from holdfast.web.desk import Desk

__all__ = ["read_ahead", "warm_up"]

_MOST_MODELS: Final = 2000
"""A front page reads all; beyond so many, whoever starts a server may have wanted few of them."""


_AHEAD_S: Final = 1.0
"""For which a server reads before it begins; the others it reads while it serves."""


def read_ahead(desk: Desk, most_s: float = _AHEAD_S) -> None:
    """Read journals of a folder for a moment, so that the very first page waits for no more."""
    session, end_s = session_of(desk.registry), time.monotonic() + most_s
    with contextlib.suppress(HoldfastError):
        if not session.exists or not session.open_store.store.traits.is_local:
            return
        for model in session.ever_named():
            if time.monotonic() > end_s:
                return
            with contextlib.suppress(HoldfastError):
                session.ledger(model).state()


async def warm_up(desk: Desk) -> None:
    """Read each model's journal, one after another.

    A bucket's are left: each costs requests. What is damaged shows when it is asked for.
    """
    session = session_of(desk.registry)
    if not session.exists or not session.open_store.store.traits.is_local:
        return

    def read(folder: str) -> None:
        name = session.name_in(folder)
        if name is not None:
            session.ledger(name).state()

    with contextlib.suppress(HoldfastError):
        for folder in (await desk.work.do(session.folders))[:_MOST_MODELS]:
            with contextlib.suppress(HoldfastError):
                await desk.work.do(lambda folder=folder: read(folder))  # type: ignore[misc]
