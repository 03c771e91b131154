"""What a server does once it answers, so that who asks first waits no longer.

Code that only pages and registrations need is imported then, and the journals of a folder are read.
"""

import contextlib
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.web.below import session_of
from holdfast.web.desk import Desk

__all__ = ["load_the_rest", "warm_up"]

_MOST_MODELS: Final = 2000
"""A front page reads all; beyond so many, whoever starts a server may have wanted few of them."""


def load_the_rest() -> None:
    """Import and compile what the first page, and the first registration, would wait for."""
    from holdfast.web.pages import drawing, page_routes  # noqa: F401

    drawing.prepare()
    from holdfast.registry import catalogue_verbs, data_verbs, received_retrainings  # noqa: F401


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
