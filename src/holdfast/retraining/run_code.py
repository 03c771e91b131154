"""What a run is recorded with besides its data: commit, patch, and the machine it ran on."""

import os
import platform
from pathlib import Path
from typing import Any

from msgspec import Struct

from holdfast.registry import provenance

__all__ = ["RunCode", "machine", "of"]


class RunCode(Struct, frozen=True):
    """The code of a run, as it was before the training.

    Attributes:
        lineage: Fields of `core.lineage_record.Lineage`.
        patch: What the work tree had changed since its commit, if that is wanted.
    """

    lineage: dict[str, Any]
    patch: bytes | None


def of(folder: Path, *, patch: bool) -> RunCode:
    """Look at the repository around a folder.

    Raises:
        InvalidInputError: If its patch is wanted and cannot be made, or is too long.
    """
    known = provenance.lineage(folder)
    place = provenance.code_place(folder)
    commit = {"git_commit": known.git_commit, "git_dirty": known.git_dirty}
    return RunCode({**commit, **place}, provenance.patch(folder) if patch else None)


def machine() -> dict[str, Any]:
    """Return what of a machine may decide about a result, and every distribution on it."""
    from importlib import metadata

    found = metadata.distributions()
    named = {str(one.metadata["Name"]): one.version for one in found if one.metadata["Name"]}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(named.items())),
    }


def _processor() -> str:
    """Name the processor, as Linux does where it can."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, ValueError):
        pass
    return platform.processor() or platform.machine()
