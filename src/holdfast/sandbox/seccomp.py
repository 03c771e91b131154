"""Programs that judge system calls: classic BPF, made of the tables in `syscalls`.

A call of another machine's numbering ends the process; a call that is younger than the tables
does not exist; one on a list is refused with `EPERM`; all others pass.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Final

from holdfast.sandbox import syscalls

__all__ = ["Instruction", "trial", "worker"]

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, value."""

_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_AT_LEAST: Final = 0x35
_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_ALLOW: Final = (_RETURN, 0, 0, 0x7FFF0000)
_KILL: Final = (_RETURN, 0, 0, 0x80000000)
_REFUSE: Final = (_RETURN, 0, 0, 0x00050000 | errno.EPERM)
_UNKNOWN: Final = (_RETURN, 0, 0, 0x00050000 | errno.ENOSYS)

_NUMBER_AT: Final = 0
_ARCH_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_X32: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_IOCTLS: Final = (
    0x5412, 0x541C, 0x540E,  # TIOCSTI, TIOCLINUX, TIOCSCTTY: type into somebody's terminal
    0x8901, 0x8902,  # FIOSETOWN, SIOCSPGRP: have signals sent to others
    0x40086602, 0x401C5820,  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR: change a file's attributes
)  # fmt: skip
_FCNTLS: Final = (8, 10, 15, 1024, 1026)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY: signals to others, leases on files."""
_PRCTLS: Final = (1, 4, 35, 0x59616D61)
"""PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_PTRACER: outlive, be looked into."""


def worker(machine: str, process: int) -> list[Instruction]:
    """Make the filter of a process that answers, keeps a log and follows a store.

    Args:
        machine: Whose numbers.
        process: Its own id: signals to others are refused.
    """
    judge = _Judge(machine)
    _judge_processes(judge, process)
    judge.demand_values("prlimit64", 0, (0, process))
    return judge.program()


def trial(machine: str, process: int, *, writes: bool) -> list[Instruction]:
    """Make the filter of a process that runs a stranger's model.

    Args:
        machine: Whose numbers.
        process: Its own id.
        writes: Whether files may be opened to be written: only where Landlock says which.
    """
    judge = _Judge(machine)
    _judge_processes(judge, process)
    judge.refuse(syscalls.SOCKETS, syscalls.ATTRIBUTES)
    judge.refuse(["fallocate"])  # fills a disk at once; the folder is measured while it is written
    judge.demand_null("prlimit64", 2)  # a new limit; asking for one is allowed
    judge.demand_values("sched_setaffinity", 0, (0, process))  # workers bind threads by number
    judge.refuse_values("prctl", 0, _PRCTLS)
    if not writes:
        judge.refuse(syscalls.NAMES)
        judge.refuse_bits("open", 1, _WRITING)
        judge.refuse_bits("openat", 2, _WRITING)
    return judge.program()


def _judge_processes(judge: "_Judge", process: int) -> None:
    judge.forget("clone3")  # its flags lie in memory, where no filter sees them; libc uses clone
    judge.demand_bit("clone", 0, _CLONE_THREAD)
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        judge.demand_value(name, 0, process)
    for name in ("sched_setscheduler", "sched_setattr", "sched_setparam"):
        judge.demand_values(name, 0, (0, process))
    judge.refuse_values("ioctl", 1, _IOCTLS)
    judge.refuse_values("fcntl", 1, _FCNTLS)
    judge.refuse(syscalls.PROGRAMS, syscalls.PROCESSES, syscalls.MACHINE, syscalls.OWNERS)


class _Judge:
    """A filter in the making; after each part the accumulator holds the call's number."""

    def __init__(self, machine: str) -> None:
        self._numbers = syscalls.NUMBERS[machine]
        self._program: list[Instruction] = [
            (_LOAD, 0, 0, _ARCH_AT),
            (_EQUAL, 1, 0, syscalls.AUDIT_ARCH[machine]),
            _KILL,
            (_LOAD, 0, 0, _NUMBER_AT),
            (_AT_LEAST, 0, 1, _X32),
            _KILL,
            (_AT_LEAST, 0, 1, syscalls.CEILING),
            _UNKNOWN,
        ]

    def program(self) -> list[Instruction]:
        """Return the whole."""
        return [*self._program, _ALLOW]

    def refuse(self, *groups: Iterable[str]) -> None:
        """Refuse calls by name."""
        for name in (name for group in groups for name in group):
            self._when(name, [_REFUSE])

    def forget(self, name: str) -> None:
        """Answer that there is no such call."""
        self._when(name, [_UNKNOWN])

    def refuse_values(self, name: str, argument: int, values: Iterable[int]) -> None:
        """Refuse a call by one of the values of its argument."""
        refusals = [part for value in values for part in ((_EQUAL, 0, 1, value), _REFUSE)]
        self._when(name, [_load(argument), *refusals, _ALLOW])

    def refuse_bits(self, name: str, argument: int, bits: int) -> None:
        """Refuse a call if any of the bits is set."""
        self._when(name, [_load(argument), (_ANY_BIT, 0, 1, bits), _REFUSE, _ALLOW])

    def demand_null(self, name: str, argument: int) -> None:
        """Refuse a call unless its argument is null, comparing both halves of it."""
        lower, upper = _load(argument), (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument + 4)
        zero = (_EQUAL, 1, 0, 0)
        self._when(name, [lower, zero, _REFUSE, upper, zero, _REFUSE, _ALLOW])

    def demand_bit(self, name: str, argument: int, bit: int) -> None:
        """Refuse a call unless the bit is set."""
        self._when(name, [_load(argument), (_ANY_BIT, 1, 0, bit), _REFUSE, _ALLOW])

    def demand_value(self, name: str, argument: int, value: int) -> None:
        """Refuse a call unless its argument has the value."""
        self.demand_values(name, argument, (value,))

    def demand_values(self, name: str, argument: int, values: Sequence[int]) -> None:
        """Refuse a call unless its argument has one of the values."""
        passes = [part for value in values for part in ((_EQUAL, 0, 1, value), _ALLOW)]
        self._when(name, [_load(argument), *passes, _REFUSE])

    def _when(self, name: str, part: list[Instruction]) -> None:
        if name in self._numbers:
            self._program.append((_EQUAL, 0, len(part), self._numbers[name]))
            self._program += part


def _load(argument: int) -> Instruction:
    """Load the lower half of an argument: flags, ids and commands are 32 bits wide."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)
