"""Labels stand where they cover least."""

import itertools

from holdfast.core.drawing.labels import PlacedText, along, fitting, place

LEFT, RIGHT = PlacedText("gate 0.6", 10, 50), PlacedText("gate 0.6", 190, 50, "end")
ROOM = (0.0, 200.0, 100.0)


def test_the_first_place_is_taken_where_nothing_is_covered() -> None:
    assert place([LEFT, RIGHT], [], ROOM) is LEFT
    assert place([LEFT, RIGHT], RIGHT.spots(), ROOM) is LEFT


def test_a_label_makes_way_for_a_line() -> None:
    assert place([LEFT, RIGHT], along((0, 46), (80, 46)), ROOM) is RIGHT


def test_a_label_stays_within_its_room_whatever_it_covers() -> None:
    outside = [
        PlacedText("x" * 9, 195, 50),
        PlacedText("x" * 9, 30, 50, "end"),
        PlacedText("x", 9, 5),
    ]
    assert place([*outside, LEFT], LEFT.spots(), ROOM) is LEFT
    assert place([PlacedText("x", 9, 99), LEFT], LEFT.spots(), ROOM) is LEFT


def test_a_line_is_met_wherever_a_label_lies_on_it() -> None:
    spots = along((0, 0), (100, 30))
    assert [spots[0], spots[-1]] == [(0, 0), (100, 30)]
    assert max(b[0] - a[0] for a, b in itertools.pairwise(spots)) <= 3
    assert along((5, 5), (5, 5))[:1] == [(5, 5)]


def test_long_names_are_cut() -> None:
    assert fitting("1.2.0") == "1.2.0"
    assert fitting("10.13.0-rc.1+build.2026.11.30") == "10.13.0-rc.1+build.2026…"
    assert len(fitting("x" * 99, 9)) == 9
