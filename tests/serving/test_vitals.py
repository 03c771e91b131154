"""What a worker shows its supervisor."""

from pathlib import Path

import pytest

from holdfast.serving.vitals import CallInProgress, Vitals, Watched

NAME = CallInProgress("iris", "1.2.0", "canary", 7, 1, 0.25)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Vitals, Watched]:
    watched = Watched(tmp_path / "0.vitals")
    return Vitals(tmp_path / "0.vitals"), watched


def test_calls_are_seen_from_their_begin_to_their_end(pair: tuple[Vitals, Watched]) -> None:
    vitals, watched = pair
    first = vitals.begin(NAME.written(), 3, 2)
    second = vitals.begin(CallInProgress("wine", "2.0.0", "active").written(), 1, 0)
    both = watched.calls()
    vitals.end(first)
    left = watched.calls()
    vitals.end(second)

    assert sorted(both, key=lambda call: call.serial) == [
        CallInProgress("iris", "1.2.0", "canary", 7, 1, 0.25, 3, 2, 1),
        CallInProgress("wine", "2.0.0", "active", requests=1, serial=2),
    ]
    assert [call.model for call in left] == ["wine"]
    assert watched.calls() == []


def test_more_calls_than_there_is_room_for_and_names_too_long_are_passed_over(
    pair: tuple[Vitals, Watched],
) -> None:
    vitals, watched = pair
    places = [vitals.begin(NAME.written(), 1, 0) for _ in range(70)]
    for offset in places:
        vitals.end(offset)
    long = CallInProgress("m" * 2000, "1.0.0", "active").written()

    assert places.count(0) == 6
    assert vitals.begin(long, 1, 0) == 0
    assert watched.calls() == []


def test_a_call_hangs_if_neither_it_nor_the_loop_moves(pair: tuple[Vitals, Watched]) -> None:
    vitals, watched = pair
    vitals.begin(NAME.written(), 3, 2)
    before = watched.stuck(0.0, 2.0), watched.answers
    vitals.beat()
    looks = [len(watched.stuck(0.5 * turn, 2.0)) for turn in range(1, 9)]
    vitals.beat()

    assert before == ([], False)
    assert looks == [0, 0, 0, 0, 1, 1, 1, 1]
    assert watched.stuck(9.0, 2.0) == []


def test_calls_that_follow_each_other_and_loads_are_no_hanging(
    pair: tuple[Vitals, Watched],
) -> None:
    vitals, watched = pair
    vitals.beat()
    for turn in range(6):
        offset = vitals.begin(NAME.written(), 1, 0)
        assert watched.stuck(float(turn), 2.0) == []
        vitals.end(offset)
    vitals.begin(NAME.written(), 1, 0)
    with vitals.loading("iris", "1.3.0"):
        assert [watched.stuck(float(turn), 2.0) for turn in range(6, 12)] == [[]] * 6


def test_a_supervisor_that_stood_still_itself_blames_nobody(pair: tuple[Vitals, Watched]) -> None:
    vitals, watched = pair
    vitals.beat()
    vitals.begin(NAME.written(), 1, 0)

    assert [watched.stuck(at, 2.0) for at in (0.0, 0.1, 3600.0)] == [[]] * 3


def test_what_a_worker_wrote_need_not_be_sound(tmp_path: Path) -> None:
    path = tmp_path / "0.vitals"
    watched = Watched(path)
    raw = bytearray(path.read_bytes())
    raw[64:96] = b"\xff" * 32
    raw[1088:1120] = (5).to_bytes(8, "little") * 4
    raw[1120:1125] = b"[1,2]"
    path.write_bytes(raw)

    assert watched.calls() == []
    watched.close()
    assert not path.exists()


def test_a_worker_asks_to_leave(pair: tuple[Vitals, Watched]) -> None:
    vitals, watched = pair
    before = vitals.leaves, watched.leaves
    vitals.leave()

    assert before == (False, False)
    assert vitals.leaves
    assert watched.leaves


def test_a_load_is_seen_until_it_ends_however_it_does(pair: tuple[Vitals, Watched]) -> None:
    vitals, watched = pair
    vitals.beat()
    seen = []

    def load() -> None:
        with vitals.loading("iris", "1.3.0"):
            seen.extend(watched.calls())
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        load()

    assert [(call.model, call.version, call.requests) for call in seen] == [("iris", "1.3.0", 0)]
    assert watched.calls() == []
