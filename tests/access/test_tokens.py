"""Tokens: their form, their checksum, and that a secret shows nowhere."""

import hashlib
import os
import zlib

import pytest

from holdfast.access import tokens
from holdfast.access.tokens import TokenKind


@pytest.mark.parametrize("kind", ["p", "s", "c"])
def test_a_token_has_55_characters_of_which_six_check_the_others(kind: TokenKind) -> None:
    new = tokens.mint(kind, os.urandom(32))

    assert len(new.secret) == 55
    assert new.secret.startswith(f"hft_{kind}_")
    assert new.secret[-6:] == tokens.base62(zlib.crc32(new.secret[:-6].encode()), 6)
    assert tokens.kind_of(new.secret) == kind


def test_what_is_kept_is_its_digest() -> None:
    new = tokens.mint("p", b"\0" * 32)

    assert new.sha256 == hashlib.sha256(new.secret.encode()).hexdigest()
    assert new.id == new.sha256[:12]
    assert tokens.parse(new.secret) == new.sha256


@pytest.mark.parametrize("bits", [b"\0" * 32, b"\xff" * 32])
def test_the_least_and_the_greatest_random_number_fit(bits: bytes) -> None:
    assert tokens.parse(tokens.mint("s", bits).secret) is not None


def test_two_random_numbers_are_two_tokens() -> None:
    secrets = {tokens.mint("p", number.to_bytes(32)).secret for number in range(200)}

    assert len(secrets) == 200


def test_a_token_takes_256_random_bits() -> None:
    with pytest.raises(ValueError, match="32 random bytes, not 16"):
        tokens.mint("p", b"\0" * 16)


def test_a_single_character_that_differs_is_noticed_without_a_look_up() -> None:
    secret = tokens.mint("p", b"\7" * 32).secret
    wrong = [
        secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
        for place in range(len(secret))
    ]

    assert [text for text in wrong if tokens.parse(text) is not None] == []


@pytest.mark.parametrize("damage", ["", " ", "\n", "x", "é"])
def test_what_is_longer_or_shorter_is_not_a_token(damage: str) -> None:
    secret = tokens.mint("p", b"\7" * 32).secret

    assert tokens.parse(secret[:-1] + damage * 2) is None
    assert tokens.parse(secret[:-1]) is None
    assert tokens.parse(f"{secret}\n") is None


def test_a_secret_shows_neither_in_a_repr_nor_in_masked_text() -> None:
    new = tokens.mint("p", b"\7" * 32)

    assert new.secret not in repr(new)
    assert tokens.masked(f"a {new.secret} b {new.secret}") == "a hft_p_… b hft_p_…"
