"""Times, spans, lengths and numbers for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import wording
from holdfast.core.wording import escape, inert, share, shortened


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (185, "3 m 5 s"), (4680, "1 h 18 m"), (86_400 * 19.5, "19 d")],
)
def test_a_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert wording.span(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (36_100_000, "36.1 MB"), (5e16, "50000.0 TB")],
)
def test_a_length_has_the_unit_that_fits(size_bytes: float, text: str) -> None:
    assert wording.size(size_bytes) == text


def test_a_time_is_shown_to_the_minute_and_none_as_a_dash() -> None:
    assert wording.moment("2026-03-02T12:34:56.000000Z") == "2026-03-02 12:34"
    assert wording.moment(None) == "–"


def test_numbers_have_six_digits_and_things_are_counted() -> None:
    assert [wording.number(value) for value in (0.123456789, None)] == ["0.123457", "–"]
    assert [wording.count(count, "version") for count in (1, 2)] == ["1 version", "2 versions"]


@pytest.mark.parametrize(
    ("value", "other", "form", "shown"),
    [
        (0.79, 0.8, "g", ("0.79", "0.8")),
        (0.8999999761581421, 0.9, "g", ("0.89999998", "0.9")),
        (1_000_001, 1_000_000, "g", ("1000001", "1000000")),
        (2**60 + 1, 2**60, "g", ("1152921504606846977", "1152921504606846976")),
        (0.5, 0.5, "g", ("0.5", "0.5")),
        (0.05, 0.1, "%", ("5.00%", "10.00%")),
        (0.05001, 0.05, "%", ("5.001%", "5.000%")),
        (-0.05001, -0.05, "+%", ("-5.001%", "-5.000%")),
        (0.25, 0.5, "+g", ("+0.25", "+0.5")),
    ],
)
def test_two_numbers_have_as_many_digits_as_tell_them_apart(
    value: float, other: float, form: str, shown: tuple[str, str]
) -> None:
    assert wording.apart(value, other, form) == shown


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_two_numbers_that_differ_are_never_shown_alike(value: float, other: float) -> None:
    one, two = wording.apart(value, other)

    assert (one == two) == (value == other)


@given(st.text())
def test_inert_text_has_no_signs_that_steer(words: str) -> None:
    shown = inert(words)
    assert len(shown) == len(words)
    assert not {"\x00", "\x1b", "\u202e", "\ufffe", "\u200f"} & set(shown)


def test_text_is_escaped_and_shortened() -> None:
    assert escape("<a href=\"'&") == "&lt;a href=&quot;&#x27;&amp;"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"
    assert share(0.125) == "12.5 %"


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (0.512, "0.512 to 1"),
        (1.0, "1 to 1"),
        (20.0, "20 to 1"),
        (36_512.0, "36,500 to 1"),
        (1.69e16, "more than a million to 1"),
        (float("inf"), "more than a million to 1"),
    ],
)
def test_odds_are_said_in_whole_numbers(evidence: float, said: str) -> None:
    assert wording.odds(evidence) == said
