"""Addresses of servers: what is one, and which would send a token in the open."""

import pytest

from holdfast.errors import InvalidInputError
from holdfast.store.remote.server_address import parse


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Models.Example.com", "https://models.example.com"),
        ("https://models.example.com:443/", "https://models.example.com"),
        ("https://models.example.com:8443/holdfast/", "https://models.example.com:8443/holdfast"),
        (" https://10.0.0.7 ", "https://10.0.0.7"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8090", "http://localhost:8090"),
        ("http://127.0.0.9:80", "http://127.0.0.9"),
        ("http://[::1]:8090/a/b", "http://[::1]:8090/a/b"),
        ("http://app.localhost", "http://app.localhost"),
    ],
)
def test_an_address_has_one_form(text: str, url: str) -> None:
    assert parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "https://", "https:///models", "https://a b", "https://exa%6dple.com", "https://host:99999",
        "https://host:port", "https://host/../x", "https://host//x", "https://host/a%2Fb",
        "https://[::1", "https://[zz]", "ftp://host", "https://-host", "https://host\\@evil",
        "https://höst.example",
    ],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://ana:hft_secret@host", "https://hft_secret@host", "https://host?token=hft_secret",
        "https://host/#hft_secret",
    ],
)  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidInputError, match="must not hold a name") as refusal:
        parse(text)

    assert "hft_secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    ["http://models.example.com", "http://10.0.0.7", "http://127.0.0.1.evil.example",
     "http://localhost.evil.example", "http://[::2]", "http://0.0.0.0"],
)  # fmt: skip
def test_http_leads_to_this_machine_alone(text: str) -> None:
    with pytest.raises(InvalidInputError, match="lets anyone on the way read the token"):
        parse(text)

    assert parse(text, allow_http=True).url == text
