"""Small file systems, seen by the tests and gone with the process that holds them.

A process in a mount namespace of its own mounts it, so nothing is left behind however the tests end
and no rights are needed where the system lets its users have such namespaces. The tests reach it
through `/proc`.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

_HOLDER = """
where=$1; shift
mount "$@" "$where" && echo ready || exit 1
while read -r how; do mount -o "remount,bind,$how" "$where" && echo done || echo failed; done
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system.

    Attributes:
        path: Its root.
    """

    path: Path
    _commands: IO[str]
    _answers: IO[str]

    def remount(self, how: str) -> None:
        """Make it read-only (`ro`) or writable (`rw`)."""
        self._commands.write(f"{how}\n")
        self._commands.flush()
        assert self._answers.readline() == "done\n"

    @property
    def ballast(self) -> Path:
        """A file that takes up room."""
        return self.path / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with (
            self.ballast.open("ab", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while True:
                file.write(bytes(4_096))

    def leave(self, pages: int) -> None:
        """Leave room for that many pages of 4 KiB."""
        self.fill()
        os.truncate(self.ballast, self.ballast.stat().st_size - 4_096 * pages)


@contextlib.contextmanager
def mounted(folder: Path, *how: str) -> Iterator[Disk]:
    """Mount a file system, given as `mount` takes it; skip the test where that cannot be."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare to mount a small disk with")
    folder.mkdir()
    flags = "-m" if os.geteuid() == 0 else "-rm"
    with subprocess.Popen(
        ["unshare", flags, "sh", "-c", _HOLDER, "sh", folder, *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            holder.stdin.close()
            pytest.skip(f"cannot be mounted here: {holder.stderr.read().strip()}")
        try:
            yield Disk(Path(f"/proc/{holder.pid}/root{folder}"), holder.stdin, holder.stdout)
        finally:
            holder.stdin.close()


@contextlib.contextmanager
def in_memory(folder: Path, options: str) -> Iterator[Disk]:
    """Mount a file system in memory, with options such as `size=1m`."""
    with mounted(folder, "-t", "tmpfs", "-o", options, "none") as disk:
        yield disk


@contextlib.contextmanager
def formatted(folder: Path, kind: str, *options: str) -> Iterator[Disk]:
    """Mount a sparse file of 512 MiB that is formatted as *kind*; that takes root.

    `exfat-fuse` is exFAT where the kernel does not know it.
    """
    maker = f"mkfs.{kind.removesuffix('-fuse')}"
    if shutil.which(maker) is None:
        pytest.skip(f"there is no {maker}")
    image = folder.with_suffix(".image")
    image.touch()
    os.truncate(image, 512 << 20)  # XFS takes no less than 300 MB
    subprocess.run([maker, *options, image], check=True, capture_output=True)
    with mounted(folder, "-t", kind, "-o", "loop", str(image)) as disk:
        yield disk
