"""How many threads the libraries of numbers may begin in each worker.

Each of them takes all cores of the machine by itself. Several workers that do so are slower than
one, and so is a container that has a part of the machine.
"""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

__all__ = ["VARIABLES", "cores", "limit", "quota"]

VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""Read by the libraries when they are imported."""

_CGROUPS: Final = Path("/sys/fs/cgroup")


def limit(environment: MutableMapping[str, str], workers: int, count: int | None = None) -> int:
    """Deal the cores out among workers; what *environment* says already is left as it is.

    Args:
        environment: Of the workers; added to.
        count: Cores there are; what this process may use if not given.

    Returns:
        Threads for each worker.
    """
    share = max(1, (count or cores()) // workers)
    setting = _number(environment.get("OMP_NUM_THREADS", ""))
    for name in VARIABLES:
        environment.setdefault(name, str(setting or share))
    return setting or share


def cores() -> int:
    """Return how many cores this process may use: of the machine, and of a container's share."""
    many = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(many, quota(_CGROUPS) or many))


def quota(folder: Path) -> int | None:
    """Return the cores that a control group may use, a begun one as a whole; None if all."""
    words = _words(folder / "cpu.max")
    if len(words) != 2:  # noqa: PLR2004 - quota and period
        quota_words, other = (
            _words(folder / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period")
        )
        words = [*quota_words, *other]
    numbers = [_number(word) for word in words]
    if len(numbers) != 2 or not numbers[0] or not numbers[1]:  # noqa: PLR2004
        return None
    return math.ceil(numbers[0] / numbers[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _number(text: str) -> int:
    """Read a whole number above 0; 0 for whatever else."""
    return int(text) if text.isascii() and text.isdecimal() else 0
