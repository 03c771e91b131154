"""Losses row by row: stored with a version, and paired with those of another."""

import hashlib
import math
from collections.abc import Mapping
from numbers import Real
from os import PathLike
from pathlib import Path

from msgspec import Struct

from holdfast import named_files
from holdfast.core import paired
from holdfast.core.manifest import digest_of, is_digest
from holdfast.core.metrics import Direction, float_of
from holdfast.core.paired import Losses, Paired
from holdfast.core.state import Record
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats import bootstrap, loss_files
from holdfast.registry import presence
from holdfast.registry.session import Session
from holdfast.store import layout

_DIGEST = "sha256:"


class Measured(Struct, frozen=True):
    """Losses of one version on one evaluation set, read and not stored yet.

    Attributes:
        rows: Their bytes by metric.
    """

    on: str
    rows: Mapping[str, bytes]

    def values(self) -> dict[str, list[float]]:
        """Return the numbers by metric, to be sent to a server."""
        return {name: loss_files.values(raw) for name, raw in self.rows.items()}

    def among(self, metrics: Mapping[str, object]) -> dict[str, object]:
        """Return *metrics* with the means, which take the place of values equal but for rounding.

        Raises:
            InvalidInputError: If one has another value.
        """
        merged_metrics = dict(metrics)
        for name, raw in self.rows.items():
            mean, value = loss_files.mean(raw), merged_metrics.get(name)
            near = isinstance(value, Real) and math.isclose(float_of(value), mean, rel_tol=1e-6)
            if value is not None and not near:
                raise InvalidInputError(
                    f"metric {name!r}",
                    f"is {value!r}, but the mean of its losses is {mean:g}",
                    "leave the metric out, or rename the losses",
                )
            merged_metrics[name] = mean
        return merged_metrics


def read(
    losses: Mapping[str, object], evaluation_set: str | PathLike[str] | None
) -> Measured | None:
    """Read losses and the digest of what they were measured on; `None` where there are none.

    Args:
        losses: One value a row by metric: a `.csv` or `.npy` file, a list or an array.
        evaluation_set: Its file, which is hashed and not kept, or `sha256:…`.

    Raises:
        InvalidInputError: If a value is invalid, or the set is not given.
    """
    if not losses:
        if evaluation_set is not None:
            raise InvalidInputError(
                "evaluation set", "is given without losses", "give losses as well"
            )
        return None
    if evaluation_set is None:
        raise InvalidInputError("losses", "need their evaluation set", "name its file or sha256:…")
    rows = {name: loss_files.taken(name, source) for name, source in losses.items()}
    if len({len(raw) for raw in rows.values()}) > 1:
        raise InvalidInputError(
            "losses", "have different lengths for one set", "give one value per row"
        )
    return Measured(_digest(evaluation_set), rows)


def _digest(evaluation_set: str | PathLike[str]) -> str:
    text = str(evaluation_set)
    if text.startswith(_DIGEST):
        digest = text.removeprefix(_DIGEST)
        if not is_digest(digest):
            raise InvalidInputError(
                f"evaluation set {text!r}", "is not a digest", "give 64 hex digits"
            )
        return digest
    try:
        with named_files.opened(Path(evaluation_set)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"evaluation set {text!r}", problem, "check its path") from error


def named(measured: Measured, digests: Mapping[str, str]) -> tuple[Losses, ...]:
    """Return what an entry says of losses that are stored under *digests*."""
    return tuple(
        Losses(name, measured.on, len(raw) // 8, loss_files.mean(raw), digests[name])
        for name, raw in measured.rows.items()
    )


def stored(session: Session, measured: Measured) -> tuple[Losses, ...]:
    """Store losses, safe from a collector, and return what an entry says of them."""
    blobs = session.open_store.blobs
    digests = {name: blobs.add_bytes(raw) for name, raw in measured.rows.items()}
    stored_losses = named(measured, digests)
    session.open_store.rescue([losses.sha256 for losses in stored_losses])
    return stored_losses


def ensure(session: Session, measured: Measured) -> None:
    """Make sure that losses are stored once the entry that names them exists."""
    digests = [digest_of(raw) for raw in measured.rows.values()]
    presence.ensure(session.open_store, digests, lambda: stored(session, measured))


def lacks(record: Record, measured: Measured) -> bool:
    """Tell whether *record* lacks any of these losses."""
    known = {(losses.name, losses.on, losses.sha256) for losses in record.losses}
    measured_keys = {(name, measured.on, digest_of(raw)) for name, raw in measured.rows.items()}
    return not measured_keys <= known


def require(session: Session, record: Record) -> None:
    """Refuse a version whose losses are missing or not what was measured.

    Raises:
        DamagedError: Naming the blob.
    """
    for losses in record.losses if record.status != "purged" else ():
        _read(session, losses)


def _read(session: Session, losses: Losses) -> bytes:
    subject = f"losses {losses.name} ({layout.blob(losses.sha256)})"
    raw = session.open_store.blobs.read(losses.sha256)
    if loss_files.rows(raw, subject) != losses.rows or loss_files.mean(raw) != losses.mean:
        raise DamagedError(subject, "do not match the entry", "evaluate it again")
    return raw


def values(session: Session, losses: Losses) -> list[float]:
    """Return stored losses, row by row.

    Raises:
        DamagedError: If they are not what was measured.
        AbsentError: If they are not there.
    """
    return loss_files.values(_read(session, losses))


def pair(
    session: Session, before: Record, after: Record, directions: Mapping[str, Direction]
) -> tuple[tuple[Paired, ...], tuple[str, ...]]:
    """Bootstrap the losses that two versions have on the same set.

    Returns:
        One for each metric, by name; and why others are not paired.
    """
    matched, unmatched = paired.pairs(before.losses, after.losses)
    return tuple(series(session, *both, directions) for both in matched), tuple(unmatched)


def series(
    session: Session, before: Losses, after: Losses, directions: Mapping[str, Direction]
) -> Paired:
    """Bootstrap stored losses of one name on one set."""
    return compared(before, after, (_read(session, before), _read(session, after)), directions)


def compared(
    before: Losses, after: Losses, raws: tuple[bytes, bytes], directions: Mapping[str, Direction]
) -> Paired:
    """Bootstrap losses of one name on one set, whose bytes are at hand."""
    change, low, high, absolute = bootstrap.interval(*raws)
    return Paired(
        name=after.name,
        on=after.on,
        rows=after.rows,
        direction=paired.better(after.name, directions),
        before=before.mean,
        after=after.mean,
        change=change,
        low=low,
        high=high,
        absolute=absolute,
    )
