"""What a run finds out about itself: commit, duration, memory, machine."""

import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from holdfast.registry import provenance

__all__ = ["RunFacts"]

_PATIENCE_S: Final = 20.0
"""So long the end of a run waits for Git, which looks through the work tree meanwhile."""

_KIB: Final = 1024


class RunFacts:
    """The facts of a run, from when this is made on.

    The commit is that of the beginning, because that is the code which was imported; Git is asked
    for it beside the training.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._since = time.monotonic()
        self._code: dict[str, Any] = {}
        self._asking = threading.Thread(target=self._ask, name="holdfast-git", daemon=True)
        self._asking.start()

    @property
    def took_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._since

    def _ask(self) -> None:
        lineage, code = provenance.lineage(), provenance.code_place()
        if lineage.git_commit:
            code |= {"git_commit": lineage.git_commit, "git_dirty": lineage.git_dirty}
        self._code = code if self._seed is None else {**code, "seed": self._seed}

    def lineage(self) -> dict[str, Any]:
        """Return where the code is and which it was, as a registration takes it."""
        self._asking.join(_PATIENCE_S)
        return dict(self._code)

    def told(self) -> dict[str, Any]:
        """Return everything else, for people."""
        self._asking.join(_PATIENCE_S)
        facts = {
            "took_s": round(self.took_s, 3),
            "peak_rss_bytes": peak_bytes(),
            "script": _script(),
            "platform": platform.platform(),
            "processors": os.cpu_count(),
        }
        return {name: value for name, value in facts.items() if value is not None}


def peak_bytes() -> int | None:
    """Return the most memory that this process ever had at once, `None` where no system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def _script() -> str | None:
    """Return the name of the program's file, without its folder; `None` in a notebook."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(path).name if isinstance(path, str) else None
