"""Looking at the files of a store, and hurting them."""

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from holdfast.store import config, projections

Hurt = Callable[[Path], None]


def unplaced(path: Path) -> bytes:
    """Return a file's bytes; of a pointer, without the place that it was written in."""
    raw = path.read_bytes()
    pointer = projections.decode(raw) if path.name == "active_version.json" else None
    return raw if pointer is None else projections.encode(replace(pointer, place=None))


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress and that no scanner takes for a format."""
    start = b"noise\n"
    return start + random.Random(seed).randbytes(size - len(start))


def files(folder: Path) -> Iterator[Path]:
    """Go through all regular files below a folder, sorted."""
    yield from sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )


def listing(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Tell of everything below a folder its mode, its time of change and its digest."""
    facts = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        facts[path.relative_to(folder).as_posix()] = (about.st_mode, about.st_mtime_ns, digest)
    return facts


def truth(store: Path) -> dict[str, bytes]:
    """Return all blobs and entries, by their key."""
    paths = [*files(store / "blobs"), *(store / "models").glob("*/journal/*.json")]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in sorted(paths)}


def journals(store: Path) -> dict[str, bytes]:
    """Return the entries of all models, by their key."""
    return {key: raw for key, raw in truth(store).items() if "/journal/" in key}


def blob(store: Path, digest: str) -> Path:
    """Return the file of a blob, its digest with or without `sha256:`."""
    return store / "blobs" / "sha256" / digest.removeprefix("sha256:")


def blob_holding(store: Path, content: bytes) -> Path:
    """Return the file of the blob with these bytes."""
    return blob(store, hashlib.sha256(content).hexdigest())


def leftovers(store: Path) -> list[str]:
    """List what writers left in the middle of their work, and what waits in the trash."""
    below = sorted(path.relative_to(store).as_posix() for path in store.rglob("*"))
    condemned = [key for key in below if key.startswith("trash/") and "/damaged" not in key]
    return [key for key in below if ".tmp-" in key] + condemned


def copy(store: Path, target: Path) -> Path:
    """Copy a store as a good backup does: links, modes and times are kept."""
    subprocess.run(["cp", "-a", str(store), str(target)], check=True)
    return target


def remove(folder: Path) -> None:
    """Remove a folder with all in it."""
    shutil.rmtree(folder)


def overwrite(path: Path, content: bytes) -> None:
    """Write over a read-only file in place, as a fault of the disk would."""
    path.chmod(0o644)
    path.write_bytes(content)


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    overwrite(path, bytes(content))


def cut(path: Path) -> None:
    """Take the second half away."""
    content = path.read_bytes()
    overwrite(path, content[: len(content) // 2])


def empty(path: Path) -> None:
    """Take all bytes away."""
    overwrite(path, b"")


def lengthen(path: Path) -> None:
    """Put a byte more at the end."""
    overwrite(path, path.read_bytes() + b"\n")


def delete(path: Path) -> None:
    """Take the file away."""
    path.unlink()


HURTS: Final[dict[str, Hurt]] = {
    "flipped": flip,
    "cut": cut,
    "emptied": empty,
    "lengthened": lengthen,
    "deleted": delete,
}


def name_by_content(path: Path) -> Path:
    """Give a blob the name that its bytes demand."""
    return path.rename(path.with_name(hashlib.sha256(path.read_bytes()).hexdigest()))


def swap(path: Path, other: Path) -> None:
    """Let two files change places."""
    aside = path.with_name("aside")
    os.replace(path, aside)
    os.replace(other, path)
    os.replace(aside, other)


def take_locks(store: Path) -> None:
    """Have a store say that file locks do not reach every writer, as on a network's disk."""
    path = store / "holdfast.json"
    stored_config = config.decode(path.read_bytes(), str(path))
    overwrite(
        path, config.encode(replace(stored_config, probe=replace(stored_config.probe, locks=False)))
    )


def sealed(raw: bytes) -> bytes:
    """Give an entry whose text was changed the checksum that its new text demands."""
    body = raw[: raw.rindex(b',"sum":"')]
    return body + b',"sum":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()
