"""What a page shows of a value that somebody registered."""

from typing import Any

import pytest

from holdfast.core.auth import Auth
from holdfast.core.events import Past
from holdfast.web.pages.drawing import fact, inert, templates


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (0.25, "0.25"),
        ("x" * 200, "x" * 119 + "…"),
        ("sha256:" + "ab" * 32, "sha256:abababababab"),
        ({"rows": "sha256:" + "ab" * 32, "n": 3}, "rows sha256:abababababab, n 3"),
        ({"a": {"b": {"c": 1}}}, "a …"),
        (("base@1.0.0", "tuned@2.0.0"), "base@1.0.0, tuned@2.0.0"),
        ([[1], {"a": 1}, 2], "…, …, 2"),
    ],
)
def test_a_value_of_a_card_is_shown_in_a_line(value: Any, text: str) -> None:
    assert fact(value) == text


def test_a_command_goes_on_in_a_next_line_between_its_words_alone() -> None:
    drawn = (
        templates()
        .from_string("{{ text|options_whole }}")
        .render(text="holdfast rollback '<b>' --reason \N{RIGHT-TO-LEFT OVERRIDE}x")
    )

    assert drawn == (
        "holdfast rollback &#39;&lt;b&gt;&#39; "
        '<span class="keep">--reason</span> \N{REPLACEMENT CHARACTER}x'
    )


def test_a_value_that_is_nested_beyond_all_measure_is_shown_too() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"in": value}

    assert fact(value) == "in …"


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        (None, "said so"),
        (Auth("u1", "session", "person"), "session"),
        (Auth("u1", "token:1a2b", claimed="bo"), "token 1a2b, claimed to be bo"),
        (Auth("u1", "ci:https://id.example/7"), "CI https://id.example/7"),
    ],
)
def test_a_line_says_how_its_author_was_known(auth: Auth | None, text: str) -> None:
    line = Past(1, "2026-03-02T22:58:00Z", "ana", "promoted", "promote 1.0.0", None, auth=auth)

    assert templates().filters["known_by"](line) == text


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u061c", "\x1b", "\ud800"])
def test_what_steers_a_page_is_a_mark(sign: str) -> None:
    assert inert(f"a{sign}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("text", ["größe 需要", "a\tb\n", "a\N{NO-BREAK SPACE}b"])
def test_what_only_reads_unusually_stays(text: str) -> None:
    assert inert(text) == text
