"""Distinct keys, or an even share of them."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.fleet import Keys
from holdfast.core.rollout.key_sample import ACTIVE, CANARY, KeySample, met, thinned, told

hashes = st.sets(st.integers(0, 2**64 - 1), max_size=60)


def test_beyond_a_number_an_even_share_of_the_keys_is_kept() -> None:
    keys = KeySample[None](most=10)
    for key in range(100):
        keys.put(key, None)

    assert keys.level == 4
    assert sorted(keys.known) == list(range(0, 100, 16))


def test_a_key_is_told_on_every_side_that_it_was_met_on() -> None:
    keys = KeySample[int](most=10)
    met(keys, 4, CANARY)
    met(keys, 4, ACTIVE)
    met(keys, 8, CANARY)

    assert told(keys.level, keys.known) == Keys(0, canary=(4, 8), active=(4,))
    assert told(3, keys.known) == Keys(3, canary=(8,), active=())


@given(hashes, hashes)
def test_shares_of_two_united_are_the_share_of_both(first: set[int], other: set[int]) -> None:
    apart = [KeySample[int](most=8), KeySample[int](most=8)]
    for keys, sample in zip((first, other), apart, strict=True):
        for key in keys:
            met(sample, key, CANARY)
    level = max(sample.level for sample in apart)
    united = set.union(*(thinned(sample.known, level) for sample in apart))

    assert united == thinned(first | other, level)
