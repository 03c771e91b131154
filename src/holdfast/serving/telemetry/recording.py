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
from holdfast.rows.refusal import Refusal
from holdfast.rows.request_rows import NamedRows
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.answering.prediction_handler import Commit
from holdfast.serving.telemetry.feedback_queue import Truth

__all__ = ["RecordingSink", "committing", "keeper", "row_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class RecordingSink:
    """A sink that has every finished request written to the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def finished(self, request: FinishedRequest) -> None:
        """Have a request recorded, soon."""
        self._recorder.record(row_of(request, self._recorder.worker))


def committing(recorder: Recorder) -> Commit:
    """Return what answers wait for in durable mode: their rows in the log, committed."""

    async def commit(request: FinishedRequest) -> None:
        try:
            await recorder.durable(row_of(request, recorder.worker))
        except StoreError as error:
            raise Refusal(503, f"the prediction could not be recorded: {error}") from error

    return commit


def row_of(request: FinishedRequest, worker: str) -> Prediction:
    """Return the row of a finished request."""
    rollout = request.routing_table.rollout if request.counted else None
    loaded = request.loaded
    return Prediction(
        request.prediction_id,
        request.at_us,
        loaded.model,
        loaded.version,
        loaded.digest,
        request.role,
        request.status,
        request.latency_us,
        worker,
        request_id=request.request_id,
        trace_id=request.trace_id,
        rollout=rollout.number if rollout else None,
        weight=rollout.weight if rollout else None,
        key=None if request.key is None else f"{request.key:016x}",
        batch=request.batch,
        model_us=request.model_us,
        input=_plain(request.given) if request.input is None else Raw(request.input),
        output=None if request.output is None else Raw(request.output),
        error=request.error,
    )


def _plain(payload: Any) -> Any:
    if isinstance(payload, NamedRows):
        return {"columns": payload.names, "data": payload.rows} if payload.names else payload.rows
    if isinstance(payload, dict):
        return {name: _plain(part) for name, part in payload.items()}
    return payload.tolist() if hasattr(payload, "tolist") else payload


def keeper(log: Log, by: str) -> Callable[[Sequence[Truth]], Awaitable[list[str]]]:
    """Return what keeps truths as labels told by *by*, on a thread of its own.

    It returns the ids of which no prediction is kept.
    """

    def add(labels: Sequence[Label]) -> list[str]:
        return log.feedback.add(labels)

    async def keep(truths: Sequence[Truth]) -> list[str]:
        labels = [Label(truth.prediction_id, truth.label, _when(truth), by) for truth in truths]
        try:
            return await asyncio.to_thread(add, labels)
        except InvalidInputError as error:
            raise Refusal(422, str(error), "prediction_id") from error
        except NotFoundError as error:
            raise Refusal(404, str(error), "prediction_id") from error
        except StoreError as error:
            raise Refusal(503, str(error)) from error

    return keep


def _when(truth: Truth) -> int:
    return time.time_ns() // 1000 if truth.at is None else (truth.at - _EPOCH) // _MICROSECOND
