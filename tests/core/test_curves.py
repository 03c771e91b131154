"""Learning curves as a version keeps them."""

import math
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import curves
from holdfast.core.curves import Curve, Curves
from holdfast.errors import DamagedError

LOSS = Curve((1.0, 2.0), (0.5, 0.25), 2)


def test_curves_survive_being_packed() -> None:
    kept = Curves(curves={"loss": LOSS, "gap": Curve((1.0,), (None,), 7)})

    assert curves.unpacked(curves.packed(kept), "curves") == kept
    assert kept.curves["loss"].last == 0.25
    assert kept.curves["gap"].last is None


def test_equal_curves_give_equal_bytes() -> None:
    there = Curves(curves={"a": LOSS, "b": LOSS})
    back = Curves(curves={"b": LOSS, "a": LOSS})

    assert curves.packed(there) == curves.packed(back)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_seven_digits_are_kept(value: float) -> None:
    assert math.isclose(curves.rounded(value), value, rel_tol=1e-6)


def raw(document: object) -> bytes:
    return zlib.compress(msgspec.json.encode(document))


def point(steps: object = (1.0,), values: object = (2.0,), given_points: int = 1) -> bytes:
    curve = {"steps": steps, "values": values, "given": given_points}
    return raw({"format": 1, "curves": {"loss": curve}})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not compressed",
        zlib.compress(b"{}")[:-1],
        zlib.compress(b"{}") + b"more",
        zlib.compress(b"0" * (curves.MOST_BYTES + 1)),
        b"x" * (curves.MOST_COMPRESSED_BYTES + 1),
        raw({}),
        raw({"format": 2, "curves": {}}),
        raw({"curves": {}}),
        point(steps=(1.0, 2.0)),
        point((2.0, 1.0), (0.0, 0.0), 2),
        point(given_points=0),
        point((), ()),
        point([1.0] * 1001, [1.0] * 1001, 1001),
        zlib.compress(b'{"curves":{"a":{"steps":[1],"values":[1e999],"given":1}}}'),
        raw({"curves": {"n" * 101: {"steps": [1], "values": [1], "given": 1}}}),
        raw({"curves": {str(n): {"steps": [1], "values": [1], "given": 1} for n in range(101)}}),
    ],
)
def test_what_is_no_curve_is_refused(content: bytes) -> None:
    with pytest.raises(DamagedError, match="are not learning curves"):
        curves.unpacked(content, "curves of iris@1.0.0")
