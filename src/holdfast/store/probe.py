"""What a file system keeps of what the journal stands on, tried out before a store is made."""

import os
import sys
import threading
from pathlib import Path

from msgspec import Struct

from holdfast.errors import UnfitStoreError
from holdfast.store import TakenError, durable, reserved

_RIVALS = 8
_MOUNTS = Path("/proc/self/mounts")
_SHARED = ("nfs", "cifs", "smb", "fuse", "9p", "lustre", "ceph", "gluster", "afs", "gpfs", "beegfs")


class Probe(Struct, frozen=True):
    """The findings, kept in `holdfast.json`.

    Attributes:
        links: Hard links work and refuse a taken name.
        case_sensitive: `a` and `A` are two files.
        locks: The disk is this machine's own, so that file locks reach every writer.
    """

    links: bool
    case_sensitive: bool
    locks: bool


def probe(root: Path) -> Probe:
    """Try the folder out.

    Raises:
        UnfitStoreError: If a created file does not keep its name against rivals.
        StoreError: If the folder cannot be written at all.
    """
    folder = os.path.join(os.path.abspath(root), f"{reserved.TEMPORARY}probe-{os.urandom(8).hex()}")
    with durable.translate_errors(str(root)):
        os.makedirs(folder)
        try:
            links = _elects_one(folder, "links", with_links=True)
            if not links and not _elects_one(folder, "renames", with_links=False):
                raise UnfitStoreError(
                    root,
                    "does not protect new files from being replaced: neither hard links nor "
                    "exclusive renames work",
                    "choose a folder on another file system",
                )
            return Probe(
                links=links,
                case_sensitive=_tells_case(folder),
                locks=is_local(root),
            )
        finally:
            _clear(folder)


def _elects_one(folder: str, name: str, *, with_links: bool) -> bool:
    """Let rivals create one name at once; exactly one must win, and its bytes must stay.

    Raises:
        OSError: If the disk is full.
    """
    path = os.path.join(folder, name)
    winners: list[bytes] = []
    full: list[OSError] = []
    start = threading.Barrier(_RIVALS)

    def rival(number: int) -> None:
        mine = b"rival %d" % number
        start.wait()
        try:
            durable.create(path, mine, links=with_links)
        except OSError as error:
            if error.errno in durable.FULL:  # no matter of names
                full.append(error)
            return
        except TakenError:
            return
        winners.append(mine)

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(_RIVALS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if full:
        raise full[0]
    return len(winners) == 1 and Path(path).read_bytes() == winners[0]


def _tells_case(folder: str) -> bool:
    Path(folder, "case").touch()
    return not Path(folder, "CASE").exists()


def is_local(root: Path) -> bool:
    """Tell whether a folder is on a disk of this machine's own; asking writes nothing."""
    return _is_local(os.path.realpath(root))


def _is_local(path: str) -> bool:
    if path.startswith("\\\\"):
        return False
    if sys.platform != "linux" or not _MOUNTS.exists():
        return True
    best, kind = "", ""
    for line in _MOUNTS.read_text("utf-8", "replace").splitlines():
        _device, mount, filesystem, *_ = line.split()
        mount = mount.replace("\\040", " ")
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, filesystem
    return not kind.startswith(_SHARED)


def _clear(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        os.chmod(path, 0o644)
        os.unlink(path)
    os.rmdir(folder)
