"""The targets of the fuzzers in short: random bytes, and seeds cut, spliced and changed."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.attacks.fuzz import targets

_EDIT = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 16),
    st.one_of(
        st.binary(max_size=12), st.sampled_from([b"\xff" * 8, b"\0" * 8, b"../", b"\x80\x04"])
    ),
)


# Made when a test first asks: it takes seconds, and only one of the processes runs these tests.
_seeds = functools.cache(targets.seeds)


@functools.cache
def _running(name: str) -> targets.Target:
    return targets.TARGETS[name]()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_seed_is_taken(name: str) -> None:
    for seed in _seeds()[name]:
        _running(name)(seed)

    assert _seeds()[name]


@pytest.mark.parametrize("name", targets.TARGETS)
@settings(max_examples=60)
@given(st.data())
def test_nothing_breaks_a_target(name: str, data: st.DataObject) -> None:
    content = data.draw(st.one_of(st.binary(max_size=200), st.sampled_from(_seeds()[name])))
    for fraction, removed, added in data.draw(st.lists(_EDIT, max_size=6)):
        at = int(fraction * len(content))
        content = content[:at] + added + content[at + removed :]

    _running(name)(content)
