"""Which ids of callers are repeated."""

import pytest

from holdfast.http import request_ids


@pytest.mark.parametrize("sent", [b"check-17", b"=", b"~" * 128, b"a/b;c=d@e,f:h+i._-"])
def test_letters_digits_and_usual_signs_up_to_128_are_an_id(sent: bytes) -> None:
    assert request_ids.given(sent) == sent.decode()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        b"",
        b"a" * 129,
        b"a" * 50_000,
        b"a b",
        b"a\t",
        b"a\x1b[2J",
        b"\xc2\x9b",
        b"a\n",
        b"<b>",
        b"a&b",
        b"'",
    ],
)  # fmt: skip
def test_anything_else_is_replaced(sent: bytes | None) -> None:
    assert request_ids.given(sent) is None


PARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def test_a_trace_is_taken_in_its_own_form_alone() -> None:
    others = [
        None,
        b"",
        PARENT.upper(),
        PARENT + b"-x",
        PARENT.replace(b"a", b"\x9b", 1),
        b"-" * 55,
    ]

    assert request_ids.trace_parent(PARENT) == PARENT.decode()
    assert [request_ids.trace_parent(sent) for sent in others] == [None] * len(others)


def test_the_state_of_a_trace_is_bounded() -> None:
    states = [b"a=1", b"a" * 512, b"a" * 513, None]

    assert [len(request_ids.trace_state(sent)) for sent in states] == [3, 512, 0, 0]
