"""What training looked like: for each feature its counts, kept with the version as one small file.

No value is kept that fewer than ten rows had, nor the least or greatest value of a number. What a
file says is never believed: it is read within bounds, and its counts must agree with one another.
"""

import itertools
import math
import zlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.core import strict_json
from holdfast.core.inflation import inflated
from holdfast.errors import DamagedError

ROLE: Final = "reference"
"""The role of the file among a version's artifacts."""

MOST_CUTS: Final = 11
MOST_VALUES: Final = 20
FEWEST_OF_A_VALUE: Final = 10
"""Rows that must have a value for it to be kept."""

MOST_FEATURES: Final = 10_000
MOST_BYTES: Final = 16 << 20
"""Of a reference before it is compressed; more is refused unread."""

MOST_COMPRESSED_BYTES: Final = 4 << 20
_LONGEST_NAME: Final = 512
_LONGEST_VALUE: Final = 200

Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Name = Annotated[str, Meta(max_length=_LONGEST_NAME)]
Value = Annotated[str, Meta(max_length=_LONGEST_VALUE)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class NumberReference(Struct, frozen=True, tag="number", omit_defaults=True):
    """A numeric feature in training.

    Attributes:
        cuts: At quantiles 1, 10, 20 … 90, 99 %, rising, of 7 significant digits; equal ones are
            merged.
        counts: Numbers at or under each cut and over the one before, and those over the last.
        nulls: Rows without a value; NaN is one.
        strange: Rows with something that is not a number.
    """

    cuts: tuple[float, ...]
    counts: tuple[Count, ...]
    nulls: Count = 0
    strange: Count = 0


class CategoryReference(Struct, frozen=True, tag="category", omit_defaults=True):
    """A feature of few values in training.

    Attributes:
        counts: Rows by value, which is written as JSON: text has quotes, numbers 7 digits.
        strange: Rows with any other value.
        others: How many other values there were; if any, an unseen value is told from them no more.
    """

    counts: dict[Value, Count]
    nulls: Count = 0
    strange: Count = 0
    others: Count = 0


FeatureReference = NumberReference | CategoryReference


class DriftReference(Struct, frozen=True, kw_only=True):
    """The training data as drift is measured from it.

    Attributes:
        rows: Of the training data, each of which has every feature.
        features: By name, in the order of the columns.
        unmeasured: Why a column is not among them, by name.
        source: SHA-256 of the file with these rows, where they were read from one.
    """

    format: Literal[1] = 1
    rows: Annotated[int, Meta(ge=1, le=1 << 53)]
    features: dict[Name, FeatureReference]
    unmeasured: dict[Name, str] = {}
    source: Sha256 | UnsetType = UNSET


def packed(reference: DriftReference) -> bytes:
    """Write a reference as a version keeps it: JSON, compressed; the same bytes each time."""
    return zlib.compress(msgspec.json.encode(reference), 9)


def unpacked(raw: bytes, subject: str) -> DriftReference:
    """Read a reference that anybody may have written.

    Args:
        raw: At most `MOST_COMPRESSED_BYTES`.
        subject: What it is called in a message.

    Raises:
        DamagedError: If it is too large, is not a reference, or contradicts itself.
    """
    try:
        text = inflated(raw, MOST_COMPRESSED_BYTES, MOST_BYTES)
        reference = strict_json.decode(text, DriftReference)
        for name, feature in reference.features.items():
            _check(name, feature, reference.rows)
        if not 0 < len(reference.features) <= MOST_FEATURES:
            raise ValueError(f"it has {len(reference.features)} features")  # noqa: TRY301
    except (ValueError, zlib.error) as error:
        raise DamagedError(
            subject, f"is not a drift reference: {error}", "register the version anew with one"
        ) from error
    return reference


def _check(name: str, feature: FeatureReference, rows: int) -> None:
    if isinstance(feature, NumberReference):
        counts = list(feature.counts)
        rising = all(low < high for low, high in itertools.pairwise(feature.cuts))
        if len(feature.cuts) > MOST_CUTS or not rising or not all(map(math.isfinite, feature.cuts)):
            raise ValueError(f"the cuts of {name!r} are not at most {MOST_CUTS} rising numbers")
        if len(counts) != len(feature.cuts) + 1:
            raise ValueError(f"{name!r} has {len(counts)} counts for {len(feature.cuts)} cuts")
    else:
        counts = list(feature.counts.values())
        if len(counts) > MOST_VALUES:
            raise ValueError(f"{name!r} has more than {MOST_VALUES} values")
        if bool(feature.others) != bool(feature.strange):
            raise ValueError(f"{name!r} has other values without rows, or rows without")
    total = sum(counts) + feature.nulls + feature.strange
    if total != rows:
        raise ValueError(f"{name!r} counts {total} rows, not {rows}")
