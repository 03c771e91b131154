"""Rows for tests of the log."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from holdfast.predictions.ids import Mint
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
