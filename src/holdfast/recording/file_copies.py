"""Copies of the files that a run keeps, as they were when it was told of them."""

import shutil
from pathlib import Path
from typing import Final

from holdfast import named_files
from holdfast.core import figure_content
from holdfast.errors import InvalidInputError
from holdfast.formats import health
from holdfast.formats.opaque import KeptFile

__all__ = ["MOST_BYTES", "copy"]

MOST_BYTES: Final = 1 << 30
"""Of all files of a run together."""

_PIECE: Final = 1 << 20


def copy(name: str, source: Path, target: Path, others: int) -> None:
    """Copy a file; what is not whole at the end is not kept.

    Args:
        name: As the run calls it.
        source: Any path of a regular file.
        target: In the run's own folder; what is there is replaced.
        others: Bytes of the other files of the run.

    Raises:
        InvalidInputError: If it cannot be read, is too large, or is what a registration refuses.
    """
    subject = f"file {figure_content.shown(name)}"
    part = target.with_name(f".{target.name}")
    try:
        with named_files.opened(source) as read, part.open("wb") as written:
            shutil.copyfileobj(read, written, _PIECE)
            size_bytes = written.tell()
        problem = health.problem_of(part, KeptFile.name)  # better now than when all is trained
        if size_bytes + others > MOST_BYTES:
            problem = f"brings the files of the run over {MOST_BYTES:,} bytes"
        if problem:
            raise InvalidInputError(subject, problem, "pack it, or keep it elsewhere")
        part.replace(target)
    except OSError as error:
        problem = f"cannot be read from {str(source)!r}: {error.strerror or error}"
        raise InvalidInputError(subject, problem, "check the path") from error
    finally:
        part.unlink(missing_ok=True)
