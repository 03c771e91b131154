"""Waits until all servers of a model answer with the version that is live."""

import time
from typing import Final

from holdfast.core.fleet import Serving, serving
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.session import Session

_NEAR_S: Final = 0.02
_FAR_S: Final = 1.0


def wait(session: Session, model: str, version: str | None, timeout_s: float) -> Serving:
    """Return once every live server answers with *version*, or when the time is over."""
    state = session.state(model)
    expected_version = version or state.production
    fleet = Fleet(session)
    pause_s = _NEAR_S if session.open_store.store.traits.is_local else _FAR_S
    end = time.monotonic() + timeout_s
    while True:
        serving_state = serving(fleet.servers(model), expected_version, session.clock(), state.seq)
        left_s = end - time.monotonic()
        if serving_state.whole or left_s <= 0:
            return serving_state
        time.sleep(min(pause_s, left_s))
