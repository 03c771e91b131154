"""Heads as people write them down."""

import pytest

from holdfast.core.heads import Head, parse
from holdfast.errors import InvalidInputError

DIGEST = "9d1f" * 16


@pytest.mark.parametrize("text", [f"42:{DIGEST}", f" 42:sha256:{DIGEST}\n"])
def test_a_head_is_read_as_it_is_written(text: str) -> None:
    head = parse("iris", text)

    assert head == Head("iris", 42, DIGEST)
    assert parse("iris", str(head)) == head


@pytest.mark.parametrize(
    "text", ["", "42", DIGEST, f"0:{DIGEST}", f"-1:{DIGEST}", f"42:{DIGEST[1:]}", f"4 2:{DIGEST}"]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not SEQ:SHA256"):
        parse("iris", text)
