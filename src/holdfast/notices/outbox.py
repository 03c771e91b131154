"""Files that wait for a target: durable, in order, kept until they are delivered or given up.

```
<outbox>/lock                                  held by whoever collects and delivers
<outbox>/incoming/<digest>.json                told by other processes, for every target
<outbox>/<target>/standing.json                how far each journal was read, and the last failure
<outbox>/<target>/waiting/0000000042-<digest>.json
<outbox>/<target>/failed/0000000042-<digest>.json
```
The digest is of the notice's source and id, so that the same notice never waits twice.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from holdfast import named_files
from holdfast.errors import DamagedError
from holdfast.notices.notice import Notice
from holdfast.store import TakenError, durable, locks

_INCOMING: Final = "incoming"
_WAITING: Final = "waiting"
_FAILED: Final = "failed"
_STANDING: Final = "standing.json"
_SUFFIX: Final = ".json"
_DIGITS: Final = 10


_Told = TypeVar("_Told", bound=Struct)


class TargetState(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a target stands.

    Attributes:
        heads: By model, the entry up to which it was told; -1 of a journal that could not be read
            when the target was new: it is told from the first entry after it can be.
        failing: By version that servers fail to load, when that was first seen.
        tries: Deliveries in a row that failed.
        retry_at: Seconds since 1970 before which none is tried.
        problem: What the last one met.
    """

    heads: dict[str, int]
    failing: dict[str, str] = {}
    tries: int = 0
    retry_at: float = 0.0
    problem: str | None = None


class Letter(Struct, frozen=True):
    """A notice that waits, or was given up.

    Attributes:
        queued_at: Seconds since 1970.
        problem: Why it was given up.
    """

    notice: Notice
    queued_at: float
    problem: str | None = None


class Outbox:
    """The folder of all that waits; see the module for its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the outbox if nobody else does, and tell whether that is so."""
        durable.make_folder(str(self.folder.absolute()))
        with locks.tried(str(self._lock), "delivering notices") as is_held:
            yield is_held

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def holders(self) -> list[str]:
        """Who says that they hold it, in sentences: one that hangs delivers nothing."""
        return locks.holders(str(self._lock))

    def drop(self, notice: Notice) -> None:
        """Leave a notice for every target that wants it; any process may, at any time."""
        path = self.folder / _INCOMING / f"{_digest(notice)}{_SUFFIX}"
        with contextlib.suppress(TakenError):
            durable.create(str(path.absolute()), msgspec.json.encode(notice))

    def incoming(self) -> Iterator[tuple[Path, Notice]]:
        """Go through the letters of others, each with its file; other files are put aside."""
        for path in self._files(_INCOMING):
            notice = self._read(path, Notice, self.folder / _FAILED)
            if notice is not None:
                yield path, notice

    def standing(self, target: str) -> TargetState | None:
        """Return where a target stands, `None` if it is new.

        Raises:
            DamagedError: If the file is not a position: what to send next is then unknown.
        """
        path = self.folder / target / _STANDING
        try:
            return msgspec.json.decode(named_files.read(path), type=TargetState)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            advice = "remove it to notify the target of what happens from now on"
            raise DamagedError(str(path), f"cannot be read: {error}", advice) from error

    def stand(self, target: str, standing: TargetState) -> None:
        """Write down where a target stands, durably."""
        self._keep(self.folder / target / _STANDING, msgspec.json.encode(standing))

    def add(self, target: str, letter: Letter) -> None:
        """Let a notice wait behind all others, unless it waits or was given up already."""
        digest = _digest(letter.notice)
        known = [*self._files(target, _WAITING), *self._files(target, _FAILED)]
        if any(path.stem.endswith(digest) for path in known):
            return
        number = 1 + max((int(path.stem[:_DIGITS]) for path in known), default=0)
        name = f"{number:0{_DIGITS}}-{digest}{_SUFFIX}"
        self._keep(self.folder / target / _WAITING / name, msgspec.json.encode(letter))

    def waiting(self, target: str) -> Iterator[tuple[Path, Letter]]:
        """Go through the letters for a target, in order; other files are put aside."""
        aside = self.folder / target / _FAILED
        for path in self._files(target, _WAITING):
            letter = self._read(path, Letter, aside)
            if letter is not None:
                yield path, letter

    def failed(self, target: str) -> list[Letter]:
        """Return what was given up for a target, in order."""
        letters = []
        for path in self._files(target, _FAILED):
            with contextlib.suppress(ValueError, OSError):
                letters.append(msgspec.json.decode(named_files.read(path), type=Letter))
        return letters

    def remove(self, path: Path) -> None:
        """Remove a file whose notice was taken."""
        path.unlink(missing_ok=True)
        durable.sync_folder(str(path.parent))

    def give_up(self, target: str, path: Path, letter: Letter) -> None:
        """Put a notice aside, with its problem, and let the next one come."""
        self._keep(self.folder / target / _FAILED / path.name, msgspec.json.encode(letter))
        self.remove(path)

    def _files(self, *parts: str) -> list[Path]:
        folder = self.folder.joinpath(*parts)
        with contextlib.suppress(FileNotFoundError):
            return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
        return []

    def _read(self, path: Path, kind: type[_Told], aside: Path) -> _Told | None:
        try:
            return msgspec.json.decode(named_files.read(path), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # somebody else's file: it must not stop those behind it
            durable.make_folder(str(aside.absolute()))
            path.replace(aside / path.name)
            return None

    def _keep(self, path: Path, data: bytes) -> None:
        """Write a file over whatever has its name, durably."""
        folder = str(path.parent.absolute())
        with durable.translate_errors(str(path)), durable.temporary(folder) as (file, written):
            durable.write_all(file.fileno(), data)
            durable.sync(file.fileno())
            file.close()
            durable.rename_over(written, str(path))
        durable.sync_folder(folder)


def _digest(notice: Notice) -> str:
    return hashlib.sha256(f"{notice.source}\n{notice.id}".encode()).hexdigest()[:32]
