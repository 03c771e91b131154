"""What a page shows of a value that somebody registered."""

from typing import Any

import pytest

from holdfast.web.pages.drawing import fact


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
    ],
)
def test_a_value_of_a_card_is_shown_in_a_line(value: Any, text: str) -> None:
    assert fact(value) == text


def test_a_value_that_is_nested_beyond_all_measure_is_shown_too() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"in": value}

    assert fact(value) == "in …"
