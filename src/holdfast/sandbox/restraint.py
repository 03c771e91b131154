"""Restraint: what a process may no longer do, put on by itself and never taken off.

Each part is used where the kernel has it, and told.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from holdfast.errors import UnsupportedError
from holdfast.sandbox import kernel, landlock, seccomp

__all__ = ["Mode", "Restraint", "TrialLimits", "chosen", "on_trial", "on_worker"]

Mode = Literal["require", "auto", "off"]

_KEPT_CAPABILITIES: Final = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root reads models that are another user's."""

_DESCRIPTORS: Final = 256
_SYSTEM: Final = (
    "/usr", "/lib", "/lib64", "/bin", "/opt", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/ssl/openssl.cnf",
    "/etc/nsswitch.conf",
    "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version",
    "/proc/loadavg", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restraint:
    """What is in force, or can be.

    Attributes:
        system_calls: Whether calls are filtered, and no new privileges are had (seccomp).
        landlock: Which Landlock says what files may be touched; 0 for none.
        limits: Whether memory, time and files are limited, and a child dies with its parent.
    """

    system_calls: bool = False
    landlock: int = 0
    limits: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What this system lacks of the whole."""
        lacking = {
            "seccomp filters": not self.system_calls,
            f"Landlock {landlock.WHOLE} or later": self.landlock < landlock.WHOLE,
            "resource limits": not self.limits,
        }
        return tuple(name for name, lacks in lacking.items() if lacks)

    def __str__(self) -> str:
        """Say what is in force, in a line."""
        if not self.system_calls:
            return "none"
        files = f", Landlock {self.landlock}" if self.landlock else ", no file opened for writing"
        return f"no new privileges, seccomp{files}{', limits' if self.limits else ''}"


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What a trial may take.

    Attributes:
        time_s: By the clock, and as long of each processor.
        memory_bytes: Of addresses.
        file_bytes: Of each file in its scratch folder.
        folder_bytes: Of all of them; it is measured about twice a second.
        answer_bytes: Of the text that it tells.
    """

    time_s: float = 60.0
    memory_bytes: int = 8 << 30
    file_bytes: int = 64 << 20
    folder_bytes: int = 1 << 30
    answer_bytes: int = 64 << 10


def chosen(mode: Mode) -> Restraint | None:
    """Return what this system has; None where nothing is to be, or can be, in force.

    Raises:
        UnsupportedError: If all of it is required and something is missing.
    """
    if mode == "off":
        return None
    restraint = _available()
    if mode == "require" and restraint.missing:
        lacking = ", ".join(restraint.missing)
        problem = f"needs what this system lacks: {lacking}"
        raise UnsupportedError("--sandbox require", problem, "use Linux 6.2 or later, or auto")
    return restraint if restraint.system_calls else None


def _available() -> Restraint:
    if not kernel.filters_exist():
        return Restraint()
    return Restraint(system_calls=True, landlock=kernel.landlock_abi(), limits=True)


def on_worker(restraint: Restraint, writable: Sequence[Path]) -> None:
    """Restrain this process, which serves: no program, no write but where it is told.

    It goes for every thread as far as system calls go, and for later ones as far as files go.

    Args:
        restraint: What the kernel has.
        writable: Where it keeps things.
    """
    kernel.forbid_new_privileges()
    if restraint.landlock >= landlock.WHOLE:
        landlock.restrict_writes(restraint.landlock, writable)
    kernel.filter_system_calls(seccomp.worker(kernel.machine(), os.getpid()))


def on_trial(
    restraint: Restraint, limits: TrialLimits, scratch: Path, files: Sequence[Path]
) -> None:
    """Restrain this process, which runs a stranger's model.

    Args:
        restraint: What the kernel has.
        limits: What it may take.
        scratch: The one folder that it may write to.
        files: What it may read beside Python and the system's libraries.
    """
    _limit(limits)
    kernel.forbid_new_privileges()
    whole = restraint.landlock >= landlock.WHOLE
    if restraint.landlock:
        own = Path(f"/proc/{os.getpid()}")  # where libraries look which others are loaded
        readable = [*map(Path, _SYSTEM), own, *_python(), *files]
        written = scratch if whole else None
        landlock.restrict_to(restraint.landlock, readable, written)
    kernel.drop_capabilities(_KEPT_CAPABILITIES)
    kernel.filter_system_calls(seccomp.trial(kernel.machine(), os.getpid(), writes=whole))


def _python() -> list[Path]:
    """Name where modules are."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *filter(None, sys.path)}
    return [Path(path) for path in sorted(places) if path != "/"]


def _limit(limits: TrialLimits) -> None:
    import resource  # noqa: PLC0415 - Windows has none

    processors = os.cpu_count() or 1
    resource_limits: dict[int, int] = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: int(limits.time_s * processors) + 1,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
    }
    for which, value in resource_limits.items():
        hard: Any = resource.getrlimit(which)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (least, least))
