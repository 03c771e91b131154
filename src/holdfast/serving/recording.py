"""From a finished request to its row in the prediction log, and from feedback to its labels."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holdfast.errors import InvalidInputError, NotFoundError, StoreError
from holdfast.predictions.log import Feedback, Label
from holdfast.predictions.row import Prediction
from holdfast.predictions.writer import Recorder
from holdfast.serving.feedback import Truth
from holdfast.serving.finished import Finished
from holdfast.serving.given import Named
from holdfast.serving.refusal import Refusal

__all__ = ["Recording", "keeper", "row_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Recording:
    """A sink that has every finished request written to the log.

    Args:
        recorder: What writes it.
        durable: Whether an answer goes out only once its row is committed.
    """

    def __init__(self, recorder: Recorder, *, durable: bool = False) -> None:
        self._recorder = recorder
        self._durable = durable

    def finished(self, one: Finished) -> Awaitable[None] | None:
        """Have a request recorded."""
        row = row_of(one, self._recorder.worker)
        if self._durable:
            return self._committed(row)
        self._recorder.record(row)
        return None

    async def _committed(self, row: Prediction) -> None:
        try:
            await self._recorder.durable(row)
        except StoreError as error:
            raise Refusal(503, f"the prediction could not be recorded: {error}") from error


def row_of(one: Finished, worker: str) -> Prediction:
    """Return the row of a finished request."""
    rollout = one.lineup.rollout if one.counted else None
    return Prediction(
        prediction_id=one.prediction_id,
        at_us=one.at_us,
        model=one.loaded.model,
        version=one.loaded.version,
        digest=one.loaded.digest,
        role=one.role,
        status=one.status,
        latency_us=one.latency_us,
        worker=worker,
        request_id=one.request_id,
        trace_id=one.trace_id,
        rollout=rollout.number if rollout else None,
        weight=rollout.weight if rollout else None,
        key=None if one.key is None else f"{one.key:016x}",
        batch=one.batch,
        model_us=one.model_us,
        input=_plain(one.given) if one.input is None else one.input,
        output=one.output,
        error=one.error,
    )


def _plain(given: Any) -> Any:
    if isinstance(given, Named):
        return {"columns": given.names, "data": given.rows} if given.names else given.rows
    if isinstance(given, dict):
        return {name: _plain(part) for name, part in given.items()}
    return given.tolist() if hasattr(given, "tolist") else given


def keeper(feedback: Feedback, by: str) -> Callable[[Sequence[Truth]], Awaitable[None]]:
    """Return what keeps truths as labels told by *by*, on a thread of its own."""

    async def keep(truths: Sequence[Truth]) -> None:
        labels = [Label(one.prediction_id, one.label, _when(one), by) for one in truths]
        try:
            await asyncio.to_thread(feedback.add, labels)
        except InvalidInputError as error:
            raise Refusal(422, str(error), "prediction_id") from error
        except NotFoundError as error:
            raise Refusal(404, str(error), "prediction_id") from error
        except StoreError as error:
            raise Refusal(503, str(error)) from error

    return keep


def _when(one: Truth) -> int:
    return time.time_ns() // 1000 if one.at is None else (one.at - _EPOCH) // _MICROSECOND
