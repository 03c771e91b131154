"""What the times of entries say about clocks."""

import pytest

from holdfast.core.clocks import Watch, ago, is_ahead, remarks, seconds_between
from holdfast.core.entry import Entry
from holdfast.core.events import Noted
from holdfast.core.moves import Move
from holdfast.core.state import State

NOW = "2026-03-02T12:00:00.000000Z"
LATE = "2035-03-02T12:00:00.000000Z"


def entry(seq: int, at: str) -> Entry:
    return Entry("iris", seq, None, "c", at, "ann", None, None, Noted(version="1.0.0", text="x"))


def watched(*times: str) -> list[str]:
    watch = Watch()
    for seq, at in enumerate(times, start=1):
        watch.see(entry(seq, at))
    return list(watch.remarks(NOW))


def test_times_that_rise_and_are_over_are_without_remark() -> None:
    assert watched() == []
    assert watched("2026-03-01T12:00:00.000000Z", NOW, "2026-03-02T12:01:00.000000Z") == []


def test_a_time_later_than_the_one_behind_it_is_told_once() -> None:
    (remark,) = watched("2026-03-01T12:00:00.000000Z", LATE, NOW, "2026-03-02T12:00:01.000000Z")

    assert remark.startswith(f"entry 2 says {LATE}, later than the next entry, 3, which says {NOW}")


def test_a_last_time_that_is_yet_to_come_is_told() -> None:
    assert watched(NOW, LATE) == [
        f"entry 2 says {LATE}, which is in the future: its clock was wrong, or this one is"
    ]


@pytest.mark.parametrize(
    ("at", "ahead"),
    [
        (LATE, True),
        ("2026-03-02T12:01:00.000001Z", True),
        ("2026-03-02T12:01:00.000000Z", False),
        (NOW, False),
    ],
)
def test_clocks_may_differ_by_a_minute(at: str, ahead: bool) -> None:  # noqa: FBT001
    assert is_ahead(at, NOW) is ahead


def test_seconds_between_are_less_than_0_where_clocks_differ() -> None:
    assert seconds_between(NOW, "2026-03-02T11:59:58.500000Z") == -1.5


@pytest.mark.parametrize(
    ("moved", "last", "count"), [(NOW, NOW, 0), (LATE, NOW, 1), (LATE, LATE, 1), (None, None, 0)]
)
def test_a_state_tells_of_its_last_entry_and_its_live_version(
    moved: str | None, last: str | None, count: int
) -> None:
    moves = [Move("1.0.0", None, 2, moved, "ann", None, "promoted")] if moved else []
    state = State("iris", seq=3, at=last, moves=moves, production="1.0.0" if moved else None)

    assert len(list(remarks(state, NOW))) == count


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("2026-03-02T11:00:00.000000Z", "1 h 0 m"),
        ("2026-03-02T12:00:30.000000Z", "0 s"),
        (LATE, "in the future: a clock was wrong"),
    ],
)
def test_no_age_is_shown_of_what_is_yet_to_come(at: str, text: str) -> None:
    assert ago(at, NOW) == text
