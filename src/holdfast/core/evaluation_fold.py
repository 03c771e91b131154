"""What an entry of an evaluation adds to the versions it is about."""

from collections.abc import Iterator

from msgspec import Struct

from holdfast.core import events
from holdfast.core.entry import Entry
from holdfast.core.evaluation import Evaluation, PastEvaluation
from holdfast.core.paired import Losses


class Addition(Struct, frozen=True):
    """What one version has by an evaluation, beyond what was known of it.

    Attributes:
        measured: `None` where somebody told the metrics.
    """

    version: str
    metrics: dict[str, float]
    losses: tuple[Losses, ...]
    measured: PastEvaluation | None = None


def additions(entry: Entry, event: events.Evaluated) -> Iterator[Addition]:
    """Yield what is added to the version, and to the champion that was measured beside it.

    The champion's figures are merged as well: so the two have figures of the same rows, and none is
    held against what the other once had on others.
    """
    evaluation = event.measured
    if evaluation is None:
        yield Addition(event.version, event.metrics, event.losses)
        return
    champion = evaluation.champion
    beside = None if champion is None else champion.version
    past = _past(entry, evaluation, event.metrics, beside)
    yield Addition(event.version, event.metrics, event.losses, past)
    if champion is not None:
        metrics = evaluation.champion_metrics
        past = _past(entry, evaluation, metrics, event.version)
        yield Addition(champion.version, metrics, champion.losses, past)


def _past(
    entry: Entry, evaluation: Evaluation, metrics: dict[str, float], beside: str | None
) -> PastEvaluation:
    return PastEvaluation(
        name=evaluation.name,
        data=evaluation.data,
        label=evaluation.label,
        rows=evaluation.rows,
        task=evaluation.task,
        metrics=metrics,
        by=entry.by,
        at=entry.at,
        seq=entry.seq,
        beside=beside,
    )
