"""Waits until all servers of a model answer by the version that is live."""

import time
from typing import Final

from holdfast.core.fleet import Serving, serving
from holdfast.registry.fleet import Fleet
from holdfast.registry.session import Session

_NEAR_S: Final = 0.02
_FAR_S: Final = 1.0


def wait(session: Session, model: str, version: str | None, timeout_s: float) -> Serving:
    """Return once every server that is alive answers by *version*, or when the time is over."""
    state = session.state(model)
    wanted = version or state.production
    fleet = Fleet(session)
    pause_s = _NEAR_S if session.place.store.traits.near else _FAR_S
    end = time.monotonic() + timeout_s
    while True:
        found = serving(fleet.servers(model), wanted, session.clock(), state.seq)
        left_s = end - time.monotonic()
        if found.whole or left_s <= 0:
            return found
        time.sleep(min(pause_s, left_s))
