"""Rows for tests of the log."""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from holdfast.predictions.batch_record import BatchRecord
from holdfast.predictions.ids import Mint
from holdfast.predictions.log_folder import FolderLog
from holdfast.predictions.row import Prediction

DAY = "2026-03-03"
DIGEST = "ab" * 32


def moment_us(text: str) -> int:
    """Return microseconds since 1970 of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOON = moment_us(f"{DAY}T12:00")


def moments(start_us: int = NOON) -> Iterator[int]:
    """Return moments a millisecond apart."""
    return itertools.count(start_us, 1000)


def arrived_when_told(log: Any) -> None:
    """Have the log's labels be as if they had reached it at the time given with them."""
    if not isinstance(log, FolderLog):
        with log.connected() as connection:
            connection.execute("UPDATE holdfast_labels SET kept_us = at_us")
        return
    for path in log.root.glob("*/feedback.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE labels SET kept_us = at_us")


class Rows:
    """Makes rows, each a millisecond later than the last."""

    def __init__(self, worker: str = "host-1", start_us: int = NOON) -> None:
        self.worker = worker
        self._times = moments(start_us)

    def __call__(self, **facts: Any) -> Prediction:
        at_us = facts.pop("at_us", None) or next(self._times)
        known: dict[str, Any] = {
            "prediction_id": Mint(self.worker, lambda: at_us // 1000)(),
            "at_us": at_us,
            "model": "iris",
            "version": "1.0.0",
            "digest": DIGEST,
            "role": "active",
            "status": 200,
            "latency_us": 1000,
            "worker": self.worker,
        }
        return Prediction(**known | facts)


def batch(at_us: int = NOON, **facts: Any) -> BatchRecord:
    """Make the record of a batch that began then."""
    known: dict[str, Any] = {
        "batch_id": Mint("batch-1", lambda: at_us // 1000)(),
        "model": "iris",
        "version": "1.0.0",
        "digest": DIGEST,
        "input": "/data/june.parquet",
        "input_digest": "cd" * 32,
        "rows": 10,
        "refused": 0,
        "nulls": 0,
        "output": "/data/scores.parquet",
        "output_digest": "ef" * 32,
        "started_us": at_us,
        "ended_us": at_us + 1,
    }
    return BatchRecord(**known | facts)
