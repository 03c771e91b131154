"""References: written small, and read as if an enemy had written them."""

import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.core.drift.daily import CATEGORY, NUMBER, REFERENCE

from holdfast.core.drift import drift_reference
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
    packed,
    unpacked,
)
from holdfast.errors import DamagedError


def test_a_reference_comes_back_as_it_was_written() -> None:
    assert unpacked(packed(REFERENCE), "reference") == REFERENCE
    assert packed(REFERENCE) == packed(REFERENCE)


def number(index: int) -> NumberReference:
    cuts = tuple(float(f"{(index + 1) * 0.7391 * cut + 0.001 * index:.7g}") for cut in range(1, 12))
    counts = tuple(80_000 + (index * 7919 + cut * 104_729) % 40_000 for cut in range(12))
    return NumberReference(cuts, counts, nulls=1_500_000 - sum(counts))


def category(index: int) -> CategoryReference:
    counts = {
        f'"{zlib.crc32(b"%d-%d" % (index, value)):08x} of a kind"': 40_000 + value * 1717 + index
        for value in range(20)
    }
    return CategoryReference(counts, nulls=1_500_000 - sum(counts.values()))


@pytest.mark.parametrize(
    ("numbers", "categories"), [(200, 0), (150, 50), (0, 200)], ids=["numbers", "both", "values"]
)
def test_200_features_need_less_than_64_kb(numbers: int, categories: int) -> None:
    features: dict[str, FeatureReference] = {
        f"feature_number_{index}": number(index) for index in range(numbers)
    }
    features |= {f"feature_value_{index}": category(index) for index in range(categories)}
    reference = DriftReference(rows=1_500_000, features=features)

    assert len(packed(reference)) < 64_000
    assert unpacked(packed(reference), "reference") == reference


def written(**changed: Any) -> dict[str, Any]:
    return {**msgspec.to_builtins(REFERENCE), **changed}


def feature(**changed: Any) -> dict[str, Any]:
    return written(features={"age": {"type": "number", **msgspec.to_builtins(NUMBER)} | changed})


def kind(**changed: Any) -> dict[str, Any]:
    return written(
        features={"kind": {"type": "category", **msgspec.to_builtins(CATEGORY)} | changed}
    )


HOSTILE: dict[str, Any] = {
    "no features": written(features={}),
    "other format": written(format=2),
    "no rows": written(rows=0),
    "negative rows": written(rows=-1),
    "counts of other rows": written(rows=9_999),
    "negative count": feature(counts=[-100, 1100, *NUMBER.counts[2:]]),
    "huge count": feature(counts=[1 << 60, *NUMBER.counts[1:]]),
    "count is a text": feature(counts=["100", *NUMBER.counts[1:]]),
    "falling cuts": feature(cuts=[*NUMBER.cuts[1:], 0.0]),
    "equal cuts": feature(cuts=[1.0, *NUMBER.cuts[:-1]]),
    "infinite cut": feature(cuts=[*NUMBER.cuts[:-1], None]),
    "too few counts": feature(counts=NUMBER.counts[1:]),
    "too many cuts": feature(cuts=[*range(12)], counts=[0] * 13),
    "too many values": kind(counts={f'"{value}"': 500 for value in range(21)}),
    "others without rows": kind(others=3),
    "long name": written(features={"n" * 600: msgspec.to_builtins(NUMBER)}),
    "long value": kind(counts={"v" * 300: 9990}),
    "a list": [],
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_reference_that_contradicts_itself_is_refused(value: Any) -> None:
    raw = zlib.compress(msgspec.json.encode(value))

    with pytest.raises(DamagedError, match="is not a drift reference"):
        unpacked(raw, "reference of iris@1.0.0")


RAW: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no zlib": lambda: b"{}",
    "cut short": lambda: packed(REFERENCE)[:-5],
    "with a tail": lambda: packed(REFERENCE) + b"more",
    "NaN": lambda: zlib.compress(msgspec.json.encode(written()).replace(b"11.0", b"NaN")),
    "a cut of 1e999": lambda: zlib.compress(
        msgspec.json.encode(written()).replace(b"11.0", b"1e999")
    ),
    "a key twice": lambda: zlib.compress(
        msgspec.json.encode(written()).replace(b'"rows":', b'"rows":1,"rows":')
    ),
    "nested": lambda: zlib.compress(b"[" * 100_000),
    "a bomb": lambda: zlib.compress(b" " * (drift_reference.MOST_BYTES + 1)),
    "a bomb of a value": lambda: zlib.compress(b'"' + b"a" * (64 << 20) + b'"'),
    "large": lambda: bytes(drift_reference.MOST_COMPRESSED_BYTES + 1),
}


@pytest.mark.parametrize("make", RAW.values(), ids=RAW.keys())
def test_bytes_that_are_not_a_reference_are_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(DamagedError, match="register the version anew"):
        unpacked(make(), "reference of iris@1.0.0")
