"""Losses row by row: taken in with a version, and paired with those of another."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from holdfast.core import paired
from holdfast.core.manifest import digest_of, is_digest
from holdfast.core.metrics import Direction
from holdfast.core.paired import Losses, Paired
from holdfast.core.state import Record
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats import losses as kept
from holdfast.registry import presence
from holdfast.registry.session import Session
from holdfast.store import layout

_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class Measured:
    """Losses of one version on one evaluation set, read and not stored yet.

    Attributes:
        rows: Their bytes by metric.
    """

    on: str
    rows: Mapping[str, bytes]

    def among(self, metrics: Mapping[str, object]) -> dict[str, object]:
        """Return *metrics* with the means, which take the place of values equal but for rounding.

        Raises:
            InvalidInputError: If one has another value.
        """
        found = dict(metrics)
        for name, raw in self.rows.items():
            mean, said = kept.mean(raw), found.get(name)
            near = isinstance(said, float | int) and math.isclose(said, mean, rel_tol=1e-6)
            if said is not None and not near:
                raise InvalidInputError(
                    f"metric {name!r}",
                    f"is {said!r}, and the mean of its losses is {mean:g}",
                    "leave the metric out, or name the losses otherwise",
                )
            found[name] = mean
        return found


def read(
    losses: Mapping[str, object], evaluation_set: str | PathLike[str] | None
) -> Measured | None:
    """Read losses and the digest of what they were measured on; `None` where there are none.

    Args:
        losses: One value a row by metric: a `.csv` or `.npy` file, a list or an array.
        evaluation_set: Its file, which is hashed and not kept, or `sha256:…`.

    Raises:
        InvalidInputError: If a value is none, or the set is not told.
    """
    if not losses:
        if evaluation_set is not None:
            raise InvalidInputError("evaluation set", "is of no losses", "give losses as well")
        return None
    if evaluation_set is None:
        raise InvalidInputError(
            "losses", "tell nothing without their evaluation set", "name its file or sha256:…"
        )
    rows = {name: kept.taken(name, source) for name, source in losses.items()}
    if len({len(raw) for raw in rows.values()}) > 1:
        raise InvalidInputError("losses", "of one set have different lengths", "give each row")
    return Measured(_digest(evaluation_set), rows)


def _digest(evaluation_set: str | PathLike[str]) -> str:
    text = str(evaluation_set)
    if text.startswith(_DIGEST):
        digest = text.removeprefix(_DIGEST)
        if not is_digest(digest):
            raise InvalidInputError(
                f"evaluation set {text!r}", "is no digest", "give 64 hex digits"
            )
        return digest
    try:
        with Path(evaluation_set).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"evaluation set {text!r}", problem, "check its path") from error


def stored(session: Session, measured: Measured) -> tuple[Losses, ...]:
    """Store losses, safe from a collector, and return what an entry says of them."""
    blobs = session.place.blobs
    found = tuple(
        Losses(name, measured.on, len(raw) // 8, kept.mean(raw), blobs.add_bytes(raw))
        for name, raw in measured.rows.items()
    )
    session.place.rescue([one.sha256 for one in found])
    return found


def ensure(session: Session, measured: Measured) -> None:
    """See to it that losses are there once the entry that names them is."""
    digests = [digest_of(raw) for raw in measured.rows.values()]
    presence.ensure(session.place, digests, lambda: stored(session, measured))


def lacks(record: Record, measured: Measured) -> bool:
    """Tell whether *record* has not all of these losses."""
    known = {(one.name, one.on, one.sha256) for one in record.losses}
    wanted = {(name, measured.on, digest_of(raw)) for name, raw in measured.rows.items()}
    return not wanted <= known


def require(session: Session, record: Record) -> None:
    """Refuse a version whose losses are missing or not what was measured.

    Raises:
        DamagedError: Naming the blob.
    """
    for one in record.losses if record.status != "purged" else ():
        _read(session, one)


def _read(session: Session, one: Losses) -> bytes:
    subject = f"losses {one.name} ({layout.blob(one.sha256)})"
    raw = session.place.blobs.read(one.sha256)
    if kept.rows(raw, subject) != one.rows or kept.mean(raw) != one.mean:
        raise DamagedError(subject, "are not what the entry says of them", "evaluate it again")
    return raw


def pair(
    session: Session, before: Record, after: Record, directions: Mapping[str, Direction]
) -> tuple[tuple[Paired, ...], tuple[str, ...]]:
    """Bootstrap the losses that two versions have on the same set.

    Returns:
        One for each metric, by name; and why others are not paired.
    """
    matched, unmatched = paired.pairs(before.losses, after.losses)
    return tuple(_pair(session, *both, directions) for both in matched), tuple(unmatched)


def _pair(
    session: Session, before: Losses, after: Losses, directions: Mapping[str, Direction]
) -> Paired:
    found = kept.interval(_read(session, before), _read(session, after))
    change, low, high, absolute = found
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
