"""The scores of a batch as an object: written on this machine, then sent under its name.

Whoever reads the name finds all rows or nothing: an object is there once its last byte is. A run
that is killed leaves a folder for temporary files here and, if it was sending, parts in the bucket
that have no name.
"""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

from holdfast import scratch
from holdfast.batch.output_file import OutputFile, Replacing
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.store import TakenError
from holdfast.store.objects import bucket_files

__all__ = ["BucketOutput", "Output", "opened"]

_OLD: Final = ".replaced"


class Output(Protocol):
    """What takes the scores; without `publish` nothing of it stays."""

    def __enter__(self) -> Self:
        """Give itself."""
        ...

    def __exit__(self, *_: object) -> None:
        """Remove what was not published."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its length, once it is finished."""
        ...

    def write(self, table: Any) -> None:
        """Write rows."""
        ...

    def finish(self, facts: Mapping[str, str]) -> str:
        """Write the end, and return the SHA-256 of all."""
        ...

    def publish(self) -> None:
        """Give it its name."""
        ...

    def withdraw(self) -> None:
        """Take back what was published."""
        ...


def opened(output: str, replacing: Replacing) -> Output:
    """Open an output by its path or its address in a bucket; see `OutputFile`."""
    if bucket_files.is_address(output):
        return BucketOutput(output, replacing)
    if "://" in output:
        problem = "is an address, and only files are written"
        advice = "name a file, s3://, gs:// or az://"
        raise InvalidInputError(f"--output {output!r}", problem, advice)
    return OutputFile(Path(output), replacing)


class BucketOutput:
    """An output in a bucket.

    Args:
        address: What it is called in the end; its ending says its form.
        replacing: What becomes of an object of that name: `refuse` it or `replace` it.

    Raises:
        InvalidInputError: If the name exists, or its ending is unknown.
        StoreError: If the service refuses.
    """

    def __init__(self, address: str, replacing: Replacing) -> None:
        self._target = bucket_files.at(address)
        self._old = self._target.beside(_OLD)
        self._has_old = False
        self._replacing: Replacing = replacing
        self._subject = f"--output {address.partition('?')[0]!r}"
        self._sha256 = ""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(scratch.folder())
            name = f"scores{self._target.path.suffix}"
            local = OutputFile(folder / name, "refuse", repr(address.partition("?")[0]))
            self._local = stack.enter_context(local)
            if replacing == "refuse" and self._target.size_bytes is not None:
                raise self._taken()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not published, and what was replaced."""
        with self._stack, contextlib.suppress(HoldfastError):
            if self._has_old:
                self._old.remove()

    @property
    def size_bytes(self) -> int:
        """Its length, once it is finished."""
        return self._local.size_bytes

    def write(self, table: Any) -> None:
        """Write rows; see `OutputFile.write`."""
        self._local.write(table)

    def finish(self, facts: Mapping[str, str]) -> str:
        """Write the end, and return the SHA-256 of all; see `OutputFile.finish`."""
        self._sha256 = self._local.finish(facts)
        return self._sha256

    def publish(self) -> None:
        """Send it.

        Raises:
            InvalidInputError: If the name was taken meanwhile.
            StoreError: If the service refuses; what it may have is taken back.
        """
        try:
            if self._replacing == "refuse":
                self._target.create(self._local.part, self._sha256)
            else:
                self._has_old = self._target.copy_to(self._old)
                self._target.replace(self._local.part, self._sha256)
        except TakenError:
            raise self._taken() from None
        except HoldfastError:
            self.withdraw()
            raise

    def withdraw(self) -> None:
        """Take back what was published; what somebody else wrote there meanwhile stays."""
        with contextlib.suppress(HoldfastError, OSError):
            if not self._is_ours():
                return
            if self._has_old:
                self._old.copy_to(self._target)
            else:
                self._target.remove()

    def _is_ours(self) -> bool:
        with self._target.opened() as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._sha256

    def _taken(self) -> InvalidInputError:
        return InvalidInputError(self._subject, "exists", "name another, or give --overwrite")
