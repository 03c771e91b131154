"""From a finished request to its row in the prediction log, and from feedback to its labels."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Raw

from holdfast.errors import InvalidInputError, NotFoundError, StoreError
from holdfast.predictions.log import Label, Log
from holdfast.predictions.row import Prediction
from holdfast.predictions.writer import Recorder
from holdfast.serving.answering.finished import Finished
from holdfast.serving.answering.hot import Commit
from holdfast.serving.refusal import Refusal
from holdfast.serving.rows.given import Named
from holdfast.serving.telling.feedback import Truth

__all__ = ["Recording", "committing", "keeper", "row_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Recording:
    """A sink that has every finished request written to the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def finished(self, one: Finished) -> None:
        """Have a request recorded, soon."""
        self._recorder.record(row_of(one, self._recorder.worker))


def committing(recorder: Recorder) -> Commit:
    """Return what answers wait for in durable mode: their rows in the log, committed."""

    async def commit(one: Finished) -> None:
        try:
            await recorder.durable(row_of(one, recorder.worker))
        except StoreError as error:
            raise Refusal(503, f"the prediction could not be recorded: {error}") from error

    return commit


def row_of(one: Finished, worker: str) -> Prediction:
    """Return the row of a finished request."""
    rollout = one.lineup.rollout if one.counted else None
    loaded = one.loaded
    return Prediction(
        one.prediction_id,
        one.at_us,
        loaded.model,
        loaded.version,
        loaded.digest,
        one.role,
        one.status,
        one.latency_us,
        worker,
        request_id=one.request_id,
        trace_id=one.trace_id,
        rollout=rollout.number if rollout else None,
        weight=rollout.weight if rollout else None,
        key=None if one.key is None else f"{one.key:016x}",
        batch=one.batch,
        model_us=one.model_us,
        input=_plain(one.given) if one.input is None else Raw(one.input),
        output=None if one.output is None else Raw(one.output),
        error=one.error,
    )


def _plain(given: Any) -> Any:
    if isinstance(given, Named):
        return {"columns": given.names, "data": given.rows} if given.names else given.rows
    if isinstance(given, dict):
        return {name: _plain(part) for name, part in given.items()}
    return given.tolist() if hasattr(given, "tolist") else given


def keeper(log: Log, by: str) -> Callable[[Sequence[Truth]], Awaitable[list[str]]]:
    """Return what keeps truths as labels told by *by*, on a thread of its own.

    It returns the ids of which no prediction is kept.
    """

    def add(labels: Sequence[Label]) -> list[str]:
        return log.feedback.add(labels)

    async def keep(truths: Sequence[Truth]) -> list[str]:
        labels = [Label(one.prediction_id, one.label, _when(one), by) for one in truths]
        try:
            return await asyncio.to_thread(add, labels)
        except InvalidInputError as error:
            raise Refusal(422, str(error), "prediction_id") from error
        except NotFoundError as error:
            raise Refusal(404, str(error), "prediction_id") from error
        except StoreError as error:
            raise Refusal(503, str(error)) from error

    return keep


def _when(one: Truth) -> int:
    return time.time_ns() // 1000 if one.at is None else (one.at - _EPOCH) // _MICROSECOND
