"""Words by which `git` runs nothing that a repository configures beside what it is asked for."""

from typing import Final

__all__ = ["CALM"]

CALM: Final = (
    "--no-optional-locks",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),  # Git itself knows that name on every system
)
"""No watcher and no hook. Filters of files are left: whoever has Git look at them sees to those."""
