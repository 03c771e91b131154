"""What a version scored in batches lately, where the server was told of a prediction log."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Final

from msgspec import Struct

from holdfast.core.drawing.lineage_graph import LineageNode
from holdfast.core.views import VersionInfo
from holdfast.core.wording import count
from holdfast.errors import HoldfastError
from holdfast.predictions import BatchRecord, open_log
from holdfast.predictions.batch_record import days_since, recent
from holdfast.predictions.export import time_of
from holdfast.web.pages.visitor import Visitor

__all__ = ["ShownBatch", "VersionBatches", "nodes", "of_version"]

_SHOWN: Final = 10
_log: Final = logging.getLogger(__name__)


class ShownBatch(Struct, frozen=True):
    """A batch as a page shows it.

    Attributes:
        source: What was scored; empty for whoever may not look predictions up.
        output: Where the scores went; likewise.
        by: Who ran it, as they said; likewise.
    """

    batch_id: str
    at: str
    rows: int
    refused: int
    nulls: int
    source: str = ""
    output: str = ""
    by: str = ""


class VersionBatches(Struct, frozen=True):
    """The newest batches of a version.

    Attributes:
        shown: At most ten.
        more: How many others there are.
        problem: Why they cannot be told; empty if they can.
    """

    shown: tuple[ShownBatch, ...] = ()
    more: int = 0
    problem: str = ""


def of_version(visitor: Visitor, info: VersionInfo, now: str) -> VersionBatches:
    """Return what a version scored in the 30 days before *now*; a log that fails hides no page."""
    if visitor.log is None:
        return VersionBatches()
    days = days_since(info.registered_at, datetime.fromisoformat(now).date())
    try:
        with closing(open_log(visitor.log)) as log:
            records = recent(log.batches, info.model, info.version, days)
    except HoldfastError as error:
        _log.warning("the batches of %s cannot be read: %s", info.ref, error)
        return VersionBatches(problem="The prediction log cannot be read now.")
    looks = visitor.may("predictions", info.model)
    shown = tuple(_shown(record, looks=looks) for record in records[:_SHOWN])
    return VersionBatches(shown, len(records) - len(shown))


def _shown(record: BatchRecord, *, looks: bool) -> ShownBatch:
    batch = ShownBatch(
        batch_id=record.batch_id,
        at=time_of(record.started_us),
        rows=record.rows,
        refused=record.refused,
        nulls=record.nulls,
    )
    if not looks:
        return batch
    said = {"source": record.input, "output": record.output, "by": record.by or ""}
    return ShownBatch(**{name: getattr(batch, name) for name in batch.__struct_fields__} | said)


def nodes(batches: VersionBatches) -> Iterator[LineageNode]:
    """Draw them as what became of the version."""
    for batch in batches.shown:
        files = f", {batch.source} → {batch.output}" if batch.source else ""
        yield LineageNode("batch", count(batch.rows, "row"), f"{batch.at[:10]}{files}")
    if batches.more:
        yield LineageNode("batch", f"{batches.more:,} more", "in the last 30 days")
    if batches.problem:
        yield LineageNode("batch", "not known", batches.problem)
