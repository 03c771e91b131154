"""Landlock: which files a process may touch, by rules that it puts on itself.

What holds for a thread holds for all that it begins later, so it is put on before there are any.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from holdfast.sandbox import kernel

__all__ = ["WHOLE", "restrict_to", "restrict_writes"]

WHOLE: Final = 3
"""The first that covers every way to change a file's content; what came before leaves holes."""

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_IOCTL_DEVICE: Final = 1 << 15
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READING: Final = _READ_FILE | _READ_DIR

# Make and remove by kind, the right to move between folders, to truncate, to steer devices.
_SINCE: Final = {1: (1 << 13) - 1, 2: 1 << 13, 3: _TRUNCATE, 5: _IOCTL_DEVICE}
_MAKE: Final = {"folder": 1 << 7, "file": 1 << 8, "remove folder": 1 << 4, "remove file": 1 << 5}
_SCRATCH: Final = _READING | _WRITE_FILE | _TRUNCATE | sum(_MAKE.values())
_TCP: Final = 0b11
_TCP_SINCE: Final = 4
_OTHERS: Final = 0b11
"""Abstract sockets of others, and signals to them."""
_OTHERS_SINCE: Final = 6


def restrict_to(abi: int, readable: Iterable[Path], scratch: Path | None) -> None:
    """Have this process read some places, write one folder, and touch nothing else.

    Args:
        abi: What the kernel has.
        readable: Files and folders, those that do not exist left out.
        scratch: The folder that may be written; none if left out.
    """
    handled = _handled(abi)
    rules = kernel.landlock_create(_words(abi, handled, _TCP))
    try:
        for path in readable:
            _allow(rules, path, _READING & handled)
        _allow(rules, Path(os.devnull), (_READ_FILE | _WRITE_FILE) & handled)
        if scratch is not None:
            _allow(rules, scratch, _SCRATCH & handled)
        kernel.landlock_restrict(rules)
    finally:
        os.close(rules)


def restrict_writes(abi: int, writable: Iterable[Path]) -> None:
    """Have this process write some places and no others; it reads what it could before.

    Args:
        abi: What the kernel has, at least `WHOLE`.
        writable: Files and folders, those that do not exist left out.
    """
    handled = _handled(abi) & ~(_READING | _EXECUTE | _IOCTL_DEVICE)
    rules = kernel.landlock_create(_words(abi, handled, 0))
    try:
        for path in (*writable, Path(os.devnull)):
            _allow(rules, path, handled)
        kernel.landlock_restrict(rules)
    finally:
        os.close(rules)


def _handled(abi: int) -> int:
    return sum(rights for since, rights in _SINCE.items() if since <= abi)


def _words(abi: int, files: int, tcp: int) -> list[int]:
    words = [files]
    if abi >= _TCP_SINCE:
        words.append(tcp)
    if abi >= _OTHERS_SINCE:
        words.append(_OTHERS)
    return words


def _allow(rules: int, path: Path, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        kernel.landlock_add(rules, access if is_folder else access & _OF_FILES, opened)
    finally:
        os.close(opened)
