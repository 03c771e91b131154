"""Which ids of callers are repeated."""

import pytest

from holdfast.http import request_ids


@pytest.mark.parametrize("sent", [b"check-17", b"!", b"~" * 128, b"a/b;c=<d>&\"e'"])
def test_visible_ascii_up_to_128_characters_is_an_id(sent: bytes) -> None:
    assert request_ids.given(sent) == sent.decode()


@pytest.mark.parametrize(
    "sent", [None, b"", b"a" * 129, b"a" * 50_000, b"a b", b"a\t", b"a\x1b[2J", b"\xc2\x9b", b"a\n"]
)
def test_anything_else_is_replaced(sent: bytes | None) -> None:
    assert request_ids.given(sent) is None
