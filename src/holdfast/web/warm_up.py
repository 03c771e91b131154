"""Reads the journals of a folder before anybody asks, so that who asks first waits no longer."""

import contextlib
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.web.below import session_of
from holdfast.web.desk import Desk

__all__ = ["warm_up"]

_MOST_MODELS: Final = 2000
"""A front page reads all; beyond so many, whoever starts a server may have wanted few of them."""


async def warm_up(desk: Desk) -> None:
    """Read each model's journal, one after another, and only while nothing else is to be done.

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
            await desk.work.idle()
            with contextlib.suppress(HoldfastError):
                await desk.work.do(lambda folder=folder: read(folder))  # type: ignore[misc]
