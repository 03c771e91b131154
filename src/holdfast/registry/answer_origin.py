"""What a store knows of an answer in a prediction log: who had put its version live, and why."""

from msgspec import Struct

from holdfast.core.events import Past
from holdfast.core.period import Period
from holdfast.predictions import Prediction
from holdfast.predictions.export import time_of
from holdfast.registry.reader import Reader


class AnswerOrigin(Struct, frozen=True):
    """How a version came to answer.

    Attributes:
        live: The time in production that the answer falls into.
        rollout: The entry that started the rollout it was routed by.
        digest: Of the store's version of that number, if that is another one than answered.
    """

    live: Period | None = None
    rollout: Past | None = None
    digest: str | None = None


def origin_of(registry: Reader, row: Prediction) -> AnswerOrigin:
    """Look up how the version that made an answer came to answer.

    Raises:
        NotFoundError: If the store does not have the model or the version.
    """
    at = time_of(row.at_us)
    periods, lines = registry.served(row.model), registry.history(row.model)
    digest = registry.resolve(f"{row.model}@{row.version}").digest
    is_other = digest.removeprefix("sha256:") != row.digest.removeprefix("sha256:")
    started = registry.rollout_entries(row.model)
    number = row.rollout or 0
    seq = started[number - 1] if 0 < number <= len(started) else None
    return AnswerOrigin(
        live=next((period for period in periods if _covers(period, at)), None),
        rollout=next((line for line in lines if line.seq == seq), None),
        digest=digest if is_other else None,
    )


def _covers(period: Period, at: str) -> bool:
    return period.since <= at and (period.until is None or at < period.until)
