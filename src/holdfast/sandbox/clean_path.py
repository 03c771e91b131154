"""Processes of Python that begin without the current folder on their path."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SAFE_PATH: Final = "PYTHONSAFEPATH"


@contextmanager
def apart_from_the_current_folder() -> Iterator[None]:
    """Begin Python without the current folder on its path, where anybody's `socket.py` may lie.

    What multiprocessing spawns imports from there before it is handed the path of its parent.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
