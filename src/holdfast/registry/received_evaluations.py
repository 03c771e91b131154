"""The server's half of an evaluation that a client measured: its losses were sent before."""

import math
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from holdfast.core.evaluation import MOST_ROWS, Evaluation
from holdfast.core.manifest import is_digest
from holdfast.core.views import Moved
from holdfast.errors import InvalidInputError
from holdfast.formats import loss_files
from holdfast.registry import evaluating
from holdfast.registry.evaluating import Unrecorded
from holdfast.registry.losses import Measured
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import layout

_SEND: Final = "send it first"


def accept(
    session: Session,
    ref: str,
    evaluation: Evaluation,
    kept: tuple[Mapping[str, str], Mapping[str, str]],
    options: CommitOptions,
) -> Moved:
    """Record what a client says that it measured, with losses that are held against its figures.

    Args:
        evaluation: Without losses.
        kept: The blobs of the version's losses by metric, and of the champion's.

    Raises:
        InvalidInputError: If a blob was not sent, or disagrees with the evaluation.
    """
    if not 0 < evaluation.rows <= MOST_ROWS or not is_digest(evaluation.data):
        problem = "has no digest of its data, no rows or too many"
        raise InvalidInputError("evaluation", problem, "measure it again")
    champion = evaluation.champion
    if champion is not None:
        evaluation = replace(evaluation, champion=replace(champion, losses=()))
    own, other = (
        Measured(evaluation.data, sent_losses(session, evaluation.rows, one)) for one in kept
    )
    made = Unrecorded(ref, own, None if champion is None else other, evaluation, "")
    return evaluating.record(session, made, options)


def sent_losses(session: Session, count: int, kept: Mapping[str, str]) -> dict[str, bytes]:
    """Read losses that were sent as blobs, by metric: so many numbers each.

    Raises:
        InvalidInputError: If one was not sent, or is not that.
    """
    rows = {}
    for name, sha256 in kept.items():
        subject = f"losses {name!r}"
        length = session.open_store.store.size(layout.blob(sha256)) if is_digest(sha256) else None
        if length is None:
            raise InvalidInputError(subject, "were not sent", _SEND)
        if length != 8 * count:
            problem = f"are not {count} numbers of eight bytes"
            raise InvalidInputError(subject, problem, _SEND)
        raw = session.open_store.blobs.read(sha256)
        if not all(map(math.isfinite, loss_files.values(raw))):
            raise InvalidInputError(subject, "must be finite numbers", "measure it again")
        rows[name] = raw
    return rows
