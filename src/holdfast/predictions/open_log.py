"""From where a log is kept to the log."""

import logging
import os
from functools import partial
from pathlib import Path

from holdfast.errors import InvalidInputError, StoreError
from holdfast.predictions.capture import CaptureOptions
from holdfast.predictions.deferred import DeferredLog
from holdfast.predictions.log import Log, Sync
from holdfast.predictions.private_files import make_folder
from holdfast.predictions.writer import Recorder

_log = logging.getLogger(__name__)


def open_log(location: str | Path, *, sync: Sync = "normal") -> Log:
    """Open a log: a folder, made by the first row, or `postgresql://…`, whose table is made now.

    Raises:
        InvalidInputError: If the address is of another kind.
        StoreError: If it cannot be reached.
        MissingLibraryError: If PostgreSQL is asked for without the extra `postgres`.
    """
    scheme, is_address, _ = str(location).partition("://")
    if not is_address:
        from holdfast.predictions.log_folder import FolderLog

        return FolderLog(Path(location), sync=sync)
    if scheme not in ("postgresql", "postgres"):
        raise InvalidInputError(
            f"log {scheme}://…",
            "cannot hold a prediction log",
            "give a folder or postgresql://",
        )
    from holdfast.predictions.postgres import PostgresLog

    return PostgresLog(str(location), sync=sync)


def open_in_time(location: str | Path, *, sync: Sync = "normal") -> Log:
    """Open a log for a server: one that cannot be reached now is opened when it can.

    Raises:
        InvalidInputError: If the address is of another kind.
        MissingLibraryError: If PostgreSQL is asked for without the extra `postgres`.
    """
    try:
        return open_log(location, sync=sync)
    except StoreError as error:
        _log.error("the prediction log cannot be opened, and is retried: %s", error)
        return DeferredLog(partial(open_log, location, sync=sync), error)


def open_recorder(
    location: str | Path,
    worker: str,
    recording: CaptureOptions | None = None,
    *,
    sync: Sync = "normal",
) -> Recorder:
    """Open a log for a serving worker to write; see `open_in_time`.

    Args:
        worker: Names the process, and no other one ever.
        sync: `full` has `durable` return when a power cut cannot take the row either.
    """
    log = open_in_time(location, sync=sync)
    recorder = Recorder(log, worker, recording)
    if isinstance(log, DeferredLog):
        recorder.note_problem(log.problem)
        log.when_open(partial(recorder.note_problem, None))
    elif "://" not in str(location):
        recorder.note_problem(_problem_of(Path(location)))
    return recorder


def _problem_of(folder: Path) -> str | None:
    """Return why a log cannot be kept in a folder, as far as is known before the first row."""
    try:
        make_folder(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder}: it cannot be written"
