"""The files of a log's folder: which hold rows, and opening those of one day together."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

from holdfast.errors import StoreError
from holdfast.predictions import ids
from holdfast.predictions.columns import Values
from holdfast.predictions.filters import Filter
from holdfast.predictions.parquet import PARQUET, ParquetPart, sources_of
from holdfast.predictions.sqlite import SUFFIX, SqliteReader

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_WORKERS: Final = re.compile(rf"[0-9a-f]{{4}}-.+{re.escape(SUFFIX)}")
_MARGIN_US: Final = 86_400_000_000
_ATTEMPTS: Final = 5


class Part(Protocol):
    """A file that holds rows."""

    path: Path

    def get(self, prediction_id: str) -> Values | None:
        """Return one row."""
        ...

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Return the rows of a query of its table `predictions`."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Parts:
    """Open files of one day, closed at the end of a block."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    def __enter__(self) -> list[Part]:
        """Return them."""
        return self._parts

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them."""
        for part in self._parts:
            part.close()


def opened(path: Path) -> Part:
    """Open a file that holds rows.

    Raises:
        FileNotFoundError: If it is gone.
        DamagedError: If it is not such a file.
    """
    return ParquetPart(path) if path.name == PARQUET else SqliteReader(path)


class Days:
    """The days below a log's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Return the days that have a folder."""
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                self.root, f"cannot be read: {error.strerror}", "give a log's folder"
            ) from error
        return sorted(name for name in names if _DAY.fullmatch(name))

    def of(self, criteria: Filter) -> list[str]:
        """Return the days that may hold wanted rows; an id is made before its answer."""
        days = self.names()
        if criteria.since_us is not None:
            first = ids.day_at((criteria.since_us - _MARGIN_US) // 1000)
            days = [day for day in days if day >= first]
        if criteria.until_us is not None:
            last = ids.day_at(criteria.until_us // 1000)
            days = [day for day in days if day <= last]
        return days

    def files(self, day: str) -> list[Path]:
        """List the files that hold a day's rows, each row in one of them."""
        folder = self.root / day
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                folder, f"cannot be read: {error.strerror}", "check its owner and mode"
            ) from error
        written = [name for name in names if is_written(name)]
        if PARQUET not in names:
            return [folder / name for name in written]
        if written:  # a compaction was cut short, or rows came late
            inside = sources_of(folder / PARQUET)
            written = [name for name in written if name not in inside]
        return [folder / name for name in (*written, PARQUET)]

    def opened(self, day: str) -> Parts:
        """Open all files of a day, of one moment."""
        for _ in range(_ATTEMPTS):
            parts: list[Part] = []
            try:
                for path in self.files(day):
                    parts.append(opened(path))
            except BaseException as error:
                for part in parts:
                    part.close()
                if not isinstance(error, FileNotFoundError):  # compacted meanwhile
                    raise
            else:
                return Parts(parts)
        raise StoreError(self.root / day, "has files that keep changing", "try again")

    def size_bytes(self, day: str) -> int:
        """Return what a day takes on the disk."""
        return sum(entry.stat().st_size for entry in os.scandir(self.root / day))

    def remove(self, day: str) -> None:
        """Remove a day with its labels, for good."""
        try:
            shutil.rmtree(self.root / day)
        except FileNotFoundError:
            return
        except OSError as error:
            problem = f"cannot be removed: {error.strerror or error}"
            raise StoreError(self.root / day, problem, "remove it by hand") from error


def is_written(name: str) -> bool:
    """Tell whether a file's name is that of a worker's rows."""
    return _WORKERS.fullmatch(name) is not None
