"""Packs: runs of entries as they are, and the proof that some bytes are the end of a journal."""

from itertools import islice

import pytest
from tests.store.chain import chain

from holdfast.store import packs
from holdfast.store.packs import Run, ending_at, proven, runs, split

LINES = [written.raw for written in islice(chain(), 5)]
HEADS = [written.state.head for written in islice(chain(), 5)]


@pytest.mark.parametrize(("first", "last"), [(1, 0), (1, 31), (1, 32), (7, 100), (1, 3000)])
def test_runs_cover_each_entry_once_in_order(first: int, last: int) -> None:
    covered = [seq for run in runs(first, last) for seq in range(run.first, run.last + 1)]

    assert covered == list(range(first, last + 1))


def test_ten_thousand_entries_are_few_runs() -> None:
    assert max(len(list(runs(1, last))) for last in range(9_500, 10_000)) <= packs.AT_ONCE + 7


def test_the_parts_of_a_run_are_the_run() -> None:
    assert list(Run(1, 1024).parts()) == [Run(n, n + 31) for n in range(1, 1025, 32)]
    assert list(Run(33, 64).parts()) == [Run(n, n) for n in range(33, 65)]


@pytest.mark.parametrize(
    ("seq", "ends"),
    [(0, []), (31, []), (64, [Run(33, 64)]), (2048, [Run(2017, 2048), Run(1025, 2048)])],
)
def test_packs_end_at_round_numbers(seq: int, ends: list[Run]) -> None:
    assert list(ending_at(seq)) == ends


def test_a_pack_is_split_only_into_as_many_whole_entries_as_it_should_have() -> None:
    whole = b"".join(LINES)

    assert split(whole, 5) == LINES
    assert split(whole, 4) is None
    assert split(whole[:-1], 5) is None
    assert split(b"", 1) is None


def test_a_pack_that_is_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MOST_BYTES", 10)

    assert split(b"".join(LINES), 5) is None


def test_the_last_entry_vouches_for_those_that_it_follows_and_no_others() -> None:
    assert proven(LINES, HEADS[-1]) == LINES
    assert proven([LINES[0], *LINES[2:]], HEADS[-1]) == LINES[2:]
    assert proven([LINES[1].replace(b"ana", b"eve"), *LINES[2:]], HEADS[-1]) == LINES[2:]
    assert proven(LINES, HEADS[-2]) == []
    assert proven(LINES, None) == []
    assert proven([b"words", b"{}"], HEADS[-1]) == []
