"""One place of a document of universal binary JSON."""

import pytest

from holdfast.formats.health import ubjson

NUMBERS = b"[$l#U\x02\x00\x00\x00\x01\xff\xff\xff\xff"
DOCUMENT = (
    b"{U\x01aSU\x02no"  # passed over, like all that is not asked for
    b"U\x01b{#U\x04U\x01c" + NUMBERS + b"U\x01d[TFZd\x3f\x80\x00\x00]"
    b"U\x01e{U\x01fSU\x03\xc3\xa4x}U\x01g[#U\x02i\x05D\x40\x00\x00\x00\x00\x00\x00\x00"
    b"}"
)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (("a",), "no"),
        (("b", "c"), [1, -1]),
        (("b", "d"), [True, False, None, 1.0]),
        (("b", "e"), {"f": "äx"}),
        (("b", "g"), [5, 2.0]),
        (("b", "h"), None),
        (("x",), None),
        (("a", "x"), None),
    ],
)
def test_what_stands_under_keys_is_read(keys: tuple[str, ...], found: object) -> None:
    ubjson.check(DOCUMENT)

    assert ubjson.find(DOCUMENT, keys) == found


def test_items_of_one_kind_stand_without_their_marks() -> None:
    assert ubjson.find(b"{U\x01a{$i#U\x01U\x01b\x07}", ("a",)) == {"b": 7}
    assert ubjson.find(b"{$i#U\x02U\x01b\x07U\x01c\x08", ("c",)) == 8


@pytest.mark.parametrize(
    "raw",
    [
        b"{U\x01a[$N#L\xff\xff\xff\xff\xff\xff\xff\xff",  # fewer than none, of what takes no bytes
        b"{U\x01a[$N#L\x7f\xff\xff\xff\xff\xff\xff\xff",  # more than there are bytes
        b"{U\x01a[$l#U\x02\x00",
        b"{U\x01aSU\x09no",
        b"{U\x01a?",
        b"{U\x01a" + b"[" * 300,
        b"{U\x01a[$i\x05",
        b"{U\x02",
        b"{U\x01aTU\x01aF}",  # twice
        b"{U\x01a{U\x01bTU\x01bF}}",
        b"",
    ],
)
def test_what_lies_or_breaks_off_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ubjson.find(raw, ("a",))
