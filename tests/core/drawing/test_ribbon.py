"""What was live when as a picture."""

from xml.etree import ElementTree as ET

from holdfast.core.drawing.ribbon import ribbon
from holdfast.core.period import Period

NOW = "2026-03-01T00:00:00Z"


def period(version: str, since: str, until: str | None, how: str = "promoted") -> Period:
    return Period(version, since, until, "ana", None, how, None, forced=False)


def test_each_time_in_production_has_a_bar_and_the_live_one_its_label() -> None:
    shown = (
        period("1.0.0", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"),
        period("1.1.0", "2025-12-20T00:00:00Z", "2026-01-10T00:00:00Z"),
        period("1.2.0", "2026-01-10T00:00:00Z", "2026-01-10T12:00:00Z"),
        period("1.1.0", "2026-01-10T12:00:00Z", "2026-01-14T00:00:00Z", "rolled_back"),
        period("1.3.0", "2026-01-14T00:00:00Z", None),
    )
    drawing = ribbon(shown, NOW, 90, 900)
    root = ET.fromstring(drawing)
    assert drawing.count("<rect") == 4  # the first ended before
    assert root.attrib["aria-label"] == "Live in order: 1.1.0, 1.2.0, 1.1.0, 1.3.0"
    assert "1.3.0 live" in drawing
    assert "↩" in drawing
    assert "now" in drawing


def test_a_narrow_bar_has_no_room_for_its_name_and_all_stay_inside() -> None:
    shown = (
        period("1.0.0", "2025-12-20T00:00:00Z", "2026-02-20T00:00:00Z"),
        period("1.1.0", "2026-02-20T00:00:00Z", "2026-02-20T00:00:01Z"),
        period("1.0.0", "2026-02-20T00:00:01Z", "2026-02-20T00:00:02Z", "rolled_back"),
        period("2.0.0", "2026-02-21T00:00:00Z", "2026-02-27T00:00:00Z", "rolled_back"),
    )
    root = ET.fromstring(ribbon(shown, NOW, 90, 300))
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(bar.attrib["x"]) <= 300


def test_nothing_ever_live_draws_nothing() -> None:
    assert ribbon((), NOW, 90, 900) == ""


def texts(drawing: str) -> list[str]:
    root = ET.fromstring(drawing)
    return [str(text.text) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_an_axis_is_as_exact_as_it_is_short() -> None:
    hour = (period("1.0.0", "2026-02-28T23:00:00Z", None),)
    years = (period("1.0.0", "2024-01-05T00:00:00Z", None),)
    assert texts(ribbon(hour, NOW, 90, 600))[1:] == [
        "28 Feb 23:00", "28 Feb 23:20", "28 Feb 23:40", "now", "1.0.0 live",
    ]  # fmt: skip
    assert texts(ribbon(years, NOW, None, 600))[1] == "5 Jan 2024"
    assert texts(ribbon(years, NOW, 90, 600))[1] == "1 Dec"


def test_a_moment_has_one_date() -> None:
    assert texts(ribbon((period("1.0.0", NOW, None),), NOW, None, 600)) == [
        "1 Mar 00:00", "now", "1.0.0 live",
    ]  # fmt: skip


def test_a_sentence_names_the_last_ones() -> None:
    many = [
        period(f"1.{day}.0", f"2026-02-{day:02}T00:00:00Z", f"2026-02-{day + 1:02}T00:00:00Z")
        for day in range(1, 28)
    ]
    sentence = ET.fromstring(ribbon(many, NOW, 90, 900)).attrib["aria-label"]
    assert sentence.startswith("Live in order: … 1.16.0, ")


def test_the_arrow_of_a_rollback_stands_apart_and_alone_where_there_is_no_room() -> None:
    back = (
        period("1.0.0", "2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        period("0.9.0", "2026-02-01T00:00:00Z", "2026-02-05T00:00:00Z", "rolled_back"),
        period("0.8.0", "2026-02-05T00:00:00Z", None, "rolled_back"),
    )
    assert texts(ribbon(back, NOW, 90, 600)).count("↩") == 2
    assert texts(ribbon(back, NOW, 90, 600)).count("0.9.0") == 0
    assert texts(ribbon(back, NOW, 90, 600)).count("0.8.0") == 1


def test_times_that_would_lie_on_each_other_are_left_out() -> None:
    hour = (period("1.0.0", "2026-02-28T23:00:00Z", None),)

    assert texts(ribbon(hour, NOW, 90, 300))[1:] == [
        "28 Feb 23:00", "28 Feb 23:40", "now", "1.0.0 live",
    ]  # fmt: skip
