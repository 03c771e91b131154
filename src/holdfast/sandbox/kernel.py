"""The few calls to the kernel that Python has no function for, and nothing else.

Each raises `OSError` with the kernel's own reason.
"""

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any, Final

__all__ = [
    "drop_capabilities",
    "filter_system_calls",
    "filters_exist",
    "forbid_new_privileges",
    "landlock_abi",
    "landlock_add",
    "landlock_create",
    "landlock_restrict",
    "machine",
    "pass_on_death",
]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_GET_ACTION_AVAIL: Final = 2
_SECCOMP_FILTER_FLAG_TSYNC: Final = 1
_RET_KILL_PROCESS: Final = 0x80000000
_CAPABILITIES_V3: Final = 0x20080522
_LANDLOCK_CREATE: Final = 444
_LANDLOCK_ADD: Final = 445
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_VERSION: Final = 1
_LANDLOCK_PATH_BENEATH: Final = 1


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def machine() -> str:
    """Name the machine whose system calls these are; empty where nothing here is known."""
    name = platform.machine() if sys.platform == "linux" else ""
    known = name in _SECCOMP and sys.maxsize > 1 << 32 and sys.byteorder == "little"
    return name if known else ""


@functools.cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: Any) -> int:
    wide = [
        ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments
    ]
    return _checked(_library().syscall(ctypes.c_long(number), *wide))


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_library().prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def forbid_new_privileges() -> None:
    """Have no later program run with more rights than this process."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def pass_on_death(signal: int, parent: int) -> None:
    """Have this process sent a signal when its parent ends, or at once if it ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal)


def drop_capabilities(keep: int) -> None:
    """Give up what root may do, but for the capabilities in the bits of *keep*, of the first 32."""
    if os.geteuid() != 0:
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)(keep, keep, 0, 0, 0, 0)
    _call(_CAPSET[machine()], ctypes.byref(header), ctypes.byref(sets))


def filters_exist() -> bool:
    """Tell whether the kernel filters system calls, and ends a process that makes a wrong one."""
    if not machine():
        return False
    action = ctypes.c_uint32(_RET_KILL_PROCESS)
    try:
        _call(_SECCOMP[machine()], _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action))
    except OSError:
        return False
    return True


def filter_system_calls(program: Sequence[tuple[int, int, int, int]]) -> None:
    """Have every thread's system calls judged by a program, for ever.

    Args:
        program: Instructions as code, jump if true, jump if false, value.
    """
    instructions = (_Instruction * len(program))(*(_Instruction(*part) for part in program))
    whole = _Program(len(program), instructions)
    flags = _SECCOMP_FILTER_FLAG_TSYNC
    number = _SECCOMP[machine()]
    if _call(number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(whole)) > 0:
        raise OSError(0, "a thread of this process has a filter of its own")


def landlock_abi() -> int:
    """Return which Landlock the kernel has, 0 if none or if it is switched off."""
    if not machine():
        return 0
    try:
        return _call(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    except OSError:
        return 0


def landlock_create(words: Sequence[int]) -> int:
    """Begin a set of rules.

    Args:
        words: What it handles: of files, of the network, of other processes; as many as the
            kernel knows.

    Returns:
        Its descriptor.
    """
    attributes = (ctypes.c_uint64 * len(words))(*words)
    return _call(_LANDLOCK_CREATE, ctypes.byref(attributes), 8 * len(words), 0)


def landlock_add(rules: int, access: int, folder: int) -> None:
    """Allow what *access* says at and below an open folder or file."""
    rule = _PathBeneath(access, folder)
    _call(_LANDLOCK_ADD, rules, _LANDLOCK_PATH_BENEATH, ctypes.byref(rule), 0)


def landlock_restrict(rules: int) -> None:
    """Put the rules in force for this thread and all it will begin, for ever."""
    _call(_LANDLOCK_RESTRICT, rules, 0)
